//! Section 8 of docs/model.md: attention by lag on the tokens of the targets, and a feed-forward block.

use super::{Builder, Dense, ModelError};
use crate::graph::TensorId;
use crate::ops::autocorrelation::Autocorrelation;
use crate::ops::linear::Activation::Gelu;

pub(super) fn build(b: &mut Builder, x: TensorId) -> Result<TensorId, ModelError> {
    let (d, d_ff) = (b.width(), b.shape.settings.d_ff);
    let qkv = b.linear("autocorr.qkv", x, 3 * d)?;
    let lags = lags(b.shape.tokens(), b.shape.settings.autocorr_factor);
    let rolled = b.graph.apply1(Autocorrelation { lags }, "autocorr.rolled", &[qkv])?;
    let change = b.linear("autocorr.out", rolled, d)?;
    let y = b.norm("autocorr.norm", x, Some(change))?;
    let hidden = b.linear("autocorr.ff1", y, d_ff)?;
    let out = b.linear("autocorr.ff2", hidden, Dense::to(d).after(Gelu))?;
    b.norm("autocorr.norm_out", y, Some(out))
}

/// Number of selected lags: with one lag alone, queries and keys would have no gradient.
#[expect(clippy::cast_possible_truncation, reason = "a small count")]
fn lags(tokens: usize, factor: f64) -> usize {
    ((factor * (tokens as f64).ln()) as usize).max(2).min(tokens)
}
