//! What an operation states about itself.
//!
//! Shapes here are those of *one window*, or of the whole tensor where [`Scope::Step`]: the leading axis of windows is never written
//! down, so that micro-batches and chunks are the planner's business alone.

use super::attrs::{AttrDef, Attrs};
use super::generator::Variants;
use super::twin::Twin;
use std::borrow::Cow;

/// Extents of a tensor, outermost first, without the axis of windows.
pub type Shape = Vec<usize>;

/// How often a tensor exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum Scope {
    /// Once for each window of the batch.
    Window,
    /// Once a step: parameters and what depends on them alone, and sums over the batch.
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
/// Panics above 2^32 - 1: the planner keeps every tensor of a dispatch below 2^30 elements.
#[must_use]
pub fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_else(|_| panic!("{n} does not fit 32 bits"))
}

/// Narrowing of an attribute for a kernel.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "attributes are given as f64 and used in f32 kernels")]
pub fn to_f32(v: f64) -> f32 {
    v as f32
}

/// An op refused its attributes or its inputs.
#[derive(Debug, thiserror::Error)]
#[error("{op}: {message}")]
pub struct OpError {
    /// Name of the op.
    pub op: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

/// The inputs of an op that always has `N`.
///
/// # Errors
/// Says how many there are.
pub(super) fn exactly<const N: usize>(inputs: &[Operand]) -> Result<&[Operand; N], String> {
    inputs.try_into().map_err(|_| wrong_count(N, inputs.len()))
}

/// Checks the number of inputs where it depends on attributes.
///
/// # Errors
/// Says how many there are.
pub(super) fn expect_count(inputs: &[Operand], wanted: usize) -> Result<(), String> {
    if inputs.len() == wanted { Ok(()) } else { Err(wrong_count(wanted, inputs.len())) }
}

/// Checks a share that is dropped: 0 to below 1.
///
/// # Errors
/// Says what it is.
pub(super) fn expect_dropout(p: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&p) { Ok(()) } else { Err(format!("the dropout must be in [0, 1), found {p}")) }
}

fn wrong_count(wanted: usize, found: usize) -> String {
    format!("expected {wanted} input{}, found {found}", if wanted == 1 { "" } else { "s" })
}

/// What an op makes of its inputs' shapes.
#[derive(Debug, Default)]
pub struct Inferred {
    /// Shapes of the outputs.
    pub outputs: Vec<Shape>,
    /// What forward keeps for backward beside inputs and outputs: name and shape.
    pub saved: Vec<(&'static str, Shape)>,
    /// How many of the last outputs are discrete (indices): they have no gradient.
    pub discrete: usize,
    /// Outputs are sums over the windows of the whole batch ([`Scope::Step`] although inputs are per window), added up in order of windows.
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
    /// Elements (of one window).
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

    /// Elements divided by the last axis.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.len() / self.last().max(1)
    }
}

/// What a phase (one op, forward or backward) is built from.
pub struct OpCtx<'a> {
    /// The op's numbers.
    pub attrs: &'a Attrs,
    /// Inputs in order.
    pub inputs: &'a [Operand],
    /// Outputs in order.
    pub outputs: &'a [Operand],
    /// Backward: which inputs want a gradient. Empty in forward.
    pub wants: &'a [bool],
    /// Backward: which of them already hold one that must be added to. A [`Scope::Step`] input of a per-window op always does: it is an
    /// accumulator over windows.
    pub accumulate: &'a [bool],
    /// Kernel shapes for this class of adapter.
    pub variants: &'a Variants,
    /// Number of the node in its graph: the key of its random numbers.
    pub node: u32,
}

impl OpCtx<'_> {
    /// Whether input `i` wants a gradient.
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
    /// `var<storage, read>`: only for parameters, whose buffer no kernel but the optimiser writes.
    Read,
    /// `var<storage, read_write>`: everything in an arena, read or written (DESIGN: a page is never bound both ways in a dispatch).
    ReadWrite,
}

/// One storage binding: a role of the kernel. Several tensors are one role only where they share a buffer that holds nothing else
/// between them that the dispatch writes (an op's parameters, their gradients).
#[derive(Clone, Debug)]
pub struct Binding {
    /// Name of the variable in WGSL.
    pub name: &'static str,
    /// Declared access.
    pub access: Access,
    /// Whether the kernel writes it.
    pub writes: bool,
    /// Tensors covered, each with the field of `Params` that takes its first element.
    pub slots: Vec<(Slot, &'static str)>,
}

impl Binding {
    /// A tensor that is only read but lives where others are written.
    #[must_use]
    pub fn input(name: &'static str, slot: Slot, base: &'static str) -> Self {
        Self { name, access: Access::ReadWrite, writes: false, slots: vec![(slot, base)] }
    }

    /// A tensor that is written.
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

/// A named scalar in `Params`; order and names are those of the WGSL struct, and a test compares them.
pub type Field = (&'static str, Value);

/// Fields that open every `Params`: first window of the dispatch within the micro-batch, most windows it may cover, first workgroup
/// (or first block) along x, items per window.
pub const HEADER: [&str; 4] = ["window0", "windows", "first", "count"];

/// How many workgroups a kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// x = ceil(windows * `per_window` / `per_group`), y = `across`.
    Windows {
        /// Items of one window.
        per_window: usize,
        /// Items of one workgroup.
        per_group: usize,
        /// Workgroups along y.
        across: usize,
    },
    /// x = blocks of the current group of partial sums (block axis of a parameter gradient), y = `across`.
    Blocks {
        /// Blocks of one window.
        per_window: usize,
        /// Blocks whose partial sums are in scratch at a time.
        group: usize,
        /// Workgroups along y.
        across: usize,
    },
    /// Does not depend on the number of windows; belongs to the block loop of the kernel before it if `in_blocks`.
    Fixed {
        /// Workgroups along x.
        groups: usize,
        /// Runs once per group of blocks, after the kernel that wrote the partial sums.
        in_blocks: bool,
    },
}

/// Work of a kernel for one window (or for the whole, where it does not depend on windows).
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Cost {
    /// Floating-point operations, a multiply-add being two.
    pub flops: f64,
    /// Bytes read and written, each tensor once.
    pub bytes: f64,
}

impl Cost {
    /// From floating-point operations and elements moved.
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
    /// Fields of `Params` after [`HEADER`], without those that bindings name.
    pub params: Vec<Field>,
    /// Workgroups.
    pub grid: Grid,
    /// Work per window.
    pub cost: Cost,
}

/// Kernels of one op in one direction, run in order, and their scratch (elements, whatever the number of windows).
#[derive(Clone, Debug, Default)]
pub struct Phase {
    /// Dispatches.
    pub kernels: Vec<KernelDef>,
    /// Scratch tensors: elements, and whether for each window.
    pub scratch: Vec<(usize, Scope)>,
}

/// The backward pass of an op.
pub enum Backward {
    /// Its kernels. They write (or add to) the gradients of those inputs that want one.
    Kernels(fn(&OpCtx) -> Phase),
    /// There is none, and why.
    NotDifferentiable(&'static str),
}

/// How test data of an input are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Normal, times a scale.
    Normal(f32),
    /// Uniform in a range.
    Uniform(f32, f32),
    /// 0 or 1, with the probability of 1.
    Mask(f32),
    /// A constant.
    Constant(f32),
    /// These values, from the start again where they end: indices, and what must agree with other inputs.
    Values(&'static [f32]),
}

impl Fill {
    /// These values. Test data live as long as the program.
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
    /// Whether it is a parameter (lives in the parameters' buffer).
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

    /// Data of a window: no gradient.
    #[must_use]
    pub fn data(shape: &[usize], fill: Fill) -> Self {
        Self { grad: false, ..Self::window(shape, fill) }
    }

    /// A parameter with gradient.
    #[must_use]
    pub fn parameter(shape: &[usize], fill: Fill) -> Self {
        Self { shape: shape.to_vec(), scope: Scope::Step, fill, parameter: true, grad: true }
    }

    /// A differentiable value made once a step.
    #[must_use]
    pub fn step(shape: &[usize], fill: Fill) -> Self {
        Self { parameter: false, ..Self::parameter(shape, fill) }
    }
}

/// A test case of an op: the tests, the self-test on a user's adapter and the benchmark walk these.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub name: &'static str,
    /// The op's numbers.
    pub attrs: Attrs,
    /// Inputs in order.
    pub inputs: Vec<CaseInput>,
    /// Windows in the batch.
    pub windows: usize,
    /// Terms of the longest sum: the tolerance grows with its square root.
    pub reduction: usize,
}

/// One operation.
pub struct OpDef {
    /// File stem, entry-point prefix, test name, label.
    pub name: &'static str,
    /// Formula in one line.
    pub summary: &'static str,
    /// Attributes, with their types.
    pub attrs: &'static [AttrDef],
    /// Output and saved shapes from input shapes and from attributes that were checked, or what was expected and what was found: behind
    /// [`OpDef::infer`].
    pub(super) infer: fn(&[Operand], &Attrs) -> Result<Inferred, String>,
    /// Inputs whose values backward reads (indices); the planner keeps them alive.
    pub keeps_inputs: &'static [usize],
    /// Outputs whose values backward reads.
    pub keeps_outputs: &'static [usize],
    /// Inputs that forward updates in place (optimiser state).
    pub updates: &'static [usize],
    /// Inputs that are data: backward makes no gradient of them. Of an op without backward none is listed.
    pub data: &'static [usize],
    /// Whether it draws random numbers (keyed by seed, step, node, window, element).
    pub random: fn(&Attrs) -> bool,
    /// Forward kernels.
    pub forward: fn(&OpCtx) -> Phase,
    /// Backward kernels, or why there are none.
    pub backward: Backward,
    /// The same in f64 on the host.
    pub twin: Twin,
    /// Test cases.
    pub cases: fn() -> Vec<Case>,
}

impl OpDef {
    /// Output and saved shapes from input shapes.
    ///
    /// # Errors
    /// Fails if an attribute is unknown, missing or of another kind, or if inputs do not fit.
    pub fn infer(&self, inputs: &[Operand], attrs: &Attrs) -> Result<Inferred, OpError> {
        let inferred = attrs.check(self.attrs).and_then(|()| (self.infer)(inputs, attrs));
        inferred.map_err(|message| OpError { op: self.name, message })
    }
}

/// For [`OpDef::random`] of ops that draw none.
#[must_use]
pub fn never_random(_: &Attrs) -> bool {
    false
}

/// Rows of a block of a parameter gradient: from the shape of one window alone, so that no budget can move a cut.
#[must_use]
pub fn block_rows(rows: usize) -> usize {
    const MOST: usize = 512;
    let blocks = rows.div_ceil(MOST).max(1);
    rows.div_ceil(blocks).max(1)
}

/// Partial sums held in scratch at a time, for one of `elements` elements: at most 4 MiB of them, 4 to 256.
#[must_use]
pub fn partials_in_scratch(elements: usize) -> usize {
    ((1 << 20) / elements.max(1)).clamp(4, 256)
}

/// Elements between the starts of two parameters: multiples of 256 bytes, so that each can be bound.
pub const PARAMETER_ALIGNMENT: usize = 64;

/// Elements that a parameter of `n` elements takes in the flat buffers.
#[must_use]
pub fn padded(n: usize) -> usize {
    n.div_ceil(PARAMETER_ALIGNMENT) * PARAMETER_ALIGNMENT
}
