//! The epilogue of a training step: norm and clipping, AdamW, moving means, and statistics of the gradients.

use super::{Flat, Graph, GraphError, Moving, Place, Program, TensorId};
use crate::ops::Scope;
use crate::ops::adamw::AdamW;
use crate::ops::edge_shrink::EdgeShrink;
use crate::ops::grad_health::{self, GradHealth};
use crate::ops::grad_norm::GradNorm;
use crate::ops::moving_average::MovingAverage;
use crate::ops::moving_mean::MovingMean;

/// What a step does with the moving mean of the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Averaging {
    /// There is none.
    #[default]
    None,
    /// It is set to the parameters.
    Copies,
    /// It follows the parameters: the share of the old mean is `min(most, (1 + k) / (ramp + k))` in step k.
    Follows {
        /// Largest share of the old mean.
        most: f64,
        /// Number of steps over which the share grows.
        ramp: f64,
    },
}

/// Learning rate and decay of the parameters from an element of the flat buffer on, up to the next group.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RateGroup {
    /// Index of the first element: the start of a parameter.
    pub start: usize,
    /// Share of the learning rate of the step.
    pub rate: f64,
    /// Decoupled weight decay.
    pub decay: f64,
}

/// Settings of AdamW, clipping and moving mean.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct OptimiserSettings {
    /// Decay rates of the moments.
    pub betas: [f64; 2],
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of every parameter, if there are no groups.
    pub weight_decay: f64,
    /// Groups with their own learning rates and decays, ascending from element 0; empty: one rate and one decay for all.
    pub groups: Vec<RateGroup>,
    /// The moving mean of the parameters.
    pub averaging: Averaging,
    /// Largest global norm of the gradient; 0 for no clipping.
    pub clip_norm: f64,
    /// Whether statistics of the gradient of each parameter tensor are computed, in the tensor `optimiser.health`, which the host reads
    /// when it needs them.
    pub health: bool,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
            groups: vec![],
            averaging: Averaging::None,
            clip_norm: 1.0,
            health: true,
        }
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
        let grouped = !s.groups.is_empty();
        let adamw = AdamW { beta1, beta2, epsilon: s.epsilon, weight_decay: s.weight_decay, grouped };
        let mut inputs = vec![parameters, moment1, moment2, gradients, norm, state];
        if grouped {
            inputs.push(self.groups(&s.groups));
        }
        self.graph.apply(adamw, "optimiser.adamw", &inputs)?;
        self.push_epilogue();
        for (edges, start) in self.graph.parameters().into_iter().filter(|p| self.graph.shrinking.contains(&p.0)).collect::<Vec<_>>() {
            if let [rank, targets, series] = self.graph.tensors[edges].operand.shape[..] {
                let label = format!("optimiser.{}", self.graph.tensors[edges].name);
                self.graph.apply(EdgeShrink { start, rank, targets, series }, &label, &[parameters, norm])?;
                self.push_epilogue();
            }
        }
        for Moving { stored, mean, rate } in self.graph.moving.clone() {
            let label = format!("optimiser.{}", self.graph.tensors[stored].name);
            self.graph.apply(MovingMean { rate }, &label, &[stored, mean, norm])?;
            self.push_epilogue();
        }
        self.average(s.averaging, norm, state)?;
        self.pinned.push(norm);
        // This node is the last one, because node numbers are keys of random numbers and those of the other nodes must not depend on it.
        if s.health {
            self.health(gradients)?;
        }
        Ok(())
    }

    /// The groups as a constant `[G, 4]`: first element / 4, share of the rate, decay, 0.
    fn groups(&mut self, groups: &[RateGroup]) -> TensorId {
        #[expect(clippy::cast_possible_truncation, reason = "rates are f32 on a device; starts are below 2^26")]
        let rows = groups.iter().flat_map(|g| [(g.start / 4) as f64, g.rate, g.decay, 0.0]).map(|v| v as f32).collect();
        self.graph.constant("optimiser.groups", &[groups.len(), 4], rows)
    }

    /// The moving mean of all parameters and stored tensors. It follows every other update of the step.
    fn average(&mut self, averaging: Averaging, norm: TensorId, state: TensorId) -> Result<(), GraphError> {
        let (copies, most, ramp) = match averaging {
            Averaging::None => return Ok(()),
            Averaging::Copies => (true, 0.0, 1.0),
            Averaging::Follows { most, ramp } => (false, most, ramp),
        };
        let g = &mut self.graph;
        let (trained, all) = (g.flat_len(), g.parameters_len());
        let average = g.tensor("optimiser.average", &[all], Scope::Step, Place::Flat(Flat::Average));
        let everything = g.tensor("optimiser.everything", &[all], Scope::Step, Place::Flat(Flat::Parameters));
        let op = MovingAverage { trained, copies, most, ramp };
        g.apply(op, "optimiser.moving_average", &[average, everything, norm, state])?;
        self.push_epilogue();
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
