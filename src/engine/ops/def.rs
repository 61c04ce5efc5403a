//! The definition of an operation.
//!
//! Shapes are those of *one window*, or of the whole tensor with [`Scope::Step`]. The leading axis of windows never appears in a shape, so
//! that only the planner deals with micro-batches and chunks.

use super::attrs::{AttrDef, Attrs};
use super::generator::Variants;
use super::twin::Twin;
use std::borrow::Cow;

/// Extents of a tensor, outermost first, without the axis of windows.
pub type Shape = Vec<usize>;

/// How many instances of a tensor exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Scope {
    /// One per window of the batch.
    Window,
    /// One per step: parameters, values that depend only on parameters, and sums over the batch.
    Step,
}

/// Element type; both take four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer.
    U32,
}

/// Checked narrowing of an element count.
///
/// # Panics
/// Panics above 2^32 - 1. The planner keeps every tensor of a dispatch below 2^30 elements.
#[must_use]
pub fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_else(|_| panic!("{n} does not fit into 32 bits"))
}

/// Narrowing of an attribute for a kernel.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "attributes are given as f64 and used in f32 kernels")]
pub fn to_f32(v: f64) -> f32 {
    v as f32
}

/// An op does not accept its attributes or its inputs.
#[derive(Debug, thiserror::Error)]
#[error("{op}: {message}")]
pub struct OpError {
    /// Name of the op.
    pub op: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

/// The result of shape inference.
#[derive(Debug, Default)]
pub struct Inferred {
    /// Shapes of the outputs.
    pub outputs: Vec<Shape>,
    /// Tensors beside inputs and outputs that the forward pass saves for the backward pass: name and shape.
    pub saved: Vec<(&'static str, Shape)>,
    /// Number of outputs at the end that are discrete (indices) and have no gradient.
    pub discrete: usize,
    /// The outputs are sums over the windows of the whole batch ([`Scope::Step`] although the inputs are per window), added in the order of
    /// the windows.
    pub reduces_windows: bool,
}

/// A tensor as an op sees it.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Extents without the axis of windows.
    pub shape: Shape,
    /// Per window or per step.
    pub scope: Scope,
}

impl Operand {
    /// Number of elements (of one window).
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Extent of the last axis.
    #[must_use]
    pub fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The shape with another extent of the last axis.
    #[must_use]
    pub(super) fn with_last(&self, extent: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = extent;
        }
        shape
    }

    /// Number of elements divided by the extent of the last axis.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.len() / self.last().max(1)
    }
}

/// The data from which a phase (one op, forward or backward) is built.
pub struct OpCtx<'a> {
    /// The attributes of the op.
    pub attrs: &'a Attrs,
    /// Inputs in order.
    pub inputs: &'a [Operand],
    /// Outputs in order.
    pub outputs: &'a [Operand],
    /// Backward: which inputs need a gradient. Empty in forward.
    pub wants: &'a [bool],
    /// Backward: which of them already hold a gradient to add to. This is always true for a [`Scope::Step`] input of a per-window op, whose
    /// gradient is an accumulator over windows.
    pub accumulate: &'a [bool],
    /// Kernel shapes for this class of adapter.
    pub variants: &'a Variants,
    /// Number of the node in its graph: the key of its random numbers.
    pub node: u32,
}

impl OpCtx<'_> {
    /// Whether input `i` needs a gradient.
    #[must_use]
    pub fn wants(&self, i: usize) -> bool {
        self.wants.get(i).copied().unwrap_or(false)
    }

    /// The accumulate flag of input `i` as a uniform value.
    #[must_use]
    pub fn accumulates(&self, i: usize) -> Value {
        Value::U32(u32::from(self.accumulate.get(i).copied().unwrap_or(false)))
    }
}

/// Which tensor of its node a binding names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Input i.
    In(usize),
    /// Output i.
    Out(usize),
    /// Saved tensor i.
    Saved(usize),
    /// Gradient of output i.
    DOut(usize),
    /// Gradient of input i.
    DIn(usize),
    /// Scratch i of this phase.
    Scratch(usize),
}

/// How a kernel declares a storage binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`: only for parameters, whose buffer only the optimiser writes.
    Read,
    /// `var<storage, read_write>`: every tensor in the arena, read or written. WebGPU does not allow a dispatch to bind a page with both
    /// accesses.
    ReadWrite,
}

/// One storage binding: a role of the kernel. Several tensors form one role only if they share a buffer and the dispatch writes no other
/// tensor between them (the parameters of an op, their gradients).
#[derive(Clone, Debug)]
pub struct Binding {
    /// Name of the variable in WGSL.
    pub name: &'static str,
    /// Declared access.
    pub access: Access,
    /// Whether the kernel writes it.
    pub writes: bool,
    /// The tensors that the binding covers, each with the field of `Params` that receives the index of its first element.
    pub slots: Vec<(Slot, &'static str)>,
}

impl Binding {
    /// A tensor that the kernel only reads but that lies in a buffer that kernels write.
    #[must_use]
    pub fn input(name: &'static str, slot: Slot, base: &'static str) -> Self {
        Self { name, access: Access::ReadWrite, writes: false, slots: vec![(slot, base)] }
    }

    /// A tensor that the kernel writes.
    #[must_use]
    pub fn output(name: &'static str, slot: Slot, base: &'static str) -> Self {
        Self { name, access: Access::ReadWrite, writes: true, slots: vec![(slot, base)] }
    }

    /// Parameters of the op, read only.
    #[must_use]
    pub fn parameters(name: &'static str, slots: &[(Slot, &'static str)]) -> Self {
        Self { name, access: Access::Read, writes: false, slots: slots.to_vec() }
    }

    /// Gradients of the op's parameters.
    #[must_use]
    pub fn gradients(name: &'static str, slots: &[(Slot, &'static str)]) -> Self {
        Self { name, access: Access::ReadWrite, writes: true, slots: slots.to_vec() }
    }
}

/// A value in the uniform `Params`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Unsigned integer.
    U32(u32),
    /// Float.
    F32(f32),
}

/// A named scalar in `Params`. Order and names are those of the WGSL struct; a test compares them.
pub type Field = (&'static str, Value);

/// Fields at the start of every `Params`: first window of the dispatch within the micro-batch, maximum number of windows that the dispatch
/// may cover, first workgroup (or first block) along x, items per window.
pub const HEADER: [&str; 4] = ["window0", "windows", "first", "count"];

/// How many workgroups a kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// x = ceil(windows * `per_window` / `per_group`), y = `across`.
    Windows {
        /// Items per window.
        per_window: usize,
        /// Items per workgroup.
        per_group: usize,
        /// Workgroups along y.
        across: usize,
    },
    /// x = blocks of the current group of partial sums (the block axis of a parameter gradient), y = `across`.
    Blocks {
        /// Blocks per window.
        per_window: usize,
        /// Number of blocks whose partial sums are in scratch at a time.
        group: usize,
        /// Workgroups along y.
        across: usize,
    },
    /// Independent of the number of windows. With `in_blocks` it belongs to the block loop of the preceding kernel.
    Fixed {
        /// Workgroups along x.
        groups: usize,
        /// Whether it runs once per group of blocks, after the kernel that writes the partial sums.
        in_blocks: bool,
    },
}

/// Work of a kernel for one window (or in total, if it does not depend on windows).
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Cost {
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: f64,
    /// Bytes read and written; each tensor counts once.
    pub bytes: f64,
}

impl Cost {
    /// From floating-point operations and the number of elements moved.
    #[must_use]
    pub fn new(flops: usize, elements: usize) -> Self {
        Self { flops: flops as f64, bytes: 4.0 * elements as f64 }
    }
}

/// One compute kernel of a phase.
#[derive(Clone, Debug)]
pub struct KernelDef {
    /// Complete WGSL text.
    pub source: Cow<'static, str>,
    /// Entry point.
    pub entry: &'static str,
    /// Pipeline-overridable constants.
    pub overrides: Vec<(&'static str, f64)>,
    /// Storage bindings, from binding 2 on.
    pub bindings: Vec<Binding>,
    /// Fields of `Params` after [`HEADER`], without those named by bindings.
    pub params: Vec<Field>,
    /// Workgroups.
    pub grid: Grid,
    /// Work per window.
    pub cost: Cost,
}

/// The kernels of one op in one direction, in order, and their scratch, whose size does not depend on the number of windows.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// The kernels, each of which becomes one or more dispatches.
    pub kernels: Vec<KernelDef>,
    /// Scratch tensors: number of elements, and whether they are per window.
    pub scratch: Vec<(usize, Scope)>,
}

/// The backward pass of an op.
pub enum Backward {
    /// Its kernels. They write (or add to) the gradients of the inputs that need one.
    Kernels(fn(&OpCtx) -> Phase),
    /// The op has no backward pass; the reason.
    NotDifferentiable(&'static str),
}

/// How the test data of an input are generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Normal, times a scale.
    Normal(f32),
    /// Uniform in a range.
    Uniform(f32, f32),
    /// 0 or 1; the number is the probability of 1.
    Mask(f32),
    /// A constant.
    Constant(f32),
    /// These values, repeated from the start if there are too few: for indices and for values that must agree with other inputs.
    Values(&'static [f32]),
}

impl Fill {
    /// These values. They are leaked, because test data live as long as the program.
    #[must_use]
    pub fn values(values: Vec<f32>) -> Self {
        Self::Values(values.leak())
    }
}

/// An input of a test case.
#[derive(Clone, Debug)]
pub struct CaseInput {
    /// Extents without windows.
    pub shape: Shape,
    /// Per window or per step.
    pub scope: Scope,
    /// Values.
    pub fill: Fill,
    /// Whether it is a parameter (in the parameter buffer).
    pub parameter: bool,
    /// Whether its gradient is compared.
    pub grad: bool,
}

impl CaseInput {
    /// A differentiable per-window input.
    #[must_use]
    pub fn window(shape: &[usize], fill: Fill) -> Self {
        Self { shape: shape.to_vec(), scope: Scope::Window, fill, parameter: false, grad: true }
    }

    /// Data of a window, without gradient.
    #[must_use]
    pub fn data(shape: &[usize], fill: Fill) -> Self {
        Self { grad: false, ..Self::window(shape, fill) }
    }

    /// A parameter with gradient.
    #[must_use]
    pub fn parameter(shape: &[usize], fill: Fill) -> Self {
        Self { shape: shape.to_vec(), scope: Scope::Step, fill, parameter: true, grad: true }
    }

    /// A differentiable value that exists once per step.
    #[must_use]
    pub fn step(shape: &[usize], fill: Fill) -> Self {
        Self { parameter: false, ..Self::parameter(shape, fill) }
    }
}

/// A test case of an op. The tests, the self-test on a user's adapter and the benchmark run these.
#[derive(Clone, Debug)]
pub struct Case {
    /// The property that this case tests.
    pub name: &'static str,
    /// The attributes of the op.
    pub attrs: Attrs,
    /// Inputs in order.
    pub inputs: Vec<CaseInput>,
    /// Windows in the batch.
    pub windows: usize,
    /// Number of terms of the longest sum: the tolerance grows with its square root.
    pub reduction: usize,
}

/// One operation.
pub struct OpDef {
    /// File stem, prefix of entry points, test name, label.
    pub name: &'static str,
    /// Formula in one line.
    pub summary: &'static str,
    /// Attributes, with their types.
    pub attrs: &'static [AttrDef],
    /// Output and saved shapes from input shapes and checked attributes, or a message with what was expected and what was found. Called
    /// through [`OpDef::infer`].
    pub(super) infer: fn(&[Operand], &Attrs) -> Result<Inferred, String>,
    /// Inputs whose values the backward pass reads, as indices. The planner keeps them live.
    pub keeps_inputs: &'static [usize],
    /// Outputs whose values the backward pass reads.
    pub keeps_outputs: &'static [usize],
    /// Inputs that forward updates in place (optimiser state).
    pub updates: &'static [usize],
    /// Inputs that are data: the backward pass computes no gradient of them. Empty for an op without backward pass.
    pub data: &'static [usize],
    /// Whether the op draws random numbers (keyed by seed, step, node, window, element).
    pub random: fn(&Attrs) -> bool,
    /// Forward kernels.
    pub forward: fn(&OpCtx) -> Phase,
    /// Backward kernels, or why there are none.
    pub backward: Backward,
    /// The f64 reference implementation on the host.
    pub twin: Twin,
    /// Test cases.
    pub cases: Cases,
}

/// The test cases of an op. Without the feature `twins` there are none, so that the page does not contain them.
pub struct Cases {
    #[cfg(feature = "twins")]
    make: fn() -> Vec<Case>,
}

impl Cases {
    #[cfg_attr(not(feature = "twins"), expect(unused_variables, reason = "only the self-test runs the cases"))]
    pub(super) const fn new(make: fn() -> Vec<Case>) -> Self {
        Self {
            #[cfg(feature = "twins")]
            make,
        }
    }
}

impl OpDef {
    /// Test cases.
    #[cfg(feature = "twins")]
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        (self.cases.make)()
    }

    /// Output and saved shapes from input shapes.
    ///
    /// # Errors
    /// Fails if an attribute is unknown, missing or of another kind, or if the inputs do not match.
    pub fn infer(&self, inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, OpError> {
        let inferred = attrs.check(self.attrs).and_then(|()| (self.infer)(inputs, attrs));
        inferred.map_err(|message| OpError { op: self.name, message })
    }
}

/// For [`OpDef::random`] of ops that draw no random numbers.
#[must_use]
pub fn never_random(_: &Attrs) -> bool {
    false
}

/// Rows per block of a parameter gradient. The number depends only on the shape of one window, so that no memory budget moves a block
/// boundary.
#[must_use]
pub fn block_rows(rows: usize) -> usize {
    const MOST: usize = 512;
    let blocks = rows.div_ceil(MOST).max(1);
    rows.div_ceil(blocks).max(1)
}

/// Number of partial sums in scratch at a time, if one has `elements` elements: at most 4 MiB of them, 4 to 256.
#[must_use]
pub fn partials_in_scratch(elements: usize) -> usize {
    ((1 << 20) / elements.max(1)).clamp(4, 256)
}

/// Parameters start at multiples of this number of elements: 256 bytes, so that each can be bound.
pub const PARAMETER_ALIGNMENT: usize = 64;

/// Number of elements that a parameter of `n` elements occupies in the flat buffers.
#[must_use]
pub fn padded(n: usize) -> usize {
    n.div_ceil(PARAMETER_ALIGNMENT) * PARAMETER_ALIGNMENT
}
