//! Every op of the table on the adapter, compared with its twin (its f64 reference implementation): values, outputs pre-filled with NaN,
//! guard bands, and equal bits on a second run, in chunks and in micro-batches. Each op is one test with all its cases and one device.

use pgat::engine::gpu::Gpu;
use pgat::engine::ops::find;
use pgat::engine::selftest::check_case;
use std::sync::Arc;

fn check(name: &str) {
    pollster::block_on(async {
        let gpu = Arc::new(Gpu::open(std::env::var("PGAT_DEVICE").ok().as_deref()).await.expect("tests need an adapter"));
        let op = find(name).unwrap_or_else(|| panic!("no op is named {name}"));
        let cases = op.cases();
        assert!(cases.len() >= 3, "{name} has only {} cases", cases.len());
        for (i, case) in cases.iter().enumerate() {
            let seed = i as u64 + 1;
            match check_case(&gpu, op, case, seed).await {
                Ok(worst) => eprintln!("{name}, {}: {worst:.3} of the tolerance", case.name),
                Err(e) => panic!("seed {seed}: {e}"),
            }
        }
    });
}

macro_rules! ops {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_op_is_here() {
            let here = [$(stringify!($name)),*];
            for op in pgat::engine::ops::OPS {
                assert!(here.contains(&op.name), "{} has no test", op.name);
            }
        }
    };
}

ops! {
    adamw adaptive_matrix add attention autocorrelation batch_mean blend branches calibrate cluster_gate cluster_mean concat_linear
    driver_edges driver_input driver_sum edge_attention edge_matrix edge_shrink edge_sum edge_terms edges embed_sum gate_change gate_mix
    gate_softmax grad_health grad_norm graph_features graph_penalty instance_norm interaction layer_norm linear mixture_crps
    mixture_decode mixture_nll moving_average moving_mean node_mean one_hot patch_mean propagate repeat_row row_mean scaled_sum select sinusoids
    split stack_weights step_mean tanh_gate token_base value_loss
}
