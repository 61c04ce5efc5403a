//! Lags of autocorrelation attention in one window (section 8 of docs/model.md): the selected lags, their weights, and the scores of all
//! lags.

use super::{InspectError, LookedAt, field};
use crate::data::WindowSource;
use crate::model::ModelShape;
use crate::session::Session;
use serde::Serialize;

/// A selected lag.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lag {
    /// Lag in tokens.
    pub tokens: usize,
    /// Lag in rows of the data: tokens times patch length.
    pub rows: usize,
    /// Weight; the weights of a target sum to 1.
    pub weight: f64,
}

/// Lags of a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetLags {
    /// Name.
    pub target: String,
    /// Lags that the engine selected, the largest weight first.
    pub taken: Vec<Lag>,
    /// R of every lag 0 .. T - 1, from which the lags are selected: mean over channels of sum_t q[t + l] k`[t]`, indices mod T.
    pub scores: Vec<f64>,
}

/// Lags of one window. With lag l, token t takes the value of token t + l, mod T: l tokens forward, or T - l tokens back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lags {
    /// The window.
    #[serde(flatten)]
    pub window: LookedAt,
    /// T: tokens per series.
    pub tokens: usize,
    /// Rows per token.
    pub patch: usize,
    /// Time between two rows, if the rows have timestamps.
    pub step: Option<String>,
    /// Targets.
    pub targets: Vec<TargetLags>,
}

/// Names of the tensors that [`look`] reads.
///
/// # Errors
/// Fails if the model has no autocorrelation attention.
pub fn tensors(shape: &ModelShape) -> Result<Vec<String>, InspectError> {
    if !shape.settings.use_autocorr {
        return Err(InspectError::Off { what: "autocorrelation attention", key: "use_autocorr" });
    }
    Ok(["autocorr.qkv", "autocorr.rolled.lags"].map(str::to_owned).to_vec())
}

/// Lags in the first window of a source, which `window` describes. `step` is the time between two rows.
///
/// # Errors
/// Fails if the device is lost.
pub async fn look(
    session: &mut Session,
    source: &dyn WindowSource,
    window: LookedAt,
    names: &[String],
    step: Option<String>,
) -> Result<Lags, InspectError> {
    let (tokens, d, patch) = (session.shape().tokens(), session.shape().settings.d_model, session.shape().settings.patch_len);
    let mut targets = vec![];
    session
        .look(source, &[0], |_, tensors| {
            let [qkv, taken] = tensors[..] else { return };
            let each = taken.len() / names.len().max(1);
            for (n, (target, pairs)) in names.iter().zip(taken.chunks(each.max(1))).enumerate() {
                let taken = pairs.chunks(2).map(|pair| {
                    let tokens = crate::ops::twin::index_of(pair[0]);
                    Lag { tokens, rows: tokens * patch, weight: pair[1] }
                });
                targets.push(TargetLags { target: target.clone(), taken: taken.collect(), scores: scores(qkv, tokens, names.len(), d, n) });
            }
        })
        .await?;
    Ok(Lags { window, tokens, patch, step, targets })
}

/// R of every lag for node n, computed from queries, keys and values `[T, N, 3 D]`.
fn scores(qkv: &[f64], tokens: usize, nodes: usize, d: usize, n: usize) -> Vec<f64> {
    let row = |t: usize, part: usize| &qkv[((t % tokens * nodes + n) * 3 + part) * d..][..d];
    let product = |t: usize, lag: usize| row(t + lag, 0).iter().zip(row(t, 1)).map(|(q, k)| q * k).sum::<f64>();
    (0..tokens).map(|lag| (0..tokens).map(|t| product(t, lag)).sum::<f64>() / d as f64).collect()
}

impl Lags {
    /// The lags as CSV: target, rank, lag in tokens and rows, weight.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from("target,rank,lag_tokens,lag_rows,weight\n");
        for t in &self.targets {
            for (lag, rank) in t.taken.iter().zip(1..) {
                text += &format!("{},{rank},{},{},{:.6}\n", field(&t.target), lag.tokens, lag.rows, lag.weight);
            }
        }
        text
    }
}
