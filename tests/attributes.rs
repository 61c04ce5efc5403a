//! Attributes of ops: a graph refuses a node whose attributes differ from the op's declaration. Attributes read back equal what was set.

use pgat::engine::graph::GraphError;
use pgat::engine::ops::attrs::AttrType;
use pgat::engine::ops::branches::Branches;
use pgat::engine::ops::linear::{Activation, Linear};
use pgat::engine::ops::value_loss::Loss;
use pgat::engine::ops::{AttrKind, Attrs, Case, OPS, OpDef, Operand, Operation, Times};
use pgat::engine::selftest::prepare;

/// The error of a graph when `op` is applied to the inputs of the case with `pairs` as its attributes.
fn refusal(op: &'static OpDef, case: &Case, pairs: &[(&'static str, f64)]) -> String {
    let case = Case { attrs: Attrs::new(pairs), ..case.clone() };
    match prepare(op, &case, 1) {
        Err(e @ GraphError::Op { .. }) => e.to_string(),
        Err(e) => panic!("{}: {e}", op.name),
        Ok(_) => panic!("{} takes {pairs:?}", op.name),
    }
}

/// An unknown name, a missing or repeated attribute and a number of the wrong kind are all found when the node is created.
#[test]
fn attributes_are_what_their_op_declares() {
    let (mut checked, mut lists) = (0, 0);
    for &op in OPS {
        let case = &op.cases()[0];
        let pairs = case.attrs.pairs();
        let found = refusal(op, case, &[pairs, &[("dropuot", 0.0)]].concat());
        assert!(found.contains(op.name) && found.contains("attribute dropuot is unknown"), "{found}");
        for attr in op.attrs {
            let others: Vec<_> = pairs.iter().copied().filter(|p| p.0 != attr.name).collect();
            let with = |numbers: &[f64]| [others.clone(), numbers.iter().map(|n| (attr.name, *n)).collect()].concat();
            let wrong: &[f64] = match attr.kind {
                AttrKind::Flag => &[2.0, -1.0, 0.5, f64::NAN],
                AttrKind::Count => &[-1.0, 0.5, 4_294_967_296.0, f64::NAN],
                AttrKind::Number => &[f64::INFINITY, f64::NAN],
                AttrKind::Choice(words) => &[words.len() as f64, -1.0, 0.5],
            };
            for number in wrong {
                let found = refusal(op, case, &with(&[*number]));
                assert!(found.contains(&format!("attribute {} must be", attr.name)), "{found}");
                checked += 1;
            }
            match attr.times {
                Times::Once => assert!(refusal(op, case, &others).contains(&format!("attribute {} is missing", attr.name))),
                Times::AtMostOnce => assert!(op.infer(&[], &Attrs::new(&others)).is_err_and(|e| !e.message.contains("missing"))),
                Times::List => lists += 1,
            }
            if attr.times != Times::List {
                assert!(refusal(op, case, &with(&[0.0, 0.0])).contains(&format!("attribute {} is given 2 times", attr.name)));
            }
        }
    }
    assert!(checked > 100 && lists == 1, "{checked} numbers, {lists} lists");
}

/// A dropout share of 1 is refused, because the remaining share (0) is a divisor.
#[test]
fn nothing_is_dropped_altogether() {
    let drops = |op: &&OpDef| op.attrs.iter().any(|a| a.name == "dropout");
    let ops: Vec<_> = OPS.iter().copied().filter(drops).collect();
    assert_eq!(ops.len(), 3);
    for op in ops {
        let case = &op.cases()[0];
        for share in [1.0, -0.1] {
            let pairs: Vec<_> = case.attrs.pairs().iter().map(|&(name, n)| (name, if name == "dropout" { share } else { n })).collect();
            let found = refusal(op, case, &pairs);
            assert!(found.contains("the dropout must be in [0, 1)"), "{found}");
        }
    }
}

/// A wrong number of inputs is refused before the op looks at any shape.
#[test]
fn the_number_of_inputs_is_checked() {
    for &op in OPS {
        for case in op.cases() {
            let inputs: Vec<_> = case.inputs.iter().map(|i| Operand { shape: i.shape.clone(), scope: i.scope }).collect();
            assert!(op.infer(&inputs, &case.attrs).is_ok(), "{}, {}", op.name, case.name);
            let more = [&inputs[..], &inputs[..1]].concat();
            for wrong in [&inputs[..inputs.len() - 1], &more] {
                let found = op.infer(wrong, &case.attrs).expect_err("one is missing or too many").to_string();
                assert!(found.starts_with(&format!("{}: expected ", op.name)) && found.contains(", found "), "{found}");
            }
        }
    }
}

/// Attributes that are written by name are read back unchanged, including every word of a choice.
#[test]
fn attributes_come_back_as_they_were() {
    fn choices<T: AttrType + PartialEq + std::fmt::Debug>(all: &[T]) {
        let AttrKind::Choice(words) = T::KIND else { panic!("not a choice") };
        assert_eq!(words.len(), all.len());
        for (i, one) in all.iter().enumerate() {
            assert_eq!(one.numbers(), [i as f64]);
            assert_eq!(T::read(&one.numbers()).as_ref(), Some(one), "{}", words[i]);
        }
    }
    choices(&[Activation::Identity, Activation::Relu, Activation::Gelu]);
    choices(&[Loss::Squared, Loss::Absolute, Loss::Huber, Loss::Pinball]);
    for column0 in [None, Some(8)] {
        let linear = Linear { bias: true, residual: false, activation: Activation::Gelu, dropout: 0.25, column0 };
        assert_eq!(Linear::of(&linear.attrs()), linear);
    }
    let branches = Branches { taps: vec![1, 5, 3], sources: false };
    assert_eq!(Branches::of(&branches.attrs()), branches);
}
