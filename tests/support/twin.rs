//! Calls the twin (f64 reference implementation) of one op directly, on f64 data.

use pgat::engine::ops::twin::{StepValues, TwinCall, TwinTensor};
use pgat::engine::ops::{Attrs, OpDef, Operand, Scope};

/// One op with its attributes, its shapes and its data.
#[derive(Clone)]
pub(crate) struct Driven {
    pub(crate) op: &'static OpDef,
    pub(crate) attrs: Attrs,
    pub(crate) windows: usize,
    pub(crate) step: StepValues,
    pub(crate) inputs: Vec<TwinTensor>,
}

/// The results of a forward call.
pub(crate) struct Made {
    pub(crate) outputs: Vec<TwinTensor>,
    pub(crate) saved: Vec<TwinTensor>,
    /// The inputs afterwards. Those that the op updates differ.
    pub(crate) inputs: Vec<TwinTensor>,
}

pub(crate) fn len(operand: &Operand, windows: usize) -> usize {
    operand.len() * if operand.scope == Scope::Window { windows } else { 1 }
}

impl Driven {
    /// Shapes of outputs and saved tensors, as a graph infers them.
    pub(crate) fn shapes(&self) -> (Vec<Operand>, Vec<Operand>) {
        let operands: Vec<_> = self.inputs.iter().map(|t| t.operand.clone()).collect();
        let inferred = self.op.infer(&operands, &self.attrs).unwrap_or_else(|e| panic!("{e}"));
        let scope = if operands.iter().any(|o| o.scope == Scope::Window) { Scope::Window } else { Scope::Step };
        let out = if inferred.reduces_windows { Scope::Step } else { scope };
        let outputs = inferred.outputs.into_iter().map(|shape| Operand { shape, scope: out }).collect();
        (outputs, inferred.saved.into_iter().map(|(_, shape)| Operand { shape, scope }).collect())
    }

    /// Number of the last outputs that have no gradient.
    pub(crate) fn discrete(&self) -> usize {
        let operands: Vec<_> = self.inputs.iter().map(|t| t.operand.clone()).collect();
        self.op.infer(&operands, &self.attrs).unwrap_or_else(|e| panic!("{e}")).discrete
    }

    /// A call whose outputs hold `before`, as uninitialised memory would. Sums over windows start at 0.
    fn call(&self, before: f64) -> TwinCall<'_> {
        let (outputs, saved) = self.shapes();
        let sums = self.inputs.iter().any(|i| i.operand.scope == Scope::Window) && outputs.iter().any(|o| o.scope == Scope::Step);
        let before = if sums { 0.0 } else { before };
        let filled = |operand: Operand| TwinTensor { data: vec![before; len(&operand, self.windows)], operand };
        TwinCall {
            attrs: &self.attrs,
            windows: self.windows,
            node: 3,
            step: self.step,
            inputs: self.inputs.clone(),
            outputs: outputs.into_iter().map(filled).collect(),
            saved: saved.into_iter().map(filled).collect(),
            d_outputs: vec![],
            d_inputs: vec![],
        }
    }

    /// Runs forward onto outputs filled with NaN: it must write them all.
    pub(crate) fn forward(&self) -> Made {
        let mut call = self.call(f64::NAN);
        (self.op.twin.forward)(&mut call);
        Made { outputs: call.outputs, saved: call.saved, inputs: call.inputs }
    }

    /// Gradients of the inputs, added to `start`. Where `start` is `None`, the gradient is not wanted.
    pub(crate) fn backward(&self, made: &Made, cotangents: &[Vec<f64>], start: Vec<Option<Vec<f64>>>) -> Vec<Option<Vec<f64>>> {
        let mut call = self.call(0.0);
        call.outputs.clone_from(&made.outputs);
        call.saved.clone_from(&made.saved);
        let tensors = made.outputs.iter().zip(cotangents);
        call.d_outputs = tensors.map(|(o, c)| TwinTensor { operand: o.operand.clone(), data: c.clone() }).collect();
        let d_input = |(i, s): (&TwinTensor, Option<Vec<f64>>)| s.map(|data| TwinTensor { operand: i.operand.clone(), data });
        call.d_inputs = self.inputs.iter().zip(start).map(d_input).collect();
        (self.op.twin.backward)(&mut call);
        call.d_inputs.into_iter().map(|d| d.map(|t| t.data)).collect()
    }
}
