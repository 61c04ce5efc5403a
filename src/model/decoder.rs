//! Section 9 of docs/model.md: horizon tokens of the targets become a mixture (or quantiles, or a number), the highway is added, and the
//! instance norm is undone.

use super::embedding::Embedded;
use super::{Builder, ModelError};
use crate::config::{Head, PointLoss};
use crate::graph::TensorId;
use crate::ops::Attrs;

const RELU: u8 = 1;

// Kinds of `value_loss`.
const SQUARED: u8 = 0;
const ABSOLUTE: u8 = 1;
const HUBER: u8 = 2;
const PINBALL: u8 = 3;

/// `targets`: tokens, and which of their nodes is the first target.
pub(super) fn build(b: &mut Builder, targets: (TensorId, usize), embedded: &Embedded) -> Result<TensorId, ModelError> {
    let (w, s, d) = (b.shape.window, b.shape.settings.clone(), b.width());
    let (x, first) = targets;
    let tokens = b.select("decoder.tokens", x, w.history / s.patch_len..b.shape.tokens(), first..first + w.num_targets)?;
    let hidden = b.linear("decoder.hidden", tokens, d, true, 0, 0.0)?;
    let (parts, components) = s.outputs();
    let head = b.linear("decoder.head", hidden, parts * s.patch_len * components, true, RELU, b.dropout)?;
    let mut inputs = vec![head, embedded.stats];
    if s.use_highway {
        inputs.push(b.linear("decoder.highway", embedded.history, w.horizon, true, 0, 0.0)?);
    }
    let attrs = Attrs::new(&[
        ("patch", s.patch_len as f64),
        ("components", components as f64),
        ("values", f64::from(u8::from(parts == 1))),
        ("highway", f64::from(u8::from(s.use_highway))),
    ]);
    Ok(b.graph.apply1("mixture_decode", "decoder.mixture", attrs, &inputs)?)
}

/// Name of the tensor with the loss of each window, summed over its observed targets.
pub(crate) const WINDOW_LOSSES: &str = "loss.windows";

/// Mean over the observed targets of the batch: negative log-likelihood, pinball loss, or the loss of the point head.
pub(super) fn loss(b: &mut Builder, mixture: TensorId) -> Result<TensorId, ModelError> {
    let shape = [b.shape.window.horizon, b.shape.window.num_targets];
    let target = b.graph.input("target", &shape);
    let observed = b.graph.input("target_observed", &shape);
    let s = b.shape.settings.clone();
    let nll = match s.head {
        Head::Mixture | Head::Gaussian => b.graph.apply1("mixture_nll", WINDOW_LOSSES, Attrs::default(), &[mixture, target, observed])?,
        Head::Quantile | Head::Point => {
            let (kind, levels) = match (s.head, s.point_loss) {
                (Head::Quantile, _) => (PINBALL, s.quantile_levels.clone()),
                (_, PointLoss::Mse) => (SQUARED, vec![0.5]),
                (_, PointLoss::Mae) => (ABSOLUTE, vec![0.5]),
                (_, PointLoss::Huber) => (HUBER, vec![0.5]),
            };
            #[expect(clippy::cast_possible_truncation, reason = "constants are f32")]
            let values = levels.iter().map(|p| *p as f32).collect();
            let levels = b.graph.constant("loss.levels", &[levels.len()], values);
            let attrs = Attrs::new(&[("kind", f64::from(kind)), ("delta", s.huber_delta)]);
            b.graph.apply1("value_loss", WINDOW_LOSSES, attrs, &[mixture, target, observed, levels])?
        }
    };
    Ok(b.graph.apply1("batch_mean", "loss", Attrs::default(), &[nll])?)
}
