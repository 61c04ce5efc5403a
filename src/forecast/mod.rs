//! Turns the outputs of the decoder into a forecast in original units: distribution, scores, baselines, tables and charts.
//!
//! | file | subject |
//! |---|---|
//! | [`normal`] | density and distribution function of the standard normal distribution in f64 |
//! | [`mixture`] | mixtures of normal distributions: moments, quantiles, samples, CRPS, NLL |
//! | [`quadrature`] | adaptive Gauss-Kronrod quadrature, for integrals without a closed form |
//! | [`predictive`] | the interface of a scored forecast of one value ([`Predictive`]); point forecasts |
//! | [`quantiles`] | distributions given by quantiles; the prediction of any head |
//! | [`transform`] | the only conversion from standardised values to original units: scale, link, bounds |
//! | [`empirical`] | the empirical distribution of training values |
//! | [`baselines`] | naive, seasonal naive and training climatology |
//! | [`metrics`] | streaming scores: NLL, CRPS, MAE, MSE, pinball, coverage; their means |
//! | [`report`] | scores of several forecasters, as JSON and as text |
//! | `verdict` | whether a model beats its reference, as a sentence |
//! | [`table`] | a forecast as CSV |
//! | [`plot`] | a forecast as a fan chart |
//!
//! Shape letters: H horizon steps, L history steps, Nt target series, K mixture components, Q quantile levels, S samples. A tensor
//! `[H, Nt]` is flat and row-major: the last dimension is contiguous.

pub mod baselines;
pub mod empirical;
pub mod metrics;
pub mod mixture;
pub mod normal;
pub mod plot;
pub mod predictive;
pub mod quadrature;
pub mod quantiles;
pub mod report;
pub mod table;
pub(crate) mod ticks;
pub mod transform;
mod verdict;

pub use crate::random::SampleKey;
pub use baselines::{Baseline, BaselineForecast, Baselines, TargetHistory};
pub use empirical::Empirical;
pub use metrics::{INTERVALS, Measures, ScoreSpec, Scored, Scores};
pub use mixture::{Component, Mixture, MixtureError};
pub use predictive::{Point, Predictive};
pub use quantiles::{Predicted, Quantiles};
pub use report::{Report, Skill};
pub use table::{ForecastTable, HistoryTable, TableError};
pub use transform::{Link, TargetDistribution, TargetTransform, TransformError};
