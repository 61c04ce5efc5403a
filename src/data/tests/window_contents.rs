//! Tests of each element of a window against a naive construction, of baselines and of forecasts.

use std::sync::Arc;

use super::*;

/// Two targets with a known-future and another channel, a known-future and another covariate. The value of a cell depends on its row and
/// column; some cells are missing.
const SETTINGS: &str = "time = \"t\"\ntargets = [\"z{i}_P\"]\n\
    covariates = [{ column = \"load\", known_future = true }, { column = \"obs\" }]\n\
    channels = [{ name = \"wind\", column = \"z{i}_W\", known_future = true }, { name = \"twice\", expression = \"2 * z{i}_Q\" }]";
const HEADER: &str = "t,z1_P,z2_P,z1_W,z2_W,z1_Q,z2_Q,load,obs";

fn cell(row: usize, column: usize) -> Option<f32> {
    (!(row * 7 + column * 3).is_multiple_of(11)).then(|| u16::try_from((row * 31 + column * 17) % 101).unwrap().into())
}

fn file(rows: usize) -> String {
    hourly(HEADER, rows, |row| (0..8).map(|c| cell(row, c).map_or(String::new(), |v| v.to_string())).collect::<Vec<_>>().join(","))
}

/// Column in the file, factor and known-future flag of input (series, channel).
fn input(series: usize, channel: usize) -> Option<(usize, f32, bool)> {
    match (series, channel) {
        (0, 0) => Some((6, 1.0, true)),
        (1, 0) => Some((7, 1.0, false)),
        (2 | 3, 0) => Some((series - 2, 1.0, false)),
        (2 | 3, 1) => Some((series, 1.0, true)),
        (2 | 3, 2) => Some((series + 2, 2.0, false)),
        _ => None,
    }
}

/// Naive mean and standard deviation over the first `train` rows.
fn moments(train: usize, column: usize, factor: f32) -> (f64, f64) {
    let seen: Vec<f64> = (0..train).filter_map(|row| cell(row, column)).map(|v| f64::from(v * factor)).collect();
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let variance = seen.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / seen.len() as f64;
    (mean, variance.sqrt())
}

fn near(a: f32, b: f64) -> bool {
    (f64::from(a) - b).abs() < 1e-5
}

fn check_window(dataset: &Dataset, w: &WindowBuffers, first: usize, hide: bool) {
    let (history, steps, series, channels) = (4, 6, 4, 3);
    for step in 0..steps {
        for s in 0..series {
            for f in 0..channels {
                let at = (step * series + s) * channels + f;
                let expected = input(s, f).and_then(|(column, factor, future)| {
                    let hidden = hide && s >= 2 && f == 0;
                    let known = if step < history { !hidden } else { future };
                    let value = cell(first + step, column).filter(|_| known)?;
                    let (mean, std) = moments(70, column, factor);
                    Some((f64::from(value * factor) - mean) / std)
                });
                assert_eq!(w.observed[at], f32::from(u8::from(expected.is_some())), "step {step}, series {s}, channel {f}");
                assert!(near(w.values[at], expected.unwrap_or(0.0)), "step {step}, series {s}, channel {f}");
            }
        }
        let stamp = dataset.stamp(0, first + step).unwrap();
        let expected: Vec<f32> = dataset.calendar().iter().flat_map(|feature| feature.at(stamp)).collect();
        assert_eq!(w.calendar[step * 6..][..6], expected);
    }
    for step in 0..steps - history {
        for t in 0..2 {
            let truth = cell(first + history + step, t);
            let (mean, std) = moments(70, t, 1.0);
            assert_eq!(w.target_observed[step * 2 + t], f32::from(u8::from(truth.is_some())));
            assert!(near(w.target[step * 2 + t], truth.map_or(0.0, |v| (f64::from(v) - mean) / std)));
        }
    }
}

#[test]
fn windows_hold_what_the_model_chapter_says() {
    for hide in [false, true] {
        let settings = format!("{SETTINGS}\nhide_history = {hide}");
        let dataset = Arc::new(read(&config(&settings, ""), &file(100)).unwrap());
        let shape = *dataset.shape();
        assert_eq!((shape.num_series(), shape.num_channels, shape.num_calendar, shape.values_len()), (4, 3, 6, 72));
        let scaler = Arc::new(Scaler::fit(&dataset).unwrap().0);
        for part in [Part::Train, Part::Validation, Part::Test] {
            let index = dataset.evaluation_windows(part).unwrap();
            let windows = PartWindows::new(dataset.clone(), scaler.clone(), index);
            let mut buffers = WindowBuffers::new(windows.shape());
            for k in 0..windows.len() {
                // `fill` must write every element, so that the previous content does not matter.
                for buffer in [&mut buffers.values, &mut buffers.observed, &mut buffers.calendar, &mut buffers.target] {
                    buffer.fill(f32::NAN);
                }
                windows.fill(k, buffers.as_mut());
                check_window(&dataset, &buffers, windows.id(k).row as usize, hide);
            }
        }
    }
}

#[test]
#[should_panic(expected = "buffer lengths")]
fn wrong_buffers_are_a_bug() {
    let dataset = read(&config(SETTINGS, ""), &file(100)).unwrap();
    let mut buffers = WindowBuffers::new(dataset.shape());
    buffers.calendar.pop();
    dataset.fill(WindowId { segment: 0, row: 0 }, &Scaler::identity(&dataset), buffers.as_mut());
}

#[test]
fn baselines_look_back_only() {
    let text = hourly("t,a", 40, |row| if row == 9 || row == 5 { String::new() } else { row.to_string() });
    let dataset = read(&config("time = \"t\"\ntargets = [\"a\"]", ""), &text).unwrap();
    let id = WindowId { segment: 0, row: 6 }; // history 6..10, horizon 10, 11
    assert_eq!(dataset.last_value(id, 0), Some(8.0));
    assert_eq!(dataset.seasonal_value(id, 0, 0, 4), Some(6.0));
    assert_eq!(dataset.seasonal_value(id, 1, 0, 1), None.or(Some(8.0)), "row 9 is missing, so the season before");
    assert_eq!(dataset.seasonal_value(id, 0, 0, 5), Some(0.0), "row 5 is missing, so row 0");
    assert_eq!(dataset.seasonal_value(id, 1, 0, 20), None);
    assert_eq!(dataset.season(), 24);
    assert_eq!(dataset.training_values(0).unwrap().count(), 26);
}

/// Rows without values of the targets from `origin + 1` on, and with values of `load` and `wind` everywhere.
fn future_file(rows: usize, origin: usize) -> String {
    hourly(HEADER, rows, |row| {
        let p = if row <= origin { format!("{row},{row}") } else { ",".into() };
        format!("{p},1,2,3,4,{},6", row % 5)
    })
}

#[test]
fn forecasts_start_where_observations_end() {
    let config = config(SETTINGS, "");
    let dataset = read(&config, &future_file(30, 27)).unwrap();
    let forecast = dataset.forecast_window().unwrap();
    assert_eq!(forecast.id, WindowId { segment: 0, row: 24 });
    assert_eq!(forecast.origin, "2020-01-02 03:00:00");
    assert_eq!(forecast.horizon, ["2020-01-02 04:00:00", "2020-01-02 05:00:00"]);

    let message = read(&config, &future_file(29, 27)).unwrap().forecast_window().unwrap_err().to_string();
    assert!(message.contains("\"load\" is known_future but has no value at 2020-01-02 05:00:00"), "{message}");
    let hole = future_file(30, 27).replace("05:00:00,,,1,2,", "05:00:00,,,1,,");
    let hole = hole.replace("2020-01-01 05:00:00,,,1,,", "2020-01-01 05:00:00,,,1,2,");
    let message = read(&config, &hole).unwrap().forecast_window().unwrap_err().to_string();
    assert!(message.contains("\"z2_W\"") && message.contains("2020-01-02 05:00:00"), "{message}");

    let message = read(&config, &future_file(10, 2)).unwrap().forecast_window().unwrap_err().to_string();
    assert!(message.contains("3 rows up to it") && message.contains("history needs 4"), "{message}");
    let none = hourly("t,a", 10, |_| String::new());
    let message = read(&super::config("time = \"t\"\ntargets = [\"a\"]", ""), &none).unwrap().forecast_window().unwrap_err();
    assert!(message.to_string().contains("no target has a value"), "{message}");
}

#[test]
fn the_calendar_goes_on_beyond_the_file() {
    let text = "t,a\n2023-11-30,1\n2023-12-31,2\n2024-01-31,3\n2024-02-29,4\n2024-03-31,5\n";
    let dataset = read(&config("time = \"t\"\ntargets = [\"a\"]", ""), text).unwrap();
    let forecast = dataset.forecast_window().unwrap();
    assert_eq!(forecast.horizon, ["2024-04-30", "2024-05-31"]);
    let mut w = WindowBuffers::new(dataset.shape());
    dataset.fill(forecast.id, &Scaler::identity(&dataset), w.as_mut());
    assert_eq!(w.values, [2.0, 3.0, 4.0, 5.0, 0.0, 0.0]);
    assert_eq!(w.observed, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(w.target_observed, [0.0, 0.0]);
    let expected: Vec<f32> = CalendarFeature::DayOfYear.at(parse_stamp("2024-05-31").unwrap()).to_vec();
    assert_eq!(w.calendar[10..], expected);
}
