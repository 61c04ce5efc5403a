//! Compares the model with a golden file. The file contains either inputs, parameters, block outputs, losses and gradients of the PyTorch
//! reference, or a trajectory: training steps and the parameters after them.
//!
//! Its tensors are `in.*`, `param.*`, `act.*`, `out.*`, `loss.*`, `grad.*`, `crps_grad.*`. Those of a trajectory are `in.*` with a leading axis of steps,
//! `init.*` and `param.*` before and after the steps, `step.*`, and, in the second generation, `linear.*` after the linear start and
//! `average.*`, the moving mean. The sizes are JSON in the metadata entry `config`.

mod error;
#[cfg(feature = "native")]
mod fit;
mod golden;
mod groups;
mod model;
mod report;
mod ties;
#[cfg(feature = "native")]
mod trajectory;
#[cfg(feature = "native")]
mod two_phases;
mod zeros;

use crate::executor::Backend;
pub use error::VerifyError;
pub use golden::Golden;
pub use groups::GroupError;
pub use model::gradients;
pub use report::{Report, tolerance};
pub use ties::{TIE, Tie};
#[cfg(feature = "native")]
pub use trajectory::verify_trajectory;
pub use zeros::contains_zeros;

/// Runs the model of the file on a backend, for a step or a trajectory, and compares every tensor of the file. `limit` is the tolerance of
/// a group, such as [`tolerance`]; it decides whether a trajectory with a tie agrees.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
#[cfg(feature = "native")]
pub async fn verify(golden: &Golden, backend: &Backend, limit: impl Fn(&str) -> f64) -> Result<Report, VerifyError> {
    if golden.is_fit() {
        return fit::verify_fit(golden);
    }
    match (golden.is_trajectory(), golden.has_two_phases()) {
        (_, true) => two_phases::verify_two_phases(golden, backend, None, limit).await,
        (true, false) => verify_trajectory(golden, backend, None, limit).await,
        (false, false) => model::verify_step(golden, backend).await,
    }
}

/// Runs the model of the file on a backend, for one step, and compares every tensor of the file. The page has no comparison of trajectories:
/// it would be a tenth of a megabyte that its self-test does not need.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
#[cfg(not(feature = "native"))]
pub async fn verify(golden: &Golden, backend: &Backend, _: impl Fn(&str) -> f64) -> Result<Report, VerifyError> {
    model::verify_step(golden, backend).await
}
