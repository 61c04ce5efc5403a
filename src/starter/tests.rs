//! First configs of small tables: what is guessed, and what is refused.

use super::*;
use crate::config::{KnownFuture, TimeColumns};
use std::fmt::Write as _;

fn file(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    (0..rows).fold(format!("{header}\n"), |mut text, k| {
        let _ = writeln!(text, "{}", row(k));
        text
    })
}

fn day(k: usize) -> String {
    format!("2024-{:02}-{:02}", 1 + k / 28, 1 + k % 28)
}

fn made(csv: &str) -> Result<Starter, DataError> {
    starter(csv.as_bytes(), "my data.csv", &Options::default(), &mut |_, _, _| None)
}

/// The config of a table. It reads the table, and all parts have windows.
#[track_caller]
fn check(csv: &str) -> (Starter, Config) {
    let made = made(csv).expect("a config");
    let config = Config::from_toml(&made.config).expect("a valid config");
    let dataset = Dataset::read(&config, csv.as_bytes()).expect("a readable file");
    let (windows, refused) = dataset.count_windows().expect("windows");
    assert!(windows.training > 0 && windows.validation > 0 && windows.test > 0, "{windows:?}, {refused:?}");
    (made, config)
}

/// A value that varies.
fn wave(k: usize) -> String {
    format!("{:.3}", (k as f64 / 3.0).sin() + (k * 7919 % 100) as f64 / 1000.0)
}

#[test]
fn hourly_with_text_column() {
    let csv = file("when;load;place;wind", 900, |i| {
        format!("2024-{:02}-{:02} {:02}:00;{}.5;here;{}", 1 + i / 672, 1 + i / 24 % 28, i % 24, i % 24, i % 7)
    });
    let (made, config) = check(&csv);
    assert_eq!(config.data.time, Some("when".into()));
    assert_eq!((config.data.delimiter, config.data.decimal), (Some(';'), '.'));
    assert_eq!((&config.data.targets[..], &config.data.exclude[..]), (&["*".to_owned()][..], &["place".to_owned()][..]));
    assert_eq!((config.window.history, config.window.horizon, config.model.patch_len), (48, 24, 12));
    assert!(made.notes.iter().any(|n| n.contains("place")), "{:?}", made.notes);
}

#[test]
fn rows_are_steps_only_if_asked() {
    let csv = file("a,b", 200, |i| format!("{},{}", i % 9, if i % 10 == 0 { "NA".into() } else { wave(i) }));
    assert!(matches!(made(&csv), Err(DataError::NoTimeColumn { .. })));
    let no_time = Options { no_time: true, ..Options::default() };
    let without = |bytes: &[u8]| starter(bytes, "my data.csv", &no_time, &mut |_, _, _| None).expect("a config");
    let config = Config::from_toml(&without(csv.as_bytes()).config).expect("a valid config");
    assert_eq!((config.data.time, &config.data.targets[..]), (None, &["*".to_owned()][..]));
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, csv.as_bytes()).expect("memory");
    assert_eq!(without(&gz.finish().expect("memory")), without(csv.as_bytes()));
    // The first line of numbers is a row, not the names.
    let bare = file("0.5,0.25,1.5", 100, |i| format!("{},{},{}", wave(i), wave(i + 5), wave(i + 9)));
    assert!(made(&bare).expect_err("a refusal").to_string().contains("line 1 holds values"));
    let config = Config::from_toml(&without(bare.as_bytes()).config).expect("a valid config");
    let dataset = Dataset::read(&config, bare.as_bytes()).expect("a readable file");
    assert_eq!((dataset.rows(), dataset.target_names()), (101, &["c1".to_owned(), "c2".into(), "c3".into()][..]));
}

#[test]
fn dates_of_every_order() {
    let german = file("Datum;Wert", 60, |i| format!("{:02}.{:02}.2024 12:00;\"{}\"", 1 + i % 28, 1 + i / 28, wave(i).replace('.', ",")));
    let (_, config) = check(&german);
    assert_eq!((config.data.time_format.as_deref(), config.data.decimal), (Some("%d.%m.%Y %H:%M"), ','));
    let american = file("Date,Close", 60, |i| format!("{}/{}/2024 3:00 PM,{}", 1 + i / 28, 1 + i % 28, wave(i)));
    assert_eq!(check(&american).1.data.time_format.as_deref(), Some("%m/%d/%Y %I:%M %p"));
    let year_first = file("date,a", 60, |i| format!("2013/1/{} {}:00,{}", 1 + i / 24, i % 24, wave(i)));
    assert_eq!(check(&year_first).1.data.time_format, None);
    let parts = file("year,month,day,hour,pm", 60, |i| format!("2010,1,{},{},{}", 1 + i / 24, i % 24, wave(i)));
    let expected = TimeColumns::Several(["year", "month", "day", "hour"].map(String::from).to_vec());
    assert_eq!(check(&parts).1.data.time, Some(expected));
    let two = file("date,hour,load", 72, |i| format!("{},{},{}", day(i / 24), i % 24, wave(i)));
    assert_eq!(check(&two).1.data.time, Some(TimeColumns::Several(vec!["date".into(), "hour".into()])));
    let ambiguous = file("date,a", 12, |i| format!("{0:02}/{0:02}/2024,{1}", 1 + i, wave(i)));
    assert!(matches!(made(&ambiguous), Err(DataError::AmbiguousDates { .. })), "{:?}", made(&ambiguous));
}

#[test]
fn numbers_that_only_rise_are_no_targets() {
    let csv = file(",time,a,counter,epoch", 60, |i| {
        format!("{i},{},{},{},{}", day(i), wave(i), 1000 + 3 * i + i % 2, 1_700_000_000 + 86_400 * i)
    });
    let (made, config) = check(&csv);
    let dataset = Dataset::read(&config, csv.as_bytes()).expect("a readable file");
    assert_eq!(dataset.target_names(), ["a"]);
    assert!(made.notes.iter().any(|n| n.contains("counter") && n.contains("epoch")), "{:?}", made.notes);
    // The only series of a file may rise.
    let rising = file("time,price", 60, |i| format!("{},{}", day(i), 100 + i));
    assert_eq!(Dataset::read(&check(&rising).1, rising.as_bytes()).expect("a readable file").target_names(), ["price"]);
}

#[test]
fn odd_cells_are_missing_or_refused() {
    let with = |cell: &'static str| {
        file("time,a,b", 60, move |i| format!("{},{},{}", day(i), if i == 40 { cell.into() } else { wave(i) }, wave(i + 2)))
    };
    let (made_, config) = check(&with("?"));
    assert!(config.data.missing.iter().any(|token| token == "?"), "{:?}", config.data.missing);
    assert!(made_.notes.iter().any(|n| n.contains("\"?\"")), "{:?}", made_.notes);
    let error = made(&with("12.3*")).expect_err("a refusal").to_string();
    assert!(error.contains("line 42") && error.contains("\"a\"") && error.contains("12.3*"), "{error}");
    let total = with("1") + "Total,3,4\n";
    assert_eq!(check(&total).1.data.skip_rows, ["Total"]);
}

#[test]
fn drivers_by_name_and_by_their_reach() {
    let named = file("date,load_forecast,OT", 100, |i| format!("{},{},{}", day(i), wave(i + 1), wave(i)));
    let config = check(&named).1;
    assert_eq!((config.data.covariates.len(), config.data.covariates[0].known_future), (1, KnownFuture::Partial));
    let reach = file("date,a,temperature", 100, |i| format!("{},{},{}", day(i), if i < 93 { wave(i) } else { String::new() }, wave(i + 1)));
    let config = check(&reach).1;
    assert_eq!((config.data.covariates.len(), config.data.covariates[0].known_future), (1, KnownFuture::Yes));
    let zones = file("date,z1_TARGETVAR,z1_U10,z2_TARGETVAR,z2_U10", 100, |i| {
        format!("{},{},{},{},{}", day(i), wave(i), wave(i + 1), wave(i + 2), wave(i + 3))
    });
    let config = check(&zones).1;
    assert_eq!((&config.data.targets[..], config.data.channels.len()), (&["z{i}_TARGETVAR".to_owned()][..], 1));
}

#[test]
fn long_tables_and_counts() {
    let csv = file("ds,unique_id,y", 180, |i| format!("{},{},{}", day(i / 3), ["A", "B", "C"][i % 3], i * 7919 % 50));
    let (_, config) = check(&csv);
    assert_eq!((config.data.series.as_deref(), &config.data.targets[..]), (Some("unique_id"), &["y".to_owned()][..]));
    assert_eq!(config.evaluation.lower, Some(0.0));
    assert_eq!(Dataset::read(&config, csv.as_bytes()).expect("a readable file").target_names(), ["A", "B", "C"]);
}

#[test]
fn sizes_follow_the_predicted_time() {
    let csv = file("date,a,b", 100, |i| format!("{},{},{}", day(i), wave(i), wave(i + 4)));
    let sized = |seconds: f64| {
        let made = starter(csv.as_bytes(), "a.csv", &Options::default(), &mut |_, model, _| Some(seconds * model.d_model as f64 / 32.0));
        Config::from_toml(&made.expect("a config").config).expect("a valid config").model.d_model
    };
    assert_eq!((sized(0.1), sized(1.5), sized(100.0)), (32, 16, 8));
}

/// Quotes and line ends in the header must not break the TOML.
#[test]
fn hostile_names_stay_names() {
    let csv = file("date,\"a\"\"] \n x = 1\",b", 100, |i| format!("{},{},z", day(i), wave(i)));
    let made = starter(csv.as_bytes(), "x\"\n.csv", &Options::default(), &mut |_, _, _| None).expect("a config");
    let config = Config::from_toml(&made.config).expect("a valid config");
    assert_eq!(Dataset::read(&config, csv.as_bytes()).expect("a readable file").target_names(), ["a\"] \n x = 1"]);
}

#[test]
fn no_table_is_refused() {
    for (bytes, expected) in [
        (&b""[..], "empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\nx,y\n", "no column holds timestamps"),
        (b"\x00\xff\x00,\xfe\n1,2\n", "UTF-8"),
        (b"date,a\n2024-01-01,x\n2024-01-02,y\n", "none of the 2 columns is a series of numbers"),
    ] {
        let error = starter(bytes, "x.csv", &Options::default(), &mut |_, _, _| None).expect_err("a refusal").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
