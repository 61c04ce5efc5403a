//! Adapter classes: the kernel shapes and the predicted kernel costs of an adapter.
//!
//! The table is fixed. Only `pgat tune` and `pgat bench` measure, and they write their result to a file. The figures of the CPU adapters
//! are measured (REJECTED.md lists the rejected alternatives). The figures of the GPUs come from public specifications of mid-range parts;
//! `tune` refines them.

use crate::graph::Direction;
use crate::ops::generator::{Broadcast, Tile, Variants};
use crate::ops::{Backward, Cost, OpDef, find};
use crate::order;
use serde::de::{Deserialize, Deserializer, Error};
use std::collections::BTreeMap;

/// Properties of an adapter that the planner uses.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdapterClass {
    /// Name, recorded in run folders. Results may differ between classes in the last bits, never within one class.
    pub name: String,
    /// Kernel shapes.
    pub variants: Variants,
    /// Sustained rate of the crate's kernels, in floating-point operations per second.
    pub flops_per_second: f64,
    /// Sustained memory rate, in bytes per second.
    pub bytes_per_second: f64,
    /// Fixed cost of a dispatch, in seconds.
    pub dispatch_seconds: f64,
    /// Measured time of an op in one direction ("propagate backward"), divided by the time that the rates above predict. Deserialization
    /// fails if a key names an op or a direction that does not exist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "known_factors")]
    pub factors: BTreeMap<String, f64>,
}

/// Measured by `pgat bench CONFIG --out FILE` on Mesa 25.0.7 with subgroups of 8 lanes. The factors of the standard wind and ETTh1 models
/// agree within 10 %. These ops take 98 % of the time of a step.
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

/// Whether `name` is the [`AdapterClass::factor_name`] of an op in a direction in which this op runs.
fn is_factor_name(name: &str) -> bool {
    let runs = |op: &OpDef, direction: Direction| direction == Direction::Forward || matches!(op.backward, Backward::Kernels(_));
    let is = |op: &OpDef, direction| runs(op, direction) && AdapterClass::factor_name(op.name, direction) == name;
    let op = name.split(' ').next().and_then(find);
    op.is_some_and(|op| [Direction::Forward, Direction::Backward].into_iter().any(|direction| is(op, direction)))
}

/// Deserializes [`AdapterClass::factors`]. Rejects unknown names, because a misspelt name would never be looked up.
fn known_factors<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let factors = BTreeMap::<String, f64>::deserialize(from)?;
    match factors.keys().find(|name| !is_factor_name(name)) {
        None => Ok(factors),
        Some(name) => Err(D::Error::custom(format!("factor {name:?} does not name an op and a direction in which it runs"))),
    }
}

/// Properties that identify the class of an adapter.
#[derive(Clone, Debug, Default)]
pub struct AdapterFacts<'a> {
    /// Backend, as wgpu names it ("vulkan", "metal", "dx12", "webgpu").
    pub backend: &'a str,
    /// Name of the driver.
    pub driver: &'a str,
    /// Version text of the driver.
    pub driver_info: &'a str,
    /// Whether the adapter computes on the CPU.
    pub cpu: bool,
    /// Subgroup size if it is fixed and usable, otherwise 0.
    pub subgroup: usize,
}

const fn tile(broadcast: Broadcast, rows: usize, columns: usize, threads: usize, k_step: usize, lanes: usize) -> Tile {
    Tile { broadcast, rows, columns, threads, k_step, lanes }
}

impl AdapterClass {
    /// The class of an adapter: the kernel shapes of its family, and a name with the backend, the driver and the driver's major version,
    /// because another compiler may round differently.
    #[must_use]
    pub fn of(facts: &AdapterFacts) -> Self {
        let family = match (facts.driver, facts.subgroup) {
            ("llvmpipe", 8) => Self::lavapipe_subgroups(),
            ("llvmpipe", _) => Self::lavapipe(),
            _ if facts.cpu => Self::portable_cpu(),
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
            factors: order::map(LAVAPIPE_FACTORS.iter().map(|&(name, factor)| (name.to_owned(), factor))),
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

    /// An unknown software adapter: no barriers and no subgroups (barriers make SwiftShader 12 to 20 times slower).
    #[must_use]
    pub fn portable_cpu() -> Self {
        Self::portable("portable-cpu", 2e9, 2e9)
    }

    /// An unknown GPU: no barriers and no subgroups.
    #[must_use]
    pub fn portable_gpu() -> Self {
        Self::portable("portable", 500e9, 100e9)
    }

    fn portable(name: &str, flops_per_second: f64, bytes_per_second: f64) -> Self {
        let none = tile(Broadcast::None, 4, 4, 64, 1, 0);
        Self {
            name: name.into(),
            variants: Variants { rows: none, weights: none, attention_rows: 2 },
            flops_per_second,
            bytes_per_second,
            dispatch_seconds: 50e-6,
            factors: BTreeMap::new(),
        }
    }

    /// A GPU: tiles in workgroup memory.
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

    /// Predicted seconds of an op for one window with the given cost, without the fixed cost of a dispatch.
    #[must_use]
    pub fn seconds(&self, op: &str, direction: Direction, cost: Cost) -> f64 {
        let factor = self.factors.get(&Self::factor_name(op, direction)).copied().unwrap_or(1.0);
        (cost.flops / self.flops_per_second).max(cost.bytes / self.bytes_per_second) * factor
    }

    /// The key of an op in a direction in [`AdapterClass::factors`].
    #[must_use]
    pub fn factor_name(op: &str, direction: Direction) -> String {
        format!("{op} {}", direction.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every factor names an existing op, both in the table and in a file.
    #[test]
    fn factors_are_of_ops() {
        assert!(LAVAPIPE_FACTORS.iter().all(|(name, _)| is_factor_name(name)));
        let class = AdapterClass::lavapipe_subgroups();
        assert_eq!(class.factors.len(), LAVAPIPE_FACTORS.len(), "a factor occurs twice");
        let text = serde_json::to_string(&class).expect("plain data");
        assert_eq!(serde_json::from_str::<AdapterClass>(&text).expect("reads what was written"), class);
        // A misspelt op, a missing direction, unknown directions, and a direction in which the op does not run.
        for wrong in ["lineer backward", "linear", "linear sideways", "linear backward again", "patch_mean backward"] {
            let text = text.replace("\"linear backward\"", &format!("{wrong:?}"));
            let refused = serde_json::from_str::<AdapterClass>(&text).expect_err("an unknown factor is an error").to_string();
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
