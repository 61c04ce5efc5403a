//! Compares the model with a golden file: inputs, parameters, block outputs, losses and gradients of the PyTorch reference, or a
//! trajectory: training steps and the parameters after them.
//!
//! The file holds `in.*`, `param.*`, `act.*`, `out.*`, `loss.*`, `grad.*` and its sizes as JSON in the metadata `config`; a trajectory
//! `in.*` with a leading axis of steps, `init.*` and `param.*` before and after them, `step.*`.

mod error;
mod golden;
mod groups;
mod model;
mod report;
mod ties;
mod trajectory;
mod zeros;

use crate::executor::Backend;
pub use error::VerifyError;
pub use golden::Golden;
pub use groups::GroupError;
pub use model::gradients;
pub use report::{Report, tolerance};
pub use ties::{TIE, Tie};
pub use trajectory::verify_trajectory;
pub use zeros::contains_zeros;

/// Runs the file's model on a backend, a step or a trajectory, and compares every tensor that the file holds of it. `limit`: the
/// tolerance of a group, such as [`tolerance`], by which a trajectory with a tie is judged.
///
/// # Errors
/// Fails if the file lacks a tensor, the model cannot be built, or the device fails.
pub async fn verify(golden: &Golden, backend: &Backend, limit: impl Fn(&str) -> f64) -> Result<Report, VerifyError> {
    if golden.is_trajectory() { verify_trajectory(golden, backend, None, limit).await } else { model::verify_step(golden, backend).await }
}
