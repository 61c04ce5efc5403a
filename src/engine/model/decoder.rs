//! Section 9 of docs/model.md: maps the horizon tokens of the targets to a mixture (or quantiles, or a point value), adds the highway and
//! undoes the instance norm.

use super::embedding::Embedded;
use super::{Builder, Dense, ModelError};
use crate::config::{Head, PointLoss};
use crate::graph::TensorId;
use crate::ops::batch_mean::BatchMean;
use crate::ops::linear::Activation::Relu;
use crate::ops::mixture_decode::MixtureDecode;
use crate::ops::mixture_nll::MixtureNll;
use crate::ops::value_loss::{Loss, ValueLoss};

/// `targets`: the tokens, and the index of the first target among their nodes.
pub(super) fn build(b: &mut Builder, targets: (TensorId, usize), embedded: &Embedded) -> Result<TensorId, ModelError> {
    let (w, s, d) = (b.shape.window, b.shape.settings.clone(), b.width());
    let (x, first) = targets;
    let tokens = b.select("decoder.tokens", x, w.history / s.patch_len..b.shape.tokens(), first..first + w.num_targets)?;
    let hidden = b.linear("decoder.hidden", tokens, d)?;
    let (parts, components) = s.outputs();
    let head = b.linear("decoder.head", hidden, Dense::to(parts * s.patch_len * components).after(Relu).dropping(b.dropout))?;
    let mut inputs = vec![head, embedded.stats];
    if s.use_highway {
        inputs.push(b.linear("decoder.highway", embedded.history, w.horizon)?);
    }
    let decode = MixtureDecode { patch: s.patch_len, components, values: parts == 1, highway: s.use_highway };
    Ok(b.graph.apply1(decode, "decoder.mixture", &inputs)?)
}

/// Name of the tensor with the loss of each window, summed over the observed targets of the window.
pub(crate) const WINDOW_LOSSES: &str = "loss.windows";

/// Mean over the observed targets of the batch: negative log-likelihood, pinball loss, or the loss of the point head.
pub(super) fn loss(b: &mut Builder, mixture: TensorId) -> Result<TensorId, ModelError> {
    let shape = [b.shape.window.horizon, b.shape.window.num_targets];
    let target = b.graph.input("target", &shape);
    let observed = b.graph.input("target_observed", &shape);
    let s = b.shape.settings.clone();
    let nll = match s.head {
        Head::Mixture | Head::Gaussian => b.graph.apply1(MixtureNll, WINDOW_LOSSES, &[mixture, target, observed])?,
        Head::Quantile | Head::Point => {
            let (kind, levels) = match (s.head, s.point_loss) {
                (Head::Quantile, _) => (Loss::Pinball, s.quantile_levels.clone()),
                (_, PointLoss::Mse) => (Loss::Squared, vec![0.5]),
                (_, PointLoss::Mae) => (Loss::Absolute, vec![0.5]),
                (_, PointLoss::Huber) => (Loss::Huber, vec![0.5]),
            };
            #[expect(clippy::cast_possible_truncation, reason = "constants are f32")]
            let values = levels.iter().map(|p| *p as f32).collect();
            let levels = b.graph.constant("loss.levels", &[levels.len()], values);
            b.graph.apply1(ValueLoss { kind, delta: s.huber_delta }, WINDOW_LOSSES, &[mixture, target, observed, levels])?
        }
    };
    Ok(b.graph.apply1(BatchMean, "loss", &[nll])?)
}
