//! Initial values of the parameters: section 11.1 of docs/model.md. The random numbers are keyed by seed and name, so that models with
//! different parts give their common parts the same initial values.

use crate::graph::{Graph, TensorId};
use crate::ops::def::padded;
use crate::random::{box_muller, keys};

/// Distribution of the initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform between minus and plus this.
    Uniform(f64),
    /// Normal with this standard deviation.
    Normal(f64),
    /// This value.
    Constant(f64),
    /// 1, 1/2, 1/4, ..
    Halving,
    /// These values.
    List(&'static [f64]),
}

impl Init {
    /// Uniform in +-1/sqrt(fan in), for weights and biases of linear maps.
    #[must_use]
    pub fn fan_in(n: usize) -> Self {
        Self::Uniform(1.0 / (n.max(1) as f64).sqrt())
    }

    fn draw(self, seed: u64, element: u64) -> f64 {
        let uniform = |k: u64| {
            let [a, b] = keys(seed, 2 * element + k);
            // 53 bits, never 0.
            ((f64::from(a >> 5) * 67_108_864.0 + f64::from(b >> 6)) + 0.5) / 9_007_199_254_740_992.0
        };
        match self {
            Self::Uniform(r) => r * (2.0 * uniform(0) - 1.0),
            Self::Normal(s) => s * box_muller(uniform(0), uniform(1)),
            Self::Constant(v) => v,
            Self::Halving => 0.5_f64.powi(i32::try_from(element).unwrap_or(i32::MAX)),
            Self::List(values) => usize::try_from(element).ok().and_then(|e| values.get(e)).copied().unwrap_or(0.0),
        }
    }
}

/// FNV-1a (Fowler, Noll and Vo) of a name.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The initial parameter buffer. The stored tensors behind the parameters start at 0.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
pub fn start(graph: &Graph, inits: &[(TensorId, Init)], seed: u64) -> Vec<f32> {
    let mut flat = vec![];
    for &(t, init) in inits {
        let tensor = &graph.tensors[t];
        let [a, b] = keys(seed, hash(&tensor.name));
        let seed = u64::from(a) << 32 | u64::from(b);
        let n = tensor.operand.len();
        let at = flat.len();
        flat.extend((0..n as u64).map(|e| init.draw(seed, e) as f32));
        flat.resize(at + padded(n), 0.0);
    }
    flat.resize(graph.parameters_len(), 0.0);
    flat
}
