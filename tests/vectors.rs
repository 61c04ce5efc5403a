//! Every op's twin (its f64 reference implementation), compared with vectors that PyTorch computed in float64
//! (tests/golden/make_op_vectors.py). A formula that is wrong in both twin and shader passes all other tests.

use crate::support::twin::{Driven, len};
use pgat::engine::compare::compare;
use pgat::engine::ops::twin::{StepValues, TwinTensor};
use pgat::engine::ops::{Attrs, Backward, OPS, OpDef, Operand, Scope};
use safetensors::{Dtype, SafeTensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const TOLERANCE: f64 = 1e-9;

#[derive(serde::Deserialize)]
struct Described {
    name: String,
    windows: u32,
    attrs: BTreeMap<String, Numbers>,
    scopes: Vec<String>,
    inverse_count: f32,
    learning_rate: f32,
    shrink: f32,
    continues: bool,
}

/// An attribute: a number, or a list of numbers.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(f64),
    Many(Vec<f64>),
}

impl Numbers {
    fn as_slice(&self) -> &[f64] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ops"))
}

/// Shape and values of a tensor.
fn tensor(file: &SafeTensors, name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    let view = file.tensor(name).ok()?;
    assert_eq!(view.dtype(), Dtype::F64, "{name}");
    let values = view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
    Some((view.shape().to_vec(), values))
}

fn input(file: &SafeTensors, case: &Described, i: usize) -> TwinTensor {
    let (mut shape, data) = tensor(file, &format!("{}/in.{i}", case.name)).expect("every input is in the file");
    let scope = if case.scopes[i] == "window" { Scope::Window } else { Scope::Step };
    if scope == Scope::Window {
        assert_eq!(shape.remove(0), case.windows as usize, "{}: input {i}", case.name);
    }
    let operand = Operand { shape, scope };
    assert_eq!(data.len(), len(&operand, case.windows as usize), "{}: input {i}", case.name);
    TwinTensor { operand, data }
}

/// What was compared: (kind, index) of each tensor.
type Seen = BTreeSet<(&'static str, usize)>;

fn equal(op: &OpDef, case: &Described, kind: &'static str, i: usize, expected: &[f64], found: &[f64], seen: &mut Seen) -> f64 {
    let times = compare(expected, found, TOLERANCE, 1e-3, true).unwrap_or_else(|e| panic!("{}, {}, {kind}.{i}: {e}", op.name, case.name));
    if expected.iter().any(|v| *v != 0.0) {
        seen.insert((kind, i));
    }
    times
}

fn check_case(op: &'static OpDef, file: &SafeTensors, case: &Described, left: &mut Vec<TwinTensor>, seen: &mut Seen) -> f64 {
    let expected = |kind: &str, i: usize| tensor(file, &format!("{}/{kind}.{i}", case.name)).map(|t| t.1);
    let mut inputs: Vec<TwinTensor> = (0..case.scopes.len()).map(|i| input(file, case, i)).collect();
    let given = inputs.clone();
    if case.continues {
        for &i in op.updates {
            inputs[i] = left[i].clone();
        }
    }
    let inverse_windows = 1.0 / case.windows as f32;
    let step = StepValues {
        inverse_windows,
        ..StepValues {
            windows: case.windows,
            inverse_count: case.inverse_count,
            learning_rate: case.learning_rate,
            shrink: case.shrink,
            ..StepValues::default()
        }
    };
    let pairs = case.attrs.iter().flat_map(|(name, numbers)| numbers.as_slice().iter().map(|number| (name.as_str(), *number)));
    let attrs = Attrs::named(op, pairs).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let driven = Driven { op, attrs, windows: case.windows as usize, step, inputs };
    let made = driven.forward();
    let mut worst = 0.0_f64;
    for (k, y) in made.outputs.iter().enumerate() {
        let wanted = expected("out", k).unwrap_or_else(|| panic!("{}, {}: no out.{k}", op.name, case.name));
        worst = worst.max(equal(op, case, "out", k, &wanted, &y.data, seen));
    }
    for &i in op.updates {
        let wanted = expected("update", i).unwrap_or_else(|| panic!("{}, {}: no update.{i}", op.name, case.name));
        assert_ne!(wanted, given[i].data, "{}, {}: nothing was updated", op.name, case.name);
        worst = worst.max(equal(op, case, "update", i, &wanted, &made.inputs[i].data, seen));
    }
    *left = made.inputs.clone();
    if matches!(op.backward, Backward::Kernels(_)) {
        let cotangents: Vec<_> =
            (0..made.outputs.len() - driven.discrete()).map(|k| expected("cotangent", k).expect("a gradient for each output")).collect();
        let wanted: Vec<_> = (0..case.scopes.len()).map(|i| expected("grad", i)).collect();
        let zeros = wanted.iter().map(|w| w.as_ref().map(|w| vec![0.0; w.len()])).collect();
        let found = driven.backward(&made, &cotangents, zeros);
        for (i, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            if let (Some(wanted), Some(found)) = (wanted, found) {
                worst = worst.max(equal(op, case, "grad", i, wanted, found, seen));
            }
        }
    }
    worst
}

#[test]
fn twins_equal_pytorch() {
    for &op in OPS {
        let path = folder().join(format!("{}.safetensors", op.name));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, head) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let metadata = head.metadata().as_ref().expect("it has metadata");
        assert_eq!(metadata["op"], op.name);
        assert_eq!(metadata["format"], "1");
        assert!(!metadata["torch"].is_empty());
        let cases: Vec<Described> = serde_json::from_str(&metadata["cases"]).expect("the list of cases");
        assert!(cases.len() >= 2, "{} has only {} cases", op.name, cases.len());
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let (mut seen, mut left, mut worst) = (Seen::new(), vec![], 0.0_f64);
        for case in &cases {
            worst = worst.max(check_case(op, &file, case, &mut left, &mut seen));
        }
        // Every gradient that the op's own cases compare must also be in a vector, with values that are not all zero.
        for case in op.cases() {
            for i in (0..case.inputs.len()).filter(|&i| case.inputs[i].grad) {
                assert!(seen.contains(&("grad", i)), "{}: no vector has a gradient of input {i}", op.name);
            }
        }
        assert!(op.updates.iter().all(|&i| seen.contains(&("update", i))), "{}", op.name);
        eprintln!("{}: {} cases, {} kinds of tensors, at worst {worst:.2e} of the tolerance", op.name, cases.len(), seen.len());
    }
}

#[test]
fn no_file_is_left_over() {
    for entry in std::fs::read_dir(folder()).expect("the vectors are part of the project") {
        let path = entry.expect("a readable folder").path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        assert!(OPS.iter().any(|o| o.name == stem), "{} belongs to no op", path.display());
    }
}
