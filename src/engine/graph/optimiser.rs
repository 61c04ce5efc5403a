//! The epilogue of a training step: norm and clipping, AdamW, moving means, and statistics of the gradients.

use super::{Flat, Graph, GraphError, Moving, Place, Program, TensorId};
use crate::ops::Scope;
use crate::ops::adamw::AdamW;
use crate::ops::grad_health::{self, GradHealth};
use crate::ops::grad_norm::GradNorm;
use crate::ops::moving_mean::MovingMean;

/// Settings of AdamW and clipping.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct OptimiserSettings {
    /// Decay rates of the moments.
    pub betas: [f64; 2],
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of every parameter.
    pub weight_decay: f64,
    /// Largest global norm of the gradient; 0 for no clipping.
    pub clip_norm: f64,
    /// Whether statistics of the gradient of each parameter tensor are computed, in the tensor `optimiser.health`, which the host reads
    /// when it needs them.
    pub health: bool,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01, clip_norm: 1.0, health: true }
    }
}

impl Program {
    /// A training step: forward, backward from the sum of `losses` (per step, `[1]`), clipping, AdamW on every parameter. The first loss is
    /// the reported one.
    ///
    /// # Errors
    /// Fails if a gradient must pass through an op without gradient.
    ///
    /// # Panics
    /// Panics if `losses` is empty.
    pub fn training(mut graph: Graph, losses: &[TensorId], settings: &OptimiserSettings) -> Result<Self, GraphError> {
        let one = graph.constant("loss.seed", &[1], vec![1.0]);
        let seeds: Vec<_> = losses.iter().map(|&l| (l, one)).collect();
        Self::training_from(graph, &seeds, losses[0], settings)
    }

    /// A training step from given gradients. `loss` (per step, `[1]`) is tested for finiteness and reported.
    ///
    /// # Errors
    /// Fails if a gradient must pass through an op without gradient.
    pub fn training_from(
        graph: Graph,
        seeds: &[(TensorId, TensorId)],
        loss: TensorId,
        settings: &OptimiserSettings,
    ) -> Result<Self, GraphError> {
        let wanted: Vec<_> = graph.parameters().iter().map(|p| p.0).collect();
        let mut program = Self::with_gradients("train", graph, seeds, &wanted, vec![])?;
        program.optimiser(loss, settings)?;
        Ok(program)
    }

    fn optimiser(&mut self, loss: TensorId, s: &OptimiserSettings) -> Result<(), GraphError> {
        let p = self.graph.flat_len();
        let flat = |g: &mut Graph, name: &str, n: usize, role| g.tensor(name, &[n], Scope::Step, Place::Flat(role));
        let g = &mut self.graph;
        let gradients = flat(g, "optimiser.gradients", p, Flat::Gradients);
        let parameters = flat(g, "optimiser.parameters", p, Flat::Parameters);
        let moment1 = flat(g, "optimiser.moment1", p, Flat::Moment1);
        let moment2 = flat(g, "optimiser.moment2", p, Flat::Moment2);
        let state = flat(g, "optimiser.state", STATE_LEN, Flat::State);
        let norm = g.apply1(GradNorm { clip_norm: s.clip_norm }, "optimiser.norm", &[gradients, loss])?;
        self.push_epilogue();
        let [beta1, beta2] = s.betas;
        let adamw = AdamW { beta1, beta2, epsilon: s.epsilon, weight_decay: s.weight_decay };
        let inputs = [parameters, moment1, moment2, gradients, norm, state];
        self.graph.apply(adamw, "optimiser.adamw", &inputs)?;
        self.push_epilogue();
        for Moving { stored, mean, rate } in self.graph.moving.clone() {
            let label = format!("optimiser.{}", self.graph.tensors[stored].name);
            self.graph.apply(MovingMean { rate }, &label, &[stored, mean, norm])?;
            self.push_epilogue();
        }
        self.pinned.push(norm);
        // This node is the last one, because node numbers are keys of random numbers and those of the other nodes must not depend on it.
        if s.health {
            self.health(gradients)?;
        }
        Ok(())
    }

    /// Sum of squares, zeros and non-finite elements of the gradient of each parameter, before clipping.
    fn health(&mut self, gradients: TensorId) -> Result<(), GraphError> {
        let g = &mut self.graph;
        let places: Vec<_> = g.parameters().into_iter().map(|(t, start)| (start, g.tensors[t].operand.len())).collect();
        let [chunks, tensors] = grad_health::tables(&places);
        if chunks.is_empty() {
            return Ok(());
        }
        let chunks = g.constant("optimiser.chunks", &[chunks.len() / 2, 2], chunks);
        let tensors = g.constant("optimiser.tensors", &[tensors.len() / 2, 2], tensors);
        let health = g.apply1(GradHealth, HEALTH, &[gradients, chunks, tensors])?;
        self.push_epilogue();
        self.pinned.push(health);
        Ok(())
    }
}

/// Name of the output of `grad_health`: one row for each parameter, in the order of their declaration.
pub const HEALTH: &str = "optimiser.health";

/// Number of elements of the optimiser's state: steps taken, 1 - beta1^t, 1 - beta2^t, consecutive bad steps, all bad steps, three unused.
pub const STATE_LEN: usize = 8;
