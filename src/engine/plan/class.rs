//! Classes of adapters: which kernel shapes they get and what a kernel is predicted to cost.
//!
//! The table is fixed: only `pgat tune` measures, and stores its choice beside the run's own record. Figures of the CPU adapters were
//! measured (see REJECTED.md for what lost); those of GPUs are from public specifications of mid-range parts, to be refined by `tune`.

use crate::graph::Direction;
use crate::ops::generator::{Broadcast, Tile, Variants};
use crate::ops::{Backward, Cost, OpDef, find};
use serde::de::{Deserialize, Deserializer, Error};
use std::collections::BTreeMap;

/// What the planner knows of an adapter.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdapterClass {
    /// Name, recorded in run folders: bits may differ between classes, never within one.
    pub name: String,
    /// Kernel shapes.
    pub variants: Variants,
    /// Sustained rate of our kernels, floating-point operations a second.
    pub flops_per_second: f64,
    /// Sustained bytes a second.
    pub bytes_per_second: f64,
    /// Fixed cost of a dispatch, in seconds.
    pub dispatch_seconds: f64,
    /// Time of an op in a direction ("propagate backward") over what the rates above predict, where it was measured. No class is read that
    /// names an op or a direction which does not exist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "known_factors")]
    pub factors: BTreeMap<String, f64>,
}

/// What `pgat bench CONFIG --out FILE` measured on Mesa 25.0.7 with subgroups of 8: the standard wind and ETTh1 models agree within a tenth
/// in these, which are 98 % of a step.
const LAVAPIPE_FACTORS: [(&str, f64); 34] = [
    ("attention forward", 0.85),
    ("attention backward", 0.75),
    ("autocorrelation forward", 3.0),
    ("autocorrelation backward", 2.3),
    ("branches forward", 0.57),
    ("branches backward", 0.49),
    ("cluster_gate forward", 1.0),
    ("cluster_gate backward", 0.78),
    ("cluster_mean forward", 0.9),
    ("cluster_mean backward", 2.3),
    ("concat_linear forward", 0.57),
    ("concat_linear backward", 0.52),
    ("edge_attention forward", 1.0),
    ("edge_attention backward", 0.87),
    ("embed_sum forward", 0.8),
    ("embed_sum backward", 0.5),
    ("gate_change forward", 0.39),
    ("gate_change backward", 0.35),
    ("gate_mix forward", 0.38),
    ("gate_mix backward", 0.37),
    ("interaction forward", 1.2),
    ("interaction backward", 0.88),
    ("layer_norm forward", 0.8),
    ("layer_norm backward", 0.83),
    ("linear forward", 0.58),
    ("linear backward", 0.52),
    ("propagate forward", 1.2),
    ("propagate backward", 2.5),
    ("scaled_sum forward", 0.6),
    ("scaled_sum backward", 0.57),
    ("split forward", 0.68),
    ("split backward", 0.85),
    ("step_mean forward", 0.3),
    ("step_mean backward", 1.6),
];

/// Whether some op runs in a direction of that name, as [`AdapterClass::factor_name`] makes it.
fn is_factor_name(name: &str) -> bool {
    let runs = |op: &OpDef, direction: Direction| direction == Direction::Forward || matches!(op.backward, Backward::Kernels(_));
    let is = |op: &OpDef, direction| runs(op, direction) && AdapterClass::factor_name(op.name, direction) == name;
    let op = name.split(' ').next().and_then(find);
    op.is_some_and(|op| [Direction::Forward, Direction::Backward].into_iter().any(|direction| is(op, direction)))
}

/// Reads [`AdapterClass::factors`]. A name that is misspelt would never be looked up.
fn known_factors<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let factors = BTreeMap::<String, f64>::deserialize(from)?;
    match factors.keys().find(|name| !is_factor_name(name)) {
        None => Ok(factors),
        Some(name) => Err(D::Error::custom(format!("there is a factor of {name:?}, but no op that runs so"))),
    }
}

/// What identifies an adapter's class.
#[derive(Clone, Debug, Default)]
pub struct AdapterFacts<'a> {
    /// Backend, as wgpu names it ("vulkan", "metal", "dx12", "webgpu").
    pub backend: &'a str,
    /// Driver's name.
    pub driver: &'a str,
    /// Driver's version text.
    pub driver_info: &'a str,
    /// Whether it computes on the CPU.
    pub cpu: bool,
    /// Subgroup size if it is fixed and usable, else 0.
    pub subgroup: usize,
}

const fn tile(broadcast: Broadcast, rows: usize, columns: usize, threads: usize, k_step: usize, lanes: usize) -> Tile {
    Tile { broadcast, rows, columns, threads, k_step, lanes }
}

impl AdapterClass {
    /// The class of an adapter: kernel shapes of its family, and a name that holds backend, driver and the driver's major version, since
    /// another compiler may round otherwise.
    #[must_use]
    pub fn of(facts: &AdapterFacts) -> Self {
        let family = match (facts.driver, facts.subgroup) {
            ("llvmpipe", 8) => Self::lavapipe_subgroups(),
            ("llvmpipe", _) => Self::lavapipe(),
            _ if facts.cpu => Self::portable(true),
            _ => Self::gpu(),
        };
        let digits = facts.driver_info.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty());
        let parts = [family.name.as_str(), facts.backend, facts.driver, digits.unwrap_or_default()];
        let named: Vec<_> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        Self { name: named.join("/").replace(' ', "-"), ..family }
    }

    /// Mesa's lavapipe with subgroups of 8 lanes.
    #[must_use]
    pub fn lavapipe_subgroups() -> Self {
        let rows = tile(Broadcast::Subgroup, 8, 4, 64, 1, 8);
        let weights = tile(Broadcast::Subgroup, 16, 4, 64, 1, 8);
        Self {
            name: "lavapipe-subgroup8".into(),
            variants: Variants { rows, weights, ..Self::lavapipe().variants },
            flops_per_second: 14e9,
            factors: LAVAPIPE_FACTORS.iter().map(|&(name, factor)| (name.to_owned(), factor)).collect(),
            ..Self::lavapipe()
        }
    }

    /// Mesa's lavapipe without subgroups.
    #[must_use]
    pub fn lavapipe() -> Self {
        Self {
            name: "lavapipe".into(),
            variants: Variants {
                rows: tile(Broadcast::None, 4, 4, 64, 1, 0),
                weights: tile(Broadcast::None, 8, 8, 64, 1, 0),
                attention_rows: 4,
            },
            flops_per_second: 9e9,
            bytes_per_second: 3e9,
            dispatch_seconds: 60e-6,
            factors: BTreeMap::new(),
        }
    }

    /// Any adapter of which nothing is known: no barriers, no subgroups (SwiftShader's barriers are 12 to 20 times slower).
    #[must_use]
    pub fn portable(cpu: bool) -> Self {
        let none = tile(Broadcast::None, 4, 4, 64, 1, 0);
        let (flops_per_second, bytes_per_second) = if cpu { (2e9, 2e9) } else { (500e9, 100e9) };
        Self {
            name: if cpu { "portable-cpu" } else { "portable" }.into(),
            variants: Variants { rows: none, weights: none, attention_rows: 2 },
            flops_per_second,
            bytes_per_second,
            dispatch_seconds: 50e-6,
            factors: BTreeMap::new(),
        }
    }

    /// A GPU: tiles through workgroup memory.
    #[must_use]
    pub fn gpu() -> Self {
        let shared = tile(Broadcast::Workgroup, 4, 4, 256, 16, 0);
        Self {
            name: "gpu".into(),
            variants: Variants { rows: shared, weights: shared, attention_rows: 2 },
            flops_per_second: 2e12,
            bytes_per_second: 200e9,
            dispatch_seconds: 8e-6,
            factors: BTreeMap::new(),
        }
    }

    /// Predicted seconds of one window of that work in an op, without the fixed cost of a dispatch.
    #[must_use]
    pub fn seconds(&self, op: &str, direction: Direction, cost: Cost) -> f64 {
        let factor = self.factors.get(&Self::factor_name(op, direction)).copied().unwrap_or(1.0);
        (cost.flops / self.flops_per_second).max(cost.bytes / self.bytes_per_second) * factor
    }

    /// Name of an op in a direction in [`AdapterClass::factors`].
    #[must_use]
    pub fn factor_name(op: &str, direction: Direction) -> String {
        format!("{op} {}", direction.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table's own factors are of ops that exist, and so must be those of a file.
    #[test]
    fn factors_are_of_ops() {
        assert!(LAVAPIPE_FACTORS.iter().all(|(name, _)| is_factor_name(name)));
        let class = AdapterClass::lavapipe_subgroups();
        assert_eq!(class.factors.len(), LAVAPIPE_FACTORS.len(), "a factor stands twice");
        let text = serde_json::to_string(&class).expect("plain data");
        assert_eq!(serde_json::from_str::<AdapterClass>(&text).expect("as it was written"), class);
        // An op of another name, a direction that is none, and one in which that op does not run.
        for wrong in ["lineer backward", "linear", "linear sideways", "linear backward again", "patch_mean backward"] {
            let text = text.replace("\"linear backward\"", &format!("{wrong:?}"));
            let refused = serde_json::from_str::<AdapterClass>(&text).expect_err("no op runs so").to_string();
            assert!(refused.contains(&format!("{wrong:?}")), "{refused}");
        }
    }

    #[test]
    fn another_driver_is_another_class() {
        let facts = |driver_info| AdapterFacts { backend: "vulkan", driver: "llvmpipe", driver_info, cpu: true, subgroup: 8 };
        let (old, new) = (AdapterClass::of(&facts("Mesa 22.3.6 (LLVM 15.0.6)")), AdapterClass::of(&facts("Mesa 25.0.7-2 (LLVM 15.0.6)")));
        assert_eq!(new.name, "lavapipe-subgroup8/vulkan/llvmpipe/25");
        assert_eq!(old.variants, new.variants);
        assert_ne!(old.name, new.name);
        let gpu = AdapterFacts { backend: "vulkan", driver: "NVIDIA", driver_info: "580.159.03", cpu: false, subgroup: 32 };
        assert_eq!(AdapterClass::of(&gpu).name, "gpu/vulkan/NVIDIA/580");
    }
}
