//! Tests of parts, windows and origins, and that no data leak between parts.

use super::*;

fn fit(dataset: &Dataset) -> Scaler {
    Scaler::fit(dataset).unwrap().0
}

#[test]
fn ett_has_the_usual_windows() {
    let text = hourly("date,a", 17_420, |row| format!("{}", row % 97));
    let rest = "[window]\nhistory = 96\nhorizon = 96\n[split]\ntrain_rows = 8640\nvalidation_rows = 2880\ntest_rows = 2880\n";
    let dataset = read(&config("time = \"date\"\ntargets = [\"*\"]", rest), &text).unwrap();
    assert_eq!(dataset.training_windows().unwrap().len(), 8_640 - 192 + 1);
    let validation = dataset.evaluation_windows(Part::Validation).unwrap();
    let test = dataset.evaluation_windows(Part::Test).unwrap();
    assert_eq!((validation.len(), test.len()), (2_785, 2_785));
    assert_eq!(validation.get(0), WindowId { segment: 0, row: 8_640 - 96 });
    assert_eq!(test.get(2_784), WindowId { segment: 0, row: 14_400 - 192 });
    assert_eq!(dataset.shape().num_calendar, 6);
}

#[test]
fn fractions_are_rounded_as_usual() {
    let text = hourly("t,a", 101, |row| format!("{row}"));
    let dataset = |rest: &str| read(&config("time = \"t\"\ntargets = [\"a\"]", rest), &text).unwrap();
    let parts = |dataset: &Dataset| [Part::Train, Part::Validation, Part::Test].map(|part| dataset.part_rows(part).unwrap());
    assert_eq!(parts(&dataset("")), [0..70, 70..81, 81..101]);
    assert_eq!(parts(&dataset("[split]\ntrain = 0.5\ntest = 0.2\n")), [0..50, 50..50, 50..70]);
    let none = dataset("[split]\ntrain = 0.5\ntest = 0.2\n").windows(Part::Validation, Pace { stride: 1, origin: None });
    assert!(none.unwrap().is_empty());
}

#[test]
fn dates_cut_at_the_stamp_even_between_segments() {
    let whole = hourly("t,a", 100, |row| format!("{row}"));
    let holed: String = whole.lines().enumerate().filter(|(k, _)| !(31..41).contains(k)).map(|(_, l)| format!("{l}\n")).collect();
    let rest = "[split]\nvalidation_start = \"2020-01-03 00:00\"\ntest_start = \"2020-01-04\"\ntest_end = \"2020-01-05 00:00\"\n";
    let config = config("time = \"t\"\ntargets = [\"a\"]", rest);
    let first = |text: &str, part| {
        let dataset = read(&config, text).unwrap();
        let index = dataset.evaluation_windows(part).unwrap();
        (dataset.format_stamp(index.get(0).segment, index.get(0).row as usize + 4), index.len())
    };
    for text in [&whole, &holed] {
        assert_eq!(first(text, Part::Validation), ("2020-01-03 00:00:00".into(), 23));
        assert_eq!(first(text, Part::Test), ("2020-01-04 00:00:00".into(), 23));
    }
    let dataset = read(&config, &holed).unwrap();
    // 30 rows, a gap of 10 rows, 8 rows: 25 and 3 windows of 6 rows.
    assert_eq!(dataset.training_windows().unwrap().len(), 25 + 3);
    assert_eq!(dataset.part_rows(Part::Train).unwrap(), 0..38);
}

#[test]
fn no_window_leaves_its_part_or_its_segment() {
    let text = hourly("t,a", 200, |row| format!("{}", row * row % 31));
    let holed: String = text.lines().enumerate().filter(|(k, _)| k % 37 != 20).map(|(_, l)| format!("{l}\n")).collect();
    let dataset = read(&config("time = \"t\"\ntargets = [\"a\"]", ""), &holed).unwrap();
    assert!(dataset.segments().len() > 4);
    for part in [Part::Train, Part::Validation, Part::Test] {
        let rows = dataset.part_rows(part).unwrap();
        let mut naive = vec![];
        for (k, segment) in dataset.segments().iter().enumerate() {
            for row in 0..segment.rows.saturating_sub(5) {
                let judged = if part == Part::Train { row } else { row + 4 };
                if (judged..row + 6).all(|r| rows.contains(&(segment.first_row + r))) {
                    naive.push(WindowId { segment: u32::try_from(k).unwrap(), row: u32::try_from(row).unwrap() });
                }
            }
        }
        let index = dataset.windows(part, Pace { stride: 1, origin: None }).unwrap();
        assert_eq!(index.iter().collect::<Vec<_>>(), naive, "{part}");
    }
}

#[test]
fn origins_are_times_of_day() {
    let text = hourly("t,a", 24 * 10, |row| format!("{}", row % 24));
    let rest = |stride: usize| {
        format!(
            "[window]\nhistory = 24\nhorizon = 24\n[split]\ntest_start = \"2020-01-05 01:00\"\n[evaluation]\norigin = \"00:00\"\nstride = {stride}\n"
        )
    };
    let settings = "time = \"t\"\ntargets = [\"a\"]";
    let dataset = read(&config(settings, &rest(1)), &text).unwrap();
    let index = dataset.evaluation_windows(Part::Test).unwrap();
    let firsts: Vec<_> = index.iter().map(|id| dataset.format_stamp(id.segment, id.row as usize + 24)).collect();
    let expected: Vec<_> = (5..10).map(|day| format!("2020-01-{day:02} 01:00:00")).collect();
    assert_eq!(firsts, expected);
    let dataset = read(&config(settings, &rest(2)), &text).unwrap();
    assert_eq!(dataset.evaluation_windows(Part::Test).unwrap().len(), 3);
    let half_past = rest(1).replace("00:00\"\nstride", "00:30\"\nstride");
    let message = read(&config(settings, &half_past), &text).unwrap().evaluation_windows(Part::Test).unwrap_err().to_string();
    assert!(message.contains("no window has a history that ends at 00:30:00"), "{message}");
}

#[test]
fn too_few_rows_say_how_many_are_needed() {
    let text = hourly("t,a", 30, |row| format!("{row}"));
    let message = |rest: &str, part: Part| {
        let dataset = read(&config("time = \"t\"\ntargets = [\"a\"]", rest), &text).unwrap();
        dataset.evaluation_windows(part).unwrap_err().to_string()
    };
    let train = message("[split]\ntrain_rows = 5\ntest_rows = 20\n", Part::Train);
    assert!(train.contains("the training part contains no window: it has 5 rows, but one window needs 6 consecutive rows"), "{train}");
    let test = message("[split]\ntrain_rows = 20\ntest_rows = 1\n", Part::Test);
    assert!(test.contains("the test part") && test.contains("1 rows, but one window needs 2 consecutive rows"), "{test}");
    let rows = message("[split]\ntrain_rows = 20\ntest_rows = 20\n", Part::Test);
    assert!(rows.contains("40 rows, but the file has 30"), "{rows}");
    let dates = message("[split]\ntest_start = \"2021-01-01\"\n", Part::Test);
    assert!(dates.contains("it has 0 rows"), "{dates}");
}

#[test]
fn test_rows_do_not_reach_training() {
    let file = |tail: f64| {
        hourly("t,a,b", 100, |row| {
            let x = (row * 37 % 101) as f64 + if row >= 70 { tail } else { 0.0 };
            format!("{x},{}", x * 0.5)
        })
    };
    let config = config("time = \"t\"\ntargets = [\"a\"]\ncovariates = [{ column = \"b\", known_future = true }]", "");
    let training = |text: &str| {
        let dataset = read(&config, text).unwrap();
        let scaler = fit(&dataset);
        let windows: Vec<_> = dataset
            .training_windows()
            .unwrap()
            .iter()
            .map(|id| {
                let mut buffers = WindowBuffers::new(dataset.shape());
                dataset.fill(id, &scaler, buffers.as_mut());
                buffers
            })
            .collect();
        (scaler, windows)
    };
    assert_eq!(training(&file(0.0)), training(&file(1e6)));
}

#[test]
fn scalers_are_moments_and_survive_json() {
    let text =
        hourly("t,a,b", 40, |row| format!("{},{}", if row % 5 == 0 { String::new() } else { (row as f64 / 7.0).to_string() }, row % 3));
    let dataset = read(&config("time = \"t\"\ntargets = [\"a\", \"b\"]", ""), &text).unwrap();
    let scaler = fit(&dataset);
    let seen: Vec<f64> = (0..28).filter(|row| row % 5 != 0).map(|row| f64::from(to_f32(row as f64 / 7.0))).collect();
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let std = (seen.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / seen.len() as f64).sqrt();
    let (m, s) = scaler.target_scale(0);
    assert!((m - mean).abs() < 1e-6 && (s - std).abs() < 1e-6, "{m} {s}");
    assert!((scaler.to_original(0, scaler.standardise_target(0, 2.5).into()) - 2.5).abs() < 1e-6);
    let json = serde_json::to_string(&scaler).unwrap();
    assert_eq!(serde_json::from_str::<Scaler>(&json).unwrap(), scaler);
    scaler.check(&dataset).unwrap();
    let other = read(&config("time = \"t\"\ntargets = [\"b\", \"a\"]", ""), &text).unwrap();
    let message = scaler.check(&other).unwrap_err().to_string();
    assert!(message.contains("the target \"a\" where the data have \"b\""), "{message}");
}

proptest::proptest! {
    #[test]
    fn an_index_counts_through_its_runs(counts in proptest::collection::vec((0_u32..7, 1_u32..4), 0..6)) {
        let runs: Vec<_> = (0..).zip(&counts)
            .map(|(segment, &(count, stride))| WindowRun { segment, first: 3, stride, count })
            .collect();
        let naive: Vec<_> = runs.iter()
            .flat_map(|r| (0..r.count).map(|k| WindowId { segment: r.segment, row: r.first + k * r.stride }))
            .collect();
        let index = WindowIndex::new(runs);
        proptest::prop_assert_eq!(index.iter().collect::<Vec<_>>(), naive);
    }
}
