use super::*;
use crate::forecast::mixture::{Component, Mixture};
use crate::forecast::transform::{TargetDistribution, TargetTransform};

fn distribution(step: u32, series: u32) -> TargetDistribution {
    let mean = f64::from(step) + 0.1 * f64::from(series);
    let mixture = Mixture::new(vec![Component { weight: 1.0, mean, std: 0.5 }]).expect("valid");
    TargetTransform::new(10.0, 3.0, None, None).expect("valid").distribution(mixture)
}

/// H = 3, Nt = 2, Q = 3, S = 4; the name of one series contains characters that CSV must quote.
fn table() -> ForecastTable {
    let stamps = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"].map(str::to_owned).to_vec();
    let names = vec!["plain".to_owned(), "a \"b\", c".to_owned()];
    let mut table = ForecastTable::new(stamps, names, vec![0.05, 0.5, 0.95]);
    for (step, h) in (0..3).enumerate() {
        for (series, i) in (0..2).enumerate() {
            table.set(step, series, &distribution(h, i));
        }
    }
    table.fill_samples(4, |sample, step, series| (100 * sample + 10 * step + series) as f64 + 0.1);
    table
}

fn read(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.records().map(|r| r.expect("well-formed").iter().map(str::to_owned).collect()).collect()
}

#[test]
fn csv_comes_back_to_the_same_bits() {
    let table = table();
    let mut bytes = Vec::new();
    table.write_csv(&mut bytes).expect("written");
    let rows = read(&bytes);
    assert_eq!(rows[0], ["time", "series", "mean", "std", "q0.05", "q0.5", "q0.95"]);
    assert_eq!(rows.len(), 1 + 3 * 2);
    for (i, row) in rows[1..].iter().enumerate() {
        let (step, series) = (i / 2, i % 2);
        assert_eq!((&row[0], &row[1]), (&table.stamps[step], &table.series[series]));
        let values: Vec<f64> = row[2..].iter().map(|cell| cell.parse::<f32>().expect("a number").into()).collect();
        let cell = table.cell(step, series);
        let mut expected = vec![table.mean[cell], table.std[cell]];
        expected.extend([0.05, 0.5, 0.95].map(|p| table.quantile(step, series, p).expect("a level of the table")));
        assert_eq!(values, expected);
    }
    // Also check the values: step 2 of series 1 has mean 10 + 3 * 2.1 and standard deviation 1.5.
    assert_eq!(rows[6][2].parse::<f32>().expect("a number"), 16.3);
    assert_eq!(rows[6][3].parse::<f32>().expect("a number"), 1.5);
    let upper: f64 = rows[6][6].parse().expect("a number");
    assert!((upper - (16.3 + 1.5 * 1.644_853_627)).abs() < 1e-5);
}

#[test]
fn samples_come_back_in_long_form() {
    let mut bytes = Vec::new();
    table().write_samples_csv(&mut bytes).expect("written");
    let rows = read(&bytes);
    assert_eq!(rows[0], ["time", "series", "sample", "value"]);
    assert_eq!(rows.len(), 1 + 3 * 2 * 4);
    // Step 1, series 1, sample 3.
    assert_eq!(rows[1 + (2 + 1) * 4 + 3], ["2024-01-01 01:00", "a \"b\", c", "3", "311.1"]);
    let none = ForecastTable { samples: None, ..table() };
    assert!(matches!(none.write_samples_csv(Vec::new()), Err(TableError::NoSamples)));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = |change: &dyn Fn(&mut ForecastTable)| {
        let mut table = table();
        change(&mut table);
        table.write_csv(Vec::new()).expect_err("must be rejected").to_string()
    };
    assert!(refused(&|t| t.levels.swap(0, 1)).contains("ascend"));
    assert!(refused(&|t| t.std.truncate(5)).contains("std has 5 values, expected 6"));
    assert!(refused(&|t| t.quantiles.push(0.0)).contains("quantiles has 19 values, expected 18"));
    assert!(refused(&|t| t.truth = Some(vec![0.0])).contains("truth"));
    assert!(refused(&|t| t.samples = Some(vec![0.0; 7])).contains("samples"));
    let history = HistoryTable { stamps: vec![String::new()], values: vec![0.0] };
    assert!(refused(&|t| t.history = Some(history.clone())).contains("history has 1 values, expected 2"));
    assert!(table().check().is_ok());
}

/// A writer on a full device.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("full"))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_writer_is_an_error() {
    assert!(table().write_csv(Full).is_err());
}

#[test]
fn values_are_written_with_the_digits_that_count() {
    for (deviation, expected) in [(25.0, 4), (1.0, 5), (0.3, 6), (1e5, 0), (1e9, 0)] {
        assert_eq!(decimals(deviation), expected, "{deviation}");
        assert!(0.5 * 0.1_f64.powi(i32::try_from(expected).expect("few")) <= 1e-5 * deviation);
    }
    let mut table = ForecastTable::new(vec!["1".to_owned()], vec!["near".to_owned(), "far".to_owned()], vec![0.5]);
    table.decimals[1] = Some(3);
    let value = |mean: f64| TargetTransform::new(mean, 0.1, None, None).expect("valid").distribution(unit());
    table.set(0, 0, &value(0.7));
    table.set(0, 1, &value(6_780_000_000.7));
    table.fill_samples(1, |_, _, series| if series == 0 { 0.7 } else { 6_780_000_000.7 });
    let (mut csv, mut samples) = (vec![], vec![]);
    table.write_csv(&mut csv).expect("written");
    table.write_samples_csv(&mut samples).expect("written");
    assert_eq!(read(&csv)[1..], [["1", "near", "0.7", "0.1", "0.7"], ["1", "far", "6780000000.700", "0.1", "6780000000.700"]]);
    assert_eq!(read(&samples)[1..], [["1", "near", "0", "0.7"], ["1", "far", "0", "6780000000.700"]]);
}

fn unit() -> Mixture {
    Mixture::new(vec![Component { weight: 1.0, mean: 0.0, std: 1.0 }]).expect("valid")
}

#[test]
fn values_that_are_not_finite_are_refused() {
    assert!(table().check_finite().is_ok());
    let refused = |change: &dyn Fn(&mut ForecastTable)| {
        let mut table = table();
        change(&mut table);
        table.check_finite().expect_err("must be rejected").to_string()
    };
    let said = refused(&|t| t.mean[3] = f64::INFINITY);
    assert!(said.starts_with("the forecast of \"a \"b\", c\" for 2024-01-01 01:00 has inf as its mean"), "{said}");
    assert!(refused(&|t| t.std[4] = f64::NAN).contains("\"plain\" for 2024-01-01 02:00 has NaN as its standard deviation"));
    assert!(refused(&|t| t.quantiles[5] = f64::NEG_INFINITY).contains("c\" for 2024-01-01 00:00 has -inf as its 0.95 quantile"));
    assert!(
        refused(&|t| t.samples.iter_mut().for_each(|s| s[6] = f64::NAN)).contains("\"plain\" for 2024-01-01 00:00 has NaN as its sample")
    );
    // Values that f64 can hold, but not f32, in which they are written.
    let mut huge = table();
    huge.set(1, 0, &TargetTransform::new(3e38, 1e38, None, None).expect("valid").distribution(unit()));
    assert!(huge.check_finite().is_err_and(|e| e.to_string().contains("inf as its 0.95 quantile")));
}
