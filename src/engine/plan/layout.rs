//! Assigns a buffer, an offset and a size to each tensor.

use super::arena::{ALIGNMENT, Block, lower_bound, place};
use super::lifetime::lifetimes;
use super::{BufferRole, PlanError, PlanOptions};
use crate::graph::{Place, Program, TensorId};
use crate::ops::{Phase, Scope};
use crate::order;
use std::collections::BTreeMap;

/// The byte range of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Region {
    /// Buffer.
    pub role: BufferRole,
    /// Byte offset in the buffer.
    pub offset: u64,
    /// Size in bytes, for all windows of a micro-batch.
    pub bytes: u64,
    /// Bytes per window; 0 if the tensor exists once per step.
    pub window_bytes: u64,
}

/// Regions of all tensors of a program, and of its scratch.
pub struct Layout {
    /// Region of each tensor; `None` if no phase uses the tensor.
    pub regions: Vec<Option<Region>>,
    /// Scratch regions of each phase.
    pub scratch: Vec<Vec<Region>>,
    /// Size in bytes of each buffer that holds tensors.
    pub sizes: BTreeMap<BufferRole, u64>,
    /// Maximum of the live arena bytes over all phases: no placement needs fewer bytes.
    pub arena_bound: u64,
}

fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

/// Size of a tensor in bytes: for `windows` windows, and per window (0 for a tensor that exists once per step).
fn extent(program: &Program, t: TensorId, windows: usize) -> (u64, u64) {
    let operand = &program.graph.tensors[t].operand;
    let one = 4 * operand.len() as u64;
    if operand.scope == Scope::Step { (one, 0) } else { (one * windows as u64, one) }
}

/// Lays out all tensors for micro-batches of `windows` windows.
///
/// # Errors
/// Fails if a tensor is larger than a page, or the parameters are larger than a buffer.
pub fn layout(
    program: &Program,
    phases: &[Phase],
    windows: usize,
    options: &PlanOptions,
    constants_base: u64,
) -> Result<Layout, PlanError> {
    let graph = &program.graph;
    let mut regions: Vec<Option<Region>> = vec![None; graph.tensors.len()];
    let mut sizes = BTreeMap::new();
    let flat_bytes = 4 * graph.flat_len() as u64;
    let limit = options.limits.buffer_bytes.min(options.limits.binding_bytes);
    let parameters_bytes = 4 * graph.parameters_len() as u64;
    if parameters_bytes > limit {
        return Err(PlanError::Parameters { bytes: parameters_bytes, limit });
    }
    let parameters = graph.parameters().into_iter().chain(graph.stored_tensors());
    let offsets: BTreeMap<TensorId, u64> = order::map(parameters.map(|(t, at)| (t, 4 * at as u64)));
    let (mut gradients, mut inputs, mut constants) = (flat_bytes, 0, constants_base);
    let mut trains = false;
    let parameters_role = if program.averaged { BufferRole::Average } else { BufferRole::Parameters };
    for (t, tensor) in graph.tensors.iter().enumerate() {
        let (bytes, window_bytes) = extent(program, t, windows);
        let next = |cursor: &mut u64| {
            let at = *cursor;
            *cursor += aligned(bytes);
            at
        };
        let (role, offset) = match tensor.place {
            Place::Parameter | Place::Stored => (parameters_role, offsets[&t]),
            Place::Gradient(p) => (BufferRole::Gradients, offsets[&p]),
            Place::Accumulator => (BufferRole::Gradients, next(&mut gradients)),
            Place::Input => (BufferRole::Inputs, next(&mut inputs)),
            Place::Constant => (BufferRole::Constants, next(&mut constants)),
            Place::Flat(flat) => {
                trains = true;
                sizes.insert(flat.into(), aligned(bytes));
                (flat.into(), 0)
            }
            Place::Arena => continue,
        };
        regions[t] = Some(Region { role, offset, bytes, window_bytes });
    }
    if inputs > options.limits.buffer_bytes {
        let limit = options.limits.buffer_bytes;
        return Err(PlanError::TooLarge { tensor: "the input buffer of a micro-batch".into(), bytes: inputs, limit });
    }
    // Without an optimiser, the gradient buffer exists only if an op accumulates into it.
    let has_gradients = trains || regions.iter().flatten().any(|r| r.role == BufferRole::Gradients);
    if has_gradients {
        sizes.insert(BufferRole::Gradients, gradients);
    }
    sizes.insert(parameters_role, parameters_bytes);
    sizes.insert(BufferRole::Inputs, inputs);
    sizes.insert(BufferRole::Constants, constants);
    let (scratch, arena_bound) = arena(program, phases, windows, options, &mut regions, &mut sizes)?;
    Ok(Layout { regions, scratch, sizes, arena_bound })
}

type Scratch = Vec<Vec<Region>>;

fn arena(
    program: &Program,
    phases: &[Phase],
    windows: usize,
    options: &PlanOptions,
    regions: &mut [Option<Region>],
    sizes: &mut BTreeMap<BufferRole, u64>,
) -> Result<(Scratch, u64), PlanError> {
    let guard = options.guard_bytes;
    let lives = lifetimes(program);
    let mut blocks: Vec<Block> = lives
        .iter()
        .map(|l| Block {
            name: program.graph.tensors[l.tensor].name.clone(),
            bytes: extent(program, l.tensor, windows).0 + 2 * guard,
            first: l.first,
            last: l.last,
        })
        .collect();
    let mut owners = vec![];
    for (i, phase) in phases.iter().enumerate() {
        for (k, &(elements, scope)) in phase.scratch.iter().enumerate() {
            let one = 4 * elements as u64;
            let bytes = if scope == Scope::Step { one } else { one * windows as u64 };
            owners.push((i, if scope == Scope::Step { 0 } else { one }));
            let node = &program.graph.nodes[program.phases[i].node];
            blocks.push(Block { name: format!("{}.scratch{k}", node.label), bytes: bytes + 2 * guard, first: i, last: i });
        }
    }
    let page_bytes = options.limits.buffer_bytes;
    let (places, pages) = place(&blocks, page_bytes, options.reuse)?;
    for (page, bytes) in pages.iter().enumerate() {
        sizes.insert(BufferRole::Arena(page), *bytes);
    }
    let region = |i: usize, window_bytes| Region {
        role: BufferRole::Arena(places[i].page),
        offset: places[i].offset + guard,
        bytes: blocks[i].bytes - 2 * guard,
        window_bytes,
    };
    for (i, l) in lives.iter().enumerate() {
        regions[l.tensor] = Some(region(i, extent(program, l.tensor, windows).1));
    }
    let mut scratch: Scratch = vec![vec![]; phases.len()];
    for (k, (phase, window_bytes)) in owners.into_iter().enumerate() {
        scratch[phase].push(region(lives.len() + k, window_bytes));
    }
    Ok((scratch, lower_bound(&blocks)))
}
