//! Checks of inputs and attributes that several ops make.

use super::def::Operand;

/// The inputs of an op that always takes `N`.
///
/// # Errors
/// States the number of inputs that was found.
pub(super) fn exactly<const N: usize>(inputs: &[Operand]) -> Result<&[Operand; N], String> {
    inputs.try_into().map_err(|_| wrong_count(N, inputs.len()))
}

/// Checks the number of inputs if it depends on attributes.
///
/// # Errors
/// States the number of inputs that was found.
pub(super) fn expect_count(inputs: &[Operand], wanted: usize) -> Result<(), String> {
    if inputs.len() == wanted { Ok(()) } else { Err(wrong_count(wanted, inputs.len())) }
}

/// Checks that two inputs, each with its name, have the same shape and scope.
///
/// # Errors
/// States the shapes and scopes that were found.
pub(super) fn expect_alike((a, first): (&str, &Operand), (b, second): (&str, &Operand)) -> Result<(), String> {
    if first.shape == second.shape && first.scope == second.scope {
        return Ok(());
    }
    Err(format!(
        "expected {a} and {b} of the same shape and scope, found {:?} ({:?}) and {:?} ({:?})",
        first.shape, first.scope, second.shape, second.scope
    ))
}

/// Checks the width of an op whose kernels read four elements at a time.
///
/// # Errors
/// States the width that was found.
pub(super) fn expect_quads(width: usize) -> Result<(), String> {
    if width.is_multiple_of(4) { Ok(()) } else { Err(format!("the width must be a multiple of 4, found {width}")) }
}

/// Checks a dropout rate: 0 to below 1.
///
/// # Errors
/// States the rate that was found.
pub(super) fn expect_dropout(p: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&p) { Ok(()) } else { Err(format!("the dropout must be in [0, 1), found {p}")) }
}

fn wrong_count(wanted: usize, found: usize) -> String {
    format!("expected {wanted} input{}, found {found}", if wanted == 1 { "" } else { "s" })
}
