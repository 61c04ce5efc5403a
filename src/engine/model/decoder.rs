//! Section 9 of docs/model.md: maps the horizon tokens of the targets to a mixture (or quantiles, or a point value), adds the highways,
//! undoes the instance norm and applies the calibration (section 9b).

use super::embedding::Embedded;
use super::init::Init;
use super::measure::Measure;
use super::{Builder, ModelError, drivers};
use crate::config::Head;
use crate::graph::TensorId;
use crate::ops::batch_mean::BatchMean;
use crate::ops::calibrate::Calibrate;
use crate::ops::linear::Activation::{Identity, Relu};
use crate::ops::linear::Linear;
use crate::ops::mixture_crps::MixtureCrps;
use crate::ops::mixture_decode::MixtureDecode;
use crate::ops::mixture_nll::MixtureNll;
use crate::ops::repeat_row::RepeatRow;
use crate::ops::value_loss::{Loss, ValueLoss};

/// The results of the decoder.
pub(super) struct Decoded {
    /// The mixture `[P, H, Nt, K]` before calibration, in the units of the values.
    pub(super) uncalibrated: TensorId,
    /// What the means receive from the driver highway `[Nt, H]`.
    pub(super) drivers: Option<TensorId>,
    /// The mixture.
    pub(super) mixture: TensorId,
}

/// `targets`: the tokens, and the index of the first target among their nodes. With `start`, the head outputs its bias alone.
pub(super) fn build(
    b: &mut Builder,
    targets: (TensorId, usize),
    embedded: &Embedded,
    edges: Option<TensorId>,
    start: bool,
) -> Result<Decoded, ModelError> {
    let (w, s, d) = (b.shape.window, b.shape.settings.clone(), b.width());
    let (x, first) = targets;
    let tokens = b.select("decoder.tokens", x, w.history / s.patch_len..b.shape.tokens(), first..first + w.num_targets)?;
    let hidden = b.linear("decoder.hidden", tokens, d)?;
    let (parts, components) = s.outputs();
    let columns = parts * s.patch_len * components;
    let init = Init::fan_in(d);
    let weight = b.parameter("decoder.head.weight", &[columns, d], if s.use_zero_head { Init::Constant(0.0) } else { init });
    let bias = b.parameter("decoder.head.bias", &[columns], init);
    let head = if start {
        let repeat = RepeatRow { tokens: w.horizon / s.patch_len, nodes: w.num_targets };
        b.graph.apply1(repeat, "decoder.head", &[embedded.stats, bias])?
    } else {
        let linear = Linear { bias: true, residual: false, activation: Relu, dropout: b.dropout, column0: None };
        b.graph.apply1(linear, "decoder.head", &[hidden, weight, bias])?
    };
    let drivers = edges.map(|edges| drivers::highway(b, embedded, edges)).transpose()?;
    let highway = if s.use_highway { Some(own_history(b, embedded, drivers)?) } else { drivers };
    let decode = MixtureDecode { patch: s.patch_len, components, values: parts == 1, highway: highway.is_some() };
    let inputs: Vec<_> = [head, embedded.stats].into_iter().chain(highway).collect();
    let uncalibrated = b.graph.apply1(decode, "decoder.mixture", &inputs)?;
    let mut mixture = uncalibrated;
    if s.use_calibration {
        let factor = b.graph.stored(CALIBRATION, &[w.horizon, w.num_targets]);
        mixture = b.graph.apply1(Calibrate, "decoder.calibrated", &[uncalibrated, factor])?;
    }
    Ok(Decoded { uncalibrated, drivers, mixture })
}

/// `[Nt, H]`: a linear map of each target's own history, and what the means receive from the driver highway.
fn own_history(b: &mut Builder, embedded: &Embedded, drivers: Option<TensorId>) -> Result<TensorId, ModelError> {
    let (history, horizon) = (b.shape.window.history, b.shape.window.horizon);
    let init = Init::fan_in(history);
    let weight = b.parameter("decoder.highway.weight", &[horizon, history], init);
    let bias = b.parameter("decoder.highway.bias", &[horizon], init);
    let map = Linear { bias: true, residual: drivers.is_some(), activation: Identity, dropout: 0.0, column0: None };
    let inputs: Vec<_> = [embedded.history, weight, bias].into_iter().chain(drivers).collect();
    Ok(b.graph.apply1(map, "decoder.highway", &inputs)?)
}

/// Name of the stored tensor `[H, Nt]` with the logarithms of the factors of the spread.
pub(crate) const CALIBRATION: &str = "calibration";

/// Name of the tensor with the loss of each window, summed over the observed targets of the window.
pub(crate) const WINDOW_LOSSES: &str = "loss.windows";

/// Mean over the observed targets of the batch: negative log-likelihood or CRPS, pinball loss, or the loss of the point head.
pub(super) fn loss(b: &mut Builder, mixture: TensorId, measure: Measure) -> Result<TensorId, ModelError> {
    let shape = [b.shape.window.horizon, b.shape.window.num_targets];
    let target = b.graph.input("target", &shape);
    let observed = b.graph.input("target_observed", &shape);
    let inputs = [mixture, target, observed];
    let windows = match measure {
        Measure::Nll => b.graph.apply1(MixtureNll, WINDOW_LOSSES, &inputs)?,
        Measure::Crps => b.graph.apply1(MixtureCrps, WINDOW_LOSSES, &inputs)?,
        Measure::Pinball => values(b, Loss::Pinball, inputs)?,
        Measure::Squared => values(b, Loss::Squared, inputs)?,
        Measure::Absolute => values(b, Loss::Absolute, inputs)?,
        Measure::Huber => values(b, Loss::Huber, inputs)?,
    };
    Ok(b.graph.apply1(BatchMean, "loss", &[windows])?)
}

/// The loss of each window for a head that outputs values.
fn values(b: &mut Builder, kind: Loss, [values, target, observed]: [TensorId; 3]) -> Result<TensorId, ModelError> {
    let s = &b.shape.settings;
    #[expect(clippy::cast_possible_truncation, reason = "constants are f32")]
    let levels: Vec<f32> = if s.head == Head::Quantile { s.quantile_levels.iter().map(|p| *p as f32).collect() } else { vec![0.5] };
    let delta = s.huber_delta;
    let levels = b.graph.constant("loss.levels", &[levels.len()], levels);
    Ok(b.graph.apply1(ValueLoss { kind, delta }, WINDOW_LOSSES, &[values, target, observed, levels])?)
}
