//! Runs recordings with the f64 reference implementations of the ops ("twins"), phase by phase. It is slow and exact and needs no GPU. It
//! serves tests, the search for kernel bugs, and machines without adapter. It uses the memory layout of the plan, with one f64 for each
//! 4-byte element, so that it also detects wrong lifetimes.

use crate::graph::{Direction, PhaseSpec, Section, TensorId};
use crate::ops::twin::{StepValues, TwinCall, TwinTensor};
use crate::ops::{Operand, Scope};
use crate::order;
use crate::plan::{BufferRole, Plan, Recording, Region};
use crate::step::StepInput;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Host memory that replaces a device.
pub struct Reference {
    plan: Arc<Plan>,
    memory: BTreeMap<BufferRole, Vec<f64>>,
}

fn elements(bytes: u64) -> usize {
    (bytes / 4) as usize
}

impl Reference {
    /// Memory for a plan, with its constants.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let storage = plan.buffers.iter().filter(|b| b.role.is_storage());
        let mut memory = order::map(storage.map(|b| (b.role, vec![0.0; elements(b.bytes)])));
        for recording in &plan.recordings {
            for (&t, values) in &recording.program.graph.constants {
                if let Some(region) = recording.regions[t] {
                    let at = elements(region.offset);
                    let to: &mut Vec<f64> = memory.entry(region.role).or_default();
                    let values = match recording.program.graph.exact.get(&t) {
                        Some(exact) => exact.to_vec(),
                        None => values.iter().map(|v| f64::from(*v)).collect(),
                    };
                    to[at..at + values.len()].copy_from_slice(&values);
                }
            }
        }
        Self { plan, memory }
    }

    /// Runs one step of a recording.
    pub fn run(&mut self, recording: usize, input: &StepInput) {
        let plan = self.plan.clone();
        let recording = &plan.recordings[recording];
        let values = input.step_values(recording);
        if let Some(gradients) = self.memory.get_mut(&BufferRole::Gradients) {
            gradients.fill(0.0);
        }
        let inputs: Vec<_> = recording.inputs().into_iter().zip(input.inputs).collect();
        let scope = |t: TensorId| recording.program.graph.tensors[t].operand.scope;
        for &(t, data) in inputs.iter().filter(|i| scope(i.0) == Scope::Step) {
            let all: Vec<f64> = data.iter().map(|v| f64::from(*v)).collect();
            self.store(recording.regions[t], &all);
        }
        self.section(recording, Section::Prologue, values[0]);
        for ((first, windows), values) in input.micro_batches(recording.micro_batch).into_iter().zip(&values[1..]) {
            for &(t, data) in inputs.iter().filter(|i| scope(i.0) == Scope::Window) {
                let one = recording.program.graph.tensors[t].operand.len();
                let part: Vec<f64> = data[first * one..(first + windows) * one].iter().map(|v| f64::from(*v)).collect();
                self.store(recording.regions[t], &part);
            }
            self.section(recording, Section::Body, *values);
        }
        self.section(recording, Section::Epilogue, values[0]);
    }

    fn section(&mut self, recording: &Recording, section: Section, values: StepValues) {
        for spec in recording.program.phases.iter().filter(|p| p.section == section) {
            self.phase(recording, spec, values);
        }
    }

    fn phase(&mut self, recording: &Recording, spec: &PhaseSpec, step: StepValues) {
        let node = &recording.program.graph.nodes[spec.node];
        let windows = if node.scope == Scope::Window { step.windows as usize } else { 1 };
        let load = |ids: &[TensorId]| ids.iter().map(|&t| self.tensor(recording, t, windows)).collect::<Vec<_>>();
        let zeroed = |t: TensorId, keep: bool| {
            let mut tensor = self.tensor(recording, t, windows);
            if !keep {
                tensor.data.fill(0.0);
            }
            tensor
        };
        let d_inputs = spec.d_inputs.iter().zip(&spec.accumulate).map(|(d, &keep)| d.map(|t| zeroed(t, keep))).collect();
        let mut call = TwinCall {
            attrs: &node.attrs,
            windows,
            node: node.key,
            step,
            inputs: load(&node.inputs),
            outputs: load(&node.outputs),
            saved: load(&node.saved),
            d_outputs: load(&spec.d_outputs),
            d_inputs,
        };
        match spec.direction {
            Direction::Forward => (node.op.twin.forward)(&mut call),
            Direction::Backward => (node.op.twin.backward)(&mut call),
        }
        let TwinCall { inputs, outputs, saved, d_inputs, .. } = call;
        if spec.direction == Direction::Forward {
            for (ids, tensors) in [(&node.outputs, outputs), (&node.saved, saved)] {
                for (&t, tensor) in ids.iter().zip(tensors) {
                    self.store(recording.regions[t], &tensor.data);
                }
            }
            for &i in node.op.updates {
                self.store(recording.regions[node.inputs[i]], &inputs[i].data);
            }
        } else {
            for (t, tensor) in spec.d_inputs.iter().zip(d_inputs) {
                if let (Some(t), Some(tensor)) = (t, tensor) {
                    self.store(recording.regions[*t], &tensor.data);
                }
            }
        }
    }

    fn tensor(&self, recording: &Recording, t: TensorId, windows: usize) -> TwinTensor {
        let operand = recording.program.graph.tensors[t].operand.clone();
        let data = self.load(recording.regions[t], &operand, windows);
        TwinTensor { operand, data }
    }

    fn load(&self, region: Option<Region>, operand: &Operand, windows: usize) -> Vec<f64> {
        let Some(region) = region else { return vec![] };
        let n = operand.len() * if operand.scope == Scope::Window { windows } else { 1 };
        let at = elements(region.offset);
        self.memory.get(&region.role).map_or_else(Vec::new, |m| m[at..at + n].to_vec())
    }

    fn store(&mut self, region: Option<Region>, data: &[f64]) {
        if let Some(region) = region
            && let Some(memory) = self.memory.get_mut(&region.role)
        {
            let at = elements(region.offset);
            memory[at..at + data.len()].copy_from_slice(data);
        }
    }

    /// The values of a tensor, `windows` of them if it is per window.
    #[must_use]
    pub fn read(&self, recording: usize, t: TensorId, windows: usize) -> Vec<f64> {
        self.tensor(&self.plan.recordings[recording], t, windows).data
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The contents of a buffer.
    #[must_use]
    pub fn read_buffer(&self, role: BufferRole) -> &[f64] {
        self.memory.get(&role).map_or(&[], Vec::as_slice)
    }

    /// Overwrites the start of a buffer.
    ///
    /// # Panics
    /// Panics if the plan has no such buffer or if the buffer is shorter than `data`.
    pub fn write_buffer(&mut self, role: BufferRole, data: &[f64]) {
        let memory = self.memory.get_mut(&role).unwrap_or_else(|| panic!("the plan has no buffer {role:?}"));
        memory[..data.len()].copy_from_slice(data);
    }
}
