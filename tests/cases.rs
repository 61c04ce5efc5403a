//! Situations that users had with their files, each with a small file of the same kind. The numbers are those of the list that the project
//! began with; what `pgat evaluate` says (25 to 28) is in `verdicts.rs`. Other members of the same kinds are in `kinds.rs`.

use crate::support::dates::{civil, days};
use crate::support::place::Place;
use crate::support::sheet::{
    PLAIN, after, csv, daily, day, forecast, forecast_stamps, hour, hourly, init, init_refuses, noise, place, planned, trained, value,
    values,
};

/// Three series of a long table.
const IDS: [&str; 3] = ["A", "B", "C"];

/// 01: a long table, sorted by time.
#[test]
fn a_long_table_by_time() {
    let text = csv("unique_id,ds,y", 180, |row| format!("{},{},{:.2}", IDS[row as usize % 3], day(row / 3), value(row / 3, row % 3)));
    let made = init(&text, &[]);
    made.has(&[
        "timestamps repeat for the 3 values of \"unique_id\": this is a long table",
        "series = \"unique_id\"",
        "series   3 targets",
    ]);
    planned(&text, "time = \"ds\"\ntargets = [\"y\"]").error(&["line 3", "long table", "set data.series = \"unique_id\""]);
    let place = trained(&text, "time = \"ds\"\nseries = \"unique_id\"\ntargets = [\"y\"]");
    let rows = forecast(&place, "data.csv");
    let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(names, ["A", "B", "C", "A", "B", "C"]);
    assert!(rows[0][0] == "2021-03-02" && rows[3][0] == "2021-03-03", "{rows:?}");
}

/// 02: a time column in digits.
#[test]
fn time_in_digits_is_no_series() {
    let days = csv("date,a,b", 60, |row| format!("{},{}", day(row).replace('-', ""), values(row, 2)));
    init(&days, &[]).has(&["time = \"date\"", "a row every 1d", "series   2 targets"]);
    planned(&days, "time = \"date\"\ntargets = [\"*\"]").ok();
    let epoch = csv("ts,a", 60, |row| format!("{},{}", 1_609_459_200 + 3_600 * u64::from(row), values(row, 1)));
    init(&epoch, &[]).has(&["time = \"ts\"", "time_format = \"epoch s\"", "a row every 1h", "series   1 target,"]);
    let years = csv("year,a", 60, |row| format!("{},{}", 1961 + row, values(row, 1)));
    init(&years, &[]).has(&["time = \"year\"", "a row every 1y", "series   1 target,"]);
}

/// 03: one odd cell in a column.
#[test]
fn an_odd_cell_removes_no_column() {
    for token in ["N/A", "#N/A", "None", "NULL", "-", "?"] {
        let load = |row| if row == 20 { token.to_owned() } else { format!("{:.2}", value(row, 0)) };
        let text = csv("time,load,price", 60, |row| format!("{},{},{:.2}", day(row), load(row), value(row, 1)));
        let made = init(&text, &[]);
        made.has(&["time = \"time\"", "series   2 targets", "column \"load\": 1 of 60 cells missing"]);
        if ["-", "?"].contains(&token) {
            made.has(&[&format!("are taken as missing values: \"{token}\""), &format!("\"{token}\"]")]);
        }
    }
    let late = |row| if row < 1_020 { String::new() } else { format!("{:.2}", value(row, 1)) };
    let text = csv("time,a,late", 1_800, |row| format!("{},{:.2},{}", hour(row), value(row, 0), late(row)));
    init(&text, &[]).has(&["time = \"time\"", "series   2 targets"]);
    let total = daily(60, 2) + "Total,600,1200\n";
    init(&total, &[]).has(&["time = \"time\"", "line 62: \"Total\" is no timestamp", "skip_rows = [\"Total\"]", "series   2 targets"]);
}

/// 04: newest row first, with US dates.
#[test]
fn newest_first_is_turned() {
    let text = csv("Date,Close", 60, |row| {
        let (y, m, d) = after((2021, 1, 1), 59 - row);
        format!("{m:02}/{d:02}/{y},{:.2}", f64::from(159 - row) + noise(row, 0) / 10.0)
    });
    init(&text, &[]).has(&["\"Date\" holds timestamps in the form %m/%d/%Y", "newest row first", "time_format = \"%m/%d/%Y\""]);
    let place = trained(&text, "time = \"Date\"\ntime_format = \"%m/%d/%Y\"\ntargets = [\"*\"]");
    let rows = forecast(&place, "data.csv");
    assert_eq!((rows[0][0].as_str(), rows[1][0].as_str()), ("2021-03-02", "2021-03-03"));
    assert!(rows[0][4].parse::<f64>().expect("a number") > 130.0, "the forecast goes on from the newest row: {rows:?}");
    // A reading as steps must be asked for, and a date with two readings too.
    planned(&text, "time = \"Date\"\ntargets = [\"*\"]").error(&["line 2", "03/01/2021", "data.time_format"]);
    let swapped = csv("Date,Close", 12, |row| format!("{:02}/03/2021,{:.2}", row + 1, value(row, 0)));
    init_refuses(&swapped, &[], &["column \"Date\"", "day and month can be swapped", "--time-format \"%d/%m/%Y\"", "\"%m/%d/%Y\""]);
}

/// 05: the index of pandas, and the parts of a timestamp.
#[test]
fn an_index_is_no_series() {
    let index = csv(",time,a", 60, |row| format!("{row},{},{}", day(row), values(row, 1)));
    init(&index, &[]).has(&["not forecast: \"\" (a column without a name)", "series   1 target,"]);
    let parts = csv("No,year,month,day,hour,pm", 60, |row| format!("{},2010,1,{},{},{}", row + 1, 1 + row / 24, row % 24, values(row, 1)));
    let made = init(&parts, &[]);
    made.has(&["time = [\"year\", \"month\", \"day\", \"hour\"]", "a row every 1h", "\"No\" (it counts the rows)", "series   1 target,"]);
}

/// 06 and 07: a level that is large compared with the differences.
#[test]
fn a_large_level_keeps_its_digits() {
    let users = csv("time,users,x", 60, |row| format!("{},{:.0},{}", day(row), 1e9 + 25.0 * noise(row, 3), values(row, 1)));
    let place = trained(&users, PLAIN);
    for row in forecast(&place, "data.csv").iter().filter(|row| row[1] == "users") {
        let median: f64 = row[4].parse().expect("a number");
        assert!((median - 1e9).abs() < 200.0 && row[4].len() > 9, "{row:?}");
    }
    let volume = |row: u32| 5e8 + (100.0 * value(row, 0)).round() / 100.0 * 7.0;
    let text = csv("time,volume", 80, |row| format!("{},{:.2}", day(row), volume(row)));
    let place = trained(&text, PLAIN);
    let report: serde_json::Value = serde_json::from_str(&place.run(&["evaluate", "run", "--json"]).ok().out).expect("JSON");
    // The origins are the rows 63 to 77; each forecast has two steps.
    let cell = |row: u32| (volume(row) * 100.0).round() / 100.0;
    let errors = |reference: &dyn Fn(u32, u32) -> u32| -> f64 {
        let pairs = (63..78_u32).flat_map(|origin| [1, 2].map(|step| (origin, step)));
        let all: Vec<f64> = pairs.map(|(origin, step)| (cell(origin + step) - cell(reference(origin, step))).abs()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    for (forecaster, truth) in [(1, errors(&|origin, _| origin)), (2, errors(&|origin, step| origin + step - 7))] {
        let mae = report["forecasters"][forecaster]["overall"]["mae"].as_f64().expect("a number");
        assert!((mae / truth - 1.0).abs() < 1e-5, "{mae} instead of {truth}: {}", report["forecasters"][forecaster]["label"]);
    }
}

/// 08: the step of the training data.
#[test]
fn a_run_keeps_its_step() {
    let place = trained(&hourly(60), PLAIN);
    place.write("quarter.csv", &csv("time,a", 40, |row| format!("2021-01-01 {:02}:{:02},{}", row / 4, row % 4 * 15, values(row, 1))));
    place.write("daily.csv", &daily(40, 1));
    for (file, step) in [("quarter.csv", "15min"), ("daily.csv", "1d")] {
        let words = [file, "the step of the file is", step, "the run was trained on 1h", "resample"];
        place.run(&["forecast", "run", "--data", file]).error(&words);
        place.run(&["evaluate", "run", "--data", file]).error(&words);
    }
    let one: Vec<String> = hourly(60).lines().map(String::from).collect();
    place.write("one.csv", &format!("{}\n{}\n", one[0], one[60]));
    place.run(&["forecast", "run", "--data", "one.csv"]).error(&["one.csv", "1 row", "history"]);
    // Too few rows for a step of their own.
    place.write("short.csv", &format!("{}\n{}\n", one[0], one[57..].join("\n")));
    assert_eq!(forecast_stamps(&place, "short.csv"), ["2021-01-03 12:00:00", "2021-01-03 13:00:00"]);
}

/// 09: other columns at the time of the forecast.
#[test]
fn star_means_the_columns_of_the_run() {
    let place = trained(&daily(60, 2), PLAIN);
    place.write("reordered.csv", &csv("b,time,a", 60, |row| format!("{:.3},{},{:.3}", value(row, 1), day(row), value(row, 0))));
    place.write("extra.csv", &daily(60, 4));
    place.write("missing.csv", &daily(60, 1));
    let own = forecast(&place, "data.csv");
    assert_eq!(forecast(&place, "reordered.csv"), own);
    assert_eq!(forecast(&place, "extra.csv"), own);
    for command in ["forecast", "evaluate"] {
        place.run(&[command, "run", "--data", "missing.csv"]).error(&["missing.csv", "\"b\""]);
    }
}

/// 10: stamps with an offset.
#[test]
fn forecast_stamps_have_a_zone() {
    let text = csv("time,a", 60, |row| format!("{}:00+02:00,{}", hour(row).replace(' ', "T"), values(row, 1)));
    let place = trained(&text, PLAIN);
    let said = place.run(&["forecast", "run", "--data", "data.csv", "--levels", "0.5"]).ok();
    assert!(said.err.contains("converted to UTC"), "{}", said.err);
    // The last row is at 2021-01-03T11:00+02:00.
    assert_eq!(forecast_stamps(&place, "data.csv"), ["2021-01-03 10:00:00Z", "2021-01-03 11:00:00Z"]);
}

/// 11: daily and monthly rows at local midnight, over a change of clocks.
#[test]
fn local_midnights_are_days() {
    let text = csv("time,a", 60, |row| {
        let (y, m, d) = after((2021, 3, 1), row);
        let offset = if (m, d) > (3, 28) { 2 } else { 1 };
        format!("{y}-{m:02}-{d:02} 00:00:00+0{offset}:00,{}", values(row, 1))
    });
    let said = planned(&text, PLAIN).ok();
    assert!(said.err.contains("local dates"), "{}", said.err);
    init(&text, &[]).has(&["a row every 1d"]);
    let months = csv("time,a", 60, |row| {
        let month = row % 12 + 1;
        let offset = if (4..=10).contains(&month) { 2 } else { 1 };
        format!("{}-{month:02}-01T00:00:00+0{offset}:00,{}", 2015 + row / 12, values(row, 1))
    });
    init(&months, &[]).has(&["a row every 1mo"]);
    let place = trained(&months, PLAIN);
    assert_eq!(forecast_stamps(&place, "data.csv"), ["2020-01-01", "2020-02-01"]);
}

/// 12: some stamps with an offset, others without.
#[test]
fn mixed_offsets_are_refused() {
    let mixed = |marked: fn(u32) -> bool| {
        csv("time,a", 60, |row| format!("{}{},{}", hour(row), if marked(row) { "+02:00" } else { "" }, values(row, 1)))
    };
    planned(&mixed(|row| row < 30), PLAIN).error(&["line 32", "2021-01-02 06:00", "has no offset", "line 2", "has one"]);
    planned(&mixed(|row| row >= 30), PLAIN).error(&["line 32", "+02:00\" has an offset", "line 2 has none"]);
    let place = trained(&mixed(|_| true), PLAIN);
    place.write("without.csv", &hourly(60));
    place.run(&["forecast", "run", "--data", "without.csv"]).error(&["without.csv", "no offset", "of the run have an offset"]);
    let place = trained(&hourly(60), PLAIN);
    place.write("with.csv", &mixed(|_| true));
    place.run(&["forecast", "run", "--data", "with.csv"]).error(&["have an offset", "of the run have no offset"]);
}

/// Working days from Friday 2021-01-01 on.
fn working_days(rows: u32) -> String {
    let (days, lines) = ((0..).filter(|row| (row + 4) % 7 < 5), rows as usize);
    let text: Vec<String> = days.take(lines).map(|row| format!("{},{}", day(row), values(row, 2))).collect();
    format!("time,close,volume\n{}\n", text.join("\n"))
}

/// 13: working days.
#[test]
fn working_days_have_no_gaps() {
    let text = working_days(86);
    let made = init(&text, &[]);
    made.has(&["there are no rows for weekends", "frequency = \"B\"", "a row every B"]).has_not(&["max_gap"]);
    let place = trained(&text, &format!("{PLAIN}\nfrequency = \"B\""));
    let stamps = forecast_stamps(&place, "data.csv");
    // The last row is Friday, 2021-04-30.
    assert_eq!(stamps, ["2021-05-03", "2021-05-03", "2021-05-04", "2021-05-04"]);
    planned(&text, PLAIN).error(&["13 segments, the longest with 5 rows", "set data.max_gap = 2"]);
    // Bars of five minutes in sessions of 78.
    let bars = csv("time,close", 78 * 20, |row| {
        let (date, minute) = (row / 78 + 2 * ((row / 78) / 5), 570 + row % 78 * 5);
        format!("{} {:02}:{:02},{}", day(date + 3), minute / 60, minute % 60, values(row, 1))
    });
    init(&bars, &[])
        .has(&["session = \"09:30-15:55\"", "weekdays = \"mon-fri\"", "a row every 5min; a season has 78 rows"])
        .has_not(&["max_gap"]);
}

/// 14: a long table, one series after the other.
#[test]
fn a_long_table_by_series() {
    let text = csv("unique_id,ds,y", 180, |row| format!("{},{},{:.2}", IDS[row as usize / 60], day(row % 60), value(row % 60, row / 60)));
    init(&text, &[]).has(&["this is a long table", "series = \"unique_id\"", "series   3 targets"]);
    planned(&text, "time = \"ds\"\ntargets = [\"y\"]").error(&["line 62", "set data.series = \"unique_id\""]);
    let disjoint = csv("unique_id,ds,y", 80, |row| format!("{},{},{:.2}", IDS[row as usize / 40], day(row), value(row, 20 * (row / 40))));
    init(&disjoint, &[]).has(&["\"unique_id\" has 2 values, each in one block of rows", "set data.series = \"unique_id\""]);
}

/// 15: thousands separators and decimal commas.
#[test]
fn separators_are_told_apart() {
    let text = csv("time,sales,b", 60, |row| format!("{},\"10,{:.0}\",{}", day(row), 350.0 + 10.0 * noise(row, 0), values(row, 1)));
    planned(&text, PLAIN).error(&["line 2", "\"sales\"", "thousands separators: remove them, or set data.thousands = \",\""]);
    let both = csv("time,sales", 60, |row| format!("{},\"9,{:.0}.5\"", day(row), 350.0 + 10.0 * noise(row, 0)));
    planned(&both, PLAIN).error(&["thousands separators", "data.thousands = \",\""]);
    init(&text, &[]).has(&["thousands = \",\"", "thousands separator ','", "series   2 targets"]);
    let place = trained(&text, &format!("{PLAIN}\nthousands = \",\""));
    let sales: Vec<f64> =
        forecast(&place, "data.csv").iter().filter(|r| r[1] == "sales").map(|r| r[4].parse().expect("a number")).collect();
    assert!(sales.iter().all(|v| (10_200.0..10_500.0).contains(v)), "{sales:?}");
    let comma =
        csv("time;a;b", 60, |row| format!("{};{};{}", day(row), values(row, 1).replace('.', ","), values(row, 1).replace('.', ",")));
    init(&comma, &[]).has(&["delimiter = \";\"", "decimal = \",\"", "decimal separator ','", "series   2 targets"]);
    planned(&comma, PLAIN).error(&["line 2", "decimal point instead of a comma, or set data.decimal = \",\""]);
}

/// 16: an evaluation of rows that the run was trained on.
#[test]
fn training_rows_are_no_test() {
    let text = hourly(200);
    let place = trained(&text, PLAIN);
    let first: Vec<&str> = text.lines().take(141).collect();
    place.write("first.csv", &first.join("\n"));
    let said = place.run(&["evaluate", "run", "--data", "first.csv"]).ok();
    assert!(said.err.contains("27 of 27 forecasts are of rows that the run was trained on: these are no test scores"), "{}", said.err);
    assert!(!place.run(&["evaluate", "run"]).ok().err.contains("no test scores"));
    assert!(place.run(&["evaluate", "run", "--part", "all"]).ok().err.contains("are of rows that the run was trained on"));
    // A file of nothing but new rows is scored whole.
    let new = csv("time,a", 50, |row| format!("{},{}", hour(row + 200), values(row + 200, 1)));
    place.write("new.csv", &new);
    let said = place.run(&["evaluate", "run", "--data", "new.csv", "--part", "all"]).ok();
    assert!(said.out.starts_with("45 forecasts of the whole part") && !said.err.contains("no test scores"), "{}{}", said.out, said.err);
    let said = place.run(&["evaluate", "run", "--from", "2021-01-08 00:00"]).ok();
    assert!(said.out.contains("origins 2021-01-07 23:00:00 to"), "{}", said.out);
}

/// 17: a file without a header.
#[test]
fn a_file_without_header() {
    let night = format!("0,0,0\n{}", csv("0.41,0.1,0.3", 58, |row| values(row, 3)));
    for text in [csv(&values(0, 3), 59, |row| values(row + 1, 3)), night] {
        init_refuses(&text, &[], &["line 1 holds values, not names (data.header = false)", "--no-time"]);
        let made = init(&text, &["--no-time"]);
        made.has(&["line 1 holds values, not names: the columns are named c1, c2, ..", "header = false", "series   3 targets"]);
        let place = trained(&text, "header = false\ntargets = [\"*\"]");
        let rows = forecast(&place, "data.csv");
        assert_eq!(rows.iter().map(|r| r[1].as_str()).collect::<Vec<_>>(), ["c1", "c2", "c3", "c1", "c2", "c3"]);
        assert_eq!(rows[0][0], "row 60", "the first line is a row");
    }
}

/// 18: what precedes the header.
#[test]
fn lines_before_the_header() {
    let table = daily(60, 2);
    let sep = format!("sep=;\n{}", table.replace(',', ";"));
    init(&sep, &[]).has(&["delimiter = \";\"", "time = \"time\"", "series   2 targets"]);
    planned(&sep, PLAIN).ok();
    planned(&sep, &format!("{PLAIN}\ndelimiter = \";\"")).ok();
    let comments = format!("# exported 2021-03-01\n# units: MW\n{table}");
    init(&comments, &[]).has(&["time = \"time\"", "series   2 targets"]);
    planned(&comments, PLAIN).ok();
}

/// 19: constant and empty series among others.
#[test]
fn constant_series_stop_nothing() {
    let text = csv("time,a,b,c0,c1,dead", 60, |row| format!("{},{},0,1,", day(row), values(row, 2)));
    let said = planned(&text, PLAIN).ok();
    for name in ["c0", "c1", "dead"] {
        assert!(said.err.contains(name), "{name} is not in {}", said.err);
    }
    assert!(said.out.contains("series   2 targets"), "{}", said.out);
    place(&text, PLAIN).run(&["train", "config.toml", "--out", "run"]).ok();
    let named = "time = \"time\"\ntargets = [\"a\", \"c0\", \"c1\", \"dead\"]";
    for command in [&["plan", "config.toml"][..], &["train", "config.toml", "--out", "run"]] {
        place(&text, named).run(command).error(&["\"c0\"", "\"c1\"", "\"dead\""]);
    }
    let excluded = planned(&text, &format!("{PLAIN}\nexclude = [\"c*\", \"dead\"]")).ok();
    assert!(!excluded.err.contains("c0") && excluded.out.contains("series   2 targets"), "{}{}", excluded.out, excluded.err);
}

/// 20: an output that is also an input.
#[test]
fn outputs_replace_no_input() {
    let place = trained(&hourly(60), PLAIN);
    let before = place.read("data.csv");
    for flag in ["--out", "--plot", "--samples-out"] {
        for (file, words) in
            [("data.csv", "the file of --data"), ("./data.csv", "the file of --data"), ("run/config.toml", "a file of the run")]
        {
            place.run(&["forecast", "run", "--data", "data.csv", flag, file]).error(&[flag, file, words]);
        }
    }
    assert_eq!(place.read("data.csv"), before);
    place.run(&["forecast", "run", "--data", "data.csv", "--out", "other.csv"]).ok();
}

/// 21: a missing value in several spellings.
#[test]
fn a_token_that_is_a_number_is_a_value() {
    let cells = ["-9999", "-9999.0", "-9.999e3"];
    let text = csv("time,a", 60, |row| match row {
        5..8 => format!("{},{}", day(row), cells[row as usize - 5]),
        row => format!("{},{}", day(row), values(row, 1)),
    });
    let place = trained(&text, &format!("{PLAIN}\nmissing = [\"\", \"-9999\"]"));
    let scaler: serde_json::Value = serde_json::from_str(&place.read("run/scaler.json")).expect("JSON");
    let text = scaler.to_string();
    assert!(!text.contains("-478") && place.run(&["plan", "config.toml"]).ok().err.contains("3 of 60 cells missing"), "{text}");
}

/// 22: fractions of seconds.
#[test]
fn fractions_of_seconds_are_read() {
    for zone in ["Z", ""] {
        let text = csv("time,a", 60, |row| format!("2021-03-20T00:00:{:02}.{}00{zone},{}", row / 10, row % 10, values(row, 1)));
        init(&text, &[]).has(&["a row every 100ms"]);
        let place = trained(&text, PLAIN);
        assert_eq!(forecast_stamps(&place, "data.csv"), ["06", "06.100"].map(|second| format!("2021-03-20 00:00:{second}{zone}")));
    }
}

/// 23: the ends of quarters.
#[test]
fn quarters_end_with_their_months() {
    let end = |row: u32| {
        let month = i64::from(1990 * 12 + row * 3 + 3);
        let (y, m, d) = civil(days(month / 12, month % 12 + 1, 1) - 1);
        format!("{y}-{m:02}-{d:02}")
    };
    let place = trained(&csv("time,a", 60, |row| format!("{},{}", end(row), values(row, 1))), PLAIN);
    place.write("short.csv", "time,a\n2003-12-31,9\n2004-03-31,12\n2004-06-30,10.1\n2004-09-30,9.4\n");
    assert_eq!(forecast_stamps(&place, "short.csv"), ["2004-12-31", "2005-03-31"]);
}

/// 24: a series that ended before the others.
#[test]
fn a_dead_series_is_told() {
    let cell = |row: u32, from: u32| if row < from { format!("{:.2}", value(row, 1)) } else { String::new() };
    let text = csv("time,a,ended,ragged", 60, |row| format!("{},{},{},{}", day(row), values(row, 1), cell(row, 42), cell(row, 58)));
    let place = trained(&text, PLAIN);
    let said = place.run(&["forecast", "run", "--data", "data.csv"]).ok();
    let words =
        "series \"ended\" has no value in the 4 rows of history (the last one is at 2021-02-11); its forecast rests on the other series";
    assert!(said.err.contains(words), "{}", said.err);
    assert!(said.err.contains("series \"ragged\" ends 2 rows before the others, at 2021-02-27"), "{}", said.err);
}

/// 29: names that look alike.
#[test]
fn names_are_compared_in_one_form() {
    // u and a combining diaeresis, a no-break space.
    let text = daily(60, 2).replacen("time,a,b", "time,u\u{308}ber,net\u{a0}load", 1);
    planned(&text, "time = \"time\"\ntargets = [\"\u{fc}ber\", \"net load\"]").ok();
    let text = daily(60, 2).replacen("time,a,b", "time,\u{fc}ber,net load", 1);
    planned(&text, "time = \"time\"\ntargets = [\"u\u{308}ber\", \"net\u{a0}load\"]").ok();
}

/// 30: stamps of weeks, quarters, months and years.
#[test]
fn periods_are_stamps() {
    let quarter = csv("time,a", 60, |row| format!("{}Q{},{}", 1990 + row / 4, row % 4 + 1, values(row, 1)));
    let week = csv("time,a", 50, |row| format!("2015-W{:02},{}", row + 1, values(row, 1)));
    let month = csv("time,a", 60, |row| format!("{}/{},{}", row % 12 + 1, 2015 + row / 12, values(row, 1)));
    for (text, step, next) in [(quarter, "3mo", "2005-01-01"), (week, "1w", "2015-12-14"), (month, "1mo", "2020-01-01")] {
        init(&text, &[]).has(&[&format!("a row every {step}")]);
        let place: Place = trained(&text, PLAIN);
        assert_eq!(forecast_stamps(&place, "data.csv")[0], next);
    }
}
