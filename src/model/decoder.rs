//! MODEL.md section 9: horizon tokens of the targets become a mixture, the highway is added, and the instance norm is undone.

use super::embedding::Embedded;
use super::{Builder, ModelError};
use crate::graph::TensorId;
use crate::ops::Attrs;

const RELU: u8 = 1;

/// `targets`: tokens, and which of their nodes is the first target.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn build(b: &mut Builder, targets: (TensorId, usize), embedded: &Embedded) -> Result<TensorId, ModelError> {
    let (w, s, d) = (b.shape.window, b.shape.settings.clone(), b.width());
    let (x, first) = targets;
    let tokens = b.select("decoder.tokens", x, w.history / s.patch_len..b.shape.tokens(), first..first + w.num_targets)?;
    let hidden = b.linear("decoder.hidden", tokens, d, true, 0, 0.0)?;
    let head = b.linear("decoder.head", hidden, 3 * s.patch_len * s.mdn_components, true, RELU, b.dropout)?;
    let mut inputs = vec![head, embedded.stats];
    if s.use_highway {
        inputs.push(b.linear("decoder.highway", embedded.history, w.horizon, true, 0, 0.0)?);
    }
    let attrs = Attrs::new(&[
        ("patch", s.patch_len as f64),
        ("components", s.mdn_components as f64),
        ("highway", f64::from(u8::from(s.use_highway))),
    ]);
    Ok(b.graph.apply1("mixture_decode", "decoder.mixture", attrs, &inputs)?)
}

/// Mean negative log-likelihood over the observed targets of the batch.
pub(super) fn loss(b: &mut Builder, mixture: TensorId) -> Result<TensorId, ModelError> {
    let shape = [b.shape.window.horizon, b.shape.window.num_targets];
    let target = b.graph.input("target", &shape);
    let observed = b.graph.input("target_observed", &shape);
    let nll = b.graph.apply1("mixture_nll", "loss.windows", Attrs::default(), &[mixture, target, observed])?;
    Ok(b.graph.apply1("batch_mean", "loss", Attrs::default(), &[nll])?)
}
