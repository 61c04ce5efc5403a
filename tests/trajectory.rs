//! Training steps from the initial state and with the noise of golden files: losses, gradient norms and the state afterwards, including
//! the moving memory of the graph, compared with PyTorch's `AdamW`.

use pgat::engine::executor::Backend;
use pgat::engine::gpu::Gpu;
use pgat::engine::verify::{Golden, tolerance, verify_trajectory};
use std::sync::Arc;

fn check(backend: &Backend, micro_batch: Option<usize>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/trajectory");
    let own = ["graph", "full"].map(|name| format!("{folder}/{name}.safetensors"));
    let files = std::env::var("PGAT_TRAJECTORY").map_or(own.to_vec(), |file| vec![file]);
    for file in files {
        let golden = Golden::read(&std::fs::read(&file).expect("the file is part of the project")).expect("a golden file");
        assert!(golden.is_trajectory());
        let report = pollster::block_on(verify_trajectory(&golden, backend, micro_batch, |group| tolerance(backend, group)))
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        eprintln!("{file}: {report:?}");
        let groups: Vec<_> = report.groups.iter().map(|g| (g.group.as_str(), g.tensors > 0, g.void)).collect();
        assert_eq!(groups, [("step", true, 0), ("param", true, 0), ("param-zeros", true, 0)]);
        assert!(report.above(|group| tolerance(backend, group)).is_none(), "{file}: {report:?}");
    }
}

#[test]
fn twins_train_as_pytorch() {
    check(&Backend::Reference, None);
}

#[test]
fn kernels_train_as_pytorch() {
    let gpu = Arc::new(pollster::block_on(Gpu::open(std::env::var("PGAT_DEVICE").ok().as_deref())).expect("tests need an adapter"));
    check(&Backend::Gpu(gpu.clone()), None);
    check(&Backend::Gpu(gpu), Some(2));
}
