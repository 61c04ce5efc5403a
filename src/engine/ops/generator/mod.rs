//! Generates the WGSL text of the ops whose registers depend on sizes: matmul and attention.
//!
//! An `override` can set the size of workgroups and workgroup memory, but not the size of a function's arrays, and it cannot unroll a loop.
//! Indexed accumulators are much slower with several compilers. So the accumulators are named variables, written out here.

pub mod access;
pub mod attention;
pub mod matmul;

/// How the operands of a matmul tile reach the invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Broadcast {
    /// Every invocation loads its own operands; there are no barriers (best where barriers are slow).
    None,
    /// Through workgroup memory.
    Workgroup,
    /// Each lane loads once and shares the value with subgroup broadcasts; this needs a fixed subgroup size.
    Subgroup,
}

/// A matmul kernel's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Tile {
    /// How operands are shared.
    pub broadcast: Broadcast,
    /// Rows of accumulators per invocation.
    pub rows: usize,
    /// Columns of accumulators per invocation.
    pub columns: usize,
    /// Invocations per workgroup.
    pub threads: usize,
    /// Steps of the inner dimension that are staged at a time.
    pub k_step: usize,
    /// Lanes per subgroup, for [`Broadcast::Subgroup`].
    pub lanes: usize,
}

/// Kernel shapes for a class of adapter. They are fixed for a run: other shapes change the order of additions and therefore the bits.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Variants {
    /// Rows times weights: forward pass, and the gradient of the rows.
    pub rows: Tile,
    /// Gradient of the weights: a sum over rows.
    pub weights: Tile,
    /// Number of queries (keys in the backward pass) per invocation in attention, for heads up to 16 wide; fewer for wider heads.
    pub attention_rows: usize,
}
