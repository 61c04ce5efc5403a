//! `pgat synth` and `pgat migrate` as a user runs them: files, stdout, stderr, status.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use pgat::config::Config;
use pgat::data::Dataset;
use pgat::series_graph::SeriesGraph;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Runs a command in a folder. Returns status, stdout and stderr.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(cargo_bin("pgat")).current_dir(folder).args(arguments).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Enables the graph in a config that `synth` wrote, as its comment describes.
fn tell(path: &Path) {
    assert!(Config::open(path).expect("a config").graph.is_default(), "the true graph is told to nobody who does not ask");
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains("# [graph]\n# edges"));
    std::fs::write(path, text.replace("# [graph]\n# edges", "[graph]\nedges")).expect("a write");
}

/// Reads the config at a path with the data and graph that it names, relative to it.
fn opened(path: &Path) -> (Config, Dataset, SeriesGraph) {
    let mut config = Config::open(path).expect("a config");
    if let Some(graph) = config.graph_path(path) {
        *config.graph.path_mut().expect("a path") = graph.display().to_string();
    }
    let data = Dataset::open(&config, &config.data_path(path)).expect("its data");
    let (graph, _) = SeriesGraph::open(&config.graph, &data).expect("its graph");
    (config, data, graph)
}

#[test]
fn synth_writes_data_graph_and_config() {
    let place = TempDir::new().expect("a folder");
    let (status, out, err) = run(place.path(), &["synth", "--rows", "500"]);
    assert_eq!((status, out.as_str()), (Some(0), "data/synthetic_multi_wave.toml\n"), "{err}");
    assert!(err.contains("pgat train data/synthetic_multi_wave.toml"), "{err}");
    tell(&place.path().join("data/synthetic_multi_wave.toml"));
    let (_, data, graph) = opened(&place.path().join("data/synthetic_multi_wave.toml"));
    assert_eq!((data.rows(), data.target_names().len(), graph.edges()), (500, 3, 21));
    let (status, out, err) = run(place.path(), &["plan", "data/synthetic_multi_wave.toml"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("3 targets, 9 covariates"), "{out}");

    let read = |name: &str| std::fs::read(place.path().join(name)).expect("a file");
    let before = read("data/synthetic_multi_wave.csv");
    let (status, out, err) = run(place.path(), &["synth", "--seed", "7"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("already exists") && err.contains("hint:") && err.contains("--force"), "{err}");
    assert_eq!(read("data/synthetic_multi_wave.csv"), before);
    assert_eq!(run(place.path(), &["synth", "--rows", "500", "--force", "--quiet"]).2, "");
    assert_eq!(read("data/synthetic_multi_wave.csv"), before, "the same seed, the same data");
}

#[test]
fn synth_takes_the_originals_flags_and_two_more() {
    let place = TempDir::new().expect("a folder");
    let flags = "synth --out w.csv.gz --rows 400 --waves 5 --targets 2 --freq 15T --start 2021-03-04 --seed 1 --lags 4 --sparsity 0.3";
    let (status, out, err) = run(place.path(), &flags.split(' ').collect::<Vec<_>>());
    assert_eq!((status, out.as_str()), (Some(0), "w.toml\n"), "{err}");
    tell(&place.path().join("w.toml"));
    let (config, data, graph) = opened(&place.path().join("w.toml"));
    assert_eq!((data.covariate_names().len(), data.target_names().len(), data.rows()), (7, 2, 400));
    assert_eq!((graph.edges(), data.format_stamp(0, 1)), (7, "2021-03-04 00:15:00".into()));
    assert_eq!(config.data.frequency, data.frequency());
    let edges = std::fs::read_to_string(place.path().join("w_edges.csv")).expect("the graph");
    let lags: Vec<usize> = edges.lines().skip(1).map(|l| l.rsplit(',').next().and_then(|lag| lag.parse().ok()).expect("a lag")).collect();
    assert!(lags.iter().all(|lag| (1..=4).contains(lag)), "{edges}");
    for (flag, words) in
        [("--sparsity=2", "0 to 1"), ("--rows=1", "at least 2"), ("--freq=x", "not a frequency"), ("--start=x", "YYYY-MM-DD")]
    {
        let (status, out, err) = run(place.path(), &["synth", "--out", "x.csv", flag]);
        assert_eq!((status, out.as_str()), (Some(2), ""));
        assert!(err.contains(words), "{err}");
    }
}

#[test]
fn migrate_finds_the_data_beside_the_old_config() {
    let place = TempDir::new().expect("a folder");
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    run(place.path(), &["synth", "--rows", "600", "--waves", "4", "--targets", "2"]);
    std::fs::write(path("old.yaml"), "seq_len: 48\npred_len: 12\nd_model: 32\nnum_waves: 4\nnum_targets: 2\nlabel_len: 24\n")
        .expect("a file");
    let (status, out, err) = run(place.path(), &["migrate", "old.yaml"]);
    assert_eq!(status, Some(0), "{err}");
    let config = Config::from_toml(&out).expect("stdout is the config alone");
    assert_eq!((config.window.history, config.window.horizon, config.model.d_model), (48, 12, 32));
    assert_eq!(config.data.targets, ["target_0", "target_1"]);
    for words in ["data file: ", "seq_len: renamed to window.history = 48", "label_len: not used", "d_ff (not in the file"] {
        assert!(err.contains(words), "{words:?} is not in\n{err}");
    }
    let (status, out, _) = run(place.path(), &["migrate", "old.yaml", "--out", "new.toml"]);
    assert_eq!((status, out.as_str()), (Some(0), ""));
    let (_, data, _) = opened(&path("new.toml"));
    assert_eq!((data.covariate_names().len(), data.target_names().len()), (6, 2));
    // The new config in another folder is complete, although the relative path of the old one is wrong there.
    std::fs::create_dir(path("elsewhere")).expect("a folder");
    assert_eq!(run(place.path(), &["migrate", "old.yaml", "--out", "elsewhere/new.toml"]).0, Some(0));
    assert_eq!(opened(&path("elsewhere/new.toml")).1.rows(), 600);

    let (status, _, err) = run(place.path(), &["migrate", "old.yaml", "--out", "new.toml"]);
    assert!(status == Some(2) && err.contains("already exists"), "{err}");
    std::fs::write(path("bad.yaml"), "sqe_len: 48\n").expect("a file");
    let (status, out, err) = run(place.path(), &["migrate", "bad.yaml"]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("bad.yaml: line 1: unknown key `sqe_len` (did you mean `seq_len`?)"), "{err}");
    let (status, _, err) = run(place.path(), &["migrate", "none.yaml"]);
    assert!(status == Some(2) && err.contains("none.yaml cannot be read"), "{err}");
}
