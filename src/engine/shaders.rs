//! Every WGSL text that can be sent to a device: each op, each of its cases, each class of adapter, forward and backward, each combination
//! of gradients that are needed and that are added to. Tests translate these texts with naga, and `scripts/check-wgsl.mjs` checks them with
//! Tint.

use crate::ops::{Attrs, Backward, Case, KernelDef, OPS, OpCtx, OpDef, Operand, Phase, Scope};
use crate::plan::AdapterClass;
use std::collections::BTreeMap;

/// Pipeline-overridable constants of one pipeline.
pub type Overrides = Vec<(&'static str, f64)>;

/// A WGSL text and its pipelines.
#[derive(Clone, Debug)]
pub struct ShaderText {
    /// File stem: name of the op and a number.
    pub name: String,
    /// The op.
    pub op: &'static str,
    /// Complete WGSL text.
    pub source: String,
    /// Entry points with their constants. Each pair is a pipeline; there are no duplicates.
    pub entries: Vec<(&'static str, Overrides)>,
    /// Whether it needs subgroups.
    pub subgroups: bool,
}

/// The classes for which texts are generated.
#[must_use]
pub fn classes() -> Vec<AdapterClass> {
    vec![
        AdapterClass::lavapipe_subgroups(),
        AdapterClass::lavapipe(),
        AdapterClass::portable_cpu(),
        AdapterClass::portable_gpu(),
        AdapterClass::gpu(),
    ]
}

/// Calls `visit` with every kernel that a class of adapter may receive for the cases of an op.
pub fn each_kernel(mut visit: impl FnMut(&'static OpDef, &Case, &AdapterClass, &KernelDef)) {
    let classes = classes();
    for &op in OPS {
        for case in op.cases() {
            for class in &classes {
                for phase in phases(op, &case, class) {
                    phase.kernels.iter().for_each(|k| visit(op, &case, class, k));
                }
            }
        }
    }
}

/// Whether the texts of an op depend on the class of the adapter: [`crate::ops::generator`] writes these kernels for its shapes.
#[must_use]
pub fn depends_on_class(op: &'static OpDef) -> bool {
    let texts = |case: &Case, class: &AdapterClass| -> Vec<_> {
        phases(op, case, class).into_iter().flat_map(|phase| phase.kernels).map(|kernel| kernel.source).collect()
    };
    let classes = classes();
    op.cases().iter().any(|case| classes.iter().skip(1).any(|class| texts(case, class) != texts(case, &classes[0])))
}

/// Forward, and backward for every combination of gradients that are needed and that are added to.
fn phases(op: &'static OpDef, case: &Case, class: &AdapterClass) -> Vec<Phase> {
    let inputs: Vec<Operand> = case.inputs.iter().map(|i| Operand { shape: i.shape.clone(), scope: i.scope }).collect();
    let outputs = outputs(op, &inputs, &case.attrs);
    let plain =
        OpCtx { attrs: &case.attrs, inputs: &inputs, outputs: &outputs, wants: &[], accumulate: &[], variants: &class.variants, node: 1 };
    let mut phases = vec![(op.forward)(&plain)];
    let Backward::Kernels(backward) = op.backward else { return phases };
    // The gradients of parameters are always needed, and gradients of per-step tensors are always added to.
    let may_want: Vec<usize> = (0..inputs.len()).filter(|&i| case.inputs[i].grad && !case.inputs[i].parameter).collect();
    for wanted in subsets(&may_want) {
        let wants: Vec<bool> =
            (0..inputs.len()).map(|i| wanted.contains(&i) || (case.inputs[i].grad && case.inputs[i].parameter)).collect();
        let free: Vec<usize> = (0..inputs.len()).filter(|&i| wants[i] && inputs[i].scope == Scope::Window).collect();
        for added in subsets(&free) {
            let accumulate: Vec<bool> =
                (0..inputs.len()).map(|i| added.contains(&i) || (wants[i] && inputs[i].scope == Scope::Step)).collect();
            if wants.contains(&true) {
                phases.push(backward(&OpCtx { wants: &wants, accumulate: &accumulate, ..plain }));
            }
        }
    }
    phases
}

/// Shapes of the outputs, as a graph makes them.
fn outputs(op: &'static OpDef, inputs: &[Operand], attrs: &Attrs) -> Vec<Operand> {
    let inferred = op.infer(inputs, attrs).unwrap_or_else(|e| panic!("an op must accept its own cases: {e}"));
    let window = inputs.iter().any(|i| i.scope == Scope::Window) && !inferred.reduces_windows;
    let scope = if window { Scope::Window } else { Scope::Step };
    inferred.outputs.into_iter().map(|shape| Operand { shape, scope }).collect()
}

fn subsets(of: &[usize]) -> Vec<Vec<usize>> {
    let member = |mask: usize| of.iter().enumerate().filter(|(k, _)| mask >> k & 1 == 1).map(|(_, &i)| i).collect();
    (0..1_usize << of.len()).map(member).collect()
}

/// Every text, without duplicates, in the order of the ops.
#[must_use]
pub fn texts() -> Vec<ShaderText> {
    let mut texts: Vec<ShaderText> = vec![];
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut of_op: BTreeMap<&str, usize> = BTreeMap::new();
    each_kernel(|op, _, _, kernel| {
        let at = *known.entry(kernel.source.to_string()).or_insert_with(|| {
            let number = of_op.entry(op.name).or_default();
            *number += 1;
            texts.push(ShaderText {
                name: format!("{}.{number:03}", op.name),
                op: op.name,
                source: kernel.source.to_string(),
                entries: vec![],
                subgroups: uses_subgroups(&kernel.source),
            });
            texts.len() - 1
        });
        let pipeline = (kernel.entry, kernel.overrides.clone());
        if !texts[at].entries.contains(&pipeline) {
            texts[at].entries.push(pipeline);
        }
    });
    texts
}

/// Whether a text calls a subgroup function or uses a subgroup builtin value.
fn uses_subgroups(source: &str) -> bool {
    let code = source.lines().map(|l| l.split("//").next().unwrap_or_default());
    code.into_iter().any(|l| l.contains("@builtin(subgroup_") || l.contains("subgroupBroadcast("))
}

/// Names of the entry points in a text, in order.
#[must_use]
pub fn entry_points(source: &str) -> Vec<&str> {
    let after = source.split("@compute").skip(1);
    after.filter_map(|rest| rest.split_once("fn ")).filter_map(|(_, rest)| rest.split('(').next()).collect()
}

/// Writes each text as `NAME.wgsl`, and its constants as `NAME.json`, an object from entry points to lists of constants, as
/// `scripts/check-wgsl.mjs` reads them. Entry points without pipeline get the constants of all others. Returns the number of texts.
///
/// # Errors
/// Fails if a file cannot be written.
#[cfg(feature = "native")]
pub fn write_all(dir: &std::path::Path) -> std::io::Result<usize> {
    use serde_json::{Map, Value};
    std::fs::create_dir_all(dir)?;
    let texts = texts();
    let object = |o: &Overrides| Value::Object(o.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect());
    for text in &texts {
        let mut sidecar = Map::new();
        for entry in entry_points(&text.source) {
            let all: Vec<_> = text.entries.iter().collect();
            let own: Vec<_> = all.iter().copied().filter(|e| e.0 == entry).collect();
            let mut sets: Vec<Value> = vec![];
            for set in if own.is_empty() { all } else { own } {
                let set = object(&set.1);
                if !sets.contains(&set) {
                    sets.push(set);
                }
            }
            sidecar.insert(entry.to_owned(), Value::Array(sets));
        }
        std::fs::write(dir.join(format!("{}.wgsl", text.name)), &text.source)?;
        std::fs::write(dir.join(format!("{}.json", text.name)), format!("{:#}\n", Value::Object(sidecar)))?;
    }
    Ok(texts.len())
}
