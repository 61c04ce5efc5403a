//! Tables of every shape: long tables, offsets, zones, newest-first files, left-out columns.

use super::*;

#[track_caller]
fn names_and_rows(dataset: &Dataset) -> (Vec<&str>, usize) {
    (dataset.target_names().iter().map(String::as_str).collect(), dataset.rows())
}

fn values(dataset: &Dataset, target: usize) -> Vec<Option<f64>> {
    (0..dataset.rows()).map(|row| dataset.target_value(0, row, target)).collect()
}

const LONG: &str = "time = \"ds\"\nseries = \"id\"\ntargets = [\"y\"]\nmax_gap = 9";

#[test]
fn a_long_table_becomes_columns_in_any_order_of_rows() {
    let rows = ["2020-01-01,b,1", "2020-01-02,b,2", "2020-01-02,a,20", "2020-01-03,a,30", "2020-01-04,b,4"];
    let text = |rows: &[&str]| format!("ds,id,y\n{}\n", rows.join("\n"));
    let mut turned = rows;
    turned.reverse();
    turned.swap(0, 3);
    for rows in [rows, turned] {
        let dataset = read(&config(LONG, ""), &text(&rows)).unwrap();
        assert_eq!(names_and_rows(&dataset), (vec!["a", "b"], 4));
        assert_eq!(values(&dataset, 0), [None, Some(20.0), Some(30.0), None]);
        assert_eq!(values(&dataset, 1), [Some(1.0), Some(2.0), None, Some(4.0)]);
    }
    let twice = read(&config(LONG, ""), &text(&["2020-01-01,b,1", "2020-01-02,a,1", "2020-01-01,b,3"])).unwrap_err().to_string();
    assert!(twice.contains("series \"b\"") && twice.contains("2020-01-01") && twice.contains("lines 2 and 4"), "{twice}");
}

#[test]
fn drivers_of_a_long_table_are_shared_or_own() {
    let text = "ds,id,y,x,t\n2020-01-01,a,1,5,7\n2020-01-01,b,2,6,7\n2020-01-02,a,3,8,9\n2020-01-02,b,4,9,9\n";
    let data = format!("{LONG}\ncovariates = [{{ column = \"t\" }}]\nchannels = [{{ name = \"x\", expression = \"2 * x\" }}]");
    let dataset = read(&config(&data, ""), text).unwrap();
    let slot = |k: usize| dataset.value(dataset.layout.slots[k].unwrap(), 0, 1);
    // Covariate t (no channel), then a with its channel, then b.
    assert_eq!([slot(0), slot(2), slot(3), slot(4), slot(5)], [Some(9.0), Some(3.0), Some(16.0), Some(4.0), Some(18.0)]);
    let error = read(&config(&data, ""), &text.replace("b,4,9,9", "b,4,9,8")).unwrap_err().to_string();
    assert!(error.contains("\"t\" is 9 and 8") && error.contains("data.channels"), "{error}");
}

#[test]
fn values_far_from_zero_keep_their_digits() {
    let level = 6_780_000_000.0;
    let value = |row: usize| level + (row * 37 % 50) as f64 + 0.25;
    let file = |from: usize, rows: usize| hourly("t,a,b", rows, |row| format!("{},{}", value(from + row), row % 7));
    let config = config("time = \"t\"\ntargets = [\"*\"]", "");
    let dataset = read(&config, &file(0, 40)).unwrap();
    assert!((0..40).all(|row| dataset.target_value(0, row, 0) == Some(value(row))));
    assert_eq!(dataset.offsets[1], 0.0);
    // A later file is read with the offset of the run, not with its own.
    let (scaler, _) = Scaler::fit(&dataset).unwrap();
    let known = Known { scaler: &scaler, facts: None };
    let later = Dataset::read_for(&config, file(700, 10).as_bytes(), Some(&known)).unwrap();
    assert_eq!(later.offsets, dataset.offsets);
    assert!((0..10).all(|row| later.target_value(0, row, 0) == Some(value(700 + row))));
}

/// All kinds of columns: the rewritten values are those of the file, and an ordinary column has the bits of f32.
#[test]
fn offsets_only_where_f32_loses_digits() {
    type Values = fn(usize) -> f64;
    let columns: [(&str, Values); 6] = [
        ("first a constant", |row| if row < 20 { 1e9 + 0.1 } else { 1e9 + row as f64 }),
        ("whole, then not", |row| if row < 20 { 16_000_000.0 + row as f64 } else { 16_000_000.3 + row as f64 }),
        ("ordinary", |row| 0.1 * row as f64),
        ("constant", |_| 0.1),
        ("small spread, exact", |row| 8_388_608.0 + (row % 3) as f64),
        ("wide after a while", |row| if row < 30 { 1e9 + 0.1 * row as f64 } else { row as f64 }),
    ];
    for (what, value) in columns {
        let text = hourly("t,a,b", 60, |row| format!("{},{row}", value(row)));
        let dataset = read(&config("time = \"t\"\ntargets = [\"a\", \"b\"]", ""), &text).unwrap();
        let offset = dataset.offsets[0] != 0.0;
        assert_eq!(offset, matches!(what, "first a constant" | "whole, then not"), "{what}");
        for row in 0..60 {
            let found = dataset.target_value(0, row, 0).unwrap();
            let tolerance = if offset { 1e-5 } else { 0.0 };
            let expected = if offset { value(row) } else { f64::from(to_f32(value(row))) };
            assert!((found - expected).abs() <= tolerance, "{what}: row {row} is {found} instead of {expected}");
        }
    }
}

#[test]
fn newest_first_files_are_turned() {
    let text = "t,a\n2020-01-05,5\n2020-01-04,4\n2020-01-02,2\n2020-01-01,1\n";
    let dataset = read(&config("time = \"t\"\ntargets = [\"a\"]\nmax_gap = 1", ""), text).unwrap();
    assert_eq!(values(&dataset, 0), [Some(1.0), Some(2.0), None, Some(4.0), Some(5.0)]);
    assert!(dataset.report().notes.iter().any(|note| note.contains("newest row first")), "{:?}", dataset.report().notes);
}

#[test]
fn a_zone_counts_hours_through_summer_time() {
    let zoned = |text: &str| read(&config("time = \"t\"\ntargets = [\"a\"]\ntimezone = \"Europe/Berlin\"", ""), text);
    // The clocks are set back: 02:00 occurs twice.
    let back = zoned("t,a\n2021-10-31 01:00,1\n2021-10-31 02:00,2\n2021-10-31 02:00,3\n2021-10-31 03:00,4\n").unwrap();
    assert_eq!((back.segments().len(), back.rows()), (1, 4));
    assert_eq!([back.format_stamp(0, 1), back.format_stamp(0, 2)], ["2021-10-31 02:00:00+02:00", "2021-10-31 02:00:00+01:00"]);
    assert!(back.report().notes.iter().any(|note| note.contains("exists twice")), "{:?}", back.report().notes);
    let missing = zoned("t,a\n2021-03-28 01:00,1\n2021-03-28 02:00,2\n2021-03-28 03:00,3\n").unwrap_err().to_string();
    assert!(missing.contains("line 3") && missing.contains("does not exist in Europe/Berlin"), "{missing}");
    let days = zoned("t,a\n2021-03-27T23:00Z,1\n2021-03-28T22:00Z,2\n2021-03-29T22:00Z,3\n").unwrap();
    assert_eq!([days.format_stamp(0, 0), days.format_stamp(0, 2)], ["2021-03-28", "2021-03-30"]);
    let mixed =
        read(&config("time = \"t\"\ntargets = [\"a\"]", ""), "t,a\n2020-01-01T00:00Z,1\n2020-01-01T01:00,2\n").unwrap_err().to_string();
    assert!(mixed.contains("line 3") && mixed.contains("line 2"), "{mixed}");
}

#[test]
fn working_days_and_sessions_have_no_gaps() {
    let data = |rest: &str| format!("time = \"t\"\ntargets = [\"a\"]\n{rest}");
    let week = "t,a\n2021-01-04,1\n2021-01-05,2\n2021-01-07,3\n2021-01-08,4\n2021-01-11,5\n";
    let dataset = read(&config(&data("frequency = \"B\"\nholidays = [\"2021-01-06\"]"), ""), week).unwrap();
    assert_eq!((dataset.segments().len(), dataset.season(), dataset.format_stamp(0, 5)), (1, 5, "2021-01-12".into()));
    let bars = "t,a\n2021-01-07 15:00,1\n2021-01-07 16:00,2\n2021-01-08 15:00,3\n2021-01-08 16:00,4\n2021-01-11 15:00,5\n";
    let dataset = read(&config(&data("frequency = \"1h\"\nsession = \"15:00-16:00\"\nweekdays = \"mon-fri\""), ""), bars).unwrap();
    assert_eq!((dataset.segments().len(), dataset.season(), dataset.format_stamp(0, 6)), (1, 2, "2021-01-12 15:00:00".into()));
}

#[test]
fn a_file_of_a_run_is_read_by_what_the_run_knows() {
    let star = config("time = \"t\"\ntargets = [\"*\"]", "");
    let dataset = read(&star, &hourly("t,a,b,dead", 40, |row| format!("{},{},", row % 5, row % 7))).unwrap();
    assert_eq!(names_and_rows(&dataset), (vec!["a", "b"], 40));
    let note = dataset.report().notes.iter().find(|note| note.contains("left out")).unwrap();
    assert!(note.contains("\"dead\" (no value)"), "{note}");
    let ((scaler, _), facts) = (Scaler::fit(&dataset).unwrap(), dataset.facts().unwrap());
    let known = Known { scaler: &scaler, facts: Some(&facts) };
    let again = |text: &str| Dataset::read_for(&star, text.as_bytes(), Some(&known));
    let later = again("b,new,t,a\n1,9,2020-02-01 00:00,3\n").unwrap();
    assert_eq!((names_and_rows(&later), later.target_value(0, 0, 0)), ((vec!["a", "b"], 1), Some(3.0)));
    let error = again(&hourly("t,a,dead", 9, |row| format!("{row},1"))).unwrap_err().to_string();
    assert!(error.contains("\"b\"") && error.contains("the run was trained with it"), "{error}");
    let days = again("t,a,b\n2020-02-01,1,2\n2020-02-02,1,2\n2020-02-03,1,2\n").unwrap_err().to_string();
    assert_eq!(days, "the step of the file is 1d, but the run was trained on 1h; resample the file to 1h");
    let marked = again("t,a,b\n2020-02-01T00:00Z,1,2\n2020-02-01T01:00Z,1,2\n").unwrap_err().to_string();
    assert!(marked.contains("an offset") && marked.contains("no offset"), "{marked}");
    // Of the last windows, those that begin in training rows are counted.
    let windows = dataset.windows(Part::All, Pace { stride: 1, origin: None }).unwrap();
    let seen = dataset.seen_windows(&facts, windows.iter());
    assert_eq!((seen.trained, seen.chosen, windows.len()), (24, 4, 35));
}

#[test]
fn exclude_matches_names_and_patterns() {
    let text = "t,a,b1,b2,id\n2020-01-01,1,2,3,4\n2020-01-02,2,3,4,5\n2020-01-03,3,5,6,7\n";
    let with = |exclude: &str| read(&config(&format!("time = \"t\"\ntargets = [\"*\"]\nexclude = [{exclude}]"), ""), text);
    assert_eq!(with("\"b*\", \"id\"").unwrap().target_names(), ["a"]);
    assert_eq!(with("\"*1\"").unwrap().target_names(), ["a", "b2", "id"]);
    // A name that the file does not have is a note: a later file of a run may lack a column that the run left out.
    let other = with("\"ib\"").unwrap();
    assert_eq!(other.target_names(), ["a", "b1", "b2", "id"]);
    assert!(other.report().notes.iter().any(|note| note.contains("data.exclude") && note.contains("\"ib\"")));
}

/// A weather forecast that ends within the horizon: its mask is that of the data.
#[test]
fn partly_known_drivers_are_masked_where_they_end() {
    let text = hourly("t,a,w", 20, |row| {
        if row < 16 {
            format!("{row},{row}")
        } else if row == 16 {
            ",5".into()
        } else {
            ",".into()
        }
    });
    let with = |known: &str| {
        let config = config(&format!("time = \"t\"\ntargets = [\"a\"]\ncovariates = [{{ column = \"w\", known_future = {known} }}]"), "");
        let dataset = read(&config, &text).unwrap();
        dataset.forecast_window().map(|window| {
            let mut buffers = WindowBuffers::new(dataset.shape());
            dataset.fill(window.id, &Scaler::identity(&dataset), buffers.as_mut());
            buffers.observed
        })
    };
    assert!(with("true").unwrap_err().to_string().contains("has no value at 2020-01-01 17:00:00"));
    // [S, Nx] with S = 4 + 2 and the driver first: known for the first of two steps.
    let observed = with("\"partial\"").unwrap();
    assert_eq!(observed[8..], [1.0, 0.0, 0.0, 0.0]);
}
