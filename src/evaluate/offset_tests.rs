//! A series far from 0 is scored and forecast as the same series at 0.

use super::*;
use crate::executor::Backend;
use crate::forecast::plot::{FanChartOptions, fan_chart};
use crate::model::ModelShape;
use crate::session::Setup;

const OFFSET: f64 = 6.78e9;

/// A daily wave of hourly values between -25 and 25, exact in f32.
fn series() -> String {
    let mut text = String::from("time,level\n");
    for row in 0..240_u32 {
        let wave = 20.0 * (f64::from(row) * std::f64::consts::TAU / 24.0).sin() + f64::from(row * 29 % 16) / 4.0;
        text += &format!("2024-01-{:02} {:02}:00,{}\n", 1 + row / 24, row % 24, (wave * 8.0).round() / 8.0);
    }
    text
}

struct Found {
    evaluation: Evaluation,
    forecast: Forecast,
    window: WindowForecast,
    csv: String,
    samples: String,
    deviation: f64,
}

fn found(offset: f64, section: &str, head: &str) -> Found {
    let config = Config::from_toml(&format!(
        "[data]\npath = \"x\"\ntime = \"time\"\ntargets = [\"level\"]\n{section}\n[window]\nhistory = 8\nhorizon = 4\n\
         [split]\ntrain = 0.7\nvalidation = 0.1\ntest = 0.2\n[model]\npatch_len = 4\nnum_transitions = 1\nd_model = 8\nn_heads = 2\n\
         n_layers = 1\nd_ff = 8\n{head}\n"
    ))
    .expect("a config");
    let dataset = Arc::new(Dataset::read(&config, series().as_bytes()).expect("data").with_offset(offset));
    let scaler = Arc::new(Scaler::fit(&dataset).expect("a scaler").0);
    let shape = ModelShape::new(*dataset.shape(), config.model.clone());
    let mut session = pollster::block_on(Session::new(Setup::training(shape, config.training.clone()), Backend::Reference)).expect("one");
    let data = ScoredData { dataset: &dataset, scaler: &scaler, config: &config };
    let options = ForecastOptions { samples: 3, ..ForecastOptions::default() };
    let evaluation = pollster::block_on(evaluate(&mut session, &data, Part::Test, |_, _| {})).expect("scores");
    let forecast = pollster::block_on(forecast(&mut session, &data, &options)).expect("a forecast");
    let window = pollster::block_on(forecast_window(&mut session, &data, (Part::Test, 3), &options)).expect("a forecast");
    let (mut csv, mut samples) = (vec![], vec![]);
    forecast.table.write_csv(&mut csv).expect("written");
    forecast.table.write_samples_csv(&mut samples).expect("written");
    let [csv, samples] = [csv, samples].map(|text| String::from_utf8(text).expect("text"));
    Found { evaluation, forecast, window, csv, samples, deviation: scaler.target_scale(0).1 }
}

fn close(near: f64, far: f64, what: &str) {
    assert!((near - far).abs() < 1e-6 * near.abs().max(1.0), "{what}: {near} near 0, {far} far from it");
}

#[test]
fn scores_are_the_same() {
    for (section, head) in [("", ""), ("hide_history = true", ""), ("", "head = \"quantile\"\nquantile_levels = [0.1, 0.5, 0.9]")] {
        let (near, far) = (found(0.0, section, head).evaluation, found(OFFSET, section, head).evaluation);
        assert_eq!(near.report.deviation, far.report.deviation);
        assert_eq!(near.report.forecasters.len(), far.report.forecasters.len());
        for (a, b) in near.report.forecasters.iter().zip(&far.report.forecasters) {
            let (label, a, b) = (&a.label, &a.overall, &b.overall);
            assert!(a.count > 100 && a.count == b.count && a.crps.is_some_and(|crps| crps > 1.0), "{label}: {a:?}");
            assert_eq!((a.nll.is_some(), &a.coverage), (b.nll.is_some(), &b.coverage), "{label}");
            for (name, a, b) in [("CRPS", a.crps, b.crps), ("MAE", a.mae, b.mae), ("MSE", a.mse, b.mse), ("NLL", a.nll, b.nll)] {
                close(a.unwrap_or(0.0), b.unwrap_or(0.0), &format!("{label}, {name}"));
            }
        }
        close(near.standardised_nll.unwrap_or(0.0), far.standardised_nll.unwrap_or(0.0), "standardised NLL");
        assert_eq!(near.verdict(), far.verdict());
    }
}

#[test]
fn forecasts_are_moved() {
    let (near, far) = (found(0.0, "", ""), found(OFFSET, "", ""));
    for (a, b) in [(&near.forecast.table, &far.forecast.table), (&near.window.forecast.table, &far.window.forecast.table)] {
        let (a_past, b_past) = (a.history.as_ref().expect("a history"), b.history.as_ref().expect("a history"));
        let truth = |table: &crate::forecast::ForecastTable| table.truth.clone().unwrap_or_default();
        let pairs = [
            (a.mean.clone(), b.mean.clone()),
            (a.quantiles.clone(), b.quantiles.clone()),
            (a.samples.clone().expect("samples"), b.samples.clone().expect("samples")),
            (a_past.values.clone(), b_past.values.clone()),
            (truth(a), truth(b)),
        ];
        for (a, b) in pairs {
            assert_eq!(a.len(), b.len());
            // The values near 0 are rounded to f32.
            a.iter().zip(&b).for_each(|(a, b)| assert!((a + OFFSET - b).abs() < 1e-5, "{a} and {b}"));
        }
        a.std.iter().zip(&b.std).for_each(|(a, b)| close(*a, *b, "standard deviation"));
    }
    // The rounding of the text is below 1e-5 of the deviation, without digits that say nothing.
    for (text, columns) in [(&far.csv, 2..3), (&far.csv, 4..11), (&far.samples, 3..4)] {
        for line in text.lines().skip(1) {
            for cell in line.split(',').collect::<Vec<_>>()[columns.clone()].iter() {
                let (whole, decimals) = cell.split_once('.').unwrap_or((cell, ""));
                assert!(whole.len() == 10 && decimals.len() == 4, "{cell} in {line}");
            }
        }
    }
    let first: f64 = far.csv.lines().nth(1).and_then(|line| line.split(',').nth(2)).and_then(|cell| cell.parse().ok()).expect("a mean");
    assert!((first - far.forecast.table.mean[0]).abs() < 1e-5 * far.deviation);
    assert_eq!(near.forecast.table.decimals, [None]);
}

#[test]
fn the_chart_of_a_far_series_has_distinct_labels() {
    let table = found(OFFSET, "", "").window.forecast.table;
    let svg = fan_chart(&table, &FanChartOptions::default()).expect("drawn");
    let labels: Vec<&str> = svg.split("</text>").filter_map(|t| t.rsplit('>').next()).filter(|t| t.starts_with("67")).collect();
    assert!(labels.len() > 3 && labels.windows(2).all(|l| l[0] != l[1]), "{labels:?}");
}
