//! Tests that every key of the original system is accounted for, that sizes are kept, and that the result is a valid configuration.

use super::*;
use crate::config::TimeColumns;
use crate::config::{Config, Levels, Schedule};

fn migrated(text: &str, file: &DataFile) -> (Config, Vec<String>) {
    let migrated = migrate(text, "old", file).unwrap();
    let accounts = migrated.accounts.iter().map(ToString::to_string).collect();
    (Config::from_toml(&migrated.toml).unwrap(), accounts)
}

fn refusal(text: &str) -> String {
    migrate(text, "old", &DataFile::default()).unwrap_err().to_string()
}

fn said(accounts: &[String], start: &str) -> String {
    let found: Vec<&String> = accounts.iter().filter(|a| a.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "{start}: {accounts:#?}");
    found[0].clone()
}

const FULL: &str = "
# every key, with a value other than its default
d_model: 64
n_heads: 4
seq_len: 48
pred_len: 12
enc_in: 5
c_out: 2
num_waves: 5
num_targets: 2
num_transitions: 4
dropout: 0.2
use_mixture_density: true
mdn_components: 5
use_dynamic_edge_weights: false
enable_graph_attention: no
enable_dynamic_graph: off
use_autocorr_attention: false
autocorr_factor: 2
use_adaptive_temporal: false
max_eigenvectors: 8
enable_graph_positional_encoding: false
enable_structural_pos_encoding: false
base_adjacency_weight: 0.7
adaptive_adjacency_weight: 0.3
adjacency_diagonal_value: 0.1
use_gated_graph_combiner: true
d_ff: 256
factor: 1
activation: gelu
mode: probabilistic
PGAT_MAX_ATTENTION_TOKENS: 4096
memory:
  use_gradient_checkpointing: true
  memory_chunk_size: 32
  enable_memory_cleanup: true
  enable_memory_optimization: true
  use_sparse_adjacency: true
  chunk_size: 32
  memory_threshold_mb: 2000
root_path: ./data/
data_path: load.csv
target: 'north, south'
features: MS
freq: 15T
label_len: 48
scale: true
batch_size: 16
num_workers: 4
validation_length: 300
test_length: 200
embed: timeF
learning_rate: 2e-4
lradj: cosine
train_epochs: 12
patience: 3
warmup_epochs: 3
loss: mse
loss_function_type: gaussian_nll
quantile_levels: [0.9, 0.1, 0.5]
huber_delta: 1.0
use_amp: false
use_gpu: true
checkpoints: ./checkpoints/
";

#[test]
fn every_key_is_accounted_for() {
    let header = ["Date", "north", "wind", "south", "sun"].map(String::from).to_vec();
    let (config, accounts) = migrated(FULL, &DataFile { path: None, header: Some(header), rows: Some(2000) });
    for key in keys::KEYS {
        said(&accounts, &format!("{}: ", key.name));
    }
    assert_eq!(accounts.len(), keys::KEYS.len());
    assert_eq!((config.window.history, config.window.horizon), (48, 12));
    let m = &config.model;
    assert_eq!((m.d_model, m.n_heads, m.d_ff, m.num_transitions, m.mdn_components, m.num_eigenvectors), (64, 4, 256, 4, 5, 8));
    assert!((m.dropout, m.autocorr_factor) == (0.2, 2.0) && m.use_graph_gate);
    let off = [m.use_dynamic_edge_weights, m.use_graph_attention, m.use_dynamic_graph, m.use_autocorr, m.use_adaptive_temporal];
    assert_eq!(off, [false; 5]);
    let t = &config.training;
    assert_eq!((t.batch_size, t.epochs, t.patience, t.schedule), (16, Some(12), Some(3), Schedule::Cosine));
    assert!(t.learning_rate == 2e-4 && t.warmup_fraction == Some(0.25) && t.memory.as_deref() == Some("2000MB"));
    let d = &config.data;
    assert_eq!(
        (d.path.as_str(), d.time.as_ref().map(TimeColumns::label).as_deref(), &d.targets[..]),
        ("data/load.csv", Some("Date"), &["north".to_owned(), "south".into()][..])
    );
    let drivers: Vec<_> = d.covariates.iter().map(|c| (c.column.as_deref(), c.known_future.is_known())).collect();
    assert_eq!(drivers, [(Some("wind"), false), (Some("sun"), false)]);
    assert_eq!(d.frequency.map(|f| f.to_string()).as_deref(), Some("15min"));
    let s = &config.split;
    assert_eq!((s.train_rows, s.validation_rows, s.test_rows), (Some(1500), Some(300), Some(200)));
    assert_eq!(config.evaluation.levels, Levels::List(vec![0.1, 0.5, 0.9]));
    assert_eq!(said(&accounts, "seq_len"), "seq_len: renamed to window.history = 48");
    assert_eq!(said(&accounts, "d_model"), "d_model: kept as model.d_model = 64");
    assert!(said(&accounts, "label_len").starts_with("label_len: not used; "));
    assert!(said(&accounts, "enable_graph_attention").ends_with("model.use_graph_attention = false"));
}

#[test]
fn what_is_left_out_means_what_it_meant() {
    let (config, accounts) = migrated("seq_len: 192", &DataFile::default());
    let m = &config.model;
    assert_eq!((config.window.history, config.window.horizon), (192, 24));
    assert_eq!((m.d_model, m.n_heads, m.d_ff, m.num_transitions, m.mdn_components), (512, 8, 2048, 3, 3));
    assert!(m.use_dynamic_graph && m.use_graph_attention && m.use_autocorr && !m.use_graph_gate);
    assert_eq!((config.training.learning_rate, config.training.epochs, config.training.batch_size), (1e-4, Some(20), 32));
    assert_eq!(config.data.path, "data/synthetic_multi_wave.csv");
    assert_eq!(config.data.targets, ["target_{i}"]);
    assert_eq!(config.data.covariates[0].column.as_deref(), Some("wave_{i}"));
    assert_eq!(said(&accounts, "d_model"), "d_model (not in the file; default of the original system): kept as model.d_model = 512");
    let given = migrate("seq_len: 192", "old", &DataFile::default()).unwrap().accounts;
    assert_eq!(given.iter().filter(|a| a.given).map(|a| a.key.as_str()).collect::<Vec<_>>(), ["seq_len"]);
}

/// The defaults in the table are those of a file of the original system without the key: a file with all defaults gives the same result.
#[test]
fn defaults_written_out_change_nothing() {
    let all: String =
        keys::KEYS.iter().filter(|k| k.name != "target").filter_map(|k| Some(format!("{}: {}\n", k.name, k.default?))).collect();
    let (written, _) = migrated(&all, &DataFile::default());
    assert_eq!(written, migrated("features: M", &DataFile::default()).0);
}

#[test]
fn sizes_that_do_not_fit_are_rounded_up_and_said() {
    let (config, accounts) = migrated("d_model: 100\nn_heads: 5", &DataFile::default());
    assert_eq!((config.model.d_model, config.model.n_heads), (108, 6));
    assert_eq!(said(&accounts, "d_model"), "d_model: changed to model.d_model = 108; it must be a multiple of 2 n_heads = 12");
    assert!(said(&accounts, "n_heads").starts_with("n_heads: changed to model.n_heads = 6; the number must be even"));
    let (config, accounts) = migrated("use_mixture_density: false\nmdn_components: 4", &DataFile::default());
    assert_eq!(config.model.mdn_components, 1);
    assert!(said(&accounts, "mdn_components").contains("= 1; use_mixture_density is false"));
    let (config, accounts) = migrated("lradj: type1\nwarmup_epochs: 0", &DataFile::default());
    assert_eq!((config.training.schedule, config.training.warmup_fraction), (Schedule::Cosine, None));
    assert!(said(&accounts, "lradj").contains("halved"));
}

#[test]
fn columns_are_told_from_the_header() {
    let file = |names: &[&str]| DataFile { header: Some(names.iter().map(|n| (*n).to_owned()).collect()), ..DataFile::default() };
    let columns = |text: &str, names: &[&str]| {
        let (config, _) = migrated(text, &file(names));
        let drivers: Vec<String> = config.data.covariates.into_iter().filter_map(|c| c.column).collect();
        (config.data.time, config.data.targets.join(","), drivers.join(","))
    };
    let etth = ["date", "HUFL", "MUFL", "OT"];
    let date = || Some(TimeColumns::from("date"));
    assert_eq!(columns("features: M", &etth), (date(), "*".into(), String::new()));
    assert_eq!(columns("features: MS", &etth), (date(), "OT".into(), "HUFL,MUFL".into()));
    assert_eq!(columns("features: S\ntarget: OT", &etth), (date(), "OT".into(), String::new()));
    assert_eq!(columns("target: [HUFL, OT]", &etth), (date(), "HUFL,OT".into(), "MUFL".into()));
    let ours = ["date", "wave_0", "target_0", "target_1", "covariate_gradient"];
    assert_eq!(columns("seq_len: 96", &ours), (date(), "target_0,target_1".into(), "wave_0,covariate_gradient".into()));
    let error = migrate("\ntarget: OTT", "old", &file(&etth)).unwrap_err().to_string();
    assert_eq!(error, "line 2, target: the data have no column \"OTT\"; did you mean \"OT\"?");
    let (_, accounts) = migrated("target: OT\nfeatures: MS\ndata_path: x.csv\nnum_targets: 2", &DataFile::default());
    assert!(said(&accounts, "target").contains("cannot be determined without the data file"), "{accounts:?}");
    assert!(said(&accounts, "num_targets").contains("check: 2 in the old config, 1 in data.targets"));
    let (config, _) =
        migrated("data_path: x.csv", &DataFile { header: Some(vec!["a".into(), "b".into()]), path: Some("/d/x.csv".into()), rows: None });
    assert_eq!((config.data.path.as_str(), config.data.time, config.data.frequency), ("/d/x.csv", None, None));
}

#[test]
fn what_cannot_be_migrated_is_refused_with_its_line() {
    assert_eq!(
        refusal("d_model: 64\nsqe_len: 96\nwhatever_else: 1"),
        "line 2: unknown key `sqe_len` (did you mean `seq_len`?); line 3: unknown key `whatever_else` (the original system has no such \
         key); correct or remove each unknown key"
    );
    assert_eq!(refusal("model:\n  seq_len: many"), "line 2, seq_len: \"many\" is not a whole number of 0 or more");
    assert!(refusal("seq_len: 96\nseq_len: 48").starts_with("line 2: "));
    assert_eq!(refusal("seq_len: 96\nmodel:\n  seq_len: 48"), "line 3: not valid YAML: the key seq_len is also on line 1");
    assert!(refusal("a: [1, 2").starts_with("line "));
    assert!(refusal("# nothing").contains("no keys") && refusal("- 1").contains("no keys"));
    assert!(refusal("freq: x").contains("is not a time step (\"x\" is not a frequency"));
    assert!(refusal("scale: maybe").contains("neither true nor false"));
    assert!(refusal("lradj: type9").contains("not one of type1"));
    assert!(refusal("features: X").contains("not one of M, MS and S"));
    assert!(refusal("dropout: 1.5").contains("model.dropout: 1.5 is out of range"));
    assert!(refusal("seq_len:\n  a: 1").contains("a nested block is not a whole number"));
    migrate("target: ~\nseq_len: null\nd_model: 64", "old", &DataFile::default()).expect("no value: left out");
}
