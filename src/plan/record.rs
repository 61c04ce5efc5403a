//! The recording: a plain list of dispatches with their bindings, made once. A step replays it.

use super::arena::ALIGNMENT;
use super::chunk::{group_ranges, window_ranges, windows_in_binding};
use super::layout::{Layout, Region, layout};
use super::text::KernelText;
use super::{BufferRole, BufferSpec, PlanError, PlanOptions, check};
use crate::graph::{Direction, Place, Program, Section, TensorId};
use crate::ops::def::{Access, Backward, Binding, Cost, Grid, HEADER, KernelDef, OpCtx, Phase, Scope, Slot, Value, to_u32};
use std::collections::HashMap;
use std::sync::Arc;

/// A compute pipeline to be made.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// WGSL text.
    pub source: Arc<str>,
    /// Entry point.
    pub entry: &'static str,
    /// Constants.
    pub overrides: Vec<(&'static str, f64)>,
    /// Storage bindings: index and whether declared read_write, ascending.
    pub bindings: Vec<(u32, bool)>,
    /// Bytes of `Params`.
    pub params_bytes: u64,
}

/// A range of a buffer at a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundRange {
    /// Index in the WGSL text.
    pub binding: u32,
    /// Buffer.
    pub role: BufferRole,
    /// First byte, a multiple of 256.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Declared read_write.
    pub writable: bool,
    /// Whether the kernel writes it.
    pub writes: bool,
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Index of its kernel.
    pub kernel: usize,
    /// Its storage bindings.
    pub ranges: Vec<BoundRange>,
    /// Offset of its `Params` in the uniform buffer.
    pub params_offset: u64,
    /// Workgroups, as a function of the windows present.
    pub grid: DispatchGrid,
    /// First window, within the micro-batch.
    pub window0: usize,
    /// Most windows.
    pub windows: usize,
    /// Predicted seconds with all of them.
    pub seconds: f64,
}

/// Workgroups of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchGrid {
    /// The kernel's own rule.
    pub rule: Grid,
    /// First workgroup (or block) along x.
    pub first: usize,
    /// Most workgroups along x.
    pub most: usize,
    /// For a kernel within a block loop: blocks of a window; it runs only if block `first` exists.
    pub loop_blocks: Option<usize>,
}

impl Dispatch {
    /// Workgroups when the micro-batch has `present` windows; `None`: nothing to do.
    #[must_use]
    pub fn groups(&self, present: usize) -> Option<[u32; 2]> {
        let windows = present.checked_sub(self.window0)?.min(self.windows);
        let g = self.grid;
        if windows == 0 || g.loop_blocks.is_some_and(|blocks| g.first >= windows * blocks) {
            return None;
        }
        let (total, across) = match g.rule {
            Grid::Windows { per_window, per_group, across } => ((windows * per_window).div_ceil(per_group), across),
            Grid::Blocks { per_window, across, .. } => (windows * per_window, across),
            Grid::Fixed { groups, in_blocks } => (if in_blocks { groups + g.first } else { groups }, 1),
        };
        let x = total.checked_sub(g.first)?.min(g.most);
        (x > 0).then(|| [to_u32(x), to_u32(across)])
    }
}

/// Dispatches of one phase.
#[derive(Clone, Debug)]
pub struct RecordedPhase {
    /// `encoder.0.ff1 backward`, say.
    pub label: String,
    /// Name of the op.
    pub op: &'static str,
    /// Direction.
    pub direction: Direction,
    /// Section.
    pub section: Section,
    /// Its dispatches.
    pub dispatches: std::ops::Range<usize>,
    /// Work per window.
    pub cost: Cost,
}

/// A program, laid out and recorded.
pub struct Recording {
    /// The program.
    pub program: Program,
    /// Windows of a whole batch, at most.
    pub batch: usize,
    /// Windows of a micro-batch, at most.
    pub micro_batch: usize,
    /// Where tensors lie.
    pub regions: Vec<Option<Region>>,
    /// Where each phase's scratch lies.
    pub scratch: Vec<Vec<Region>>,
    /// Pipelines.
    pub kernels: Vec<Kernel>,
    /// Dispatches in order.
    pub dispatches: Vec<Dispatch>,
    /// Phases in order.
    pub phases: Vec<RecordedPhase>,
    /// Contents of the uniform buffer, from `uniforms_base` on.
    pub uniforms: Vec<u8>,
    /// Where they go.
    pub uniforms_base: u64,
    /// Buffers that it needs.
    pub buffers: Vec<BufferSpec>,
    /// Most bytes of the arena alive at once: no placement needs less.
    pub arena_bound: u64,
    /// Longest predicted submit, in seconds.
    pub submit_seconds: f64,
    /// Fixed cost of a dispatch, in seconds.
    pub dispatch_seconds: f64,
}

/// Bytes between two entries of the uniform `Step`.
pub const STEP_STRIDE: u64 = 256;
/// Least size of a staging buffer and of the read-back buffer: whole buffers move through them in pieces.
pub const TRANSFER_BYTES: u64 = 1 << 20;

impl Recording {
    /// Predicted seconds of a step on a whole batch.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn seconds(&self) -> f64 {
        let repeat = self.batch.div_ceil(self.micro_batch) as f64;
        let each = |p: &RecordedPhase| {
            let dispatches = &self.dispatches[p.dispatches.clone()];
            let once: f64 = dispatches.iter().map(|d| d.seconds + self.dispatch_seconds).sum();
            if p.section == Section::Body { once * repeat } else { once }
        };
        self.phases.iter().map(each).sum()
    }

    /// Dispatches of a step on a whole batch.
    #[must_use]
    pub fn dispatch_count(&self) -> usize {
        let repeat = self.batch.div_ceil(self.micro_batch);
        let each = |p: &RecordedPhase| p.dispatches.len() * if p.section == Section::Body { repeat } else { 1 };
        self.phases.iter().map(each).sum()
    }

    /// Inputs, in order of declaration.
    #[must_use]
    pub fn inputs(&self) -> Vec<TensorId> {
        let tensors = self.program.graph.tensors.iter().enumerate();
        tensors.filter(|(_, t)| t.place == Place::Input).map(|(i, _)| i).collect()
    }

    /// Offsets of each input's batch in a staging buffer, after the entries of `Step`, and the end.
    #[must_use]
    pub fn staging_offsets(&self) -> (Vec<u64>, u64) {
        let mut at = self.step_entries() * STEP_STRIDE;
        let mut offsets = vec![];
        for t in self.inputs() {
            offsets.push(at);
            let operand = &self.program.graph.tensors[t].operand;
            let windows = if operand.scope == Scope::Window { self.batch } else { 1 };
            at += (4 * operand.len() as u64 * windows as u64).next_multiple_of(ALIGNMENT);
        }
        (offsets, at)
    }

    /// Entries of the uniform `Step`: prologue and epilogue, then one a micro-batch.
    #[must_use]
    pub fn step_entries(&self) -> u64 {
        1 + self.batch.div_ceil(self.micro_batch) as u64
    }
}

/// Plans one program: chooses the micro-batch, lays out, records, checks.
///
/// # Errors
/// Fails where the device's limits are too small.
pub fn record(program: Program, options: &PlanOptions, constants_base: u64, uniforms_base: u64) -> Result<Recording, PlanError> {
    let phases = kernels_of(&program, options);
    let batch = options.batch.max(1);
    let mut micro = options.micro_batch.unwrap_or(batch).clamp(1, batch);
    // Without a wish, halve the micro-batch until every tensor fits a page.
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
    sizes.insert(BufferRole::DispatchUniforms, uniforms_base + recording.uniforms.len() as u64);
    sizes.insert(BufferRole::StepUniforms, recording.step_entries() * STEP_STRIDE);
    let staging = recording.staging_offsets().1.max(TRANSFER_BYTES);
    sizes.insert(BufferRole::Staging(0), staging);
    sizes.insert(BufferRole::Staging(1), staging);
    sizes.insert(BufferRole::ReadBack, TRANSFER_BYTES);
    recording.buffers = sizes.into_iter().filter(|b| b.1 > 0).map(|(role, bytes)| BufferSpec { role, bytes }).collect();
    check::check(&recording, options.limits)?;
    Ok(recording)
}

/// Kernels of every phase.
fn kernels_of(program: &Program, options: &PlanOptions) -> Vec<Phase> {
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
                node: to_u32(spec.node),
            };
            match (spec.direction, &node.op.backward) {
                (Direction::Forward, _) => (node.op.forward)(&ctx),
                (Direction::Backward, Backward::Kernels(kernels)) => kernels(&ctx),
                (Direction::Backward, Backward::NotDifferentiable(_)) => unreachable!("autodiff refuses ops without gradient"),
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
        let mut k = 0;
        while k < kernels.len() {
            let in_loop = |d: &KernelDef| matches!(d.grid, Grid::Fixed { in_blocks: true, .. });
            let end = (k + 1..kernels.len()).find(|&j| !in_loop(&kernels[j])).unwrap_or(kernels.len());
            self.unit(i, &kernels[k..end])?;
            k = end;
        }
        let spec = &self.program.phases[i];
        let node = &self.program.graph.nodes[spec.node];
        let (flops, bytes) = kernels.iter().fold((0.0, 0.0), |(f, b), k| (f + k.cost.flops, b + k.cost.bytes));
        let word = if spec.direction == Direction::Forward { "forward" } else { "backward" };
        self.recorded.push(RecordedPhase {
            label: format!("{} {word}", node.label),
            op: node.op.name,
            direction: spec.direction,
            section: spec.section,
            dispatches: start..self.dispatches.len(),
            cost: Cost { flops, bytes },
        });
        Ok(())
    }

    /// A kernel, with those that run after it for each group of blocks; cut into ranges of windows and of workgroups.
    fn unit(&mut self, phase: usize, kernels: &[KernelDef]) -> Result<(), PlanError> {
        let per_window = self.program.graph.nodes[self.program.phases[phase].node].scope == Scope::Window;
        let windows = if per_window { self.micro } else { 1 };
        let limit = self.options.limits.binding_bytes;
        let mut fit = windows;
        for kernel in kernels {
            let bytes = kernel.bindings.iter().flat_map(|b| &b.slots).map(|s| self.region(phase, s.0).window_bytes);
            fit = fit.min(windows_in_binding(bytes, limit));
            let one = self.options.class.seconds(kernel.cost, 1);
            if one * windows as f64 > self.options.submit_seconds {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive ratio")]
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
        ranges.sort_by_key(|r| r.binding);
        let params_offset = self.uniforms_base + self.push_params(&text, &values);
        let seconds = self.options.class.seconds(def.cost, windows) / self.share(def, windows);
        self.dispatches.push(Dispatch { kernel, ranges, params_offset, grid, window0, windows, seconds });
        Ok(())
    }

    /// Into how many dispatches a kernel's work over a range of windows is cut.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn share(&self, def: &KernelDef, windows: usize) -> f64 {
        group_ranges(def.grid, windows).len() as f64
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
            Slot::DIn(i) => spec.d_inputs[i].unwrap_or_else(|| panic!("{}: kernel binds a gradient nobody wants", node.label)),
            Slot::Scratch(i) => return self.layout.scratch[phase][i],
        };
        let name = &self.program.graph.tensors[tensor].name;
        self.layout.regions[tensor].unwrap_or_else(|| panic!("{}: {name} has no place", node.label))
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
        let (index, writable) = *text.bindings.get(binding.name).unwrap_or_else(|| panic!("no binding is named {}", binding.name));
        assert_eq!(writable, binding.access == Access::ReadWrite, "access of {}", binding.name);
        let role = regions[0].role;
        assert!(regions.iter().all(|r| r.role == role), "the tensors of {} lie in several buffers", binding.name);
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

    /// Index of the kernel, made if new, and what its text says.
    fn kernel(&mut self, def: &KernelDef) -> (usize, KernelText) {
        let (source, text) =
            self.texts.entry(def.source.to_string()).or_insert_with(|| (Arc::from(&*def.source), KernelText::parse(&def.source))).clone();
        let key = (Arc::as_ptr(&source).cast::<u8>() as usize, def.entry, format!("{:?}", def.overrides));
        let mut bindings: Vec<_> = def.bindings.iter().filter_map(|b| text.bindings.get(b.name).copied()).collect();
        bindings.sort_unstable();
        let next = self.kernels.len();
        let index = *self.keys.entry(key).or_insert(next);
        if index == next {
            let params_bytes = text.params_bytes() as u64;
            self.kernels.push(Kernel { source, entry: def.entry, overrides: def.overrides.clone(), bindings, params_bytes });
        }
        (index, text)
    }
}
