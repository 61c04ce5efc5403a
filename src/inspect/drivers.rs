//! The learned graph of the second generation: strengths of the edges of the driver highway (section 9a of docs/model.md), and what each
//! edge does, read from the weights.

use super::graph::Scores;
use super::{InspectError, field};
use crate::model::{ModelShape, ParameterPlace};
use serde::Serialize;

/// An edge of the driver highway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverEdge {
    /// The series whose values travel along the edge.
    pub source: String,
    /// The target that receives them.
    pub target: String,
    /// Norm over the signed graphs, divided by the largest of all edges.
    pub strength: f64,
    /// Distance in rows, back from the first forecast row, of the value with the largest linear effect on this row; 0 and below: a known
    /// value of the horizon. It is that of channel 0.
    pub lag: i64,
    /// This effect: the change of the first forecast row per unit of the value, both in standardised units (before the way back through the
    /// instance norm). Its sign says whether the source pulls the target up or down.
    pub effect: f64,
}

/// The learned graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverGraph {
    /// Strengths `[targets, series]`, divided by the largest; 0 for a target's edge from itself.
    pub strengths: Scores,
    /// Edges with a strength above 0, the strongest of each target first, in the order of the targets.
    pub edges: Vec<DriverEdge>,
    /// Number of covariates; these are the first series.
    pub covariates: usize,
}

impl DriverGraph {
    /// Reads the graph from the weights. `series` holds the names of the covariates, followed by those of the targets.
    ///
    /// # Errors
    /// Fails if the model has no driver highway.
    pub fn of(shape: &ModelShape, series: &[String], places: &[ParameterPlace], parameters: &[f32]) -> Result<Self, InspectError> {
        let (w, s) = (shape.window, &shape.settings);
        if !s.use_driver_highway {
            return Err(InspectError::Off { what: "driver highway", key: "use_driver_highway" });
        }
        let read = |name: &'static str| {
            let place = places.iter().find(|p| p.name == name);
            let values = place.and_then(|p| parameters.get(p.start..p.start + p.shape.iter().product::<usize>()));
            values.map(|v| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()).ok_or(InspectError::Weights(name))
        };
        let (edges, code, out) = (read("drivers.edges")?, read("drivers.code.weight")?, read("drivers.out.weight")?);
        let (rank, width, targets, all) = (s.driver_rank, s.driver_width, w.num_targets, w.num_series());
        let mut strengths = crate::ops::driver_edges::strengths(&edges, &[rank, targets, all]);
        let largest = strengths.iter().copied().fold(1e-12, f64::max);
        strengths.iter_mut().for_each(|v| *v /= largest);
        let (row, channels) = (w.steps() * w.num_channels, w.num_channels);
        // Effect of channel 0 of series i, at a step, on the first forecast row of target j.
        let effect = |j: usize, i: usize, step: usize| -> f64 {
            let one = |r: usize| {
                let piece = r * width..(r + 1) * width;
                edges[(r * targets + j) * all + i] * piece.map(|q| out[q] * code[q * row + step * channels]).sum::<f64>()
            };
            (0..rank).map(one).sum()
        };
        let mut found = vec![];
        for j in 0..targets {
            let mut order: Vec<usize> = (0..all).filter(|i| strengths[j * all + i] > 0.0).collect();
            order.sort_by(|&a, &b| strengths[j * all + b].total_cmp(&strengths[j * all + a]));
            for i in order {
                let last = if i < w.num_covariates { w.steps() } else { w.history };
                let effects = (0..last).map(|step| (step, effect(j, i, step)));
                let (step, effect) = effects.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or((0, 0.0));
                found.push(DriverEdge {
                    source: series[i].clone(),
                    target: series[w.num_covariates + j].clone(),
                    strength: strengths[j * all + i],
                    lag: i64::try_from(w.history).unwrap_or(i64::MAX) - i64::try_from(step).unwrap_or(i64::MAX),
                    effect,
                });
            }
        }
        let strengths = Scores { targets: series[w.num_covariates..].to_vec(), drivers: series.to_vec(), values: strengths };
        Ok(Self { strengths, edges: found, covariates: w.num_covariates })
    }

    /// The pairs that a known graph is compared with: the covariates as drivers, or, without covariates, all other series. `wanted` selects
    /// drivers by name.
    #[must_use]
    pub fn candidates(&self, wanted: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
        let all = self.strengths.drivers.len();
        let drivers = if self.covariates > 0 { 0..self.covariates } else { 0..all };
        let pairs = (0..self.strengths.targets.len()).flat_map(|j| drivers.clone().map(move |i| (j, i)));
        pairs.filter(|&(j, i)| i != self.covariates + j && wanted(&self.strengths.drivers[i])).collect()
    }

    /// The edges as CSV: source, target, strength, lag, effect.
    #[must_use]
    pub fn csv(&self) -> String {
        let line = |e: &DriverEdge| format!("{},{},{:.6},{},{:.6}\n", field(&e.source), field(&e.target), e.strength, e.lag, e.effect);
        self.edges.iter().fold("source,target,strength,lag,effect\n".into(), |text, e| text + &line(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelSettings;
    use crate::data::WindowShape;
    use crate::model::parameter_places;

    #[test]
    fn an_edge_is_read_with_its_lag_and_its_sign() {
        let window = WindowShape {
            history: 4,
            horizon: 2,
            num_covariates: 2,
            num_targets: 2,
            num_channels: 1,
            num_calendar: 0,
            ..WindowShape::default()
        };
        let settings = ModelSettings { use_driver_highway: true, driver_rank: 2, driver_width: 1, ..ModelSettings::default() };
        let shape = ModelShape::new(window, settings);
        let places = parameter_places(&shape).expect("a model");
        let mut parameters = vec![0.0; places.iter().map(|p| p.start + p.shape.iter().product::<usize>()).max().unwrap_or(0)];
        let mut set = |name: &str, at: usize, value: f32| {
            let place = places.iter().find(|p| p.name == name).expect("a parameter");
            parameters[place.start + at] = value;
        };
        // Graph 0: wind -> a, strength 3, and a's own; graph 1: b -> a, strength 4.
        set("drivers.edges", 1, -3.0);
        set("drivers.edges", 2, 7.0);
        set("drivers.edges", 8 + 3, 4.0);
        // The code of graph 0 is the value one row before the last of the history; that of graph 1 the oldest.
        set("drivers.code.weight", 2, 1.0);
        set("drivers.code.weight", 6, 1.0);
        set("drivers.out.weight", 0, 0.5);
        set("drivers.out.weight", 1, 2.0);
        let names = ["sun", "wind", "a", "b"].map(str::to_owned);
        let graph = DriverGraph::of(&shape, &names, &places, &parameters).expect("a graph");
        assert_eq!(graph.strengths.values, [0.0, 0.75, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let [first, second] = &graph.edges[..] else { panic!("two edges: {:?}", graph.edges) };
        assert_eq!((first.source.as_str(), first.target.as_str(), first.lag, first.effect), ("b", "a", 4, 8.0));
        assert_eq!((second.source.as_str(), second.target.as_str(), second.lag, second.effect), ("wind", "a", 2, -1.5));
        assert_eq!(graph.candidates(|_| true), [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(graph.candidates(|name| name == "wind"), [(0, 1), (1, 1)]);
        assert!(graph.csv().contains("b,a,1.000000,4,8.000000\nwind,a,0.750000,2,-1.500000\n"));
    }
}
