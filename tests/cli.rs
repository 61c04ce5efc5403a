//! The command line: status, stdout and stderr of every command on a tiny series. Most tests use the f64 reference backend and need no
//! adapter.

use crate::support::golden_file::GoldenFile;
use crate::support::not_run::not_run;
use crate::support::place::{CONFIG, Place, Said, said};
use assert_cmd::cargo::cargo_bin;
use pgat::config::Config;
use pgat::experiment::{Archive, Files as _};
use std::fs;
use std::path::Path;
use std::process::Stdio;

#[test]
fn trains_scores_and_forecasts() {
    let place = Place::new();
    let train = place.run(&["train", "config.toml"]).ok();
    assert_eq!(train.out, "runs/waves\n", "the folder is the result");
    for words in ["3 targets", "parameters", "device buffers", "dispatches", "validation loss", "pgat evaluate runs/waves", "bytes planned"]
    {
        assert!(train.err.contains(words), "{words:?} is not in\n{}", train.err);
    }
    let mut files: Vec<String> = fs::read_dir(place.path("runs/waves"))
        .expect("a folder")
        .map(|f| f.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let expected = [
        "best.safetensors",
        "checkpoint.safetensors",
        "config.toml",
        "graph.safetensors",
        "metrics.jsonl",
        "plan.json",
        "run.json",
        "scaler.json",
        "weights.safetensors",
    ];
    assert_eq!(files, expected);
    let config = Config::from_toml(&place.read("runs/waves/config.toml")).expect("the config as resolved");
    assert!(Path::new(&config.data.path).is_absolute());

    let json = place.run(&["evaluate", "runs/waves", "--json"]).ok().out;
    let report: serde_json::Value = serde_json::from_str(&json).expect("stdout is JSON alone");
    assert_eq!(report["part"], "test");
    assert_eq!(report["series"], serde_json::json!(["a", "b", "c"]));
    assert!(report["windows"].as_u64().expect("a count") > 5);
    let labels: Vec<_> = report["forecasters"].as_array().expect("a list").iter().map(|f| f["label"].clone()).collect();
    assert_eq!(labels, ["model", "naive", "seasonal naive"]);
    let model = &report["forecasters"][0]["overall"];
    for measure in ["nll", "crps", "mae", "mse", "mean_pinball", "standardised_mae", "standardised_mse"] {
        assert!(model[measure].as_f64().is_some_and(f64::is_finite), "{measure}: {}", model[measure]);
    }
    assert_eq!((model["pinball"].as_array().map(Vec::len), model["coverage"].as_array().map(Vec::len)), (Some(3), Some(3)));
    assert!(report["standardised_nll"].is_f64() && report["skill"]["crps"].is_f64());
    let text = place.run(&["evaluate", "runs/waves", "--part", "val", "--last", "--per-series", "--per-step"]).ok().out;
    for words in ["validation part", "CRPS by series", "CRPS by step", "seasonal naive: its CRPS is"] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    forecasts(&place);
    assert_eq!(place.run(&["train", "config.toml", "--max-steps", "1"]).ok().out, "runs/waves-2\n", "the first name is taken");
}

/// The other heads train, score and forecast. Heads without a density report no NLL.
#[test]
fn other_heads() {
    for (head, more, density) in
        [("gaussian", "", true), ("quantile", "quantile_levels = [0.05, 0.5, 0.95]\n", false), ("point", "point_loss = \"huber\"\n", false)]
    {
        let place = Place::new();
        place.edit("config.toml", "mdn_components = 2\n", &format!("head = \"{head}\"\n{more}"));
        place.run(&["train", "config.toml", "--out", "run"]).ok();
        let json = place.run(&["evaluate", "run", "--json"]).ok().out;
        let report: serde_json::Value = serde_json::from_str(&json).expect("stdout is JSON alone");
        let model = &report["forecasters"][0]["overall"];
        assert_eq!(model["nll"].is_f64(), density, "{head}: {model}");
        assert_eq!(report["standardised_nll"].is_f64(), density, "{head}");
        for measure in ["crps", "mae", "mse", "mean_pinball"] {
            assert!(model[measure].as_f64().is_some_and(f64::is_finite), "{head}, {measure}: {model}");
        }
        let intervals = if head == "point" { 0 } else { 3 };
        assert_eq!(model["coverage"].as_array().map_or(0, Vec::len), intervals, "{head}: {model}");
        place.run(&["evaluate", "run"]).ok();
        let forecast = place.run(&["forecast", "run", "--data", "waves.csv", "--samples-out", "s.csv", "--samples", "3"]).ok().out;
        assert_eq!(forecast.lines().count(), 1 + 4 * 3, "{head}");
        for line in forecast.lines().skip(1) {
            let numbers: Vec<f64> = line.split(',').skip(2).map(|v| v.parse().expect("a number")).collect();
            assert!(numbers[2..].windows(2).all(|q| q[0] <= q[1]), "{head}: quantiles cross in {line}");
        }
    }
    let place = Place::new();
    place.edit("config.toml", "mdn_components = 2\n", "head = \"quantile\"\nquantile_levels = [0.5, 0.1]\n");
    place.run(&["train", "config.toml"]).error(&["model.quantile_levels", "ascend"]);
}

fn forecasts(place: &Place) {
    let forecast = ["forecast", "runs/waves", "--data", "waves.csv"];
    let plot = place.run(&[&forecast[..], &["--plot", "fan.svg", "--samples-out", "samples.csv", "--samples", "5"]].concat()).ok();
    let lines: Vec<&str> = plot.out.lines().collect();
    assert_eq!(lines[0], "time,series,mean,std,q0.1,q0.5,q0.9", "the chart's levels stay out of the table");
    assert_eq!(lines.len(), 1 + 4 * 3);
    // The 400 rows end on day 17 at 15:00.
    assert!(lines[1].starts_with("2024-01-17 16:00:00,a,") && lines[12].starts_with("2024-01-17 19:00:00,c,"), "{}", plot.out);
    assert!(place.read("fan.svg").contains("<svg"));
    assert_eq!(place.read("samples.csv").lines().count(), 1 + 4 * 3 * 5);
    let again = place.run(&[&forecast[..], &["--samples-out", "again.csv", "--samples", "5"]].concat()).ok();
    assert_eq!(again.out, plot.out);
    assert_eq!(place.read("again.csv"), place.read("samples.csv"), "the run's seed names the samples");
    let to_file = place.run(&[&forecast[..], &["--out", "table.csv", "--levels", "0.5,0.25"]].concat()).ok();
    assert_eq!(to_file.out, "");
    assert!(place.read("table.csv").starts_with("time,series,mean,std,q0.25,q0.5\n"));
}

#[test]
fn the_device_trains_scores_and_forecasts() {
    let place = Place::new();
    let train = place.run_on_device(&["train", "config.toml", "--out", "run"]).ok();
    assert_eq!(train.out, "run\n");
    let line = train.err.lines().find(|l| l.contains("bytes created")).expect("created and planned bytes");
    let numbers: Vec<String> = line.split(" bytes").map(|p| p.chars().filter(char::is_ascii_digit).collect()).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    let evaluation = place.run_on_device(&["evaluate", "run", "--json"]).ok();
    serde_json::from_str::<serde_json::Value>(&evaluation.out).expect("JSON");
    assert_eq!(place.run_on_device(&["forecast", "run", "--data", "waves.csv"]).ok().out.lines().count(), 13);
    let doctor = place.run_on_device(&["doctor", "--json"]).ok();
    let doctor: serde_json::Value = serde_json::from_str(&doctor.out).expect("JSON");
    assert!(doctor["used"].is_u64() && doctor["adapters"][0]["class"].is_string());
    place.run_on_device(&["doctor", "--device", "no such thing"]).error_after_findings("no adapter matches");
    // The run continues on another adapter class. This is reported, recorded, and refused with --strict.
    place.edit("run/config.toml", "max_steps = 4", "max_steps = 5");
    place.run(&["train", "--resume", "run", "--strict"]).error(&["of class reference", "--strict"]);
    let resumed = place.run(&["train", "--resume", "run"]).ok();
    assert!(resumed.err.contains("may not be bit-identical"), "{}", resumed.err);
    assert!(place.read("run/run.json").contains("\"breaks\": [\n"), "{}", place.read("run/run.json"));
}

/// A run that stopped early is finished for every command. Without a validation part, `patience` is refused before an adapter is opened.
#[test]
fn a_run_that_stopped_early_is_finished() {
    let place = Place::new();
    place.edit("config.toml", "max_steps = 4", "max_steps = 40\npatience = 1\nlearning_rate = 1e-30");
    place.edit("config.toml", "[model]", "[model]\nmemory_rate = 0.0");
    let train = place.run(&["train", "config.toml", "--out", "run"]).ok();
    assert!(train.err.contains("stopped early"), "{}", train.err);
    let resumed = place.run(&["train", "--resume", "run"]).ok();
    assert!(resumed.err.contains("the run is finished: 4 steps of 40; it stopped early"), "{}", resumed.err);
    place.edit("config.toml", "train = 0.7\nvalidation = 0.15\ntest = 0.15", "train = 0.85\nvalidation = 0.0\ntest = 0.15");
    place.run(&["train", "config.toml", "--out", "other"]).error(&["training.patience", "validation part"]);
    place.run(&["plan", "config.toml"]).error(&["training.patience", "validation part"]);
}

#[test]
fn another_revision_of_the_arithmetic_is_a_break() {
    let place = Place::new();
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    assert!(place.read("run/run.json").contains("\"breaks\": []"), "{}", place.read("run/run.json"));
    // A run.json without a revision counts as revision 1: resuming records no break.
    place.edit("run/run.json", "  \"numerics_revision\": 1,\n", "");
    place.edit("run/config.toml", "max_steps = 4", "max_steps = 5");
    assert!(!place.run(&["train", "--resume", "run", "--strict"]).ok().err.contains("may not be bit-identical"));
    place.edit("run/config.toml", "max_steps = 5", "max_steps = 6");
    place.edit("run/run.json", "\"format_version\": 3", "\"numerics_revision\": 77,\n  \"format_version\": 3");
    place.run(&["train", "--resume", "run", "--strict"]).error(&["numerics revision 77", "--strict"]);
    let resumed = place.run(&["train", "--resume", "run"]).ok();
    assert!(resumed.err.contains("revision 77") && resumed.err.contains("from step 5 on"), "{}", resumed.err);
    let record: serde_json::Value = serde_json::from_str(&place.read("run/run.json")).expect("JSON");
    assert_eq!((&record["numerics_revision"], &record["breaks"]), (&1.into(), &serde_json::json!([[5, "numerics revision 1"]])));
}

impl Said {
    /// `doctor` prints what it found before it fails.
    #[track_caller]
    fn error_after_findings(self, words: &str) {
        assert_eq!(self.status, Some(2));
        assert!(self.out.contains("driver") && self.err.contains(words), "{}{}", self.out, self.err);
    }
}

#[test]
fn one_seed_gives_one_set_of_weights() {
    let place = Place::trained();
    place.run(&["train", "config.toml", "--out", "again"]).ok();
    let weights = |run: &str| fs::read(place.path(run).join("weights.safetensors")).expect("weights");
    assert!(weights("run") == weights("again"), "two runs with one seed differ");
    place.run(&["train", "config.toml", "--out", "other", "--seed", "7"]).ok();
    assert!(weights("run") != weights("other"), "another seed gives the same weights");
}

#[test]
fn a_run_that_was_cut_off_goes_on() {
    let place = Place::trained();
    let whole = fs::read(place.path("run/weights.safetensors")).expect("weights");
    let done = place.run(&["train", "--resume", "run"]).ok();
    assert!(done.err.contains("finished") && done.out == "run\n", "{}", done.err);
    // The state that a kill before the first checkpoint leaves.
    for file in ["checkpoint.safetensors", "weights.safetensors", "best.safetensors"] {
        fs::remove_file(place.path("run").join(file)).expect("a file");
    }
    place.run(&["evaluate", "run"]).error(&["no weights yet", "hint: ", "--resume run"]);
    let resumed = place.run(&["train", "--resume", "run"]).ok();
    assert!(resumed.err.contains("resuming from step 0"), "{}", resumed.err);
    assert!(fs::read(place.path("run/weights.safetensors")).expect("weights") == whole, "other weights");
    let events = place.read("run/metrics.jsonl");
    assert_eq!(events.lines().filter(|l| l.contains("\"event\":\"step\"")).count(), 2, "{events}");

    place.edit("waves.csv", "2024-01-01 03:00,", "2024-01-01 03:00,9");
    place.edit("run/config.toml", "max_steps = 4", "max_steps = 6");
    place.run(&["train", "--resume", "run"]).error(&["training rows have changed", "hint: "]);
    fs::remove_file(place.path("waves.csv")).expect("a file");
    place.run(&["train", "--resume", "run"]).error(&["waves.csv", "cannot be opened", "hint: "]);
}

#[test]
fn ctrl_c_stores_a_checkpoint() {
    use std::io::{BufRead, BufReader};
    if !cfg!(unix) {
        return not_run("ctrl_c_stores_a_checkpoint", "the signal is sent by the command kill, which Unix has");
    }
    let place = Place::trained();
    let long = CONFIG.replace("max_steps = 4", "max_steps = 40000").replace("log_every = 2", "log_every = 1");
    place.write("long.toml", &long);
    let mut child = std::process::Command::new(cargo_bin("pgat"))
        .current_dir(place.folder.path())
        .args(["train", "long.toml", "--out", "long", "--backend", "reference"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines().map(|l| l.expect("text"));
    lines.find(|l| l.contains("validation loss")).expect("it trains");
    let second = place.run(&["train", "--resume", "long"]);
    second.error(&["another pgat process is training in this folder"]);
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|l| l.contains("pgat train --resume long")), "{rest:?}");
    place.run(&["evaluate", "long"]).ok();
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::trained();
    let mut child = std::process::Command::new(cargo_bin("pgat"))
        .current_dir(place.folder.path())
        .args(["forecast", "run", "--data", "waves.csv", "--backend", "reference"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let said = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(said.status, Some(0), "{}", said.err);
    assert!(!said.err.contains("error") && !said.err.contains("panicked"), "{}", said.err);
}

#[test]
fn wrong_configs_and_data_are_named() {
    let place = Place::new();
    let with = |name: &str, from: &str, to: &str| {
        assert!(CONFIG.contains(from));
        place.write(name, &CONFIG.replacen(from, to, 1));
        place.run(&["train", name])
    };
    with("key.toml", "batch_size", "batchsize").error(&["key.toml: line", "unknown key `batchsize`", "did you mean `batch_size`"]);
    with("graph.toml", "[model]", "[graph]\nnearset = 2\n[model]").error(&["nearset", "did you mean `nearest`"]);
    with("roads.toml", "[model]", "[graph]\nedges = \"roads.csv\"\n[model]").error(&["roads.csv", "graph.edges"]);
    with("new.toml", "name =", "format_version = 3\nname =").error(&["new.toml", "format_version 3", "update pgat"]);
    with("lost.toml", "waves.csv", "lost.csv").error(&["lost.csv", "cannot be opened"]);
    with("few.toml", "history = 8", "history = 4000").error(&["the training part contains no window"]);
    place.run(&["train", "nowhere.toml"]).error(&["nowhere.toml", "cannot be read"]);
    place.edit("waves.csv", "2024-01-01 02:00,", "2024-01-01 02:00,x");
    place.run(&["train", "config.toml"]).error(&["waves.csv: line 4, column \"a\""]);
    assert!(!place.path("runs").exists() || fs::read_dir(place.path("runs")).expect("a folder").next().is_none(), "failures leave no run");
}

/// Packs a run folder as the browser page does: run.json holds only the bare name of the data file.
fn pack(place: &Place, run: &str, file: &str) {
    let archive = Archive::new("run");
    for entry in fs::read_dir(place.path(run)).expect("a folder") {
        let entry = entry.expect("a file");
        archive.write(&entry.file_name().to_string_lossy(), &fs::read(entry.path()).expect("a file")).expect("memory");
    }
    let record: serde_json::Value = serde_json::from_slice(&archive.read("run.json").expect("a record")).expect("JSON");
    let mut record = record;
    record["data"] = "somewhere.csv".into();
    archive.write("run.json", record.to_string().as_bytes()).expect("memory");
    fs::write(place.path(file), archive.pack()).expect("a file");
}

#[test]
fn a_run_file_is_a_run() {
    let place = Place::trained();
    pack(&place, "run", "waves.pgat.zip");
    let scores = |run: &str| place.run(&["evaluate", run, "--data", "waves.csv", "--json"]).ok().out;
    assert_eq!(scores("waves.pgat.zip"), scores("run"));
    place.run(&["evaluate", "waves.pgat.zip"]).error(&["somewhere.csv", "in a browser", "--data"]);
    let forecast = |run: &str| place.run(&["forecast", run, "--data", "waves.csv"]).ok().out;
    assert_eq!(forecast("waves.pgat.zip"), forecast("run"));

    // An interrupted run continues to the same weights, in a folder of its own.
    let whole = fs::read(place.path("run/weights.safetensors")).expect("weights");
    place.run(&["train", "config.toml", "--out", "cut"]).ok();
    for file in ["checkpoint.safetensors", "weights.safetensors", "best.safetensors"] {
        fs::remove_file(place.path("cut").join(file)).expect("a file");
    }
    pack(&place, "cut", "cut.zip");
    place.run(&["train", "--resume", "cut.zip"]).error(&["somewhere.csv", "--data"]);
    place.write("other.csv", &place.read("waves.csv").replacen("2024-01-01 03:00,", "2024-01-01 03:00,9", 1));
    place.run(&["train", "--resume", "cut.zip", "--data", "other.csv"]).error(&["other.csv", "training rows have changed"]);
    assert!(!place.path("runs").exists(), "a refused run leaves nothing behind");
    let resumed = place.run(&["train", "--resume", "cut.zip", "--data", "waves.csv"]).ok();
    assert_eq!(resumed.out, "runs/cut\n");
    assert!(fs::read(place.path("runs/cut/weights.safetensors")).expect("weights") == whole, "other weights");
    place.run(&["evaluate", "runs/cut"]).ok();
    // The location of the data is recorded for a finished run too: the commands that `train` suggests must work.
    let finished = place.run(&["train", "--resume", "waves.pgat.zip", "--data", "waves.csv", "--out", "unpacked"]).ok();
    assert!(finished.err.contains("the run is finished"), "{}", finished.err);
    place.run(&["evaluate", "unpacked"]).ok();
    place.run(&["train", "--resume", "cut.zip", "--data", "waves.csv", "--out", "there"]).ok();
    place.run(&["train", "--resume", "cut.zip", "--data", "waves.csv", "--out", "there"]).error(&["already contains a run"]);
    place.run(&["train", "--resume", "run", "--out", "there2"]).error(&["--out", "continued in place"]);

    let bytes = fs::read(place.path("waves.pgat.zip")).expect("a file");
    fs::write(place.path("half.zip"), &bytes[..bytes.len() / 2]).expect("a file");
    place.run(&["evaluate", "half.zip", "--data", "waves.csv"]).error(&["half.zip", "damaged"]);
    place.run(&["train", "--resume", "waves.csv"]).error(&["waves.csv is not a run file"]);
}

/// Status 0 where a model can be trained, with warnings too; 2 where the data cannot be used. The findings are the result in both cases.
#[test]
fn data_are_checked() {
    let place = Place::new();
    let clean = place.run(&["check", "config.toml"]).ok();
    assert!(clean.out.ends_with("nothing found: a model can be trained\n"), "{}", clean.out);
    place.edit("config.toml", "targets = [\"*\"]", "targets = [\"a\", \"b\"]\ncovariates = [{ column = \"c\", known_future = true }]");
    let rows = place.read("waves.csv");
    let copied = rows.lines().map(|line| match line.split(',').collect::<Vec<_>>()[..] {
        [time, a, b, _] if time != "time" => format!("{time},{a},{b},{a}\n"),
        _ => format!("{line}\n"),
    });
    place.write("waves.csv", &copied.collect::<String>());
    let leaks = place.run(&["check", "config.toml"]).ok();
    assert!(leaks.out.contains("warning  driver \"c\" equals target \"a\" in the same row"), "{}", leaks.out);
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["check", "config.toml", "--json"]).ok().out).expect("stdout is JSON alone");
    assert_eq!((&json["usable"], &json["facts"]["rows"]), (&true.into(), &400.into()));
    assert_eq!((&json["findings"][0]["kind"], &json["findings"][0]["shift"]), (&"leak".into(), &0.into()));

    place.write("waves.csv", &rows.replacen("2024-01-01 02:00,", "2024-01-01 02:00,x", 1));
    for arguments in [&["check", "config.toml"][..], &["check", "config.toml", "--json"]] {
        let refused = place.run(arguments);
        assert_eq!(refused.status, Some(2), "{}", refused.err);
        assert!(refused.out.contains("not a finite number in column") && refused.out.contains("line 4"), "{}", refused.out);
    }
    fs::remove_file(place.path("waves.csv")).expect("a file");
    place.run(&["check", "config.toml"]).error(&["waves.csv", "cannot be opened"]);
    place.run(&["check", "nowhere.toml"]).error(&["nowhere.toml"]);
}

#[test]
fn a_first_config_is_guessed_and_works() {
    let place = Place::new();
    let guessed = place.run(&["init", "waves.csv"]).ok();
    assert!(guessed.err.contains("\"time\" holds timestamps") && guessed.err.contains("a row every 1h"), "{}", guessed.err);
    place.write("guess.toml", &guessed.out);
    place.run(&["plan", "guess.toml"]).ok();
    place.run(&["init", "waves.csv", "--out", "config.toml"]).error(&["config.toml", "exists"]);
    place.run(&["init", "waves.csv", "--out", "new.toml"]).ok();
    assert_eq!(place.read("new.toml"), guessed.out);
    place.run(&["init", "nowhere.csv"]).error(&["nowhere.csv"]);
    place.write("text.csv", "a,b\nx,y\n");
    place.run(&["init", "text.csv"]).error(&["no column holds timestamps", "--no-time"]);
}

#[test]
fn wrong_folders_are_refused() {
    let place = Place::trained();
    place.run(&["train", "config.toml", "--out", "run"]).error(&["run already contains a run", "--resume run"]);
    fs::create_dir(place.path("empty")).expect("a folder");
    place.run(&["evaluate", "empty"]).error(&["empty is not a run:"]);
    place.run(&["evaluate", "nowhere"]).error(&["nowhere: there is no run folder or run file", "pgat train"]);
    place.run(&["forecast", "run", "--data", "config.toml"]).error(&["config.toml"]);
    place.run(&["evaluate", "run", "--data", "nowhere.csv"]).error(&["nowhere.csv"]);

    let whole = fs::read(place.path("run/best.safetensors")).expect("weights");
    fs::write(place.path("run/best.safetensors"), &whole[..whole.len() / 2]).expect("a file");
    place.run(&["evaluate", "run"]).error(&["best.safetensors", "safetensors"]);
    place.run(&["evaluate", "run", "--last"]).ok();
    // The version is part of the header's text. Another digit keeps the length.
    for (file, command) in [("best.safetensors", ["evaluate", "run"].as_slice()), ("checkpoint.safetensors", &["train", "--resume", "run"])]
    {
        let bytes = if file == "best.safetensors" { whole.clone() } else { fs::read(place.path("run").join(file)).expect("a file") };
        let mut newer = bytes.clone();
        let key = b"format_version";
        let at = bytes.windows(key.len()).position(|w| w == key).expect("a version");
        let digit = bytes[at..].iter().position(|b| *b == b'1').expect("version 1");
        newer[at + digit] = b'9';
        fs::write(place.path("run").join(file), newer).expect("a file");
        place.run(command).error(&[file, "format version 9", "update pgat"]);
    }
    place.edit("run/config.toml", "format_version = 1", "format_version = 9");
    place.run(&["evaluate", "run"]).error(&["config.toml", "format_version 9", "update pgat"]);
    place.edit("run/run.json", "\"format_version\": 3", "\"format_version\": 9");
    place.run(&["evaluate", "run"]).error(&["format version 9", "update pgat"]);
}

#[test]
fn verify_compares_and_refuses_what_is_damaged() {
    let place = Place::new();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model/small.safetensors");
    let good = place.run(&["verify", golden]).ok().out;
    assert_eq!(["act ", "out ", "loss ", "grad "].map(|g| good.lines().filter(|l| l.starts_with(g)).count()), [1; 4], "{good}");
    let strict = place.run(&["verify", golden, golden, "--tolerance", "1e-300"]);
    assert_eq!(strict.status, Some(1), "above its tolerance: a negative answer, no error\n{}", strict.err);
    assert!(strict.out.contains("ABOVE") && !strict.err.contains("error"), "{}{}", strict.out, strict.err);
    let json = place.run(&["verify", golden, "--json"]).ok().out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON")[0]["passed"], true);
    let trajectory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/trajectory/full.safetensors");
    let steps = place.run(&["verify", trajectory]).ok().out;
    assert_eq!(["step ", "param ", "param-zeros "].map(|g| steps.lines().filter(|l| l.starts_with(g)).count()), [1; 3], "{steps}");
    place.write("bad.safetensors", "not a tensor in sight");
    place.run(&["verify", "bad.safetensors"]).error(&["bad.safetensors", "cannot be read as safetensors"]);
    place.run(&["verify", "none.safetensors"]).error(&["none.safetensors"]);
    place.run(&["verify", "x", "--tolerance", "-1"]).usage("--tolerance");
}

#[test]
fn verify_ends_with_2_where_a_tie_makes_results_void() {
    let place = Place::new();
    let mut file = GoldenFile::full();
    file.tie_edges("param.", 1e-5);
    fs::write(place.path("tie.safetensors"), file.bytes()).expect("a file");
    let tie = place.run(&["verify", "tie.safetensors"]);
    assert_eq!(tie.status, Some(2), "{}{}", tie.out, tie.err);
    assert!(
        !tie.err.contains("error") && tie.out.contains("tie: graph.edges.0, receiver 1: the choice depends on a gap of 1.0e-5"),
        "{}{}",
        tie.out,
        tie.err
    );
    assert!(tie.out.lines().any(|l| l.starts_with("grad ") && l.contains("void")), "{}", tie.out);
    let json = place.run(&["verify", "tie.safetensors", "--json"]);
    assert_eq!(json.status, Some(2));
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&json[0]["ties"][0]["tensor"], &json[0]["ties"][0]["row"]), (&"graph.edges.0".into(), &1.into()));
    assert_eq!((&json[0]["groups"][1]["void"], &json[0]["groups"][1]["error"]), (&3.into(), &serde_json::Value::Null));
    // A tensor before the tie exceeds the tolerance: the result is a failure, not void.
    let strict = place.run(&["verify", "tie.safetensors", "--tolerance", "1e-300"]);
    assert_eq!(strict.status, Some(1), "{}", strict.out);
    file.config(|c| c["use_magic"] = true.into());
    fs::write(place.path("magic.safetensors"), file.bytes()).expect("a file");
    place.run(&["verify", "magic.safetensors"]).error(&["magic.safetensors", "unknown field `use_magic`"]);
}

#[test]
fn plans_without_an_adapter() {
    let place = Place::new();
    let text = place.run(&["plan", "config.toml", "--class", "gpu"]).ok().out;
    assert!(text.contains("a step   4 windows") && text.contains("class    gpu"), "{text}");
    let plan: serde_json::Value = serde_json::from_str(&place.run(&["plan", "config.toml", "--json"]).ok().out).expect("JSON");
    let sum: u64 = plan["buffers"].as_array().expect("a list").iter().map(|b| b["bytes"].as_u64().expect("bytes")).sum();
    assert_eq!(plan["bytes"].as_u64(), Some(sum));
    place.run(&["plan", "config.toml", "--class", "abacus"]).error(&["--class abacus", "portable-cpu"]);
}

fn json(said: &Said) -> serde_json::Value {
    serde_json::from_str(&said.out).expect("JSON")
}

/// For a budget that is too small, the error states the smallest plan and suggests changes. Each suggested change makes the config fit.
#[test]
fn a_budget_too_small_says_what_to_change() {
    let place = Place::new();
    let smallest = json(&place.run(&["plan", "config.toml", "--json"]).ok())["memory"]["smallest"]["bytes"].as_u64().expect("bytes");
    let [fits, less] = [smallest.to_string(), (smallest - 1).to_string()];
    let taken = json(&place.run(&["plan", "config.toml", "--json", "--memory", &fits]).ok());
    assert_eq!((taken["bytes"].as_u64(), taken["memory"]["fits"].as_bool()), (Some(smallest), Some(true)));
    let refused = place.run(&["plan", "config.toml", "--json", "--memory", &less]);
    assert_eq!(refused.status, Some(1), "{}", refused.err);
    let refused = json(&refused);
    assert_eq!((refused["bytes"].as_u64(), refused["memory"]["fits"].as_bool()), (None, Some(false)));
    let mut made = 0;
    for change in refused["change"].as_array().expect("changes") {
        let (key, Some(to)) = (change["key"].as_str().expect("a key"), change["to"].as_u64()) else { continue };
        if let Some(key) = key.strip_prefix("window.").or(key.strip_prefix("model.")).or(key.strip_prefix("training.")) {
            place.write("config.toml", CONFIG);
            place.edit("config.toml", &format!("{key} = {}", change["from"]), &format!("{key} = {to}"));
        } else {
            place.write("config.toml", CONFIG);
            let some = if to == 1 { "targets = [\"a\"]" } else { "targets = [\"a\", \"b\"]" };
            place.edit("config.toml", "targets = [\"*\"]", some);
        }
        place.run(&["plan", "config.toml", "--memory", &less]).ok();
        made += 1;
    }
    assert!(made >= 3, "{refused}");
    place.write("config.toml", CONFIG);
    let said = place.run(&["plan", "config.toml", "--memory", &less]);
    assert_eq!(said.status, Some(1));
    for words in ["does not fit", "window.history = 4 instead of 8", "model.d_model = 4 instead of 8", "bytes"] {
        assert!(said.out.contains(words), "{words} is not in\n{}", said.out);
    }
    place.run(&["train", "config.toml", "--memory", &less]).error(&["the smallest plan takes", "--memory", "pgat plan"]);
    assert!(!place.path("runs").exists(), "a refused run leaves nothing");
    place.run(&["plan", "config.toml", "--memory", "plenty"]).usage("such as 256MiB");
    place.run(&["plan", "config.toml", "--memory", "-1"]).usage("such as 256MiB");
    place.edit("config.toml", "batch_size = 4", "batch_size = 4\nmicro_batch = 4");
    let fixed = json(&place.run(&["plan", "config.toml", "--json", "--memory", &fits]));
    let leave_out = |c: &serde_json::Value| c["key"] == "training.micro_batch" && c["bytes"].as_u64().is_some_and(|b| b <= smallest);
    assert!(fixed["memory"]["fits"] == true || fixed["change"].as_array().is_some_and(|all| all.iter().any(leave_out)), "{fixed}");
    place.write("config.toml", &CONFIG.replace("batch_size = 4", "batch_size = 4000"));
    assert!(place.run(&["plan", "config.toml"]).ok().err.contains("more than the 269 training windows"));
    place.write("config.toml", CONFIG);
    place.run(&["plan", "config.toml", "--limits", "nowhere.json"]).error(&["--limits nowhere.json", "webgpu"]);
    place.write(
        "limits.json",
        r#"{ "maxStorageBufferBindingSize": 4194304, "maxBufferSize": 4194304, "maxStorageBuffersPerShaderStage": 4 }"#,
    );
    place.run(&["plan", "config.toml", "--limits", "limits.json"]).error(&["limits.json", "4 storage buffers"]);
    place.edit("limits.json", "4 }", "8 }");
    place.run(&["plan", "config.toml", "--limits", "limits.json"]).ok();
}

/// Training, resuming and scoring within the smallest budget and without a budget give a byte-identical weight file.
#[test]
fn budgets_change_no_bit_of_a_run() {
    let place = Place::new();
    place.edit("config.toml", "batch_size = 4", "batch_size = 6");
    let doctor = json(&place.run_on_device(&["doctor", "--json"]).ok());
    let used = doctor["used"].as_u64().and_then(|used| usize::try_from(used).ok()).expect("an adapter");
    let class = doctor["adapters"][used]["class"].as_str().and_then(|c| c.split('/').next()).expect("a class").to_owned();
    let smallest = json(&place.run(&["plan", "config.toml", "--json", "--class", &class]).ok())["memory"]["smallest"]["bytes"].to_string();
    place.run_on_device(&["train", "config.toml", "--memory", &smallest, "--out", "small"]).ok();
    place.run_on_device(&["train", "config.toml", "--memory", "unlimited", "--out", "large"]).ok();
    place.run_on_device(&["train", "config.toml", "--max-steps", "2", "--memory", "1GiB", "--out", "moved"]).ok();
    place.edit("moved/config.toml", "max_steps = 2", "max_steps = 4");
    place.run_on_device(&["train", "--resume", "moved", "--memory", &smallest]).ok();
    let bytes = |run: &str| json(&Said { status: None, out: place.read(&format!("{run}/plan.json")), err: String::new() })["bytes"].clone();
    assert!(bytes("small").as_u64() < bytes("large").as_u64(), "{} {}", bytes("small"), bytes("large"));
    let weights = |run: &str| fs::read(place.path(&format!("{run}/weights.safetensors"))).expect("weights");
    assert!(weights("small") == weights("large"), "a budget changed the weights");
    // The best weights agree too. They are chosen by the validation loss, whose bits (in the file's metadata) do not depend on the
    // number of windows in a scoring pass.
    let best = |run: &str| fs::read(place.path(&format!("{run}/best.safetensors"))).expect("weights");
    assert!(best("small") == best("large") && best("small") == best("moved"), "a budget changed the best weights or their loss");
    assert!(weights("small") == weights("moved"), "another budget on the way changed the weights");
    let scores = |memory: &str| place.run_on_device(&["evaluate", "small", "--json", "--memory", memory]).ok().out;
    assert_eq!(scores("unlimited"), scores("8MiB"));
    place.run_on_device(&["evaluate", "small", "--memory", "1MiB"]).error(&["the smallest plan takes", "1,048,576"]);
}

impl Said {
    /// An error of usage, in clap's words.
    #[track_caller]
    fn usage(self, word: &str) {
        assert_eq!((self.status, self.out.as_str()), (Some(2), ""));
        assert!(self.err.contains(word), "{}", self.err);
    }
}

#[test]
fn wrong_usage_is_an_error() {
    let place = Place::new();
    place.run(&["train"]).usage("CONFIG");
    place.run(&["train", "config.toml", "--resume", "run"]).usage("--resume");
    place.run(&["tarin"]).usage("train");
    place.run(&["doctor", "--device", "x"]).error(&["--device", "--backend reference"]);
    place.run(&["forecast", "run", "--data", "waves.csv", "--levels", "0.5,1.5"]).usage("--levels");
    assert!(place.run(&["--help"]).ok().out.contains("Usage: pgat"));
}

#[test]
fn the_examples_are_valid() {
    for name in ["weather/config.toml", "etth1.toml", "epf-np.toml", "epf-de.toml", "waves.toml", "wind-day.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let text = fs::read_to_string(&path).expect("an example");
        Config::from_toml(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// A config with a graph that only the propagation reads.
fn with_graph(section: &str) -> String {
    let off = "use_graph_encoding = false\nuse_structural_encoding = false\nuse_hierarchy = false\nuse_hops = true\n";
    CONFIG.replacen("[model]", &format!("[graph]\n{section}\n[model]\n{off}"), 1)
}

#[test]
fn a_graph_is_read_once_and_kept_with_the_run() {
    let place = Place::new();
    place.write("edges.csv", "source,target,weight\na,b,1\nb,c,0.5\n");
    place.write("graph.toml", &with_graph("edges = \"edges.csv\""));
    place.write("other.toml", &with_graph("nearest = 1"));
    let train = |config: &str, out: &str| place.run(&["train", config, "--out", out, "--max-steps", "2"]).ok();
    train("graph.toml", "with");
    train("other.toml", "other");
    let read = |path: &str| fs::read(place.path(path)).expect("a file");
    assert_ne!(read("with/weights.safetensors"), read("other/weights.safetensors"), "the graph reaches the model");
    let scores = place.run(&["evaluate", "with", "--json"]).ok().out;
    fs::remove_file(place.path("edges.csv")).expect("it was there");
    assert_eq!(place.run(&["evaluate", "with", "--json"]).ok().out, scores, "the run needs no graph file");
    fs::copy(place.path("other/graph.safetensors"), place.path("with/graph.safetensors")).expect("a copy");
    assert_ne!(place.run(&["evaluate", "with", "--json"]).ok().out, scores, "scores are those of the kept graph");
    fs::write(place.path("with/graph.safetensors"), &read("other/graph.safetensors")[..100]).expect("a write");
    place.run(&["evaluate", "with"]).error(&["graph.safetensors", "damaged"]);
    fs::remove_file(place.path("with/graph.safetensors")).expect("it was there");
    place.run(&["evaluate", "with"]).error(&["graph.safetensors"]);
}

#[test]
fn bad_graphs_are_named() {
    let place = Place::new();
    place.write("graph.toml", &with_graph("edges = \"edges.csv\""));
    let with = |edges: &str| {
        place.write("edges.csv", edges);
        place.run(&["train", "graph.toml"])
    };
    with("source,target,weight\na,bb,1\n").error(&["edges.csv", "line 2", "bb"]);
    with("source,target,weight\na,b,-1\n").error(&["edges.csv", "line 2", "-1"]);
    with("source,target,weight\na,b,nan\n").error(&["edges.csv", "line 2"]);
    with("from,to\na,b\n").error(&["edges.csv", "source"]);
    let said = with("source,target,weight\na,b,1\nc,c,1\n").ok();
    assert!(said.err.contains("note: ") && said.err.contains("self-loop") && said.err.contains("without edges"), "{}", said.err);
    let off = "[model]\nuse_hops = false\nuse_graph_encoding = false\nuse_structural_encoding = false\nuse_hierarchy = false\n";
    place.write("unread.toml", &CONFIG.replacen("[model]", &format!("[graph]\nnearest = 1\n{off}"), 1));
    place.run(&["train", "unread.toml"]).error(&["graph", "no part of the model reads the graph", "use_hops"]);
    place.write("idle.toml", &CONFIG.replacen("[model]", "[model]\nuse_hops = false\n", 1));
    let said = place.run(&["train", "idle.toml", "--max-steps", "1"]).ok();
    assert!(said.err.contains("model.use_adaptive_graph has no effect, since use_hops is false"), "{}", said.err);
}

#[test]
fn gradients_are_recorded_and_warned_of() {
    let place = Place::new();
    // Without hops nothing reads the gates: the only parameters of the graph have no gradient.
    let off = "use_hops = false\nuse_dynamic_graph = false\nuse_adaptive_graph = false\n";
    place.write("gates.toml", &CONFIG.replace("[training]", &format!("{off}[training]\nhealth_every = 2")));
    let train = place.run(&["train", "gates.toml", "--out", "gates"]).ok();
    assert_eq!(train.err.matches("step 2: the gradient of graph is all zero").count(), 1, "{}", train.err);
    assert_eq!(train.err.matches("the gradient of").count(), 1, "once a group\n{}", train.err);
    let lines = |run: &str| -> Vec<serde_json::Value> {
        let text = place.read(&format!("{run}/metrics.jsonl"));
        text.lines().map(|l| serde_json::from_str(l).expect("JSON")).filter(|v: &serde_json::Value| v["event"] == "gradients").collect()
    };
    let found = lines("gates");
    assert_eq!(found.iter().map(|v| v["step"].as_u64()).collect::<Vec<_>>(), [Some(2), Some(4)]);
    assert_eq!(found[0]["gradients"]["graph"], serde_json::json!({ "norm": 0.0, "zeros": 1.0, "non_finite": 0 }));
    assert!(found[0]["gradients"]["layers.0"]["norm"].as_f64().expect("a number") > 0.0);
    place.write("never.toml", &CONFIG.replace("[training]", "[training]\nhealth_every = 0"));
    place.run(&["train", "never.toml", "--out", "never"]).ok();
    assert!(lines("never").is_empty());
}
