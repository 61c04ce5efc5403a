use super::*;
use crate::forecast::mixture::{Component, Mixture};
use crate::forecast::table::HistoryTable;
use crate::forecast::transform::TargetTransform;
use crate::random::Stream;

fn hourly(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|h| format!("2013-08-{:02}T{:02}:00:00", 1 + h / 24, h % 24)).collect()
}

/// A daily wave in [0, 1] and its forecast, which widens with the step.
fn table(series: usize, past: usize, horizon: usize, truth: bool) -> ForecastTable {
    let names = (0..series).map(|i| format!("farm {}", i + 1)).collect();
    let levels = vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
    let mut table = ForecastTable::new(hourly(past, horizon), names, levels);
    let transform = TargetTransform::new(0.0, 1.0, Some(0.0), Some(1.0)).expect("valid");
    let mut stream = Stream::new(1);
    let wave = |t: usize, i: usize| 0.5 + 0.35 * ((t as f64 / 24.0 + i as f64 / 7.0) * std::f64::consts::TAU).sin();
    for step in 0..horizon {
        for i in 0..series {
            let std = 0.03 + 0.15 * (step as f64 + 1.0) / horizon as f64;
            let mixture = Mixture::new(vec![Component { weight: 1.0, mean: wave(past + step, i), std }]).expect("valid");
            table.set(step, i, &transform.distribution(mixture));
        }
    }
    let mut noisy = |from: usize, count: usize| -> Vec<f64> {
        let cells = (from..from + count).flat_map(|t| (0..series).map(move |i| (t, i)));
        cells.map(|(t, i)| (wave(t, i) + 0.05 * stream.normal()).clamp(0.0, 1.0)).collect()
    };
    let mut values = noisy(0, past);
    values.iter_mut().skip(series * 10).take(series * 5).for_each(|v| *v = f64::NAN);
    table.history = (past > 0).then(|| HistoryTable { stamps: hourly(0, past), values });
    table.truth = truth.then(|| noisy(past, horizon));
    table
}

fn chart(table: &ForecastTable) -> String {
    fan_chart(table, &FanChartOptions { title: "Wind power, share of capacity".to_owned(), ..Default::default() }).expect("drawn")
}

/// Content of the text elements.
fn texts(svg: &str) -> Vec<&str> {
    svg.split("<text").skip(1).filter_map(|t| t.split_once('>')?.1.split_once("</text>")).map(|t| t.0.trim()).collect()
}

#[test]
fn a_chart_names_what_it_shows() {
    let svg = chart(&table(2, 72, 24, true));
    let texts = texts(&svg);
    for expected in ["Wind power, share of capacity", "farm 1", "farm 2", "history", "median", "50 %", "80 %", "90 %", "observed"] {
        assert_eq!(texts.iter().filter(|t| **t == expected).count(), 1, "{expected:?} in {texts:?}");
    }
    assert_eq!(svg.matches("<polygon").count(), 2 * 3);
    // A gap in the history splits its line in two: with median and truth, each panel has four lines with more points than the tick marks.
    let long = svg.split("<polyline").skip(1).filter_map(|l| l.split_once("/>")).filter(|l| l.0.matches(',').count() > 8).count();
    assert_eq!(long, 2 * 4);
}

#[test]
fn only_what_is_there_is_drawn() {
    let mut bare = table(1, 0, 24, false);
    bare.levels = vec![0.1, 0.9];
    bare.quantiles = vec![0.5; 24 * 2];
    let svg = chart(&bare);
    let texts = texts(&svg);
    assert!(texts.contains(&"mean") && texts.contains(&"80 %"), "{texts:?}");
    for absent in ["history", "median", "50 %", "90 %", "observed"] {
        assert!(!texts.contains(&absent), "{absent:?} in {texts:?}");
    }
    assert_eq!(svg.matches("<polygon").count(), 1);
}

#[test]
fn many_series_are_cut_and_it_says_so() {
    let svg = chart(&table(15, 24, 24, false));
    assert!(texts(&svg).contains(&"first 12 of 15 series"));
    assert_eq!(svg.matches("<polygon").count(), 12 * 3);
}

#[test]
fn awkward_tables_are_drawn_or_refused() {
    for (series, past, horizon) in [(1, 0, 1), (3, 1, 1), (5, 200, 2)] {
        assert!(chart(&table(series, past, horizon, true)).ends_with("</svg>\n"), "{series} series, {past} -> {horizon}");
    }
    let mut unknown = table(1, 24, 3, false);
    unknown.history = Some(HistoryTable { stamps: hourly(0, 24), values: vec![f64::NAN; 24] });
    unknown.quantiles.fill(f64::NAN);
    assert!(!chart(&unknown).contains("NaN"));
    let nothing = fan_chart(&table(0, 0, 3, false), &FanChartOptions::default());
    assert!(matches!(nothing, Err(PlotError::Empty { series: 0, steps: 3 })));
    let mut broken = table(1, 24, 3, false);
    broken.mean.pop();
    assert!(matches!(fan_chart(&broken, &FanChartOptions::default()), Err(PlotError::Table(_))));
}

#[test]
fn text_is_escaped() {
    let mut table = table(1, 24, 24, false);
    table.series[0] = "<b> & \"c\"".to_owned();
    let svg = chart(&table);
    assert!(!svg.contains("<b>"));
}
