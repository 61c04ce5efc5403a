//! All tests of the library and of the command line in one program, which links only once. Tests that measure their own process are
//! programs of their own (`growth.rs`, `host_memory.rs`).

mod common;
mod support {
    pub(crate) mod dates;
    pub(crate) mod golden_file;
    pub(crate) mod not_run;
    pub(crate) mod place;
    pub(crate) mod random_graph;
    pub(crate) mod sheet;
    pub(crate) mod transcript;
    pub(crate) mod twin;
}

mod arena_map;
mod attributes;
mod budget;
mod cases;
mod categories;
mod cli;
mod comparator;
mod digests;
mod examples;
mod features;
mod generation2;
mod graph;
mod health;
mod inspect;
mod kinds;
mod layers;
mod memory;
mod model_doc;
mod ops;
mod optimiser;
mod original;
mod pipelines;
mod plan;
mod resume;
mod series_graph;
mod shaders;
mod sources;
mod synth_migrate;
mod texts;
mod training;
mod trajectory;
mod twins;
mod variants;
mod vectors;
mod verdicts;
mod verify;
mod weights;

/// A file that no program includes would never run.
#[test]
fn every_file_is_in_a_program() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let [programs, suite] = ["Cargo.toml", "tests/suite.rs"].map(|file| std::fs::read_to_string(root.join(file)).expect("a file"));
    for entry in std::fs::read_dir(root.join("tests")).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".rs") {
            let named = suite.contains(&format!("\nmod {stem};\n")) || programs.contains(&format!("path = \"tests/{name}\""));
            assert!(named, "tests/{name} is in no program: name it in tests/suite.rs");
        }
    }
}
