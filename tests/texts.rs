//! Texts of the command line: help, tables, JSON, files of a run, errors. A change of wording changes the files in `tests/snapshots`, where
//! it is reviewed. Other tests prove the numbers. The tests use the f64 reference backend, so that no adapter affects them.

use crate::support::golden_file::GoldenFile;
use crate::support::not_run::not_run;
use crate::support::place::{CONFIG, Place};
use crate::support::transcript::Transcript;
use std::fs;

/// Compares with `tests/snapshots/NAME.snap`.
#[track_caller]
fn compare(name: &str, transcript: &Transcript) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, transcript.text()));
}

/// Names of the commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn help() {
    const COMMON: &str = "Options of every command:\n";
    let place = Place::new();
    let mut transcript = Transcript::new(&place);
    let (mut common, mut left) = (String::new(), vec![String::new()]);
    while let Some(command) = left.pop() {
        let mut more = vec![];
        transcript.run(format!("{command} --help").trim()).change(|text| {
            more = commands(text);
            if command.is_empty() {
                let options = text[text.find(COMMON).expect("they are told")..].split("\nExit status").next();
                options.expect("a text").trim_end().clone_into(&mut common);
                // This command is hidden.
                more.push("shaders".into());
                return text.to_owned();
            }
            assert!(text.contains(&common), "{text}");
            // clap indents empty lines.
            text.replace(&common, &format!("{COMMON}  (as above)")).lines().map(|line| format!("{}\n", line.trim_end())).collect()
        });
        left.extend(more.iter().rev().map(|name| format!("{command} {name}").trim().to_owned()));
    }
    compare("help", &transcript);
}

/// Bytes of the smallest plan.
fn smallest(place: &Place) -> u64 {
    let said = place.run(&["plan", "config.toml", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    report["memory"]["smallest"]["bytes"].as_u64().expect("bytes")
}

#[test]
fn plans() {
    let place = Place::new();
    let less = smallest(&place) - 1;
    place.write(
        "limits.json",
        r#"{"maxStorageBufferBindingSize": 268435456, "maxBufferSize": 536870912, "maxStorageBuffersPerShaderStage": 10}"#,
    );
    let mut transcript = Transcript::new(&place);
    transcript
        .run("plan config.toml")
        .run("plan config.toml --json")
        .run("plan config.toml --class gpu --memory unlimited --limits limits.json")
        .run(&format!("plan config.toml --memory {less}"))
        .run(&format!("plan config.toml --memory {less} --json"));
    compare("plan", &transcript);
}

/// A gap, missing cells, a code, zeros, an outlier, a constant and a copied column, and a driver that tells the future.
#[test]
fn checks() {
    let place = Place::new();
    let mut text = String::from("time,a,b,c,d,e,f\n");
    let rows: Vec<Vec<String>> = place.read("waves.csv").lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
    for (row, cells) in rows.iter().enumerate().filter(|(row, _)| !(60..63).contains(row)) {
        let b = if row % 50 == 7 { "-9999" } else { &cells[2] };
        let c = if (100..110).contains(&row) { "0" } else { &cells[3] };
        let c = if row == 222 { "700" } else { c };
        let ahead = rows.get(row + 2).map_or("", |later| &later[1]);
        text += &format!("{},{},{b},{c},{},5,{ahead}\n", cells[0], cells[1], cells[1]);
    }
    place.write("waves.csv", &text);
    place.edit("config.toml", "targets = [\"*\"]", "targets = [\"*\"]\ncovariates = [{ column = \"f\" }]");
    let mut transcript = Transcript::new(&place);
    transcript.run("check config.toml").run("check config.toml --json");
    place.edit("waves.csv", "2024-01-01 02:00,", "2024-01-01 02:00,x");
    place.edit("waves.csv", ",-9999,", ",broken,");
    transcript.remark("text in two columns").run("check config.toml").run("check config.toml --json");
    compare("check", &transcript);
}

/// A batch that is larger than the data and is planned in micro-batches with recomputed ops.
#[test]
fn plans_a_large_batch() {
    let place = Place::new();
    place.write("large.toml", &CONFIG.replace("batch_size = 4", "batch_size = 4000").replace("max_steps = 4", "epochs = 2"));
    let mut transcript = Transcript::new(&place);
    transcript.run("plan large.toml --memory 16MiB");
    compare("plan_large", &transcript);
}

#[test]
fn trains() {
    let place = Place::new();
    let mut transcript = Transcript::new(&place);
    transcript.twins("train config.toml --out run").twins("train --resume run").twins("train config.toml --max-steps 1 --seed 7 --quiet");
    place.edit("run/config.toml", "max_steps = 4", "max_steps = 6");
    transcript.remark("after max_steps = 6 in run/config.toml").run("train --resume run");
    // A graph with notes, a switch without effect, and parameters that nothing reads.
    let graph = "[graph]\nedges = \"edges.csv\"\n[model]\nuse_hops = false\n";
    place.write("graph.toml", &CONFIG.replace("[model]\n", graph).replace("log_every = 2", "health_every = 2"));
    place.write("edges.csv", "source,target,weight\na,b,1\nc,c,1\n");
    transcript.remark("with a graph, without hops").twins("train graph.toml --out graph");
    compare("train", &transcript);
}

#[test]
fn files_of_a_run() {
    let place = Place::trained();
    let mut names: Vec<String> = fs::read_dir(place.path("run"))
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut transcript = Transcript::new(&place);
    for name in names {
        if name.ends_with(".safetensors") {
            transcript.remark(&format!("run/{name}\n"));
        } else {
            transcript.file(&format!("run/{name}"));
        }
    }
    compare("run_files", &transcript);
}

#[test]
fn evaluates() {
    let place = Place::trained();
    let mut transcript = Transcript::new(&place);
    transcript
        .twins("evaluate run --per-series --per-step")
        .twins("evaluate run --part val --last --quiet")
        .twins("evaluate run --json --quiet");
    for (head, more) in [("quantile", "quantile_levels = [0.05, 0.5, 0.95]\n"), ("point", "point_loss = \"huber\"\n")] {
        place.write("head.toml", &CONFIG.replace("mdn_components = 2\n", &format!("head = \"{head}\"\n{more}")));
        place.run(&["train", "head.toml", "--out", head]).ok();
        transcript.remark(&format!("head = \"{head}\"")).twins(&format!("evaluate {head} --quiet"));
    }
    place.write("hidden.toml", &CONFIG.replace("targets = [\"*\"]", "targets = [\"*\"]\nhide_history = true"));
    place.run(&["train", "hidden.toml", "--out", "hidden"]).ok();
    transcript.remark("hide_history = true").twins("evaluate hidden --quiet");
    compare("evaluate", &transcript);
}

#[test]
fn forecasts() {
    let place = Place::trained();
    let mut transcript = Transcript::new(&place);
    transcript
        .twins("forecast run --data waves.csv")
        .twins(
            "forecast run --data waves.csv --levels 0.5,0.25 --last --out table.csv --plot fan.svg --samples-out samples.csv --samples 2",
        )
        .head(3, "table.csv")
        .head(4, "samples.csv");
    compare("forecast", &transcript);
}

/// A run whose covariates drive its targets, with the true graph in `s_edges.csv`.
fn driven() -> Place {
    let place = Place::new();
    place.run(&["synth", "--rows", "400", "--waves", "3", "--targets", "2", "--sparsity", "0.4", "--out", "s.csv"]).ok();
    let drivers = "targets = [\"target_{i}\"]\ncovariates = [{ column = \"wave_{i}\", known_future = true }]";
    let config = CONFIG.replace("waves.csv", "s.csv").replace("\"time\"", "\"date\"").replace("targets = [\"*\"]", drivers);
    place.write("driven.toml", &config.replace("name = \"waves\"", "name = \"driven\""));
    place.run(&["train", "driven.toml", "--out", "run"]).ok();
    place
}

#[test]
fn inspects() {
    let place = driven();
    let with = |name: &str, fill: &dyn Fn(&mut Transcript)| {
        let mut transcript = Transcript::new(&place);
        fill(&mut transcript);
        compare(name, &transcript);
    };
    with("inspect_graph", &|t| {
        t.twins("inspect run graph --truth s_edges.csv")
            .twins("inspect run graph --windows 4 --last --csv --quiet")
            .twins("inspect run graph --truth s_edges.csv --json --quiet")
            .twins("inspect run graph --windows 4 --out graph > /dev/null");
        for name in ["scores", "gates", "adaptive"] {
            t.file(&format!("graph/{name}.csv"));
        }
    });
    with("inspect_attention", &|t| {
        t.twins("inspect run attention")
            .twins("inspect run attention --part val --window 2 --csv --quiet")
            .twins("inspect run attention --json --quiet");
    });
    with("inspect_lags", &|t| {
        t.twins("inspect run lags").twins("inspect run lags --csv --quiet").twins("inspect run lags --json --quiet");
    });
    with("inspect_features", &|t| {
        t.twins("inspect run features --windows 5")
            .twins("inspect run features --windows 5 --csv --quiet")
            .twins("inspect run features --windows 5 --json --quiet");
    });
    with("inspect_memory", &|t| {
        t.twins("inspect run memory")
            .twins("inspect run memory --memory unlimited --json")
            .twins("inspect run memory --out memory > /dev/null");
    });
}

#[test]
fn makes_first_configs() {
    let place = Place::new();
    let mut transcript = Transcript::new(&place);
    transcript.run("init waves.csv").run("init waves.csv --out new.toml");
    compare("init", &transcript);

    let mut transcript = Transcript::new(&place);
    transcript
        .run("synth --rows 40 --waves 3 --targets 2 --lags 2 --sparsity 0.3 --out s.csv")
        .head(4, "s.csv")
        .file("s_edges.csv")
        .file("s.toml");
    compare("synth", &transcript);

    place.write("old.yaml", OLD);
    place.write("load.csv", "Date,north,wind,south\n2024-01-01,1,2,3\n2024-01-02,1,2,3\n");
    let mut transcript = Transcript::new(&place);
    transcript.run("migrate old.yaml").run("migrate old.yaml --data load.csv --out migrated.toml").file("migrated.toml");
    compare("migrate", &transcript);
}

/// A config of the original system: keys that are kept, renamed, or without meaning here.
const OLD: &str = "
d_model: 64
n_heads: 4
seq_len: 48
pred_len: 12
dropout: 0.2
use_mixture_density: true
enable_graph_attention: no
memory:
  memory_threshold_mb: 2000
root_path: ./data/
data_path: load.csv
target: 'north, south'
freq: 15T
label_len: 48
batch_size: 16
validation_length: 300
test_length: 200
learning_rate: 2e-4
lradj: cosine
train_epochs: 12
warmup_epochs: 3
";

/// Tests the output without any adapter, which Linux can simulate.
const NO_ADAPTER: [(&str, &str); 2] = [("VK_DRIVER_FILES", "/nowhere"), ("VK_ICD_FILENAMES", "/nowhere")];

#[test]
fn without_an_adapter() {
    if !cfg!(target_os = "linux") {
        return not_run("without_an_adapter", "only on Linux can a test pretend that there is no adapter");
    }
    let place = Place::trained();
    let mut transcript = Transcript::new(&place);
    transcript.run_with("doctor", &NO_ADAPTER).run_with("doctor --json", &NO_ADAPTER);
    transcript.run_with("doctor --backend reference", &NO_ADAPTER).run_with("evaluate run", &NO_ADAPTER);
    transcript.run_with("inspect run memory > /dev/null", &NO_ADAPTER);
    compare("no_adapter", &transcript);
}

/// Needs an adapter. The snapshot shows no property of it.
#[test]
fn an_adapter() {
    let place = Place::new();
    let mut transcript = Transcript::new(&place);
    let adapter = |line: &str| {
        let label = line.trim_start().split([' ', ':']).next().unwrap_or_default();
        let value = line.starts_with("  ") || label.ends_with('.') || label == "used" || label.starts_with('"');
        let indent = &line[..line.len() - line.trim_start().len()];
        if value { format!("{indent}{label} <..>\n") } else { format!("{line}\n") }
    };
    let first = |text: &str| {
        let end = text.find("\n2. ").map_or(text.len(), |second| second);
        let used = text.find("\nused").filter(|used| *used > end).map_or("", |used| &text[used..]);
        format!("{}{used}", &text[..end]).lines().map(adapter).collect()
    };
    transcript.run("doctor").change(first);
    transcript.run("train config.toml --device nothing").change(|text| {
        let (start, rest) = text.split_once("available: ").unwrap_or_else(|| panic!("{text}"));
        let (_, end) = rest.split_once('\n').expect("a line");
        format!("{start}available: <..>\n{end}")
    });
    compare("adapter", &transcript);
}

#[test]
fn verifies() {
    let place = Place::new();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut file = GoldenFile::full();
    file.tie_edges("param.", 1e-5);
    fs::write(place.path("tie.safetensors"), file.bytes()).expect("a file");
    let mut transcript = Transcript::new(&place);
    transcript
        .twins(&format!("verify {golden}/model/small.safetensors {golden}/trajectory/full.safetensors"))
        .twins(&format!("verify {golden}/model/small.safetensors --tolerance 4e-8 --quiet"))
        .twins("verify tie.safetensors --quiet")
        .twins(&format!("verify {golden}/model/small.safetensors --json --quiet"))
        .run("shaders texts");
    compare("verify", &transcript);
}

/// Errors of configs and data, through the command `train`.
fn wrong_inputs(transcript: &mut Transcript, place: &Place) {
    let mut config = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        place.write("wrong.toml", &CONFIG.replacen(from, to, 1));
        transcript.remark(&format!("in the config: {}", to.replace('\n', "; "))).twins("train wrong.toml");
    };
    for (from, to) in [
        ("batch_size = 4", "batchsize = 4"),
        ("batch_size = 4", "batch_size = \"four\""),
        ("batch_size = 4", "batch_size = 4\nbetas = [0.9, 1.5]"),
        ("n_heads = 2", "n_heads = 3"),
        ("name =", "format_version = 3\nname ="),
        ("waves.csv", "lost.csv"),
        ("targets = [\"*\"]", "targets = [\"a\", \"d\"]"),
        ("history = 8", "history = 4000"),
        ("train = 0.7", "train = 0.9"),
        ("batch_size = 4", "memory = \"1MiB\"\nbatch_size = 4"),
    ] {
        config(from, to);
    }
    place.write("edges.csv", "source,target,weight\na,bb,1\n");
    config("[model]", "[graph]\nedges = \"edges.csv\"\n[model]");
    let whole = place.read("waves.csv");
    let row = whole.lines().nth(3).expect("a row").to_owned();
    let cells: Vec<&str> = row.split(',').collect();
    for (what, wrong) in [
        ("text in a number's place", row.replace(cells[1], "much")),
        ("a cell too many", format!("{row},1")),
        ("no time stamp", row.replace(cells[0], "yesterday")),
        ("the same stamp again", format!("{row}\n{row}")),
        ("a minute late", row.replace(":00,", ":01,")),
        ("an infinite value", row.replace(cells[2], "inf")),
    ] {
        place.write("waves.csv", &whole.replacen(&row, &wrong, 1));
        transcript.remark(&format!("waves.csv: {what}")).twins("train config.toml");
    }
    place.write("waves.csv", &whole);
}

#[test]
fn errors() {
    let place = Place::trained();
    let mut transcript = Transcript::new(&place);
    wrong_inputs(&mut transcript, &place);
    transcript
        .remark("runs")
        .twins("train config.toml --out run")
        .twins("train --resume run --out other")
        .twins("train nowhere.toml")
        .twins("evaluate nowhere")
        .twins("evaluate config.toml")
        .twins("evaluate run --data nowhere.csv")
        .twins("evaluate run --memory 1MiB")
        .twins("forecast run --data edges.csv")
        .twins("inspect run attention --window 1000")
        .twins("inspect run graph --truth edges.csv");
    fs::create_dir(place.path("empty")).expect("a folder");
    transcript.twins("evaluate empty");
    place.edit("run/run.json", "\"numerics_revision\": 1", "\"numerics_revision\": 77");
    transcript.remark("numerics_revision = 77 in run.json").twins("train --resume run --strict");
    place.edit("run/config.toml", "use_dynamic_graph = true", "use_dynamic_graph = false");
    transcript.remark("use_dynamic_graph = false in the run's config").twins("inspect run graph");
    place.edit("run/config.toml", "use_dynamic_graph = false", "use_dynamic_graph = true");
    place.edit("waves.csv", "2024-01-01 03:00,", "2024-01-01 03:00,9");
    transcript.remark("other training rows").twins("train --resume run").twins("evaluate run > /dev/null");
    fs::remove_file(place.path("waves.csv")).expect("a file");
    transcript.remark("waves.csv is gone").twins("train --resume run");
    for file in ["checkpoint", "weights", "best"] {
        fs::remove_file(place.path(&format!("run/{file}.safetensors"))).expect("a file");
    }
    place.write("waves.csv", &Place::new().read("waves.csv"));
    transcript.remark("no weights yet").twins("evaluate run");
    place.edit("run/run.json", "\"format_version\": 3", "\"format_version\": 9");
    transcript.remark("format_version = 9 in run.json").twins("evaluate run");
    place.write("half.csv", "a,b\nx,y\n");
    place.write("old.yaml", "d_modell: 64\n");
    place.write("known.csv", "time,a,h\n2024-01-01,1,0\n2024-01-02,2,1\n");
    transcript
        .remark("the other commands")
        .run("plan config.toml --class abacus")
        .run("plan config.toml --limits nowhere.json")
        .run("init half.csv")
        .run("init waves.csv --out config.toml")
        .run("synth --rows 1 --out synth.csv")
        .run("synth --out waves.csv")
        .run("migrate old.yaml")
        .twins("verify config.toml")
        .twins("bench")
        .twins("tune")
        .twins("doctor --device x");
    transcript
        .remark("wrong usage")
        .run("tarin")
        .run("train")
        .run("train config.toml --resume run")
        .run("plan config.toml --memory plenty")
        .run("forecast run --data waves.csv --levels 0.5,1.5")
        .run("inspect run lags --csv --json");
    compare("errors", &transcript);
}

/// The future values of a known-future column must be present.
#[test]
fn errors_of_a_forecast() {
    let place = Place::new();
    place.write(
        "known.toml",
        &CONFIG.replace("targets = [\"*\"]", "targets = [\"a\", \"b\"]\ncovariates = [{ column = \"c\", known_future = true }]"),
    );
    place.run(&["train", "known.toml", "--out", "run"]).ok();
    place.write("short.csv", &place.read("waves.csv").lines().take(6).map(|line| format!("{line}\n")).collect::<String>());
    place.write("other.csv", &place.read("waves.csv").replacen("time,a,b,c", "time,a,x,c", 1));
    let mut transcript = Transcript::new(&place);
    transcript.twins("forecast run --data waves.csv").twins("forecast run --data short.csv").twins("forecast run --data other.csv");
    compare("forecast_errors", &transcript);
}

/// A snapshot file that no test compares would stay forever.
#[test]
fn no_snapshot_is_left_over() {
    let tests = include_str!("texts.rs");
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots")).expect("a folder") {
        let name = file.expect("a file").file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".snap").unwrap_or(&name);
        assert!(tests.contains(&format!("(\"{stem}\",")), "no test compares with {name}");
    }
}
