//! The pipeline cache, on wgpu's noop device: hits and misses, its bound, and that an evicted pipeline keeps working where it is in use.

use crate::common::{Waves, session, settings};
use pgat::engine::executor::Backend;
use pgat::engine::gpu::Gpu;
use pgat::engine::session::Session;
use pgat::series_graph::CacheStatistics;
use std::sync::Arc;

/// A device whose cache holds so many bytes, or the default number.
fn device(bound: Option<usize>) -> (Arc<Gpu>, Backend) {
    let gpu = Gpu::noop();
    let gpu = Arc::new(match bound {
        Some(bound) => gpu.with_pipeline_bytes(bound),
        None => gpu,
    });
    (gpu.clone(), Backend::Gpu(gpu))
}

#[track_caller]
fn steps(gpu: &Gpu, session: &mut Session) {
    for step in 0..2 {
        let windows: Vec<usize> = (0..16).collect();
        pollster::block_on(session.train_step(&Waves::new(16), &windows, 0, step, 1e-3)).expect("every command is valid");
    }
    gpu.healthy().expect("nothing was refused");
}

#[test]
fn a_second_session_makes_no_pipeline() {
    let (gpu, backend) = device(None);
    let first = session(&backend, &settings());
    let found = gpu.pipeline_statistics();
    assert_eq!(found.misses, found.entries as u64, "each kernel is made once");
    let _second = session(&backend, &settings());
    let again = gpu.pipeline_statistics();
    assert_eq!(again, CacheStatistics { hits: 2 * found.hits + found.misses, ..found });
    // All kernels of the whole model take a small part of the bound: the cache evicts nothing that a run is about to use.
    assert!(found.bytes > 100_000 && 8 * found.bytes < Gpu::PIPELINE_BYTES, "{found:?}");
    drop(first);
}

#[test]
fn what_is_dropped_or_cleared_stays_with_its_session() {
    let (gpu, backend) = device(None);
    let mut held = session(&backend, &settings());
    let whole = gpu.pipeline_statistics();
    gpu.clear_pipelines();
    assert_eq!(gpu.pipeline_statistics(), CacheStatistics::default());
    steps(&gpu, &mut held);
    let mut fresh = session(&backend, &settings());
    assert_eq!(gpu.pipeline_statistics(), whole, "all of them are made again");
    steps(&gpu, &mut fresh);

    let bound = whole.bytes / 3;
    let (gpu, backend) = device(Some(bound));
    let (mut first, mut second) = (session(&backend, &settings()), session(&backend, &settings()));
    let bounded = gpu.pipeline_statistics();
    assert!(bounded.bytes <= bound && bounded.entries < whole.entries, "{bounded:?} of {whole:?}");
    assert!(bounded.misses > whole.misses, "what was dropped is made again");
    steps(&gpu, &mut first);
    steps(&gpu, &mut second);

    let (gpu, backend) = device(Some(0));
    steps(&gpu, &mut session(&backend, &settings()));
    assert_eq!(gpu.pipeline_statistics().entries, 0);
}
