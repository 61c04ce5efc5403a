//! Every WGSL text that can reach a device, tested without a device. It validates, translates to the shader language of each platform, uses
//! exactly the bindings that its op declares, stays within WebGPU's default limits, and reads the uniforms that the planner writes.

use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::compact::{KeepUnused, compact};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Expression, Handle, Module, ScalarKind, ShaderStage, StorageAccess, TypeInner};
use pgat::engine::ops::def::HEADER;
use pgat::engine::ops::twin::StepValues;
use pgat::engine::ops::{Access, KernelDef, OPS, Value};
use pgat::engine::plan::text::KernelText;
use pgat::engine::shaders::{ShaderText, each_kernel, entry_points, texts};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::offset_of;

fn capabilities(subgroups: bool) -> Capabilities {
    // Only core WebGPU, unless the text uses subgroups.
    if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() }
}

fn validate(module: &Module, subgroups: bool) -> Result<ModuleInfo, String> {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities(subgroups));
    validator.validate(module).map_err(|e| format!("{:?}", e.into_inner()))
}

fn parse(text: &ShaderText) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(&text.source).unwrap_or_else(|e| panic!("{}: {}", text.name, e.emit_to_string(&text.source)));
    let info = validate(&module, text.subgroups).unwrap_or_else(|e| panic!("{}: {e}", text.name));
    (module, info)
}

/// One entry point with its constants applied, without the items that it does not use.
fn pipeline(module: &Module, info: &ModuleInfo, subgroups: bool, entry: &str, overrides: &[(&str, f64)]) -> (Module, ModuleInfo) {
    let constants: PipelineConstants = overrides.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
    let (module, _) = process_overrides(module, info, Some((ShaderStage::Compute, entry)), &constants)
        .unwrap_or_else(|e| panic!("{entry} with {overrides:?}: {e}"));
    let mut module = module.into_owned();
    module.entry_points.retain(|e| e.name == entry);
    compact(&mut module, KeepUnused::No);
    let info = validate(&module, subgroups).unwrap_or_else(|e| panic!("{entry} with {overrides:?}: {e}"));
    (module, info)
}

/// Bytes of a type in memory.
fn size(module: &Module, ty: Handle<naga::Type>) -> u32 {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("a valid module has a layout");
    layouter[ty].size
}

/// Name, offset and scalar of each member of the struct behind a global, and the struct's size in bytes.
fn fields(module: &Module, global: &str) -> (Vec<(String, u32, ScalarKind)>, u32) {
    let (_, variable) = module.global_variables.iter().find(|(_, g)| g.name.as_deref() == Some(global)).expect("the uniform exists");
    assert_eq!(variable.space, AddressSpace::Uniform);
    let TypeInner::Struct { members, span } = &module.types[variable.ty].inner else { panic!("{global} is not a struct") };
    let member = |m: &naga::StructMember| {
        let TypeInner::Scalar(scalar) = module.types[m.ty].inner else { panic!("{global}.{:?} is not a scalar", m.name) };
        assert_eq!(scalar.width, 4);
        (m.name.clone().unwrap_or_default(), m.offset, scalar.kind)
    };
    (members.iter().map(member).collect(), *span)
}

#[test]
fn every_text_validates_and_translates() {
    let mut pipelines = 0;
    let texts = texts();
    for op in OPS {
        assert!(texts.iter().any(|t| t.op == op.name), "{} has no text", op.name);
    }
    for text in &texts {
        let (module, info) = parse(text);
        let named: BTreeSet<&str> = entry_points(&text.source).into_iter().collect();
        assert_eq!(named, module.entry_points.iter().map(|e| e.name.as_str()).collect(), "{}", text.name);
        for (entry, overrides) in &text.entries {
            let what = format!("{}, {entry} {overrides:?}", text.name);
            let (module, info) = pipeline(&module, &info, text.subgroups, entry, overrides);
            let stage = ShaderStage::Compute;
            let lang_version = (1, 3);
            let options = spv::Options { lang_version, ..Default::default() };
            let chosen = spv::PipelineOptions { shader_stage: stage, entry_point: (*entry).into() };
            let words = spv::write_vec(&module, &info, &options, Some(&chosen)).unwrap_or_else(|e| panic!("{what}: SPIR-V: {e}"));
            assert!(words.len() > 100, "{what}");
            let options = msl::Options { lang_version: (2, 4), ..Default::default() };
            let chosen = msl::PipelineOptions { entry_point: Some((stage, (*entry).into())), ..Default::default() };
            let (metal, _) = msl::write_string(&module, &info, &options, &chosen).unwrap_or_else(|e| panic!("{what}: MSL: {e}"));
            assert!(metal.contains("kernel void"), "{what}");
            let shader_model = if text.subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 };
            let options = hlsl::Options { shader_model, ..Default::default() };
            let chosen = hlsl::PipelineOptions { entry_point: Some((stage, (*entry).into())) };
            let mut direct = String::new();
            let written = hlsl::Writer::new(&mut direct, &options, &chosen).write(&module, &info, None);
            written.unwrap_or_else(|e| panic!("{what}: HLSL: {e}"));
            assert!(direct.contains("[numthreads("), "{what}");
            pipelines += 1;
        }
    }
    let subgroups = texts.iter().filter(|t| t.subgroups).count();
    eprintln!("{} texts, {subgroups} with subgroups, {pipelines} pipelines", texts.len());
    assert!(subgroups > 0, "a class of the table uses subgroups");
}

#[test]
fn subgroups_are_refused_where_they_are_not_declared() {
    for mut text in texts() {
        if text.subgroups {
            let module = naga::front::wgsl::parse_str(&text.source).expect("it parses");
            text.subgroups = false;
            assert!(validate(&module, text.subgroups).is_err(), "{}", text.name);
        }
    }
}

#[test]
fn workgroups_fit_the_default_limits() {
    for text in texts() {
        let (module, info) = parse(&text);
        for (entry, overrides) in &text.entries {
            let (module, info) = pipeline(&module, &info, text.subgroups, entry, overrides);
            let [x, y, z] = module.entry_points[0].workgroup_size;
            assert!(x * y * z <= 256 && x <= 256 && y <= 256 && z <= 64, "{}, {entry}: a workgroup of {x} x {y} x {z}", text.name);
            let used = info.get_entry_point(0);
            let globals = module.global_variables.iter();
            let bytes: u32 = globals
                .filter(|(h, g)| g.space == AddressSpace::WorkGroup && !used[*h].is_empty())
                .map(|(_, g)| size(&module, g.ty).next_multiple_of(16))
                .sum();
            assert!(bytes <= 16 << 10, "{}, {entry}: {bytes} bytes of workgroup memory", text.name);
        }
    }
}

#[test]
fn the_planner_reads_texts_as_naga_does() {
    for text in texts() {
        let (module, _) = parse(&text);
        let ours = KernelText::parse(&text.source);
        let (params, span) = fields(&module, "params");
        let names: Vec<_> = params.iter().map(|f| f.0.clone()).collect();
        assert_eq!(ours.fields, names, "{}", text.name);
        for (i, (name, offset, _)) in params.iter().enumerate() {
            assert_eq!(*offset as usize, 4 * i, "{}: {name}", text.name);
            assert_eq!(ours.field(name), Some(i));
        }
        assert_eq!(span as usize, 4 * params.len(), "{}", text.name);
        assert_eq!(ours.params_bytes(), (span as usize).next_multiple_of(16), "{}", text.name);
        assert_eq!(params.iter().take(HEADER.len()).map(|f| f.0.as_str()).collect::<Vec<_>>(), HEADER, "{}", text.name);
        let mut theirs = HashMap::new();
        for (_, g) in module.global_variables.iter() {
            let at = g.binding.map(|b| (b.group, b.binding));
            match g.space {
                AddressSpace::Storage { access } => {
                    let (name, (group, binding)) = (g.name.clone().unwrap_or_default(), at.expect("storage is bound"));
                    assert!(group == 0 && binding >= 2, "{}: {name}", text.name);
                    theirs.insert(name, (binding, access.contains(StorageAccess::STORE)));
                }
                AddressSpace::Uniform => {
                    let expected = if g.name.as_deref() == Some("params") { (0, 0) } else { (0, 1) };
                    assert_eq!(at, Some(expected), "{}: {:?}", text.name, g.name);
                }
                _ => assert_eq!(at, None),
            }
        }
        assert_eq!(ours.bindings, theirs, "{}", text.name);
    }
}

#[test]
fn step_is_laid_out_as_in_rust() {
    let rust = [
        ("windows", offset_of!(StepValues, windows), ScalarKind::Uint),
        ("first_window", offset_of!(StepValues, first_window), ScalarKind::Uint),
        ("key0", offset_of!(StepValues, key0), ScalarKind::Uint),
        ("key1", offset_of!(StepValues, key1), ScalarKind::Uint),
        ("learning_rate", offset_of!(StepValues, learning_rate), ScalarKind::Float),
        ("inverse_count", offset_of!(StepValues, inverse_count), ScalarKind::Float),
        ("inverse_windows", offset_of!(StepValues, inverse_windows), ScalarKind::Float),
        ("shrink", offset_of!(StepValues, shrink), ScalarKind::Float),
    ];
    for text in texts() {
        let (module, _) = parse(&text);
        let (step, span) = fields(&module, "step");
        let step: Vec<_> = step.iter().map(|(n, o, k)| (n.as_str(), *o as usize, *k)).collect();
        assert_eq!(step, rust, "{}", text.name);
        assert_eq!(span as usize, size_of::<StepValues>(), "{}", text.name);
    }
}

/// The declarations of all kernels, grouped by text: op, definition.
fn declared() -> BTreeMap<String, Vec<(&'static str, KernelDef)>> {
    let mut seen = HashSet::new();
    let mut all: BTreeMap<String, Vec<(&'static str, KernelDef)>> = BTreeMap::new();
    each_kernel(|op, _, _, k| {
        let kinds: Vec<_> = k.params.iter().map(|(n, v)| (*n, matches!(v, Value::F32(_)))).collect();
        let key = format!("{} {:?} {:?} {kinds:?}\n{}", k.entry, k.overrides, k.bindings, k.source);
        if seen.insert(key) {
            all.entry(k.source.to_string()).or_default().push((op.name, k.clone()));
        }
    });
    all
}

/// Calls `check` with every kernel as declared and with naga's view of its pipeline.
fn each_pipeline(mut check: impl FnMut(&str, &KernelDef, &Module, &ModuleInfo)) {
    let texts: HashMap<String, ShaderText> = texts().into_iter().map(|t| (t.source.clone(), t)).collect();
    let mut count = 0;
    for (source, kernels) in declared() {
        let text = &texts[&source];
        let (module, info) = parse(text);
        for (op, k) in kernels {
            let (module, info) = pipeline(&module, &info, text.subgroups, k.entry, &k.overrides);
            check(&format!("{op} ({}): {}", text.name, k.entry), &k, &module, &info);
            count += 1;
        }
    }
    assert!(count > OPS.len(), "only {count} kernels");
}

#[test]
fn kernels_use_the_bindings_that_they_declare() {
    each_pipeline(|what, k, module, info| {
        let used = info.get_entry_point(0);
        let storage = module.global_variables.iter().filter_map(|(h, g)| match g.space {
            AddressSpace::Storage { access } if !used[h].is_empty() => {
                let name = g.name.clone().unwrap_or_default();
                Some((name, (access.contains(StorageAccess::STORE), used[h].contains(GlobalUse::WRITE))))
            }
            _ => None,
        });
        let found: BTreeMap<String, (bool, bool)> = storage.collect();
        let said: BTreeMap<String, (bool, bool)> =
            k.bindings.iter().map(|b| (b.name.to_owned(), (b.access == Access::ReadWrite, b.writes))).collect();
        assert_eq!(said.len(), k.bindings.len(), "{what}: a binding stands twice");
        assert_eq!(found, said, "{what}: (read_write, written) as found, as declared");
        assert!(found.len() <= 8, "{what}: {} storage buffers", found.len());
    });
}

/// Fields of `params` that the pipeline loads.
fn loaded(what: &str, module: &Module) -> BTreeSet<usize> {
    let Some((params, _)) = module.global_variables.iter().find(|(_, g)| g.name.as_deref() == Some("params")) else {
        return BTreeSet::new();
    };
    let mut fields = BTreeSet::new();
    let functions = module.functions.iter().map(|f| f.1).chain(module.entry_points.iter().map(|e| &e.function));
    for function in functions {
        let globals: HashSet<_> =
            function.expressions.iter().filter(|(_, e)| **e == Expression::GlobalVariable(params)).map(|(h, _)| h).collect();
        for (_, e) in function.expressions.iter() {
            match e {
                Expression::AccessIndex { base, index } if globals.contains(base) => {
                    fields.insert(*index as usize);
                }
                Expression::Load { pointer } => assert!(!globals.contains(pointer), "{what} loads all of params"),
                _ => {}
            }
        }
    }
    fields
}

/// Base offsets that a shared entry point reads only if a flag is set. With the flag off the tensor does not exist.
const OPTIONAL_BASES: [(&str, &str); 5] = [
    ("linear_forward", "bias_base"),
    ("linear_fold", "d_bias_base"),
    ("token_base_forward", "adaptive_base"),
    ("token_base_backward_nodes", "d_adaptive_base"),
    ("token_base_forward_graph", "adaptive_base"),
];

#[test]
fn kernels_get_the_params_that_they_use() {
    let mut optional = HashSet::new();
    each_pipeline(|what, k, module, _| {
        let text = KernelText::parse(&k.source);
        let (full, _) = fields(&naga::front::wgsl::parse_str(&k.source).expect("it parses"), "params");
        let mut given: BTreeMap<&str, bool> = HEADER[..3].iter().map(|h| (*h, false)).collect();
        for (name, value) in &k.params {
            assert!(given.insert(name, matches!(value, Value::F32(_))).is_none(), "{what}: {name} is given twice");
        }
        for (_, base) in k.bindings.iter().flat_map(|b| &b.slots) {
            assert!(base.ends_with("_base"), "{what}: {base}");
            assert!(given.insert(base, false).is_none(), "{what}: {base} is given twice");
        }
        for (name, float) in &given {
            let at = text.field(name).unwrap_or_else(|| panic!("{what}: Params has no field {name}"));
            let kind = if *float { ScalarKind::Float } else { ScalarKind::Uint };
            assert_eq!(full[at].2, kind, "{what}: {name}");
        }
        for at in loaded(what, module) {
            let name = text.fields[at].as_str();
            if !given.contains_key(name) {
                assert!(OPTIONAL_BASES.contains(&(k.entry, name)), "{what} uses {name}, and nobody gives it");
                optional.insert((k.entry.to_owned(), name.to_owned()));
            }
        }
    });
    assert_eq!(optional.len(), OPTIONAL_BASES.len(), "the list of optional bases holds what is never missing: {optional:?}");
}

/// A field that no kernel sets would always read 0.
#[test]
fn no_field_of_params_is_forgotten() {
    let mut given: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut there: HashMap<&str, BTreeSet<String>> = HashMap::new();
    each_kernel(|op, _, _, k| {
        let given = given.entry(op.name).or_default();
        given.extend(HEADER);
        given.extend(k.params.iter().map(|p| p.0));
        given.extend(k.bindings.iter().flat_map(|b| &b.slots).map(|s| s.1));
        there.entry(op.name).or_default().extend(KernelText::parse(&k.source).fields);
    });
    for (op, fields) in there {
        let forgotten: Vec<_> = fields.iter().filter(|f| !given[op].contains(f.as_str())).collect();
        assert!(forgotten.is_empty(), "{op}: nobody gives {forgotten:?}");
    }
}

/// The folder for the Tint check has a text and its constants for every entry point.
#[test]
fn texts_can_be_written_for_tint() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let written = pgat::engine::shaders::write_all(dir.path()).expect("a writable folder");
    let texts = texts();
    assert_eq!(written, texts.len());
    for text in texts {
        let source = std::fs::read_to_string(dir.path().join(format!("{}.wgsl", text.name))).expect("the text");
        assert_eq!(source, text.source);
        let sidecar = std::fs::read(dir.path().join(format!("{}.json", text.name))).expect("its constants");
        let sidecar: HashMap<String, Vec<HashMap<String, f64>>> = serde_json::from_slice(&sidecar).expect("lists of constants");
        for entry in entry_points(&source) {
            assert!(!sidecar[entry].is_empty(), "{}: {entry}", text.name);
        }
        for (entry, overrides) in &text.entries {
            let set: HashMap<String, f64> = overrides.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
            assert!(sidecar[*entry].contains(&set), "{}: {entry}", text.name);
        }
    }
}
