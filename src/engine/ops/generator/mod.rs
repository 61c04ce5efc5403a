//! Writes the WGSL text of the ops whose registers depend on sizes: matmul and attention.
//!
//! `override` can size workgroups and workgroup memory but neither a function's arrays nor an unrolled body, and indexed accumulators
//! are much slower on several compilers: so accumulators are named variables, written out here.

pub mod access;
pub mod attention;
pub mod matmul;

/// How the operands of a matmul tile reach the invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Broadcast {
    /// Every invocation loads what it needs: no barriers (best where barriers are slow).
    None,
    /// Through workgroup memory.
    Workgroup,
    /// One load a lane, handed round with subgroup broadcasts; needs a fixed subgroup size.
    Subgroup,
}

/// A matmul kernel's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Tile {
    /// Means of sharing operands.
    pub broadcast: Broadcast,
    /// Accumulators of an invocation, rows.
    pub rows: usize,
    /// Accumulators of an invocation, columns.
    pub columns: usize,
    /// Invocations of a workgroup.
    pub threads: usize,
    /// Steps of the inner dimension held at a time.
    pub k_step: usize,
    /// Lanes of a subgroup, where [`Broadcast::Subgroup`].
    pub lanes: usize,
}

/// Kernel shapes for a class of adapter. Fixed for a run: another choice changes the order of additions, hence bits.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Variants {
    /// Rows times weights: forward, and the gradient of rows.
    pub rows: Tile,
    /// Gradient of weights: a sum over rows.
    pub weights: Tile,
    /// Queries (keys, in backward) an invocation holds in attention, for heads up to 16 wide; wider heads hold fewer.
    pub attention_rows: usize,
}
