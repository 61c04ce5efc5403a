//! What `pgat evaluate` says of a model where its reference is perfect, where the numbers are very small, where the series have different
//! units, and where there is nothing to score. The runs are trained for four steps on the reference backend.

use crate::support::place::Place;
use std::fmt::Write as _;

/// Hours of the data of every run here. The test part is the last 60 rows.
const ROWS: u32 = 400;

/// Noise between -1 and 1, different for each `k`.
fn noise(row: u32, k: u32) -> f64 {
    let mixed = (row * 8 + k).wrapping_mul(2_654_435_761) >> 7;
    f64::from(mixed % 20_001) / 10_000.0 - 1.0
}

/// A value that repeats every day exactly.
fn daily(row: u32) -> f64 {
    f64::from(row % 24 * 7 % 24)
}

/// A run trained on these columns; an empty text is a missing cell.
fn trained(columns: &str, cells: impl Fn(u32) -> Vec<String>) -> Place {
    let place = Place::new();
    let mut text = format!("time,{columns}\n");
    for row in 0..ROWS {
        let (day, hour) = (row / 24, row % 24);
        writeln!(text, "2024-01-{:02} {hour:02}:00,{}", 1 + day, cells(row).join(",")).expect("a string");
    }
    place.write("waves.csv", &text);
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    place
}

fn numbers(values: &[f64]) -> Vec<String> {
    values.iter().map(|v| format!("{v:.6e}")).collect()
}

/// The last line of the text, and the skill of the JSON.
fn judged(place: &Place) -> (String, serde_json::Value) {
    let text = place.run(&["evaluate", "run"]).ok().out;
    let json = place.run(&["evaluate", "run", "--json"]).ok().out;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    (text.lines().last().expect("a verdict").to_owned(), report["skill"].clone())
}

#[test]
fn nothing_to_score_is_an_error() {
    // Rows that the horizons of the config, 4 of every 6 rows, leave out: the first origin is the last row before the test part.
    let skipped = |row: u32| row >= 340 && (row - 340) % 6 >= 4;
    let part = |kept: &dyn Fn(u32) -> bool| {
        trained("a,b", |row| (0..2).map(|k| if row < 340 || kept(row) { noise(row, k).to_string() } else { String::new() }).collect())
    };
    let place = part(&|_| false);
    let words = ["run: no target has a value in the test part: nothing can be scored", "[split]"];
    for arguments in [&["evaluate", "run"][..], &["evaluate", "run", "--json"]] {
        place.run(arguments).error(&words);
    }
    place.run(&["inspect", "run", "features"]).error(&["nothing can be scored"]);
    place.run(&["evaluate", "run", "--part", "val"]).ok();
    let place = part(&skipped);
    place.run(&["evaluate", "run"]).error(&["in the forecast steps that [evaluation] selects from the test part", "evaluation.stride"]);
    place.edit("run/config.toml", "stride = 6", "stride = 1");
    place.run(&["evaluate", "run"]).ok();
}

#[test]
fn a_perfect_reference_is_told() {
    let (verdict, skill) = judged(&trained("a,b", |row| numbers(&[daily(row), 3.0 * daily(row)])));
    let start = "The model does not beat seasonal naive, which is without error here (CRPS ";
    assert!(verdict.starts_with(start) && verdict.contains(" against 0); it is better on 0 of 2 series."), "{verdict}");
    assert_eq!((&skill["crps"], &skill["perfect_references"]), (&serde_json::Value::Null, &2.into()));
    // On one of two series.
    let place = trained("a,b", |row| numbers(&[daily(row), 7.0 * noise(row, 0)]));
    let (verdict, skill) = judged(&place);
    let left_out = "on average over the series (1 of 2 left out: seasonal naive is without error there); it is better on 1 of 2 series.";
    assert!(verdict.contains(left_out), "{verdict}");
    assert_eq!(skill["perfect_references"], 1);
    let text = place.run(&["evaluate", "run"]).ok().out;
    assert!(text.contains("% (without 1 series, on which seasonal naive is without error)\n"), "{text}");
}

#[test]
fn small_numbers_keep_their_digits() {
    for (scale, power) in [(1e-9, "e-10"), (1e30, "e29")] {
        let (verdict, _) = judged(&trained("a", |row| numbers(&[scale * (4.0 + noise(row, 0))])));
        let compared = verdict.split(['(', ')']).nth(1).unwrap_or_else(|| panic!("no numbers in {verdict}"));
        let (model, reference) = compared.split_once(" against ").expect("two numbers");
        for number in [model, reference] {
            assert!(number.ends_with(power) && number.len() == "1.2345".len() + power.len(), "{number} in {verdict}");
        }
    }
}

#[test]
fn other_units_do_not_decide() {
    // A model of four steps knows the spread of the values: this is better than a random value, and worse than the value of yesterday.
    let columns = |row: u32, k: u32| daily(row) + 0.5 * noise(row, k);
    let (verdict, skill) =
        judged(&trained("revenue,share1,share2", |row| numbers(&[40_000.0 * noise(row, 0), columns(row, 1), 0.2 * columns(row, 2)])));
    let start = "The model does not beat seasonal naive: as a mean over the series, each divided by its training deviation, its CRPS is ";
    assert!(verdict.starts_with(start) && verdict.contains("; it is better on 1 of 3 series. In the units of the data"), "{verdict}");
    assert!(verdict.contains("% lower (") && verdict.contains("): the two disagree."), "{verdict}");
    assert!(skill["crps"].as_f64() > Some(0.0) && skill["scaled_crps"].as_f64() < Some(0.0), "{skill}");
}

#[test]
fn a_forecast_beyond_f32_is_an_error() {
    let place = trained("small,large", |row| numbers(&[noise(row, 0), 3.3e38 * noise(row, 1)]));
    place.run(&["forecast", "run", "--data", "waves.csv", "--levels", "0.5"]).ok();
    let words = ["the forecast of \"large\" for 2024-01-17 16:00:00 has inf as its 0.999 quantile", "divide the column by a power of ten"];
    place.run(&["forecast", "run", "--data", "waves.csv", "--levels", "0.5,0.999"]).error(&words);
}
