//! Valid and invalid configurations, and the error messages.

use super::*;

const SMALL: &str = r#"
format_version = 1
name = "small"

[data]
path = "x.csv"
time = "date"
targets = ["a"]

[window]
history = 24
horizon = 12
"#;

const FULL: &str = r#"
format_version = 1
name = "wind-day"
[data]
path = "wind.csv.gz"
time = "timestamp"
frequency = "1h"
targets = ["z{i}_TARGETVAR"]
hide_history = true
calendar = ["hour_of_day", "day_of_year"]
delimiter = ";"
missing = ["", "-"]
max_gap = 3
covariates = [{ column = "load", known_future = true }, { name = "w", expression = "hypot(u, v)" }]
channels = [
    { name = "u100", column = "z{i}_U100", known_future = true },
    { name = "speed", expression = "hypot(z{i}_U100, z{i}_V100)", known_future = true },
]
[window]
history = 24
horizon = 24
[split]
validation_start = 2013-07-01T01:00:00
test_start = "2013-08-01 01:00"
test_end = "2013-09-01 01:00"
[evaluation]
origin = "00:00"
levels = "percentiles"
lower = 0
upper = 1.0
[model]
d_model = 32
use_instance_norm = false
[training]
max_steps = 500
schedule = "one-cycle"
warmup_fraction = 0.3
learning_rate = 2e-3
memory = "256 MiB"
"#;

/// The error message for `SMALL` with one part replaced.
fn refusal(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    Config::from_toml(&SMALL.replacen(from, to, 1)).unwrap_err().to_string()
}

/// The error message for `SMALL` with lines appended.
fn refusal_with(lines: &str) -> String {
    Config::from_toml(&format!("{SMALL}\n{lines}")).unwrap_err().to_string()
}

#[test]
fn defaults_are_the_references() {
    let config = Config::from_toml(SMALL).unwrap();
    assert_eq!(config.model, ModelSettings::default());
    assert_eq!((config.model.d_model, config.model.n_heads, config.model.conv_kernels.len()), (64, 4, 4));
    assert!(config.model.use_highway && config.model.use_hops && config.model.idle().is_empty());
    assert_eq!(config.training.batch_size, 32);
    assert_eq!(config.split.rule().unwrap(), SplitRule::Fractions { train: 0.7, validation: 0.1, test: 0.2 });
    assert_eq!(config.evaluation.levels.values().len(), 19);
    assert!(["", "NA", "N/A", "None", "null"].iter().all(|token| config.data.missing.iter().any(|m| m == token)));
}

#[test]
fn a_full_file_goes_there_and_back() {
    let config = Config::from_toml(FULL).unwrap();
    assert_eq!(config.evaluation.origin_micros().unwrap(), Some(0));
    assert_eq!(config.evaluation.levels.values().len(), 99);
    assert_eq!(config.training.budget().unwrap(), crate::bytes::Budget::Bytes(256 << 20));
    assert_eq!(config.training.schedule, Schedule::OneCycle);
    let SplitRule::Dates { validation_start, test_start, test_end } = config.split.rule().unwrap() else { panic!("dates") };
    assert_eq!(test_start.instant() - validation_start.unwrap().instant(), 31 * crate::calendar::DAY);
    assert_eq!(test_end.unwrap().instant() - test_start.instant(), 31 * crate::calendar::DAY);
    for text in [SMALL, FULL] {
        let config = Config::from_toml(text).unwrap();
        assert_eq!(Config::from_toml(&config.to_toml().unwrap()).unwrap(), config);
    }
}

#[test]
fn the_data_file_lies_beside_the_configuration() {
    let config = Config::from_toml(SMALL).unwrap();
    assert_eq!(config.data_path(Path::new("/a/b/run.toml")), Path::new("/a/b/x.csv"));
    assert_eq!(config.data_path(Path::new("run.toml")), Path::new("x.csv"));
}

#[test]
fn a_newer_format_is_refused_before_anything_else() {
    let text = SMALL.replace("format_version = 1", "format_version = 3\nunheard_of = 1");
    let message = Config::from_toml(&text).unwrap_err().to_string();
    assert_eq!(message, "the file has format_version 3, but this pgat reads versions up to 2; update pgat");
    assert!(refusal("format_version = 1", "format_version = 0").contains("use 1"));
}

#[test]
fn unknown_keys_are_refused_with_line_and_suggestion() {
    assert_eq!(refusal("history", "histroy"), "line 11: unknown key `histroy`; did you mean `history`?");
    assert_eq!(refusal("[window]", "[windows]"), "line 10: unknown key `windows`; did you mean `window`?");
    let message = refusal_with("[model]\nuse_hop = true");
    assert!(message.contains("did you mean `use_hops`?"), "{message}");
    let message = refusal_with("[training]\nschedule = \"onecycle\"");
    assert!(message.contains("did you mean `one-cycle`?"), "{message}");
    let message = refusal("horizon = 12", "horizon = 12\nqwertyuiop = 1");
    assert!(message.contains("known keys: history, horizon"), "{message}");
    let message = refusal("targets = [\"a\"]", "targets = [\"a\"]\nchannels = [{ name = \"u\", colum = \"b\" }]");
    assert!(message.starts_with("line 9: unknown key `colum`; did you mean `column`?"), "{message}");
}

#[test]
fn broken_toml_and_wrong_types_name_the_line() {
    assert!(refusal("history = 24", "history 24").starts_with("line 11: "));
    let message = refusal("history = 24", "history = \"24\"");
    assert!(message.starts_with("line 11: ") && message.contains("wrong type of value"), "{message}");
    let message = refusal("history = 24", "");
    assert!(message.contains("missing key `history`"), "{message}");
    let message = refusal("time = \"date\"", "frequency = \"1 fortnight\"");
    assert!(message.starts_with("line 7: ") && message.contains("15min"), "{message}");
    let message = refusal_with("[evaluation]\nlevels = \"some\"");
    assert!(message.contains("percentiles"), "{message}");
    let message = refusal_with("[split]\ntest_start = 5");
    assert!(message.contains("timestamp"), "{message}");
    let message = refusal("targets = [\"a\"]", "targets = [\"a\"]\ncalendar = [\"hour_of_days\"]");
    assert!(message.contains("did you mean `hour_of_day`?"), "{message}");
}

#[test]
fn sizes_that_do_not_divide_are_refused_with_some_that_do() {
    assert_eq!(
        refusal_with("[model]\npatch_len = 5"),
        "model.patch_len: 5 does not divide window.history = 24 and window.horizon = 12; valid values: 1, 2, 3, 4, 6, 12"
    );
    assert!(refusal_with("[model]\nn_heads = 3").contains("use 2 or 4"));
    assert!(refusal_with("[model]\nn_heads = 1").contains("use 2 or 4"));
    assert!(refusal_with("[model]\nd_model = 30").contains("use 24 or 32"));
    assert!(refusal_with("[model]\nd_model = 4").contains("use 8 or 16"));
    assert!(refusal_with("[model]\ndropout = 1.0").contains("less than 1"));
    assert!(refusal_with("[model]\nmdn_components = 0").contains("model.mdn_components: it is 0"));
    assert!(refusal_with("[model]\nconv_kernels = [2]").contains("odd"));
}

#[test]
fn splits_are_one_of_three_ways() {
    let cases = [
        ("train = 0.7\ntrain_rows = 8", "mixes"),
        ("train = 0.9\ntest = 0.2", "sum of at most 1"),
        ("validation = 0.9", "split.train"),
        ("test_start = \"2014-01-01\"\nvalidation_start = \"2015-01-01\"", "out of order"),
        ("validation_start = \"2015-01-01\"", "split.test_start"),
        ("test_start = \"01/02/2014\"", "YYYY-MM-DD"),
        ("validation_rows = 3", "split.train_rows"),
    ];
    for (lines, expected) in cases {
        let message = refusal_with(&format!("[split]\n{lines}"));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let cases = [
        ("[evaluation]\norigin = \"25:00\"", "evaluation.origin"),
        ("[evaluation]\nlevels = [0.5, 0.1]", "ascending"),
        ("[evaluation]\nlower = 1\nupper = 0", "lower < upper"),
        ("[evaluation]\nstride = 0", "at least 1"),
        ("[training]\nmemory = \"lots\"", "256MiB"),
        ("[training]\nbatch_size = 0", "training.batch_size"),
        ("[training]\nmicro_batch = 64", "at most the batch size"),
        ("[training]\nwarmup_steps = 1\nwarmup_fraction = 0.1", "keep one"),
        ("[training]\nlearning_rate = nan", "training.learning_rate"),
        ("[training]\nbetas = [0.9, 1.0]", "training.betas"),
    ];
    for (lines, expected) in cases {
        let message = refusal_with(lines);
        assert!(message.contains(expected), "{message}");
    }
    assert!(refusal("targets = [\"a\"]", "targets = []").contains("[\"*\"]"));
    assert!(refusal("targets = [\"a\"]", "targets = [\"a\"]\ncovariates = [{ expression = \"b\" }]").contains("name"));
    assert!(refusal("targets = [\"a\"]", "targets = [\"a\"]\ncovariates = [{ name = \"b\" }]").contains("exactly one"));
    let twice = "targets = [\"a\"]\nchannels = [{ name = \"u\", column = \"b\" }, { name = \"u\", column = \"c\" }]";
    assert!(refusal("targets = [\"a\"]", twice).contains("two channels"));
    assert!(refusal("horizon = 12", "horizon = 0").contains("at least 1 row"));
}

#[test]
fn dates_and_origins_need_a_time_column() {
    let timeless = SMALL.replace("time = \"date\"", "");
    for lines in ["[split]\ntest_start = \"2014-01-01\"", "[evaluation]\norigin = \"00:00\""] {
        let message = Config::from_toml(&format!("{timeless}\n{lines}")).unwrap_err().to_string();
        assert!(message.contains("data.time"), "{message}");
    }
}

#[test]
fn steps_follow_epochs_and_bounds() {
    let mut training = TrainingSettings { epochs: Some(3), ..TrainingSettings::default() };
    assert_eq!((training.steps_per_epoch(65), training.total_steps(65)), (3, 9));
    training.max_steps = Some(5);
    assert_eq!(training.total_steps(65), 5);
    training.warmup_fraction = Some(0.5);
    assert_eq!(training.warmup(9), 5);
}
