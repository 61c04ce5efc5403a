//! The generated kernels (matrix products and attention) with the shapes of every class of the table, on the adapter, compared with their
//! twins (the f64 reference implementations).

use crate::support::not_run::not_run;
use pgat::engine::gpu::Gpu;
use pgat::engine::ops::OPS;
use pgat::engine::plan::AdapterClass;
use pgat::engine::selftest::check_case;
use pgat::engine::shaders::depends_on_class;
use std::sync::Arc;

fn check(test: &str, class: AdapterClass) {
    pollster::block_on(async {
        let mut gpu = Gpu::open(std::env::var("PGAT_DEVICE").ok().as_deref()).await.expect("tests need an adapter");
        let lanes = |c: &AdapterClass| c.variants.rows.lanes;
        if lanes(&class) > 0 && lanes(&class) != lanes(&gpu.class) {
            let why =
                format!("{} has no subgroups of {} lanes: the kernels of {} cannot run on it", gpu.adapter, lanes(&class), class.name);
            return not_run(test, &why);
        }
        gpu.class = class;
        let gpu = Arc::new(gpu);
        let generated: Vec<_> = OPS.iter().copied().filter(|op| depends_on_class(op)).collect();
        assert!(!generated.is_empty(), "no kernel depends on the class of the adapter");
        for op in generated {
            for (i, case) in op.cases().iter().enumerate() {
                let seed = i as u64 + 1;
                let start = std::time::Instant::now();
                match check_case(&gpu, op, case, seed).await {
                    Ok(worst) => {
                        eprintln!("{}, {}: {worst:.3} of the tolerance, {:.1} s", op.name, case.name, start.elapsed().as_secs_f64())
                    }
                    Err(e) => panic!("{}, seed {seed}: {e}", gpu.class.name),
                }
            }
        }
    });
}

#[test]
fn portable() {
    check("portable", AdapterClass::portable_cpu());
}

#[test]
fn gpu() {
    check("gpu", AdapterClass::gpu());
}

#[test]
fn lavapipe() {
    check("lavapipe", AdapterClass::lavapipe());
}

#[test]
fn lavapipe_subgroups() {
    check("lavapipe_subgroups", AdapterClass::lavapipe_subgroups());
}
