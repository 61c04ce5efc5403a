//! Buffers for data transfer: the entries of `Step`, staging, read-back.

use super::BufferRole;
use super::arena::ALIGNMENT;
use crate::graph::{Place, Program};
use crate::ops::def::Scope;

/// Bytes between two entries of the uniform `Step`.
pub const STEP_STRIDE: u64 = 256;
/// Minimum size of a staging buffer and of the read-back buffer. Larger buffers pass through them in pieces.
pub const TRANSFER_BYTES: u64 = 1 << 20;

/// Number of entries of the uniform `Step`: one for prologue and epilogue, and one per micro-batch.
pub(super) fn step_entries(batch: usize, micro: usize) -> u64 {
    1 + batch.div_ceil(micro) as u64
}

/// Byte offsets of the inputs, and the end of the last one.
pub(super) fn staging_offsets(program: &Program, entries: u64, windows: usize) -> (Vec<u64>, u64) {
    let mut at = entries * STEP_STRIDE;
    let mut offsets = vec![];
    for tensor in program.graph.tensors.iter().filter(|t| t.place == Place::Input) {
        offsets.push(at);
        let windows = if tensor.operand.scope == Scope::Window { windows } else { 1 };
        at += (4 * tensor.operand.len() as u64 * windows as u64).next_multiple_of(ALIGNMENT);
    }
    (offsets, at)
}

/// See [`super::Recording::upload_windows`].
pub(super) fn upload_windows(program: &Program, batch: usize, micro: usize) -> usize {
    let repeat = batch.div_ceil(micro);
    let bytes = |parts: usize| staging_offsets(program, step_entries(batch, micro), (parts * micro).min(batch)).1;
    let parts = (1..=repeat).rev().find(|&parts| bytes(parts) <= TRANSFER_BYTES).unwrap_or(1);
    (parts * micro).min(batch)
}

/// Sizes of the transfer buffers.
pub(super) fn transfer_sizes(program: &Program, batch: usize, micro: usize) -> [(BufferRole, u64); 4] {
    let entries = step_entries(batch, micro);
    let staging = staging_offsets(program, entries, upload_windows(program, batch, micro)).1.max(TRANSFER_BYTES);
    [
        (BufferRole::StepUniforms, entries * STEP_STRIDE),
        (BufferRole::Staging(0), staging),
        (BufferRole::Staging(1), staging),
        (BufferRole::ReadBack, TRANSFER_BYTES),
    ]
}
