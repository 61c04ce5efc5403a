//! The f64 reference implementations ("twins") of the ops: the same mathematics in plain loops on the host, one phase at a time.

use super::attrs::Attrs;
use super::def::{Operand, Scope, to_f32};

/// The values that change from step to step; the uniform `Step` of every kernel holds the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepValues {
    /// Windows in this micro-batch (1 in prologue and epilogue).
    pub windows: u32,
    /// Index of the first window of the micro-batch in the order of the epoch: a key of random numbers.
    pub first_window: u32,
    /// First word of the key that is mixed from seed and step.
    pub key0: u32,
    /// Second word of that key.
    pub key1: u32,
    /// Learning rate of the step.
    pub learning_rate: f32,
    /// 1 / max(1, observed targets in the whole batch).
    pub inverse_count: f32,
    /// 1 / windows of the whole batch.
    pub inverse_windows: f32,
    /// What the proximal step takes from the norm of every driver edge: their learning rate times lambda. 0: no such step.
    pub shrink: f32,
}

/// The values of a tensor on the host, for all windows of the micro-batch; the window is the outermost axis.
#[derive(Clone, Debug)]
pub struct TwinTensor {
    /// Shape of one window.
    pub operand: Operand,
    /// Values: windows * len, or len if the tensor is per step.
    pub data: Vec<f64>,
}

impl TwinTensor {
    /// The values of window `w` (of the whole tensor if it is per step).
    #[must_use]
    pub fn window(&self, w: usize) -> &[f64] {
        let n = self.operand.len();
        if self.operand.scope == Scope::Step { &self.data } else { &self.data[w * n..(w + 1) * n] }
    }

    /// The same, mutable.
    pub fn window_mut(&mut self, w: usize) -> &mut [f64] {
        let n = self.operand.len();
        if self.operand.scope == Scope::Step { &mut self.data } else { &mut self.data[w * n..(w + 1) * n] }
    }
}

/// Arguments of a twin. Forward writes `outputs` and `saved` (and the `inputs` that it updates). Backward *adds* to `d_inputs`, which hold
/// zeros unless they accumulate.
pub struct TwinCall<'a> {
    /// The attributes of the op.
    pub attrs: &'a Attrs,
    /// Number of windows.
    pub windows: usize,
    /// Number of the node: a key of its random numbers.
    pub node: u32,
    /// The values of the step.
    pub step: StepValues,
    /// Inputs.
    pub inputs: Vec<TwinTensor>,
    /// Outputs.
    pub outputs: Vec<TwinTensor>,
    /// Saved tensors.
    pub saved: Vec<TwinTensor>,
    /// Gradients of the outputs (backward only).
    pub d_outputs: Vec<TwinTensor>,
    /// Gradients of the inputs that need one (backward only).
    pub d_inputs: Vec<Option<TwinTensor>>,
}

impl TwinCall<'_> {
    /// Gradient of input `i` at window `w`, to add to; `None` if it is not needed.
    pub fn d_input(&mut self, i: usize, w: usize) -> Option<&mut [f64]> {
        self.d_inputs[i].as_mut().map(|t| t.window_mut(w))
    }
}

/// Forward and backward pass of an op in f64 on the host. Without the feature `twins` there is neither, so that the page does not contain
/// them.
pub struct Twin {
    /// Forward.
    #[cfg(feature = "twins")]
    pub forward: fn(&mut TwinCall),
    /// Backward; never called if the op is not differentiable.
    #[cfg(feature = "twins")]
    pub backward: fn(&mut TwinCall),
}

impl Twin {
    #[cfg_attr(not(feature = "twins"), expect(unused_variables, reason = "only the f64 reference backend runs the twins"))]
    pub(super) const fn new(forward: fn(&mut TwinCall), backward: fn(&mut TwinCall)) -> Self {
        Self {
            #[cfg(feature = "twins")]
            forward,
            #[cfg(feature = "twins")]
            backward,
        }
    }
}

/// For [`Twin::backward`] of ops without backward pass.
///
/// # Panics
/// Always panics: autodiff reports such ops before.
pub fn no_backward(_: &mut TwinCall) {
    panic!("this op has no backward pass");
}

/// An index that is stored as a float.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "indices are small non-negative whole numbers")]
pub fn index_of(v: f64) -> usize {
    v as usize
}

/// Counter-based random bits: PCG4D (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020), the same as in
/// `shaders/lib/random.wgsl`.
#[must_use]
pub fn random_bits(element: u32, window: u32, node: u32, step: &StepValues) -> u32 {
    let mut v = [element, window, node ^ step.key0, step.key1];
    for x in &mut v {
        *x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    for x in &mut v {
        *x ^= *x >> 16;
    }
    mix(&mut v);
    v[0]
}

/// An element is dropped if its random bits are below this number, at probability `p`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "p is in [0, 1)")]
pub fn drop_threshold(p: f64) -> u32 {
    (p * 4_294_967_296.0) as u32
}

/// The dropout factor of an element: 0, or 1 / (1 - p).
#[must_use]
pub fn dropout(p: f64, element: usize, window: usize, node: u32, step: &StepValues) -> f64 {
    if p == 0.0 {
        return 1.0;
    }
    let bits = random_bits(super::def::to_u32(element), step.first_window + super::def::to_u32(window), node, step);
    if bits < drop_threshold(p) { 0.0 } else { f64::from(1.0_f32 / (1.0 - to_f32(p))) }
}
