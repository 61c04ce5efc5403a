//! The model against golden files of the PyTorch reference: every output, loss and gradient.

use pgat::executor::Backend;
use pgat::gpu::Gpu;
use pgat::verify::{Golden, verify};
use std::sync::Arc;

fn files() -> Vec<std::path::PathBuf> {
    let folder = std::env::var("PGAT_GOLDEN").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model").into());
    let entries = std::fs::read_dir(&folder).expect("tests/golden/model is part of the project");
    let mut files: Vec<_> =
        entries.map(|e| e.expect("a readable folder").path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect();
    files.sort();
    files
}

fn check(backend: &Backend, limit: impl Fn(&str) -> f64) {
    let files = files();
    assert!(files.len() >= 3, "only {} golden files", files.len());
    for file in files {
        let golden = Golden::read(&std::fs::read(&file).expect("a readable file")).expect("a golden file");
        let groups = pollster::block_on(verify(&golden, backend)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(groups.len(), 4);
        for g in groups {
            eprintln!("{}: {} of {} tensors: {:e} ({})", file.display(), g.group, g.tensors, g.error, g.worst);
            assert!(g.error < limit(&g.group), "{}: {g:?}", file.display());
            assert!(g.tensors > 0);
        }
    }
}

#[test]
fn twins_equal_pytorch() {
    check(&Backend::Reference, |_| 1e-6);
}

#[test]
fn kernels_equal_pytorch() {
    let gpu = Arc::new(pollster::block_on(Gpu::open(None)).expect("tests need an adapter"));
    check(&Backend::Gpu(gpu), |group| if group == "grad" { 2e-3 } else { 2e-4 });
}
