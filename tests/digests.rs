//! The bits of training across commits: digests of parameters, moments and counters after some steps of three configurations, through the
//! command line, on the f64 reference backend and on the CPU adapter. Other tests compare bits within one build. Only this test detects a
//! changed order of a sum or a changed random key. A commit that changes bits on purpose must increment `NUMERICS_REVISION` and write the
//! new digests here.

use crate::support::not_run::not_run;
use safetensors::SafeTensors;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Mixture head, every part on, dropout, Gumbel noise, moving memory, a short last batch, gaps.
const EVERYTHING: &str = r#"
[data]
path = "data.csv"
time = "time"
targets = ["a", "b", "c"]
covariates = [{ column = "d", known_future = true }]
max_gap = 2

[window]
history = 12
horizon = 6

[model]
patch_len = 3
d_model = 16
n_heads = 2
n_layers = 2
d_ff = 24
num_transitions = 2
hierarchy = [2, 3]
dropout = 0.2

[training]
seed = 5
batch_size = 7
max_steps = 12
learning_rate = 3e-3
train_stride = 5
validate_every = 6
"#;

/// Quantile head, a graph from correlations, no instance norm, other optimiser settings, a one-cycle schedule.
const QUANTILES: &str = r#"
[data]
path = "data.csv"
time = "time"
targets = ["a", "b"]
channels = []
covariates = [{ column = "c" }, { name = "e", expression = "c * d", known_future = true }]

[window]
history = 8
horizon = 4

[graph]
nearest = 2

[model]
patch_len = 2
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 12
num_transitions = 1
head = "quantile"
quantile_levels = [0.1, 0.5, 0.9]
use_instance_norm = false
dropout = 0.1

[training]
seed = 11
batch_size = 8
micro_batch = 3
max_steps = 10
schedule = "one-cycle"
betas = [0.8, 0.99]
epsilon = 1e-6
weight_decay = 0.1
clip_norm = 0.5
train_stride = 3
"#;

/// Point head with the Huber loss, hidden histories, most parts off, no dropout.
const POINT: &str = r#"
[data]
path = "data.csv"
time = "time"
targets = ["a"]
hide_history = true
covariates = [{ column = "b", known_future = true }, { column = "c" }]

[window]
history = 6
horizon = 3

[model]
d_model = 8
n_heads = 2
n_layers = 1
d_ff = 8
num_transitions = 1
head = "point"
point_loss = "huber"
huber_delta = 0.5
dropout = 0.0
use_hierarchy = false
use_autocorr = false
use_dynamic_edge_weights = false
use_adaptive_temporal = false

[training]
seed = 2
batch_size = 16
max_steps = 8
schedule = "cosine"
warmup_steps = 3
train_stride = 2
"#;

/// Class of the adapter, and the digests of the three configurations on it.
const EXPECTED: [(&str, [(&str, u64); 3]); 2] = [
    ("reference", [("everything", 0x4b14_a61e_45f8_4823), ("quantiles", 0x7d1a_f2a8_dd41_429c), ("point", 0x60a3_60c0_442a_2b0c)]),
    (
        "lavapipe-subgroup8/vulkan/llvmpipe/25 with AVX-512",
        [("everything", 0xb25f_3c00_0607_3821), ("quantiles", 0xd0f5_42f7_1ccc_d07e), ("point", 0xda9a_99ab_e590_056b)],
    ),
];

fn write_data(folder: &Path) {
    let mut text = String::from("time,a,b,c,d\n");
    for i in 0..300_u32 {
        if i % 97 == 96 {
            continue;
        }
        let t = f64::from(i);
        let cell = |seen: bool, value: f64| if seen { format!("{value:.3}") } else { String::new() };
        let _ = writeln!(
            text,
            "2024-01-{:02} {:02}:00,{},{},{},{}",
            1 + i / 24,
            i % 24,
            cell(i % 13 != 5, 10.0 + 3.0 * (t / 4.0).sin() + (t * 1.7).sin()),
            cell(true, 100.0 * (t / 6.0).cos() + 20.0 * (t * 0.9).sin()),
            cell(i % 29 != 3, t * 0.01 + (t / 11.0).sin()),
            cell(true, f64::from(i % 24)),
        );
    }
    std::fs::write(folder.join("data.csv"), text).expect("a writable folder");
}

/// FNV-1a (Fowler, Noll and Vo) over the names and bytes of all tensors, in the order of their names.
fn digest(file: &Path) -> u64 {
    let bytes = std::fs::read(file).expect("a checkpoint");
    let tensors = SafeTensors::deserialize(&bytes).expect("a checkpoint");
    let mut names = tensors.names();
    names.sort_unstable();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in names {
        let tensor = tensors.tensor(name).expect("a tensor of that name");
        for byte in name.bytes().chain(tensor.data().iter().copied()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// Trains all three configurations. Returns the class of the adapter and the digests.
fn digests(backend: &str) -> (String, Vec<(&'static str, u64)>) {
    let folder = tempfile::tempdir().expect("a folder");
    write_data(folder.path());
    let mut class = String::new();
    let mut found = vec![];
    for (name, config) in [("everything", EVERYTHING), ("quantiles", QUANTILES), ("point", POINT)] {
        let (path, run) = (folder.path().join(format!("{name}.toml")), folder.path().join(name));
        std::fs::write(&path, format!("format_version = 1\n{config}")).expect("a writable folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgat"));
        command.args(["train", "--backend", backend, "--out"]).arg(&run).arg(&path);
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let record = std::fs::read(run.join("run.json")).expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        class = match record["adapter"]["class"].as_str() {
            Some(class) => format!("{class}{}", instructions(class)),
            None => "reference".to_owned(),
        };
        found.push((name, digest(&run.join("checkpoint.safetensors"))));
    }
    (class, found)
}

/// The instruction set for which lavapipe compiles kernels: digests are known for one.
fn instructions(class: &str) -> &'static str {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match class.contains("llvmpipe") {
        true if flags.split_whitespace().any(|flag| flag == "avx512f") => " with AVX-512",
        true => " without AVX-512",
        false => "",
    }
}

fn compare(test: &str, backend: &str) {
    let (class, found) = digests(backend);
    let hexadecimal = |all: &[(&str, u64)]| all.iter().map(|(name, d)| format!("{name} {d:#018x}")).collect::<Vec<_>>().join(", ");
    match EXPECTED.iter().find(|(known, _)| *known == class) {
        Some((_, expected)) => assert_eq!(
            hexadecimal(&found),
            hexadecimal(expected),
            "the bits of training changed on {class}: if this is intended, increment NUMERICS_REVISION and write the new digests here"
        ),
        None => not_run(test, &format!("no digests are known for adapters of class {class}; here they are {}", hexadecimal(&found))),
    }
}

#[test]
fn the_twins_train_to_the_same_bits_as_ever() {
    // The reference backend calls the platform's exp, ln and sin.
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        compare("the_twins_train_to_the_same_bits_as_ever", "reference");
    } else {
        not_run("the_twins_train_to_the_same_bits_as_ever", "digests of the twins are of x86-64 Linux with the GNU C library");
    }
}

#[test]
fn the_adapter_trains_to_the_same_bits_as_ever() {
    compare("the_adapter_trains_to_the_same_bits_as_ever", "gpu");
}
