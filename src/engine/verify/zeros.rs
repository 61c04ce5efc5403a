//! Parameters without gradient in theory (section 11.7 of docs/model.md), which training moves only by noise.

use crate::model::ModelShape;

/// Whether a parameter of that name contains elements that no output depends on.
///
/// A softmax does not depend on a term that all of its candidates share. Such terms are the key biases of every plain attention, query and
/// key bias of autocorrelation, and, without dynamic edge weights (which multiply the scores), the biases of section 7. A softmax with only
/// one candidate depends on none of its scores. Without hops, nothing uses the gates and the adaptive graph.
#[must_use]
pub fn contains_zeros(shape: &ModelShape, name: &str) -> bool {
    let s = &shape.settings;
    let is_bias_of = |prefix: &str, last: &str| name.starts_with(prefix) && name.ends_with(&format!(".{last}.bias"));
    if is_bias_of("layers.", "key_value") || is_bias_of("scales.", "qkv") {
        return true;
    }
    if ["embedding.temporal.qkv.bias", "autocorr.qkv.bias"].contains(&name) {
        return true;
    }
    let senders = [shape.window.num_series(), s.num_transitions];
    let edges = senders.map(|n| if s.use_dynamic_graph { n.min(s.top_k_edges) } else { n });
    let drivers = ("driver_attention.", "", senders[0].min(s.top_k_edges));
    let stages =
        [("to_transition.", "graph.series_to_transition", edges[0]), ("to_target.", "graph.transition_to_target", edges[1]), drivers];
    for (stage, logits, edges) in stages {
        if edges == 1 && name == logits {
            return true;
        }
        let Some(part) = name.strip_prefix(stage) else { continue };
        let shared = !s.use_dynamic_edge_weights && (part.starts_with("bias_receiver.") || part == "key_value.bias");
        let of_scores = ["query.", "key_value.", "bias_", "edge_", "structural_weight", "feature_weight"];
        return shared || edges == 1 && of_scores.iter().any(|p| part.starts_with(p));
    }
    if name == "graph.log_temperature" {
        return edges == [1, 1];
    }
    let gates = name.starts_with("graph.gate");
    let adaptive = ["graph.sender", "graph.receiver"].iter().any(|p| name.starts_with(p));
    let alone = !s.use_dynamic_graph && !s.use_adaptive_graph;
    gates && alone || (gates || adaptive) && !s.use_hops
}

#[cfg(test)]
mod tests {
    use super::contains_zeros;
    use crate::config::ModelSettings;
    use crate::data::WindowShape;
    use crate::model::ModelShape;

    type Change = fn(&mut ModelSettings);

    fn shape(change: impl Fn(&mut ModelSettings)) -> ModelShape {
        let window = WindowShape {
            history: 8,
            horizon: 4,
            num_covariates: 1,
            num_targets: 2,
            num_channels: 1,
            num_calendar: 0,
            ..WindowShape::default()
        };
        let mut settings = ModelSettings { num_transitions: 2, top_k_edges: 2, ..ModelSettings::default() };
        (settings.use_dynamic_graph, settings.use_adaptive_graph, settings.use_hops) = (true, true, true);
        settings.use_dynamic_edge_weights = true;
        change(&mut settings);
        ModelShape::new(window, settings)
    }

    #[test]
    fn names_and_switches() {
        let always = ["layers.1.key_value.bias", "scales.0.qkv.bias", "autocorr.qkv.bias", "embedding.temporal.qkv.bias"];
        let never = ["layers.1.key_value.weight", "layers.1.query.bias", "autocorr.out.bias", "decoder.head.bias", "to_target.out.bias"];
        let all = shape(|_| {});
        assert!(always.iter().all(|n| contains_zeros(&all, n)) && !never.iter().any(|n| contains_zeros(&all, n)));
        let by_switch: [(&[&str], Change); 3] = [
            (&["to_target.bias_receiver.weight", "to_transition.key_value.bias"], |s| s.use_dynamic_edge_weights = false),
            (&["to_target.query.weight", "to_target.edge_out.bias", "graph.transition_to_target", "graph.log_temperature"], |s| {
                s.top_k_edges = 1
            }),
            (&["graph.gate1.weight", "graph.sender", "graph.receiver_memory.weight"], |s| s.use_hops = false),
        ];
        for (names, change) in by_switch {
            let changed = shape(change);
            for name in names {
                assert!(!contains_zeros(&all, name) && contains_zeros(&changed, name), "{name}");
            }
            assert!(!never.iter().any(|n| contains_zeros(&changed, n)));
        }
    }
}
