//! Autodiff: the order of the backward phases, and the place of each gradient.

use super::{Direction, Graph, GraphError, PhaseSpec, Place, Program, Section, TensorId};
use crate::ops::add::Add;
use crate::ops::def::padded;
use crate::ops::{Backward, Scope};
use crate::order;
use std::collections::HashMap;

impl Program {
    /// Forward, and backward from `seeds` (a tensor and its given gradient), without an optimiser.
    ///
    /// # Errors
    /// Fails if a gradient must pass through an op without gradient.
    pub fn with_gradients(
        name: &'static str,
        graph: Graph,
        seeds: &[(TensorId, TensorId)],
        wanted: &[TensorId],
        pinned: Vec<TensorId>,
    ) -> Result<Self, GraphError> {
        let mut program = Self::forward(name, graph, pinned);
        program.backward_phases(seeds, wanted)?;
        Ok(program)
    }

    fn backward_phases(&mut self, seeds: &[(TensorId, TensorId)], wanted: &[TensorId]) -> Result<(), GraphError> {
        let mut needs = vec![false; self.graph.tensors.len()];
        for &w in wanted {
            needs[w] = true;
        }
        for node in &self.graph.nodes {
            if node.inputs.iter().any(|&i| needs[i]) {
                for &o in &node.outputs[..node.outputs.len() - node.discrete] {
                    needs[o] = true;
                }
            }
        }
        self.gradients = seeds.iter().copied().collect();
        let mut places = self.places(&needs);
        let order: Vec<usize> = (0..self.graph.nodes.len()).rev().collect();
        for scope in [Scope::Window, Scope::Step] {
            for &node in order.iter().filter(|&&n| self.graph.nodes[n].scope == scope).collect::<Vec<_>>() {
                self.backward_phase(node, &needs, &mut places)?;
            }
            if scope == Scope::Window {
                self.sum_places(&places)?;
            }
        }
        Ok(())
    }

    /// For each per-step tensor that several nodes of the body use: one accumulator per use. The epilogue sums them in graph order, so that
    /// the order of micro-batches does not mix them.
    fn places(&mut self, needs: &[bool]) -> HashMap<TensorId, Vec<TensorId>> {
        let mut uses: HashMap<TensorId, usize> = HashMap::new();
        for node in self.graph.nodes.iter().filter(|n| n.scope == Scope::Window) {
            for &i in &node.inputs {
                if needs[i] && self.graph.tensors[i].operand.scope == Scope::Step {
                    *uses.entry(i).or_default() += 1;
                }
            }
        }
        uses.retain(|_, n| *n > 1);
        uses.into_keys().map(|i| (i, vec![])).collect()
    }

    fn backward_phase(&mut self, node: usize, needs: &[bool], places: &mut HashMap<TensorId, Vec<TensorId>>) -> Result<(), GraphError> {
        let n = &self.graph.nodes[node];
        let (label, op, scope, inputs) = (n.label.clone(), n.op, n.scope, n.inputs.clone());
        if !n.outputs.iter().any(|o| self.gradients.contains_key(o)) || !inputs.iter().any(|&i| needs[i]) {
            return Ok(());
        }
        let mut d_outputs = vec![];
        for &o in &n.outputs[..n.outputs.len() - n.discrete] {
            let d = self.gradients.get(&o).copied();
            d_outputs
                .push(d.ok_or_else(|| GraphError::MissingGradient { label: label.clone(), tensor: self.graph.tensors[o].name.clone() })?);
        }
        if let Backward::NotDifferentiable(reason) = op.backward {
            let tensor = inputs.iter().find(|&&i| needs[i]).map_or(String::new(), |&i| self.graph.tensors[i].name.clone());
            return Err(GraphError::NotDifferentiable { label, op: op.name, reason, tensor });
        }
        if let Some(&t) = op.data.iter().filter_map(|&i| inputs.get(i)).find(|&&t| needs[t]) {
            let tensor = self.graph.tensors[t].name.clone();
            return Err(GraphError::NotDifferentiable { label, op: op.name, reason: "this input is data", tensor });
        }
        let (mut d_inputs, mut accumulate) = (vec![], vec![]);
        for &i in &inputs {
            let (d, adds) = if needs[i] { self.gradient_of(i, scope, places) } else { (None, false) };
            d_inputs.push(d);
            accumulate.push(adds);
        }
        let section = if scope == Scope::Step { Section::Epilogue } else { Section::Body };
        self.phases.push(PhaseSpec { node, direction: Direction::Backward, section, d_outputs, d_inputs, accumulate });
        Ok(())
    }

    /// The tensor for the gradient of input `i` from a node of `scope`, and whether the node adds to it.
    fn gradient_of(&mut self, i: TensorId, scope: Scope, places: &mut HashMap<TensorId, Vec<TensorId>>) -> (Option<TensorId>, bool) {
        let t = self.graph.tensors[i].clone();
        if t.operand.scope == Scope::Step {
            if scope == Scope::Window
                && let Some(list) = places.get_mut(&i)
            {
                let name = format!("grad.{}@{}", t.name, list.len());
                // The sum of a parameter's accumulators becomes its gradient, padding included. The accumulators of any other tensor keep
                // its shape.
                let shape = if t.place == Place::Parameter { vec![padded(t.operand.len())] } else { t.operand.shape.clone() };
                let id = self.graph.tensor(name, &shape, Scope::Step, Place::Accumulator);
                list.push(id);
                return (Some(id), true);
            }
            let id = self.step_gradient(i);
            return (Some(id), true);
        }
        if let Some(&d) = self.gradients.get(&i) {
            return (Some(d), true);
        }
        let d = self.graph.tensor(format!("grad.{}", t.name), &t.operand.shape, Scope::Window, Place::Arena);
        self.gradients.insert(i, d);
        (Some(d), false)
    }

    /// Gradient of a per-step tensor. It is zeroed at the start of a step and then added to.
    fn step_gradient(&mut self, i: TensorId) -> TensorId {
        if let Some(&d) = self.gradients.get(&i) {
            return d;
        }
        let t = self.graph.tensors[i].clone();
        let place = if t.place == Place::Parameter { Place::Gradient(i) } else { Place::Accumulator };
        let d = self.graph.tensor(format!("grad.{}", t.name), &t.operand.shape, Scope::Step, place);
        self.gradients.insert(i, d);
        d
    }

    /// Sums the accumulators of tensors with several uses, in graph order (the backward pass visits them in reverse).
    fn sum_places(&mut self, places: &HashMap<TensorId, Vec<TensorId>>) -> Result<(), GraphError> {
        let mut tensors: Vec<_> = places.iter().filter(|(_, p)| !p.is_empty()).collect();
        order::sort_by_key(&mut tensors, |(t, _)| **t);
        for (&i, list) in tensors {
            let parameter = self.graph.tensors[i].place == Place::Parameter;
            let mut sum = list[list.len() - 1];
            for (k, &place) in list.iter().rev().enumerate().skip(1) {
                let label = format!("grad.{}.sum{k}", self.graph.tensors[i].name);
                sum = self.graph.apply1(Add, &label, &[sum, place])?;
                self.push_epilogue();
            }
            // The last sum is written to the gradient itself, padding included. The backward pass of the prologue may add to it.
            self.graph.tensors[sum].place = if parameter { Place::Gradient(i) } else { Place::Accumulator };
            self.gradients.insert(i, sum);
        }
        Ok(())
    }
}
