//! From the decoder's numbers to a forecast in the user's units: distribution, scores, baselines, tables and pictures.
//!
//! | file | subject |
//! |---|---|
//! | [`normal`] | the normal density and distribution function in f64 |
//! | [`mixture`] | mixtures of normals: moments, quantiles, samples, CRPS, NLL |
//! | [`quadrature`] | adaptive Gauss-Kronrod, for what has no closed form |
//! | [`predictive`] | what a forecast of one value must answer to be scored ([`Predictive`]); point forecasts |
//! | [`quantiles`] | distributions known at some quantiles; what a head predicts, whichever it is |
//! | [`transform`] | the one way from standardised values to original units: scale, link, bounds |
//! | [`empirical`] | the empirical distribution of training values |
//! | [`baselines`] | naive, seasonal naive and training climatology |
//! | [`metrics`] | streaming scores: NLL, CRPS, MAE, MSE, pinball, coverage; their means |
//! | [`report`] | finished scores side by side, as JSON and as text |
//! | [`table`] | a forecast as CSV |
//! | [`plot`] | a forecast as a fan chart |
//!
//! Shape letters: H horizon steps, L history steps, Nt target series, K mixture components, Q quantile levels, S samples.
//! A tensor `[H, Nt]` is flat and row-major: the last letter is fastest.

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
