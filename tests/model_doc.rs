//! docs/model.md matches the code: every section that a comment cites exists, and the document names every setting, switch, parameter and
//! op of the model.

use pgat::config::{Head, ModelSettings};
use pgat::data::{SideInputs, WindowShape};
use pgat::engine::model::{Mode, ModelShape, build, parameter_places};
use std::collections::BTreeSet;
use std::path::Path;

const DOCUMENT: &str = include_str!("../docs/model.md");
const NAME: &str = "docs/model.md";

/// Paths and texts of the Rust files in a folder of the repository and its subfolders.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut all = vec![];
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            all.extend(sources(&path));
        } else if path.ends_with(".rs") {
            all.push((path, std::fs::read_to_string(entry.path()).expect("a readable file")));
        }
    }
    all
}

/// Numbers of the document's headings: "4", "4.1", ..
fn headings() -> BTreeSet<&'static str> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("## ") || line.starts_with("### "));
    lines.filter_map(|line| number(line.trim_start_matches(['#', ' ']))).collect()
}

/// The number at the start of a text: "4.1" of "4.1, ..", "7" of "7's".
fn number(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(text.len());
    let number = text[..end].trim_end_matches('.');
    number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
}

/// The numbers after each word "section": one number, or a list with commas, "and" and "to".
fn cited(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "/!()".contains(c)).filter(|word| !word.is_empty());
    let (mut all, mut listing) = (vec![], false);
    for word in words {
        if ["section", "sections"].contains(&word.to_ascii_lowercase().as_str()) {
            listing = true;
        } else if let Some(number) = number(word).filter(|_| listing) {
            all.push(number);
        } else {
            listing &= ["and", "to"].contains(&word);
        }
    }
    all
}

/// Groups of consecutive comment lines.
fn comments(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines.split(|line| !line.trim_start().starts_with("//")).filter(|run| !run.is_empty()).map(|run| run.join("\n")).collect()
}

fn assert_named(what: &str, name: &str) {
    assert!(DOCUMENT.contains(&format!("`{name}`")), "{NAME} does not name the {what} `{name}`");
}

#[test]
fn citations_are_read() {
    let text = "//! Sections 1 to 3, 4.1 and 9a of x.\n/// In section 7's second half (section 11.8): 5 steps; a section of 6.";
    assert_eq!(cited(text), ["1", "3", "4.1", "9a", "7", "11.8"]);
    assert_eq!(comments("// a\n    // b\nlet c = 1; // d\n/// e"), ["// a\n    // b", "/// e"]);
}

/// Each file of the model names the document, and comments elsewhere that name it cite only sections that exist.
#[test]
fn every_cited_section_exists() {
    let headings = headings();
    let mut count = 0;
    for (path, text) in ["src", "tests"].into_iter().flat_map(sources) {
        let (model, runs) = (path.starts_with("src/engine/model/"), comments(&text));
        let head = text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
        assert!(!model || head.contains(NAME), "the module doc of {path} does not name {NAME}");
        for run in runs.iter().filter(|run| model || run.contains(NAME)) {
            for section in cited(run) {
                assert!(headings.contains(section), "{path} cites section {section}, which {NAME} does not have");
                count += 1;
            }
        }
    }
    assert!(count >= 15, "only {count} citations were found");
}

#[test]
fn every_setting_is_named() {
    let settings = serde_json::to_value(ModelSettings::default()).expect("settings");
    let keys: BTreeSet<&str> = settings.as_object().expect("a table").keys().map(String::as_str).collect();
    assert!(keys.iter().filter(|key| key.starts_with("use_")).count() >= 17, "{keys:?}");
    keys.iter().for_each(|key| assert_named("setting", key));
    let switches = DOCUMENT.split('`').filter(|code| code.starts_with("use_") && !code.contains(' '));
    for switch in switches {
        assert!(keys.contains(switch), "{NAME} names {switch}, which is no setting");
    }
}

/// A model with all parts of both generations.
fn everything() -> ModelSettings {
    ModelSettings::default().with(|s| {
        (s.use_driver_highway, s.use_driver_products, s.use_driver_norm, s.use_driver_attention) = (true, true, true, true);
        (s.use_last_norm, s.use_calibration, s.use_zero_head) = (true, true, true);
    })
}

/// A model with these settings, categories and static inputs.
fn shape(settings: ModelSettings) -> ModelShape {
    let window = WindowShape {
        history: 8,
        horizon: 4,
        num_covariates: 1,
        num_targets: 2,
        num_channels: 2,
        num_calendar: 2,
        ..WindowShape::default()
    };
    ModelShape::new(window, settings).with_side(SideInputs { common: vec![2], own: vec![3], statics: vec![1.0; 3] })
}

/// A parameter name as the document lists it: without `.weight` and `.bias`, with letters in place of numbers.
fn listed(name: &str) -> String {
    let stem = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".bias")).unwrap_or(name);
    let mut letters = ["{i}", "{j}"].into_iter();
    let part = |part: &str| if part.parse::<usize>().is_ok() { letters.next().unwrap_or("{k}").to_owned() } else { part.to_owned() };
    stem.split('.').map(part).collect::<Vec<_>>().join(".")
}

#[test]
fn every_parameter_is_named() {
    let places = parameter_places(&shape(everything())).expect("a model");
    let names: BTreeSet<String> = places.iter().map(|place| listed(&place.name)).collect();
    assert!(names.contains("layers.{i}.convs.{j}") && names.contains("graph.memory"), "{names:?}");
    let stage = |name: &str| name.starts_with("driver_attention.");
    names.iter().filter(|name| !stage(name)).for_each(|name| assert_named("parameter", name));
    // They are those of a stage of section 7.
    for name in names.iter().filter(|name| stage(name)) {
        assert!(names.contains(&name.replace("driver_attention", "to_target")), "{name}");
    }
}

#[test]
fn every_op_is_named() {
    let mut ops = BTreeSet::new();
    for head in [Head::Mixture, Head::Quantile] {
        let settings = everything().with(|s| (s.head, s.use_calibration) = (head, head == Head::Mixture));
        for mode in [Mode::Train, Mode::Start] {
            let model = build(&shape(settings.clone()), mode).expect("a model");
            ops.extend(model.graph.nodes.iter().map(|node| node.op.name));
        }
    }
    assert!(ops.len() >= 41, "{ops:?}");
    ops.iter().for_each(|op| assert_named("op", op));
}
