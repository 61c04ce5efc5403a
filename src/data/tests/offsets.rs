//! Columns that are stored as differences from an offset.

use super::*;

const OFFSET: f64 = 6.78e9;

/// Hourly values whose differences from their level are exact in f32, with gaps in `a`.
fn data(offset: f64) -> Dataset {
    let cells = |row: usize| {
        let (a, b) = ((row * 37 % 100) as f64 / 4.0 - 12.5, (row * 53 % 64) as f64 - 32.0);
        format!("{},{b}", if row % 11 == 5 { String::new() } else { a.to_string() })
    };
    let config = config("time = \"t\"\ntargets = [\"a\"]\ncovariates = [{ column = \"b\" }]", "");
    read(&config, &hourly("t,a,b", 60, cells)).unwrap().with_offset(offset)
}

fn fit(dataset: &Dataset) -> Scaler {
    Scaler::fit(dataset).unwrap().0
}

#[test]
fn an_offset_moves_values_and_nothing_else() {
    let (near, far) = (data(0.0), data(OFFSET));
    let (small, large) = (fit(&near), fit(&far));
    for row in 0..60 {
        assert_eq!(far.target_value(0, row, 0), near.target_value(0, row, 0).map(|v| OFFSET + v));
    }
    let moved: Vec<f64> = near.training_values(0).unwrap().map(|v| OFFSET + v).collect();
    assert!(moved.len() > 30 && far.training_values(0).unwrap().eq(moved));
    let id = WindowId { segment: 0, row: 9 };
    assert_eq!(far.last_value(id, 0), near.last_value(id, 0).map(|v| OFFSET + v));
    assert_eq!(far.seasonal_value(id, 1, 0, 5), near.seasonal_value(id, 1, 0, 5).map(|v| OFFSET + v));
    let window = |dataset: &Dataset, scaler: &Scaler| {
        let mut buffers = WindowBuffers::new(dataset.shape());
        dataset.fill(id, scaler, buffers.as_mut());
        buffers
    };
    let filled = window(&near, &small);
    assert!(filled.values.iter().any(|v| *v != 0.0) && filled.target.iter().any(|v| *v != 0.0));
    assert_eq!(window(&far, &large), filled);
    assert_eq!(far.training_correlations().unwrap(), near.training_correlations().unwrap());
}

#[test]
fn a_scaler_knows_its_offsets() {
    let (near, far) = (data(0.0), data(OFFSET));
    let (small, large) = (fit(&near), fit(&far));
    let ((mean, std), (far_mean, far_std)) = (small.target_scale(0), large.target_scale(0));
    assert_eq!((far_mean, far_std), (OFFSET + mean, std));
    assert_eq!((small.target_offset(0), large.target_offset(0)), (0.0, OFFSET));
    assert_eq!(large.to_original(0, 0.25), OFFSET + mean + 0.25 * std);
    assert_eq!(large.standardise_target(0, OFFSET + 7.25), small.standardise_target(0, 7.25));
    // A scaler without offsets is stored as before there were any.
    let text = |scaler: &Scaler| serde_json::to_string(scaler).unwrap();
    assert!(!text(&small).contains("offset") && text(&large).ends_with(",\"offset\":[6780000000.0,6780000000.0]}"), "{}", text(&large));
    for (scaler, dataset, other) in [(&small, &near, &far), (&large, &far, &near)] {
        let back: Scaler = serde_json::from_str(&text(scaler)).unwrap();
        assert_eq!(&back, scaler);
        assert!(back.is_fit_of(dataset) && !back.is_fit_of(other));
        back.check(dataset).unwrap();
        let message = back.check(other).unwrap_err().to_string();
        assert!(message.contains("offset") && message.contains("column \"b\""), "{message}");
        assert_eq!(back.column_offsets(&dataset.layout.slots, 2), dataset.offsets);
        let identity = Scaler::identity(dataset);
        identity.check(dataset).unwrap();
        assert_eq!(identity.to_original(0, 1.5), dataset.offsets[0] + 1.5);
    }
    let damaged = text(&large).replace("6780000000.0,", "");
    let message = serde_json::from_str::<Scaler>(&damaged).unwrap().check(&far).unwrap_err().to_string();
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn messages_name_the_value_with_its_offset() {
    let constant = |a: &str, b: &str, offset: f64| {
        let file = hourly("t,a,b", 20, |row| format!("{},{}", a.replace('#', &row.to_string()), b.replace('#', &row.to_string())));
        let config = config("time = \"t\"\ntargets = [\"a\"]\ncovariates = [{ column = \"b\" }]", "");
        match Scaler::fit(&read(&config, &file).unwrap().with_offset(offset)) {
            Ok((_, notes)) => notes.join("\n"),
            Err(e) => e.to_string(),
        }
    };
    assert!(constant("0.25", "#", OFFSET).contains("\"a\" (always 6780000000.25)"));
    assert!(constant("#", "-0.25", OFFSET).contains("column \"b\" is 6779999999.75 in all"));
    assert!(constant("0.1", "#", 0.0).contains("\"a\" (always 0.1)"));
    assert!(constant("#", "0.1", 0.0).contains("column \"b\" is 0.1 in all"));
}
