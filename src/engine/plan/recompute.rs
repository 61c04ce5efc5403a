//! Recomputes tensors of the forward pass in the backward pass, one op at a time.
//!
//! The outputs of a recomputed node are freed after their last reader in the forward pass. The node runs again just before the first
//! backward phase that reads them, after any recomputed nodes that it depends on. The second run uses the same kernel, the same inputs and
//! the same random keys, so the result is bit-identical.

use crate::graph::{Direction, Node, PhaseSpec, Place, Program, Section, TensorId};
use crate::ops::Scope;
use crate::order;

/// Suffix of the names of recomputed tensors and nodes.
pub const AGAIN: &str = " again";

/// Producers and readers of tensors, as far as recomputation needs them.
pub struct Links {
    /// For each phase of the program: the tensors that it reads, if it is a backward phase of the body; otherwise empty.
    waits: Vec<Vec<TensorId>>,
    /// For each tensor: the node that can recompute it.
    maker: Vec<Option<usize>>,
    /// For each node: its inputs.
    inputs: Vec<Vec<TensorId>>,
}

/// One item of the execution order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The phase with this index.
    Phase(usize),
    /// The second run of the forward phase of this node.
    Again(usize),
}

impl Links {
    /// The links of a program.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let graph = &program.graph;
        let in_body = |p: &PhaseSpec, direction| p.section == Section::Body && p.direction == direction;
        let mut maker = vec![None; graph.tensors.len()];
        for phase in program.phases.iter().filter(|p| in_body(p, Direction::Forward)) {
            let node = &graph.nodes[phase.node];
            let made: Vec<TensorId> = node.outputs.iter().chain(&node.saved).copied().collect();
            // Sums over windows and in-place updates must happen exactly once. A tensor that is read after the step must stay live.
            let once = |t: &TensorId| {
                let tensor = &graph.tensors[*t];
                tensor.place != Place::Arena || tensor.operand.scope != Scope::Window || program.pinned.contains(t)
            };
            if node.op.updates.is_empty() && !made.iter().any(once) {
                made.iter().for_each(|&t| maker[t] = Some(phase.node));
            }
        }
        let waits = |p: &PhaseSpec| if in_body(p, Direction::Backward) { program.reads(p) } else { vec![] };
        Self { waits: program.phases.iter().map(waits).collect(), maker, inputs: graph.nodes.iter().map(|n| n.inputs.clone()).collect() }
    }

    /// Nodes that can be recomputed and whose outputs a backward phase reads, in ascending order.
    #[must_use]
    pub fn candidates(&self) -> Vec<usize> {
        let mut nodes: Vec<usize> = self.waits.iter().flatten().filter_map(|&t| self.maker[t]).collect();
        order::sort_by_key(&mut nodes, |&node| node);
        nodes.dedup();
        nodes
    }

    /// The node that recomputes a tensor, if the node is flagged in `again`.
    #[must_use]
    pub fn again(&self, again: &[bool], t: TensorId) -> Option<usize> {
        self.maker[t].filter(|&n| again[n])
    }

    /// Inputs of a node.
    #[must_use]
    pub fn inputs(&self, node: usize) -> &[TensorId] {
        &self.inputs[node]
    }

    /// All phases in order, with the second runs of the nodes flagged in `again` (one flag per node) inserted where they are needed.
    #[must_use]
    pub fn turns(&self, again: &[bool]) -> Vec<Turn> {
        let mut made = vec![false; again.len()];
        let mut turns = Vec::with_capacity(self.waits.len() + 64);
        let mut open = vec![];
        for (i, waits) in self.waits.iter().enumerate() {
            for &t in waits {
                open.extend(self.again(again, t).filter(|&n| !made[n]));
                // Depth first: a node runs once all its recomputed inputs are available.
                while let Some(&node) = open.last() {
                    let missing = self.inputs[node].iter().find_map(|&t| self.again(again, t).filter(|&n| !made[n]));
                    if let Some(before) = missing {
                        open.push(before);
                    } else {
                        open.pop();
                        if !std::mem::replace(&mut made[node], true) {
                            turns.push(Turn::Again(node));
                        }
                    }
                }
            }
            turns.push(Turn::Phase(i));
        }
        turns
    }
}

/// The program in which the given nodes are recomputed in the backward pass.
#[must_use]
pub fn computing_again(mut program: Program, nodes: &[usize]) -> Program {
    if nodes.is_empty() {
        return program;
    }
    let links = Links::new(&program);
    let mut again = vec![false; program.graph.nodes.len()];
    nodes.iter().for_each(|&n| again[n] = true);
    // The recomputed copy of each tensor.
    let mut second: Vec<Option<TensorId>> = vec![None; program.graph.tensors.len()];
    let old = std::mem::take(&mut program.phases);
    for turn in links.turns(&again) {
        match turn {
            Turn::Phase(i) => {
                let mut phase = old[i].clone();
                if phase.section == Section::Body && phase.direction == Direction::Backward {
                    phase.node = view(&mut program, phase.node, &second);
                }
                program.phases.push(phase);
            }
            Turn::Again(node) => {
                let made = program.graph.nodes[node].outputs.iter().chain(&program.graph.nodes[node].saved).copied().collect::<Vec<_>>();
                for t in made {
                    let mut tensor = program.graph.tensors[t].clone();
                    tensor.name.push_str(AGAIN);
                    program.graph.tensors.push(tensor);
                    second[t] = Some(program.graph.tensors.len() - 1);
                }
                let node = view(&mut program, node, &second);
                program.graph.nodes[node].label.push_str(AGAIN);
                program.phases.push(PhaseSpec {
                    node,
                    direction: Direction::Forward,
                    section: Section::Body,
                    d_outputs: vec![],
                    d_inputs: vec![],
                    accumulate: vec![],
                });
            }
        }
    }
    program
}

/// A copy of the node that uses the recomputed copies of its tensors, or the node itself if no tensor has a copy.
fn view(program: &mut Program, node: usize, second: &[Option<TensorId>]) -> usize {
    let n = &program.graph.nodes[node];
    let lives = |t: &TensorId| second.get(*t).copied().flatten();
    if !n.inputs.iter().chain(&n.outputs).chain(&n.saved).any(|t| lives(t).is_some()) {
        return node;
    }
    let map = |ids: &[TensorId]| ids.iter().map(|t| lives(t).unwrap_or(*t)).collect();
    let seen = Node { inputs: map(&n.inputs), outputs: map(&n.outputs), saved: map(&n.saved), ..n.clone() };
    program.graph.nodes.push(seen);
    program.graph.nodes.len() - 1
}
