//! Learning rates and decays of the parameters by group: section 11 of docs/model.md.

use super::drivers::EDGES;
use crate::config::TrainingSettings;
use crate::graph::{Graph, RateGroup};

/// Tables of vectors, which do not decay although they have two or more axes.
const TABLES: [&str; 6] = ["embedding.node", "embedding.kind", "embedding.adaptive", "graph.sender", "graph.receiver", EDGES];

/// The groups of a step of the whole model, in the order of the flat buffers; none if all parameters have the same rate and decay.
#[must_use]
pub fn whole(graph: &Graph, s: &TrainingSettings) -> Vec<RateGroup> {
    #[expect(clippy::float_cmp, reason = "exactly 1: every parameter has the rate of the step")]
    let alike = !s.decay_matrices_only && s.highway_rate == 1.0 && s.edge_rate == 1.0;
    if alike {
        return vec![];
    }
    runs(graph, |name, axes| {
        let rate = match name {
            EDGES => s.edge_rate,
            _ if name.starts_with("drivers.") || name.starts_with("decoder.highway.") => s.highway_rate,
            _ => 1.0,
        };
        let table = TABLES.contains(&name)
            || ["embedding.graph.distance.", "embedding.common.", "embedding.own."].iter().any(|prefix| name.starts_with(prefix));
        let decays = !s.decay_matrices_only || axes >= 2 && !table;
        (rate, if decays { s.weight_decay } else { 0.0 })
    })
}

/// The groups of a step of the linear start. What it does not train has rate 0 and keeps its bits.
#[must_use]
pub fn start(graph: &Graph, s: &TrainingSettings) -> Vec<RateGroup> {
    runs(graph, |name, _| match name {
        EDGES => (s.start.edge_rate, 0.0),
        "decoder.head.bias" => (1.0, s.start.weight_decay),
        _ if name.starts_with("drivers.") || name.starts_with("decoder.highway.") => (1.0, s.start.weight_decay),
        _ => (0.0, 0.0),
    })
}

/// Rate and decay of each parameter; neighbours with the same are one group.
fn runs(graph: &Graph, of: impl Fn(&str, usize) -> (f64, f64)) -> Vec<RateGroup> {
    let mut groups: Vec<RateGroup> = vec![];
    for (t, start) in graph.parameters() {
        let tensor = &graph.tensors[t];
        let (rate, decay) = of(&tensor.name, tensor.operand.shape.len());
        if groups.last().is_none_or(|last| (last.rate, last.decay) != (rate, decay)) {
            groups.push(RateGroup { start, rate, decay });
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelSettings;
    use crate::data::WindowShape;
    use crate::model::{Mode, ModelShape, build};

    #[test]
    fn rates_and_decays_by_name() {
        let window = WindowShape {
            history: 8,
            horizon: 4,
            num_covariates: 2,
            num_targets: 3,
            num_channels: 1,
            num_calendar: 3,
            ..WindowShape::default()
        };
        let settings = ModelSettings { use_driver_highway: true, ..ModelSettings::default() };
        let graph = build(&ModelShape::new(window, settings), Mode::Train).expect("a model").graph;
        let settings = TrainingSettings { highway_rate: 0.1, edge_rate: 0.03, decay_matrices_only: true, ..TrainingSettings::default() };
        let of = |groups: &[RateGroup], name: &str| {
            let (_, start) = graph.parameters().into_iter().find(|p| graph.tensors[p.0].name == name).expect("a parameter");
            groups.iter().rfind(|g| g.start <= start).map(|g| (g.rate, g.decay)).expect("a group")
        };
        let whole = whole(&graph, &settings);
        let decay = settings.weight_decay;
        let expected = [
            ("drivers.edges", (0.03, 0.0)),
            ("drivers.code.weight", (0.1, decay)),
            ("decoder.highway.weight", (0.1, decay)),
            ("decoder.highway.bias", (0.1, 0.0)),
            ("decoder.head.weight", (1.0, decay)),
            ("decoder.head.bias", (1.0, 0.0)),
            ("embedding.node", (1.0, 0.0)),
            ("embedding.adaptive", (1.0, 0.0)),
            ("embedding.graph.distance.weight", (1.0, 0.0)),
            ("embedding.graph.spectral.weight", (1.0, decay)),
            ("graph.sender", (1.0, 0.0)),
            ("graph.series_to_transition", (1.0, decay)),
            ("graph.log_temperature", (1.0, 0.0)),
            ("layers.0.interaction", (1.0, decay)),
            ("layers.0.norm_time.weight", (1.0, 0.0)),
        ];
        for (name, wanted) in expected {
            assert_eq!(of(&whole, name), wanted, "{name}");
        }
        let first = start(&graph, &settings);
        let s = &settings.start;
        for (name, wanted) in [
            ("drivers.edges", (s.edge_rate, 0.0)),
            ("drivers.out.weight", (1.0, s.weight_decay)),
            ("decoder.highway.bias", (1.0, s.weight_decay)),
            ("decoder.head.bias", (1.0, s.weight_decay)),
            ("decoder.head.weight", (0.0, 0.0)),
            ("embedding.node", (0.0, 0.0)),
        ] {
            assert_eq!(of(&first, name), wanted, "{name}");
        }
        let plain = TrainingSettings::default();
        assert!(super::whole(&graph, &plain).is_empty(), "the first generation has one rate and one decay");
    }
}
