//! Where each tensor lies: buffer, offset, bytes.

use super::arena::{ALIGNMENT, Block, lower_bound, place};
use super::lifetime::lifetimes;
use super::{BufferRole, PlanError, PlanOptions};
use crate::graph::{Place, Program, TensorId};
use crate::ops::{Phase, Scope};
use std::collections::BTreeMap;

/// Bytes of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Region {
    /// Buffer.
    pub role: BufferRole,
    /// First byte.
    pub offset: u64,
    /// Bytes, all windows of a micro-batch together.
    pub bytes: u64,
    /// Bytes of one window; 0 where the tensor exists once a step.
    pub window_bytes: u64,
}

/// Places of all tensors of a program, and of its scratch.
pub struct Layout {
    /// For each tensor; `None` for what no phase touches.
    pub regions: Vec<Option<Region>>,
    /// For each phase, its scratch.
    pub scratch: Vec<Vec<Region>>,
    /// Bytes of each buffer that holds tensors.
    pub sizes: BTreeMap<BufferRole, u64>,
    /// Most bytes alive in any phase of the arena: no placement needs less.
    pub arena_bound: u64,
}

fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

/// Bytes that a tensor takes for `windows` windows: total and of one window.
fn extent(program: &Program, t: TensorId, windows: usize) -> (u64, u64) {
    let operand = &program.graph.tensors[t].operand;
    let one = 4 * operand.len() as u64;
    if operand.scope == Scope::Step { (one, 0) } else { (one * windows as u64, one) }
}

/// Lays out everything for micro-batches of `windows`.
///
/// # Errors
/// Fails where a tensor is larger than a page, or the parameters than a buffer.
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
    let offsets: BTreeMap<TensorId, u64> = parameters.map(|(t, at)| (t, 4 * at as u64)).collect();
    let (mut gradients, mut inputs, mut constants) = (flat_bytes, 0, constants_base);
    let mut trains = false;
    for (t, tensor) in graph.tensors.iter().enumerate() {
        let (bytes, window_bytes) = extent(program, t, windows);
        let next = |cursor: &mut u64| {
            let at = *cursor;
            *cursor += aligned(bytes);
            at
        };
        let (role, offset) = match tensor.place {
            Place::Parameter | Place::Stored => (BufferRole::Parameters, offsets[&t]),
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
        return Err(PlanError::TooLarge { tensor: "the inputs of a micro-batch".into(), bytes: inputs, limit });
    }
    // Without an optimiser, gradients exist only if something accumulates.
    let has_gradients = trains || regions.iter().flatten().any(|r| r.role == BufferRole::Gradients);
    if has_gradients {
        sizes.insert(BufferRole::Gradients, gradients);
    }
    sizes.insert(BufferRole::Parameters, parameters_bytes);
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
