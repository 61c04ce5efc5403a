//! Makes a recording: turns phases into dispatches with kernels, bindings and `Params`.

use super::arena::ALIGNMENT;
use super::chunk::{group_ranges, window_ranges, windows_in_binding};
use super::layout::{Layout, Region, layout};
use super::recompute::AGAIN;
use super::recording::{BoundRange, Dispatch, DispatchGrid, Kernel, RecordedPhase, Recording};
use super::text::KernelText;
use super::transfer::transfer_sizes;
use super::{AdapterClass, BufferRole, BufferSpec, PlanError, PlanOptions, check};
use crate::graph::{Direction, PhaseSpec, Program};
use crate::ops::def::{Access, Backward, Binding, Cost, Grid, HEADER, KernelDef, OpCtx, Phase, Scope, Slot, Value, to_u32};
use crate::order;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Sizes of all buffers of a program for micro-batches of `micro` windows, except the uniforms of the dispatches.
///
/// # Errors
/// Fails if the device limits are too small.
pub(super) fn sizes(
    program: &Program,
    kernels: &[Phase],
    micro: usize,
    options: &PlanOptions,
) -> Result<BTreeMap<BufferRole, u64>, PlanError> {
    let batch = if options.whole { micro } else { options.batch.max(1) };
    let mut sizes = layout(program, kernels, micro, options, 0)?.sizes;
    sizes.extend(transfer_sizes(program, batch, micro));
    Ok(sizes)
}

/// Plans one program: chooses the micro-batch, lays out the tensors, records the dispatches and checks them.
///
/// # Errors
/// Fails if the device limits are too small.
pub fn record(program: Program, options: &PlanOptions, constants_base: u64, uniforms_base: u64) -> Result<Recording, PlanError> {
    let phases = kernels_of(&program, options);
    let batch = options.batch.max(1);
    let mut micro = options.micro_batch.unwrap_or(batch).clamp(1, batch);
    // If no micro-batch size is given, halve it until every tensor fits into a page.
    let layout = loop {
        match layout(&program, &phases, micro, options, constants_base) {
            Err(PlanError::TooLarge { .. }) if micro > 1 && options.micro_batch.is_none() => micro = micro.div_ceil(2),
            other => break other?,
        }
    };
    let batch = if options.whole { micro } else { batch };
    let mut recorder = Recorder::new(&program, &phases, layout, micro, options, uniforms_base);
    for i in 0..phases.len() {
        recorder.phase(i)?;
    }
    let Recorder { layout, kernels, dispatches, recorded, uniforms, .. } = recorder;
    let mut recording = Recording {
        batch,
        micro_batch: micro,
        regions: layout.regions,
        scratch: layout.scratch,
        kernels,
        dispatches,
        phases: recorded,
        uniforms_base,
        buffers: vec![],
        arena_bound: layout.arena_bound,
        submit_seconds: options.submit_seconds,
        dispatch_seconds: options.class.dispatch_seconds,
        program,
        uniforms,
    };
    let mut sizes = layout.sizes;
    sizes.extend(transfer_sizes(&recording.program, batch, micro));
    sizes.insert(BufferRole::DispatchUniforms, uniforms_base + recording.uniforms.len() as u64);
    recording.buffers = sizes.into_iter().filter(|b| b.1 > 0).map(|(role, bytes)| BufferSpec { role, bytes }).collect();
    check::check(&recording, options.limits)?;
    Ok(recording)
}

/// Groups of kernels that run together for each range of windows and workgroups: one kernel, followed by the kernels of its block loop.
fn units(kernels: &[KernelDef]) -> impl Iterator<Item = &[KernelDef]> {
    kernels.chunk_by(|_, next| matches!(next.grid, Grid::Fixed { in_blocks: true, .. }))
}

/// Predicted seconds of a phase on a micro-batch. `share` is the mean fraction of its windows that are present.
pub(super) fn phase_seconds(program: &Program, spec: &PhaseSpec, phase: &Phase, micro: usize, share: f64, class: &AdapterClass) -> f64 {
    let node = &program.graph.nodes[spec.node];
    let windows = if node.scope == Scope::Window { micro } else { 1 };
    let present = if node.scope == Scope::Window { micro as f64 * share } else { 1.0 };
    let each = |unit: &[KernelDef]| {
        let work: f64 = unit.iter().map(|k| class.seconds(node.op.name, spec.direction, k.cost)).sum();
        let dispatches = group_ranges(unit[0].grid, windows).len() * unit.len();
        work * present + dispatches as f64 * class.dispatch_seconds
    };
    units(&phase.kernels).map(each).sum()
}

/// Kernels of every phase.
pub(super) fn kernels_of(program: &Program, options: &PlanOptions) -> Vec<Phase> {
    let graph = &program.graph;
    program
        .phases
        .iter()
        .map(|spec| {
            let node = &graph.nodes[spec.node];
            let (inputs, outputs) = (graph.operands(&node.inputs), graph.operands(&node.outputs));
            let wants: Vec<bool> = spec.d_inputs.iter().map(Option::is_some).collect();
            let ctx = OpCtx {
                attrs: &node.attrs,
                inputs: &inputs,
                outputs: &outputs,
                wants: &wants,
                accumulate: &spec.accumulate,
                variants: &options.class.variants,
                node: node.key,
            };
            match (spec.direction, &node.op.backward) {
                (Direction::Forward, _) => (node.op.forward)(&ctx),
                (Direction::Backward, Backward::Kernels(kernels)) => kernels(&ctx),
                (Direction::Backward, Backward::NotDifferentiable(_)) => unreachable!("autodiff rejects ops without a gradient"),
            }
        })
        .collect()
}

struct Recorder<'a> {
    program: &'a Program,
    phases: &'a [Phase],
    layout: Layout,
    micro: usize,
    options: &'a PlanOptions,
    uniforms_base: u64,
    texts: HashMap<String, (Arc<str>, KernelText)>,
    keys: HashMap<(usize, &'static str, String), usize>,
    kernels: Vec<Kernel>,
    dispatches: Vec<Dispatch>,
    recorded: Vec<RecordedPhase>,
    uniforms: Vec<u8>,
}

impl<'a> Recorder<'a> {
    fn new(program: &'a Program, phases: &'a [Phase], layout: Layout, micro: usize, options: &'a PlanOptions, uniforms_base: u64) -> Self {
        Self {
            program,
            phases,
            layout,
            micro,
            options,
            uniforms_base,
            texts: HashMap::new(),
            keys: HashMap::new(),
            kernels: vec![],
            dispatches: vec![],
            recorded: vec![],
            uniforms: vec![],
        }
    }

    fn phase(&mut self, i: usize) -> Result<(), PlanError> {
        let start = self.dispatches.len();
        let kernels = &self.phases[i].kernels;
        for unit in units(kernels) {
            self.unit(i, unit)?;
        }
        let spec = &self.program.phases[i];
        let node = &self.program.graph.nodes[spec.node];
        let (flops, bytes) = kernels.iter().fold((0.0, 0.0), |(f, b), k| (f + k.cost.flops, b + k.cost.bytes));
        self.recorded.push(RecordedPhase {
            label: format!("{} {}", node.label, spec.direction.word()),
            op: node.op.name,
            direction: spec.direction,
            section: spec.section,
            dispatches: start..self.dispatches.len(),
            cost: Cost { flops, bytes },
            again: node.label.ends_with(AGAIN),
        });
        Ok(())
    }

    /// Records a kernel and the kernels that follow it for each group of blocks, split into ranges of windows and workgroups.
    fn unit(&mut self, phase: usize, kernels: &[KernelDef]) -> Result<(), PlanError> {
        let per_window = self.program.graph.nodes[self.program.phases[phase].node].scope == Scope::Window;
        let windows = if per_window { self.micro } else { 1 };
        let limit = self.options.limits.binding_bytes;
        let mut fit = windows;
        for kernel in kernels {
            let bytes = kernel.bindings.iter().flat_map(|b| &b.slots).map(|s| self.region(phase, s.0).window_bytes);
            fit = fit.min(windows_in_binding(bytes, limit));
            let one = self.seconds(phase, kernel);
            if one * windows as f64 > self.options.submit_seconds {
                #[expect(clippy::cast_possible_truncation, reason = "a small positive ratio")]
                let in_time = (self.options.submit_seconds / one).floor().max(1.0) as usize;
                fit = fit.min(in_time);
            }
        }
        for (window0, windows) in window_ranges(windows, fit) {
            let blocks = match kernels[0].grid {
                Grid::Blocks { per_window, .. } => Some(per_window),
                _ => None,
            };
            for (first, most) in group_ranges(kernels[0].grid, windows) {
                for kernel in kernels {
                    let most = if let Grid::Fixed { groups, in_blocks: true } = kernel.grid { groups } else { most };
                    let grid = DispatchGrid { rule: kernel.grid, first, most, loop_blocks: blocks };
                    self.dispatch(phase, kernel, window0, windows, grid)?;
                }
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, phase: usize, def: &KernelDef, window0: usize, windows: usize, grid: DispatchGrid) -> Result<(), PlanError> {
        let (kernel, text) = self.kernel(def);
        let mut values: Vec<(&str, Value)> = vec![
            (HEADER[0], Value::U32(to_u32(window0))),
            (HEADER[1], Value::U32(to_u32(windows))),
            (HEADER[2], Value::U32(to_u32(grid.first))),
        ];
        values.extend(def.params.iter().copied());
        let mut ranges = vec![];
        for binding in &def.bindings {
            let (range, bases) = self.bind(phase, binding, &text, window0, windows);
            if range.bytes > self.options.limits.binding_bytes {
                let tensor = format!("{} of {}", binding.name, self.recorded_label(phase));
                return Err(PlanError::TooLarge { tensor, bytes: range.bytes, limit: self.options.limits.binding_bytes });
            }
            ranges.push(range);
            values.extend(bases);
        }
        order::sort_by_key(&mut ranges, |r| r.binding);
        let params_offset = self.uniforms_base + self.push_params(&text, &values);
        let seconds = self.seconds(phase, def) * windows as f64 / group_ranges(def.grid, windows).len() as f64;
        self.dispatches.push(Dispatch { kernel, ranges, params_offset, grid, window0, windows, seconds });
        Ok(())
    }

    /// Predicted seconds of one window.
    fn seconds(&self, phase: usize, kernel: &KernelDef) -> f64 {
        let spec = &self.program.phases[phase];
        self.options.class.seconds(self.program.graph.nodes[spec.node].op.name, spec.direction, kernel.cost)
    }

    fn recorded_label(&self, phase: usize) -> String {
        self.program.graph.nodes[self.program.phases[phase].node].label.clone()
    }

    /// Region of a slot.
    fn region(&self, phase: usize, slot: Slot) -> Region {
        let spec = &self.program.phases[phase];
        let node = &self.program.graph.nodes[spec.node];
        let tensor = match slot {
            Slot::In(i) => node.inputs[i],
            Slot::Out(i) => node.outputs[i],
            Slot::Saved(i) => node.saved[i],
            Slot::DOut(i) => spec.d_outputs[i],
            Slot::DIn(i) => spec.d_inputs[i].unwrap_or_else(|| panic!("{}: the kernel binds a gradient that is not requested", node.label)),
            Slot::Scratch(i) => return self.layout.scratch[phase][i],
        };
        let name = &self.program.graph.tensors[tensor].name;
        self.layout.regions[tensor].unwrap_or_else(|| panic!("{}: {name} has no region", node.label))
    }

    fn bind(
        &self,
        phase: usize,
        binding: &Binding,
        text: &KernelText,
        window0: usize,
        windows: usize,
    ) -> (BoundRange, Vec<(&'static str, Value)>) {
        let regions: Vec<_> = binding.slots.iter().map(|s| self.region(phase, s.0)).collect();
        let start = |r: &Region| r.offset + window0 as u64 * r.window_bytes;
        let end = |r: &Region| if r.window_bytes == 0 { r.offset + r.bytes } else { start(r) + windows as u64 * r.window_bytes };
        let low = regions.iter().map(start).min().unwrap_or(0) / ALIGNMENT * ALIGNMENT;
        let high = regions.iter().map(end).max().unwrap_or(0);
        let (index, writable) = *text.bindings.get(binding.name).unwrap_or_else(|| panic!("the WGSL text has no binding {}", binding.name));
        assert_eq!(writable, binding.access == Access::ReadWrite, "access of {}", binding.name);
        let role = regions[0].role;
        assert!(regions.iter().all(|r| r.role == role), "the tensors of {} are in several buffers", binding.name);
        #[expect(clippy::cast_possible_truncation, reason = "within a binding")]
        let bases = regions.iter().zip(&binding.slots).map(|(r, s)| (s.1, Value::U32(((start(r) - low) / 4) as u32))).collect();
        let bytes = (high - low).next_multiple_of(16);
        (BoundRange { binding: index, role, offset: low, bytes, writable, writes: binding.writes }, bases)
    }

    fn push_params(&mut self, text: &KernelText, values: &[(&str, Value)]) -> u64 {
        let mut bytes = vec![0_u8; text.params_bytes()];
        for (name, value) in values {
            let Some(at) = text.field(name) else { panic!("Params has no field {name}: {:?}", text.fields) };
            let word = match value {
                Value::U32(v) => v.to_le_bytes(),
                Value::F32(v) => v.to_le_bytes(),
            };
            bytes[4 * at..4 * at + 4].copy_from_slice(&word);
        }
        let offset = self.uniforms.len();
        self.uniforms.extend(&bytes);
        self.uniforms.resize(self.uniforms.len().next_multiple_of(256), 0);
        offset as u64
    }

    /// The index of the kernel, which is added if it is new, and the facts from its WGSL text.
    fn kernel(&mut self, def: &KernelDef) -> (usize, KernelText) {
        let (source, text) =
            self.texts.entry(def.source.to_string()).or_insert_with(|| (Arc::from(&*def.source), KernelText::parse(&def.source))).clone();
        let key = (Arc::as_ptr(&source).cast::<u8>() as usize, def.entry, format!("{:?}", def.overrides));
        let mut bindings: Vec<_> = def.bindings.iter().filter_map(|b| text.bindings.get(b.name).copied()).collect();
        order::sort_by_key(&mut bindings, |&binding| binding);
        let next = self.kernels.len();
        let index = *self.keys.entry(key).or_insert(next);
        if index == next {
            let params_bytes = text.params_bytes() as u64;
            self.kernels.push(Kernel { source, entry: def.entry, overrides: def.overrides.clone(), bindings, params_bytes });
        }
        (index, text)
    }
}
