//! Inspects the model of a run: creates the required sessions and reads their tensors. [`crate::inspect`] describes the results.

use super::{Experiment, ExperimentError, LoadOptions, StoredError, Trained, Weights};
use crate::data::{Part, PartWindows, matches};
use crate::evaluate::EvaluateError;
use crate::executor::Backend;
use crate::inspect::attention::{self, Attention};
use crate::inspect::drivers::DriverGraph;
use crate::inspect::features::{Features, switches, without, worth};
use crate::inspect::graph::{self, Edge, Gates, LearnedGraph, Scores};
use crate::inspect::lags::{self, Lags};
use crate::inspect::truth::{Recovery, recovery};
use crate::inspect::{InspectError, node_names, one_window, spread};
use crate::series_graph::SeriesGraph;
use serde::Serialize;

/// Number of windows per pass for reading the gates.
const BATCH: usize = 32;

/// Inspects the model of a run.
pub struct Inspector {
    experiment: Experiment,
    backend: Backend,
    weights: Weights,
}

/// The learned graph: the edges of the driver highway, and the learned edges over hubs with the gates that weight them. A model has at
/// least one of the two.
#[derive(Serialize)]
pub struct GraphReport {
    /// How well the graph recovers the true drivers, if the true graph is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// "validation" or "test".
    pub part: String,
    /// The edges of the driver highway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drivers: Option<DriverGraph>,
    /// The learned edges over hubs.
    #[serde(flatten)]
    pub hubs: Option<HubReport>,
}

/// The learned edges over hubs, and the gates that weight the graphs for propagation.
#[derive(Serialize)]
pub struct HubReport {
    /// Temperature of the softmax over senders.
    pub temperature: f64,
    /// Gates: the mean over windows, and the values of each window.
    pub gates: Gates,
    /// Edges that the model uses.
    pub edges: Vec<Edge>,
    /// Strength of each driver for each target, before the top-k selection.
    pub scores: Scores,
    /// Both stages without selection.
    pub graph: LearnedGraph,
    /// The adaptive graph `[N, N]`, if the model has one.
    #[serde(skip)]
    pub adaptive: Option<Vec<f64>>,
}

/// A true graph, and the names of the drivers that are compared with it.
pub struct Truth {
    /// The graph.
    pub graph: SeriesGraph,
    /// Patterns of driver names; empty: all.
    pub sources: Vec<String>,
}

impl Inspector {
    /// An inspector for the run of an experiment.
    #[must_use]
    pub fn new(experiment: Experiment, backend: Backend, weights: Weights) -> Self {
        Self { experiment, backend, weights }
    }

    /// Names of all nodes in the order of the model.
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        node_names(self.experiment.dataset.series_names(), self.experiment.config.model.num_transitions)
    }

    async fn load(&self, options: LoadOptions) -> Result<Trained, ExperimentError> {
        self.experiment.load(self.backend.clone(), &LoadOptions { weights: self.weights, ..options }).await
    }

    /// At most `most` windows, evenly spread over the part.
    fn windows(&self, part: Part, most: usize) -> Result<(PartWindows, Vec<usize>), ExperimentError> {
        let chosen = spread(self.experiment.check_part(part)?, most);
        Ok((self.experiment.source(self.experiment.dataset.evaluation_windows(part)?), chosen))
    }

    /// The learned graph, the mean gates over at most `most` windows of a part, and the recovery of the edges of a true graph: by the driver
    /// highway where there is one, else by the edges over hubs.
    ///
    /// # Errors
    /// Fails if the model has no learned graph, or the part contains no window.
    pub async fn graph(&self, part: Part, most: usize, truth: Option<&Truth>) -> Result<GraphReport, ExperimentError> {
        let settings = &self.experiment.config.model;
        graph::check(settings)?;
        let (source, windows) = self.windows(part, most)?;
        let (shape, series) = (self.experiment.shape(), self.experiment.series());
        let kept = if settings.use_dynamic_graph { graph::tensors(&shape) } else { vec![] };
        let options = LoadOptions { batch: Some(windows.len().min(BATCH)), kept, ..LoadOptions::default() };
        let mut trained = self.load(options).await?;
        let of = |trained: &Trained| DriverGraph::of(&shape, &series, trained.session().parameters(), trained.parameters());
        let drivers = settings.use_driver_highway.then(|| of(&trained)).transpose()?;
        let mut hubs = None;
        if settings.use_dynamic_graph {
            let graph = LearnedGraph::of(&shape, &series, trained.session().parameters(), trained.parameters())?;
            let (gates, adaptive) = graph::look(trained.session_mut(), &source, &windows).await?;
            let (edges, scores) = (graph.edges(), graph.scores());
            hubs = Some(HubReport { temperature: graph.temperature, gates, edges, scores, graph, adaptive });
        }
        let found = truth.map(|Truth { graph, sources }| {
            let wanted = |name: &str| sources.is_empty() || sources.iter().any(|pattern| matches(pattern, name));
            match (&drivers, &hubs) {
                (Some(drivers), _) => recovery(&drivers.strengths, graph, &drivers.candidates(wanted)),
                (None, Some(hubs)) => recovery(&hubs.scores, graph, &hubs.scores.pairs(wanted)),
                (None, None) => Err(InspectError::Off { what: "learned edges", key: "use_dynamic_graph" }),
            }
        });
        Ok(GraphReport { recovery: found.transpose()?, part: part.to_string(), drivers, hubs })
    }

    /// The attention weights in one window of a part.
    ///
    /// # Errors
    /// Fails if the part has no such window.
    pub async fn attention(&self, part: Part, window: usize) -> Result<Attention, ExperimentError> {
        let (window, source) = one_window(&self.experiment.dataset, &self.experiment.scaler, part, window)?;
        let kept = attention::tensors(&self.experiment.shape());
        let mut trained = self.load(LoadOptions { batch: Some(1), kept, ..LoadOptions::default() }).await?;
        Ok(attention::look(trained.session_mut(), &source, window, self.node_names()).await?)
    }

    /// The lags that autocorrelation attention selects in one window of a part.
    ///
    /// # Errors
    /// Fails if the model has no autocorrelation attention, or the part has no such window.
    pub async fn lags(&self, part: Part, window: usize) -> Result<Lags, ExperimentError> {
        let dataset = &self.experiment.dataset;
        let (window, source) = one_window(dataset, &self.experiment.scaler, part, window)?;
        let kept = lags::tensors(&self.experiment.shape())?;
        let mut trained = self.load(LoadOptions { batch: Some(1), kept, ..LoadOptions::default() }).await?;
        let step = dataset.frequency().map(|f| f.to_string());
        Ok(lags::look(trained.session_mut(), &source, window, dataset.target_names(), step).await?)
    }

    /// The importance of each part of the model on at most `most` windows: the loss with one part switched off at a time. `progress` gets
    /// the index of the switch from 1, the number of switches, and the key.
    ///
    /// # Errors
    /// Fails if the part contains no window, or the device is lost.
    pub async fn features(
        &self,
        part: Part,
        most: usize,
        progress: &mut dyn FnMut(usize, usize, &str),
    ) -> Result<Features, ExperimentError> {
        let (source, windows) = self.windows(part, most)?;
        let config = &self.experiment.config;
        let options = LoadOptions { batch: Some(config.training.batch_size.min(windows.len())), ..LoadOptions::default() };
        let with_all = {
            let mut trained = self.load(options.clone()).await?;
            worth(trained.session_mut(), &source, config, &windows).await?
        };
        let all = switches(&config.model);
        let mut scored = vec![];
        for (i, (key, on)) in all.iter().enumerate() {
            let Some(settings) = without(&config.model, key).filter(|_| *on) else {
                scored.push((key.clone(), None));
                continue;
            };
            progress(i + 1, all.len(), key);
            let outcome = match self.load(LoadOptions { settings: Some(settings), ..options.clone() }).await {
                Ok(mut trained) => Ok(worth(trained.session_mut(), &source, config, &windows).await?),
                // Without this part, the model needs weights that the run does not have.
                Err(ExperimentError::Stored(e @ StoredError::Weights { .. })) => Err(e.to_string()),
                Err(e) => return Err(e),
            };
            scored.push((key.clone(), Some(outcome)));
        }
        Ok(Features::new(part.to_string(), windows.len(), with_all, scored))
    }
}

/// Checks that need no backend.
impl Experiment {
    /// The number of windows in a part.
    ///
    /// # Errors
    /// Fails if there are none.
    pub fn check_part(&self, part: Part) -> Result<usize, ExperimentError> {
        match self.dataset.evaluation_windows(part)?.len() {
            0 => Err(EvaluateError::NoPart(part).into()),
            windows => Ok(windows),
        }
    }

    /// Checks that a part has a window with this index.
    ///
    /// # Errors
    /// Fails if it has not.
    pub fn check_window(&self, part: Part, window: usize) -> Result<(), ExperimentError> {
        one_window(&self.dataset, &self.scaler, part, window)?;
        Ok(())
    }

    /// Checks that the model has autocorrelation attention.
    ///
    /// # Errors
    /// Fails if it has not.
    pub fn check_lags(&self) -> Result<(), InspectError> {
        lags::tensors(&self.shape()).map(|_| ())
    }

    /// Checks that the model has a learned graph.
    ///
    /// # Errors
    /// Fails if it has not.
    pub fn check_learned_graph(&self) -> Result<(), InspectError> {
        graph::check(&self.config.model)
    }
}
