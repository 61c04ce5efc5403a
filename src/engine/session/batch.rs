//! A batch on the host.

use crate::data::{WindowMut, WindowShape, WindowSource};
use crate::ops::def::to_u32;
use crate::random::keys;
use crate::step::StepInput;

/// A batch on the host, reused for every step.
pub(super) struct HostBatch {
    shape: WindowShape,
    windows: usize,
    pub(super) observed: f32,
    /// Number of elements of each noise input.
    noise: Vec<usize>,
    inputs: Vec<Vec<f32>>,
}

impl HostBatch {
    pub(super) fn new(shape: &WindowShape, noise: Vec<usize>) -> Self {
        Self { shape: *shape, windows: 0, observed: 0.0, noise, inputs: vec![] }
    }

    /// Fills the inputs of a recording (values, observed mask; calendar, common categories, own
    /// categories and noise if any; target, target mask) with the given windows
    /// of a source. Without keys the noise is 0.
    pub(super) fn fill(&mut self, source: &dyn WindowSource, indices: &[usize], keys: Option<[u32; 2]>) {
        // Free the previous batch first, so that only one is held in memory.
        self.inputs.clear();
        let s = &self.shape;
        let lens = [s.values_len(), s.values_len(), s.calendar_len(), s.common_len(), s.own_len(), s.target_len(), s.target_len()];
        let mut all: [Vec<f32>; 7] = lens.map(|n| vec![0.0; n * indices.len()]);
        let [values, observed, calendar, common, own, target, target_observed] = all.each_mut();
        for (w, &index) in indices.iter().enumerate() {
            let window = WindowMut {
                values: &mut values[w * lens[0]..(w + 1) * lens[0]],
                observed: &mut observed[w * lens[1]..(w + 1) * lens[1]],
                calendar: &mut calendar[w * lens[2]..(w + 1) * lens[2]],
                common: &mut common[w * lens[3]..(w + 1) * lens[3]],
                own: &mut own[w * lens[4]..(w + 1) * lens[4]],
                target: &mut target[w * lens[5]..(w + 1) * lens[5]],
                target_observed: &mut target_observed[w * lens[6]..(w + 1) * lens[6]],
            };
            source.fill(index, window);
        }
        self.windows = indices.len();
        self.observed = all[6].iter().sum();
        let [values, observed, calendar, common, own, target, target_observed] = all;
        self.inputs = vec![values, observed];
        let some = [(s.num_calendar, calendar), (s.num_common, common), (s.num_own, own)];
        self.inputs.extend(some.into_iter().filter(|(count, _)| *count > 0).map(|(_, input)| input));
        for (i, &n) in self.noise.iter().enumerate() {
            self.inputs.push(keys.map_or_else(|| vec![0.0; n], |k| gumbel(k, i, n)));
        }
        self.inputs.extend([target, target_observed]);
    }

    pub(super) fn step_input(&self, first_window: usize, keys: [u32; 2], [learning_rate, shrink]: [f64; 2]) -> StepInput<'_> {
        #[expect(clippy::cast_possible_truncation, reason = "uniforms are f32")]
        let [learning_rate, shrink] = [learning_rate as f32, shrink as f32];
        StepInput {
            windows: self.windows,
            first_window: to_u32(first_window),
            keys,
            learning_rate,
            shrink,
            inverse_count: 1.0 / self.observed.max(1.0),
            inputs: &self.inputs,
        }
    }
}

/// Gumbel noise number `which` of a step: `-ln(-ln u)`, computed in f64, keyed by the keys of the step and the element index.
fn gumbel(step_keys: [u32; 2], which: usize, n: usize) -> Vec<f32> {
    let stream = keys(u64::from(step_keys[0]) << 32 | u64::from(step_keys[1]), 0x6775_6d62_656c + which as u64);
    let seed = u64::from(stream[0]) << 32 | u64::from(stream[1]);
    #[expect(clippy::cast_possible_truncation, reason = "the kernels read f32")]
    let one = |element: u64| {
        let [a, b] = keys(seed, element);
        // 52 random bits plus one half: `u` is never 0 or 1.
        let u = ((f64::from(a >> 6) * 67_108_864.0 + f64::from(b >> 6)) + 0.5) / 4_503_599_627_370_496.0;
        (-(-u.ln()).ln()) as f32
    };
    (0..n as u64).map(one).collect()
}
