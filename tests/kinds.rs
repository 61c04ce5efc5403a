//! Other members of the kinds of files in `cases.rs`: dates in other orders, other separators and missing values, long tables, zones,
//! working days, several files, standard input.

use crate::support::dates::{civil, days};
use crate::support::place::{Place, said};
use crate::support::sheet::{
    PLAIN, after, configure, csv, daily, day, forecast, forecast_stamps, hour, hourly, init, init_refuses, noise, place, planned, trained,
    value, values,
};

/// A daily table whose timestamps are written from year, month and day.
fn dated(rows: u32, text: impl Fn(i64, i64, i64) -> String) -> String {
    csv("when,a", rows, |row| {
        let (y, m, d) = after((2020, 1, 1), row);
        format!("{},{}", text(y, m, d), values(row, 1))
    })
}

/// An hourly table whose timestamps are written from day and hour of January 2013.
fn timed(rows: u32, text: impl Fn(u32, u32) -> String) -> String {
    csv("when,a", rows, |row| format!("{},{}", text(1 + row / 24, row % 24), values(row, 1)))
}

#[test]
fn dates_in_other_orders() {
    let twelve = |hour: u32| if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    let half = |hour: u32| if hour < 12 { "AM" } else { "PM" };
    for (text, format, step) in [
        (dated(60, |y, m, d| format!("{d:02}.{m:02}.{y}")), "%d.%m.%Y", "1d"),
        (dated(60, |y, m, d| format!("{d}.{m}.{:02}", y % 100)), "%d.%m.%y", "1d"),
        (dated(60, |y, m, d| format!("{d:02}-{m:02}-{y}")), "%d-%m-%Y", "1d"),
        (dated(60, |y, m, d| format!("{m}/{d}/{y} 0:00")), "%m/%d/%Y %H:%M", "1d"),
        (timed(60, |d, h| format!("1/{d}/2013 {}:00 {}", twelve(h), half(h))), "%m/%d/%Y %I:%M %p", "1h"),
        (timed(60, |d, h| format!("{}", 1_357_000_000_000_u64 - 1_000_000_000 + u64::from(d * 24 + h) * 3_600_000)), "epoch ms", "1h"),
    ] {
        init(&text, &[]).has(&[&format!("time_format = \"{format}\""), &format!("a row every {step}"), "series   1 target,"]);
    }
    // Forms with one meaning need no format.
    for (text, step) in [
        (timed(60, |d, h| format!("2013/1/{d} {h}:00")), "1h"),
        (timed(60, |d, h| format!("201301{d:02}{h:02}00")), "1h"),
        (timed(60, |d, h| format!("2013-01-{d:02}T{h:02}")), "1h"),
        (dated(60, |y, m, d| format!("{y}/{m}/{d}")), "1d"),
        (dated(60, |y, m, d| format!("{d} {} {y}", ["January", "Feb", "March"][usize::try_from(m - 1).expect("a month")])), "1d"),
    ] {
        init(&text, &[]).has(&["time = \"when\"", &format!("a row every {step}")]).has_not(&["time_format"]);
    }
}

#[test]
fn days_and_months_that_can_be_swapped() {
    let first_of_months = csv("when,a", 60, |row| format!("01/{:02}/{},{}", row % 12 + 1, 2015 + row / 12, values(row, 1)));
    init(&first_of_months, &[]).has(&["time_format = \"%d/%m/%Y\"", "a row every 1mo"]);
    let days = csv("when,a", 12, |row| format!("05/{:02}/2021,{}", row + 1, values(row, 1)));
    init_refuses(&days, &[], &["--time-format \"%d/%m/%Y\"", "--time-format \"%m/%d/%Y\""]);
    init(&days, &["--time-format", "%m/%d/%Y"]).has(&["a row every 1d"]);
    init(&days, &["--time-format", "%d/%m/%Y"]).has(&["a row every 1mo"]);
}

#[test]
fn dates_and_hours_in_columns_of_their_own() {
    let clock = csv("Date,Time,a", 60, |row| format!("{:02}.01.2021,{:02}:00,{}", 1 + row / 24, row % 24, values(row, 1)));
    init(&clock, &[]).has(&["time = [\"Date\", \"Time\"]", "time_format = \"%d.%m.%Y %H:%M\"", "a row every 1h", "series   1 target,"]);
    let hours = csv("date,hour,a", 60, |row| format!("{},{},{}", day(row / 24), row % 24, values(row, 1)));
    init(&hours, &[]).has(&["time = [\"date\", \"hour\"]", "a row every 1h", "series   1 target,"]);
    // The hours that end at 1 to 24.
    let ends = csv("date,hour,a", 72, |row| format!("{},{},{}", day(row / 24), row % 24 + 1, values(row, 1)));
    init(&ends, &[]).has(&["time = [\"date\", \"hour\"]", "a row every 1h", "series   1 target,"]).has_not(&["max_gap"]);
}

#[test]
fn other_spellings_of_missing_values() {
    for token in ["n.a.", "NaN", "missing", "--", "...", "<NA>", "#DIV/0!", "none", ""] {
        let cell = |row: u32| if row % 10 == 4 { token.to_owned() } else { values(row, 1) };
        let text = csv("time,a,b", 60, |row| format!("{},{},{:.2}", day(row), cell(row), value(row, 1)));
        init(&text, &[]).has(&["series   2 targets", "column \"a\": 6 of 60 cells missing"]);
    }
    // A word that is no usual token, in a few cells, and a cell that is nearly a number.
    let word = |cell: &'static str| {
        csv("time,a,b", 60, move |row| format!("{},{},{:.2}", day(row), if row == 9 { cell.into() } else { values(row, 1) }, value(row, 1)))
    };
    init(&word("outage"), &[]).has(&["\"a\", line 11: \"outage\" is taken as a missing value", "series   2 targets"]);
    init_refuses(&word("12abc"), &[], &["line 11, column \"a\"", "12abc"]);
    for token in ["-999", "-999.00"] {
        let text = word(token);
        let said = planned(&text, &format!("{PLAIN}\nmissing = [\"-999\"]")).ok();
        assert!(said.err.contains("1 of 60 cells missing"), "{}", said.err);
    }
}

#[test]
fn other_separators() {
    let table = daily(60, 2);
    for (delimiter, name) in [('\t', "\"\\t\""), ('|', "\"|\""), (';', "\";\"")] {
        let text = table.replace(',', &delimiter.to_string());
        init(&text, &[]).has(&[&format!("delimiter = {name}"), "series   2 targets"]);
        init(&format!("\u{feff}{text}"), &[]).has(&["time = \"time\"", "series   2 targets"]);
        init(&format!("\u{feff}sep={delimiter}\r\n{}", text.replace('\n', "\r\n")), &[]).has(&["time = \"time\"", "series   2 targets"]);
    }
    for (decimal, thousands, delimiter) in [(',', '.', ';'), ('.', '\'', ','), (',', ' ', ';'), ('.', ',', '\t')] {
        let cell = |row: u32| format!("{}{thousands}{}{decimal}5", row % 7 + 1, 100 + row);
        let text = csv(&format!("time{delimiter}a"), 60, |row| format!("{}{delimiter}{}", day(row), cell(row)));
        let made = init(&text, &[]);
        made.has(&["series   1 target,", &format!("thousands = \"{thousands}\"")]);
        if decimal == ',' {
            made.has(&["decimal = \",\""]);
        }
    }
    let titled = format!("Load of the grid\nsource: somewhere\n\n{table}");
    init(&titled, &[]).has(&["skip_lines = 2", "time = \"time\"", "series   2 targets"]);
    planned(&titled, PLAIN).error(&["no column \"time\"", "Load of the grid", "data.skip_lines"]);
}

/// A long table with cells id, stamp, value.
fn long(rows: impl Iterator<Item = (String, String, f64)>) -> String {
    let lines: Vec<String> = rows.map(|(id, stamp, value)| format!("{id},{stamp},{value:.3}")).collect();
    format!("id,ds,y\n{}\n", lines.join("\n"))
}

const LONG: &str = "time = \"ds\"\nseries = \"id\"\ntargets = [\"y\"]";

#[test]
fn long_tables_in_any_order() {
    let rows = |ids: [&'static str; 2]| (0..120).map(move |k| (ids[k as usize % 2].to_owned(), day(k / 2), value(k / 2, k % 2)));
    let sorted = long(rows(["7", "12"]));
    init(&sorted, &[]).has(&["series = \"id\"", "series   2 targets"]);
    let place = trained(&sorted, LONG);
    let own = forecast(&place, "data.csv");
    assert_eq!(own[0][1..2].iter().chain(&own[1][1..2]).collect::<Vec<_>>(), ["12", "7"]);
    // Rows in any order give the same numbers.
    let mut lines: Vec<&str> = sorted.lines().skip(1).collect();
    lines.sort_by_key(|line| line.bytes().map(usize::from).sum::<usize>() * 7 % 31);
    place.write("shuffled.csv", &format!("id,ds,y\n{}\n", lines.join("\n")));
    assert_eq!(forecast(&place, "shuffled.csv"), own);
    init(&place.read("shuffled.csv"), &[]).has(&["series = \"id\"", "series   2 targets"]);
}

#[test]
fn long_tables_with_gaps_and_duplicates() {
    // B begins later, and has a gap; each timestamp of A has a row.
    let both = (0..120).map(|k| (if k % 2 == 0 { "A" } else { "B" }.to_owned(), day(k / 2), value(k / 2, k % 2)));
    let gaps: Vec<_> = both.enumerate().filter(|(k, _)| k % 2 == 0 || (*k > 20 && !(60..70).contains(k))).map(|(_, row)| row).collect();
    let text = long(gaps.iter().cloned());
    init(&text, &[]).has(&["series   2 targets", "column \"B\": 15 of 60 cells missing"]);
    let place = trained(&text, LONG);
    assert_eq!(forecast(&place, "data.csv").len(), 4);
    let twice = long(gaps.iter().cloned().chain(gaps.get(30).cloned()));
    let stamp = &gaps[30].1;
    for said in [planned(&twice, LONG), crate::support::sheet::place(&twice, PLAIN).run(&["init", "data.csv"])] {
        said.error(&[&format!("series \"{}\" has two rows for {stamp}", gaps[30].0), "on lines 32 and 107", "keep one"]);
    }
    place.write("other.csv", &text.replace("\nB,", "\nC,"));
    place.run(&["forecast", "run", "--data", "other.csv"]).error(&["other.csv", "\"B\""]);
    let unnamed = text.replacen("\nB,", "\n,", 1);
    planned(&unnamed, LONG).error(&["column \"id\"", "no name of a series"]);
}

#[test]
fn long_tables_with_a_zone() {
    let rows = (0..240).map(|k| (["x", "y"][k as usize / 120].to_owned(), format!("{}:00Z", hour(k % 120)), value(k % 120, k / 120)));
    let text = long(rows);
    init(&text, &[]).has(&["series   2 targets", "a row every 1h"]);
    let place = trained(&text, LONG);
    assert_eq!(forecast(&place, "data.csv")[0][0], "2021-01-06 00:00:00Z");
    let place = trained(&text, &format!("{LONG}\ntimezone = \"Asia/Kolkata\""));
    assert_eq!(forecast(&place, "data.csv")[0][0], "2021-01-06 05:30:00+05:30");
}

#[test]
fn long_tables_of_working_days() {
    let rows = trading_days().take(120).flat_map(|row| ["x", "BMW"].map(|id| (id.to_owned(), day(row), value(row, 1))));
    init(&long(rows), &[])
        .has(&["series = \"id\"", "frequency = \"B\"", "holidays = [\"2021-04-02\"", "series   2 targets"])
        .has_not(&["max_gap"]);
    // Local midnights over a change of clocks.
    let midnight = |row: u32| format!("{}T00:00:00+0{}:00", day(row), if row > 86 { 2 } else { 1 });
    let rows = trading_days().take(120).flat_map(|row| ["x", "BMW"].map(|id| (id.to_owned(), midnight(row), value(row, 1))));
    init(&long(rows), &[]).has(&["frequency = \"B\"", "series   2 targets"]).has_not(&["max_gap"]);
}

#[test]
fn drivers_reach_beyond_the_targets() {
    let until = |row: u32, rows: u32, k: u32| if row < rows { format!("{:.2}", value(row, k)) } else { String::new() };
    let table = |load: fn(u32) -> u32, newest_first: bool| {
        csv("time,load,wind,sun", 60, |row| {
            let row = if newest_first { 59 - row } else { row };
            format!("{},{},{}", day(row), until(row, load(row), 0), values(row, 2))
        })
    };
    for newest_first in [false, true] {
        let made = init(&table(|_| 54, newest_first), &[]);
        made.has(&["targets = [\"load\"]", "{ column = \"wind\", known_future = true }", "series   1 target, 2 covariates"]);
        // A series that ended, one with holes, and one that begins late.
        init(&table(|_| 40, newest_first), &[]).has(&["series   3 targets"]);
        init(&table(|row| if row == 20 { 0 } else { 55 }, newest_first), &[]).has(&["series   3 targets"]);
        init(&table(|row| if row < 5 { 0 } else { 60 }, newest_first), &[]).has(&["series   3 targets"]);
    }
}

/// Days of 2021 with rows: neither weekends nor the two holidays.
fn trading_days() -> impl Iterator<Item = u32> {
    (0..).filter(|row| (row + 4) % 7 < 5 && ![91, 94].contains(row))
}

#[test]
fn working_days_with_holidays() {
    let lines: Vec<String> = trading_days().take(120).map(|row| format!("{},{}", day(row), values(row, 1))).collect();
    let text = format!("time,close\n{}\n", lines.join("\n"));
    init(&text, &[])
        .has(&["frequency = \"B\"", "holidays = [\"2021-04-02\", \"2021-04-05\"]", "2 working days have no rows"])
        .has_not(&["max_gap"]);
    let place = trained(&text, &format!("{PLAIN}\nfrequency = \"B\"\nholidays = [\"2021-04-02\", \"2021-04-05\", \"2021-06-22\"]"));
    let last = lines.last().expect("a line")[..10].to_owned();
    let stamps = forecast_stamps(&place, "data.csv");
    assert_eq!((last.as_str(), stamps[0].as_str()), ("2021-06-21", "2021-06-23"), "the next working day is a holiday");
    // Working days of another week.
    let sunday: Vec<String> = (0..120).filter(|row| (row + 5) % 7 < 5).map(|row| format!("{},{}", day(row), values(row, 1))).collect();
    init(&format!("time,close\n{}\n", sunday.join("\n")), &[]).has(&["frequency = \"B\"", "weekdays = \"mon,tue,wed,thu,sun\""]);
}

#[test]
fn sessions_of_an_exchange() {
    let lines: Vec<String> = trading_days()
        .take(120)
        .flat_map(|date| (0..7).map(move |bar| format!("{} {:02}:30,{}", day(date), 9 + bar, values(date * 7 + bar, 1))))
        .collect();
    let text = format!("time,close\n{}\n", lines.join("\n"));
    init(&text, &[]).has(&["session = \"09:30-15:30\"", "weekdays = \"mon-fri\"", "holidays = [\"2021-04-02\"", "a season has 7 rows"]);
    let keys = "session = \"09:30-15:30\"\nweekdays = \"mon-fri\"";
    let place = trained(&text, &format!("{PLAIN}\n{keys}"));
    // The last row is on Monday, 2021-06-21.
    assert_eq!(forecast_stamps(&place, "data.csv"), ["2021-06-22 09:30:00", "2021-06-22 10:30:00"]);
}

/// Hours in Berlin around a change of clocks, from `hours` before it on. `change` is the hour in UTC.
fn berlin(change: (i64, i64, i64, i64), before: i64, rows: u32, marked: bool) -> String {
    let (year, month, date, hour) = change;
    let change = days(year, month, date) * 24 + hour;
    let (old, new) = if month == 3 { (1, 2) } else { (2, 1) };
    csv("time,a", rows, |row| {
        let utc = change - before + i64::from(row);
        let offset = if utc < change { old } else { new };
        let local = utc + offset;
        let (y, m, d) = civil(local.div_euclid(24));
        let mark = if marked { format!("+0{offset}:00") } else { String::new() };
        format!("{y}-{m:02}-{d:02} {:02}:00{mark},{}", local.rem_euclid(24), values(row, 1))
    })
}

const BERLIN: &str = "time = \"time\"\ntimezone = \"Europe/Berlin\"\ntargets = [\"*\"]";

#[test]
fn summer_time_in_berlin() {
    // The clocks are set back on 2021-10-31 at 01:00 UTC, and forward on 2021-03-28 at 01:00 UTC.
    let (back, forward) = ((2021, 10, 31, 1), (2021, 3, 28, 1));
    let said = planned(&berlin(back, 40, 80, false), BERLIN).ok();
    assert!(said.err.contains("exists twice in Europe/Berlin") && !said.err.contains("gap"), "{}", said.err);
    for (marked, change) in [(true, back), (true, forward), (false, forward)] {
        let said = planned(&berlin(change, 40, 80, marked), BERLIN).ok();
        assert!(!said.err.contains("gap") && !said.err.contains("missing"), "{}", said.err);
    }
    planned(&berlin(back, 40, 80, false), PLAIN).error(&["line 42", "also occurs on line 41", "daylight saving time"]);
    let wrong = berlin(forward, 40, 80, false).replace("2021-03-28 03:00", "2021-03-28 02:00");
    planned(&wrong, BERLIN).error(&["line 42", "2021-03-28 02:00", "does not exist in Europe/Berlin"]);
    // The forecast begins in the repeated hour, and its timestamps say which one.
    let place = trained(&berlin(back, 79, 79, false), BERLIN);
    assert_eq!(forecast_stamps(&place, "data.csv"), ["2021-10-31 02:00:00+01:00", "2021-10-31 03:00:00+01:00"]);
    let place = trained(&berlin(forward, 80, 80, true), BERLIN);
    assert_eq!(forecast_stamps(&place, "data.csv"), ["2021-03-28 03:00:00+02:00", "2021-03-28 04:00:00+02:00"]);
}

#[test]
fn utc_has_two_marks() {
    let marked = |mark: &str| csv("time,a", 60, |row| format!("{}{mark},{}", hour(row), values(row, 1)));
    let place = trained(&marked("Z"), PLAIN);
    place.write("zero.csv", &marked("+00:00"));
    place.write("two.csv", &marked("+02:00"));
    let stamps = ["2021-01-03 12:00:00Z", "2021-01-03 13:00:00Z"];
    assert_eq!(forecast_stamps(&place, "data.csv"), stamps);
    assert_eq!(forecast_stamps(&place, "zero.csv"), stamps);
    assert_eq!(forecast_stamps(&place, "two.csv")[0], "2021-01-03 10:00:00Z");
}

#[test]
fn other_fractions_of_seconds() {
    for (step, digits, unit) in [(250, 3, "250ms"), (5, 3, "5ms"), (40, 2, "400ms")] {
        let per = 10_u32.pow(digits);
        let text = csv("time,a", 60, |row| {
            let at = row * step;
            format!("2021-03-20 10:00:{:02}.{:0width$},{}", at / per, at % per, values(row, 1), width = digits as usize)
        });
        init(&text, &[]).has(&[&format!("a row every {unit}")]);
    }
    let epoch = csv("ts,a", 60, |row| format!("{}.{}5,{}", 1_609_459_200 + row / 2, row % 2 * 5, values(row, 1)));
    init(&epoch, &[]).has(&["time_format = \"epoch s\"", "a row every 500ms"]);
}

#[test]
fn ends_of_months_and_other_periods() {
    let end = |row: u32| {
        let month = i64::from(2010 * 12 + row + 1);
        let (y, m, d) = civil(days(month / 12, month % 12 + 1, 1) - 1);
        format!("{y}-{m:02}-{d:02}")
    };
    let text = csv("time,a", 60, |row| format!("{},{}", end(row), values(row, 1)));
    init(&text, &[]).has(&["a row every 1mo"]);
    let place = trained(&text, PLAIN);
    place.write("short.csv", "time,a\n2020-11-30,1\n2020-12-31,2\n2021-01-31,3\n2021-02-28,4\n");
    assert_eq!(forecast_stamps(&place, "short.csv"), ["2021-03-31", "2021-04-30"]);
    place.write("short.csv", "time,a\n2020-11-30,1\n2020-12-30,2\n2021-01-30,3\n2021-02-28,4\n");
    place.run(&["forecast", "run", "--data", "short.csv"]).error(&["short.csv"]);
    for (text, step) in [
        (csv("q,a", 60, |row| format!("Q{} {},{}", row % 4 + 1, 1990 + row / 4, values(row, 1))), "3mo"),
        (csv("w,a", 50, |row| format!("2015W{:02},{}", row + 1, values(row, 1))), "1w"),
        (csv("m,a", 60, |row| format!("{}M{:02},{}", 2000 + row / 12, row % 12 + 1, values(row, 1))), "1mo"),
        (csv("m,a", 60, |row| format!("{}-{:02},{}", 2000 + row / 12, row % 12 + 1, values(row, 1))), "1mo"),
        (csv("fy,a", 60, |row| format!("{}-12-31,{}", 1950 + row, values(row, 1))), "1y"),
    ] {
        init(&text, &[]).has(&[&format!("a row every {step}"), "series   1 target,"]);
    }
}

#[test]
fn other_large_levels() {
    for (level, digits) in [(6.78e9, 0), (6.78e9, 2), (-4.2e8, 3)] {
        let text = csv("time,a,b", 60, |row| format!("{},{:.digits$},{}", day(row), level + 25.0 * noise(row, 5), values(row, 1)));
        let place = trained(&text, PLAIN);
        let rows = forecast(&place, "data.csv");
        let medians: Vec<f64> = rows.iter().filter(|r| r[1] == "a").map(|r| r[4].parse().expect("a number")).collect();
        assert!(medians.iter().all(|m| (m - level).abs() < 200.0), "{medians:?}");
        // The run's offsets are used for another file too.
        let lines: Vec<String> = text.lines().map(String::from).collect();
        place.write("short.csv", &format!("{}\n{}\n", lines[0], lines[57..].join("\n")));
        assert_eq!(forecast(&place, "short.csv"), rows);
    }
}

#[test]
fn several_files_are_joined_by_time() {
    let place = place(&daily(60, 1), &format!("{PLAIN}\njoin = [\"more.csv\"]"));
    place.write("more.csv", &csv("time,weather", 60, |row| format!("{},{:.2}", day(row), value(row, 3))));
    assert!(place.run(&["plan", "config.toml"]).ok().out.contains("series   2 targets"));
    place.write("more.csv", &csv("time,weather", 60, |row| format!("{},{:.2}", day(row ^ 2), value(row, 3))));
    place.run(&["plan", "config.toml"]).error(&["more.csv", "line 4", "sort the files by time"]);
    place.write("more.csv", &csv("when,weather", 60, |row| format!("{},{:.2}", day(row), value(row, 3))));
    place.run(&["plan", "config.toml"]).error(&["more.csv", "\"time\"", "time column"]);
    configure(&place, &format!("{PLAIN}\njoin = [\"nowhere.csv\"]"));
    place.run(&["plan", "config.toml"]).error(&["nowhere.csv", "cannot be opened"]);
}

fn piped(place: &Place, arguments: &[&str], text: &str) -> crate::support::place::Said {
    said(&place.command(arguments).args(["--backend", "reference"]).write_stdin(text.to_owned()).output().expect("it runs"))
}

#[test]
fn standard_input() {
    let text = hourly(60);
    let place = trained(&text, PLAIN);
    let made = piped(&place, &["init", "-"], &text).ok();
    assert!(made.out.contains("path = \"-\"") && made.out.contains("time = \"time\""), "{}", made.out);
    let own = place.run(&["forecast", "run", "--data", "data.csv", "--levels", "0.5"]).ok().out;
    assert_eq!(piped(&place, &["forecast", "run", "--data", "-", "--levels", "0.5"], &text).ok().out, own);
    piped(&place, &["init", "-"], "").error(&["standard input", "empty"]);
}

#[test]
fn too_few_rows_are_told() {
    for (rows, words) in [(0, "no rows"), (1, "one row"), (2, "rows"), (3, "rows")] {
        init_refuses(&daily(rows, 1), &[], &["data.csv", words]);
    }
    init(&daily(5, 1), &[]).has(&["series   1 target,"]);
    init(&daily(30, 1), &[]).has(&["series   1 target,"]);
}

#[test]
fn parts_of_timestamps_are_no_series() {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = |row: u32| months[usize::try_from(row % 12).expect("a month")];
    let half = |row: u32| format!("{}:00 {}", (row + 11) % 12 + 1, if row % 24 < 12 { "AM" } else { "PM" });
    for (text, format, step) in [
        (csv("Year,Month,a", 60, |row| format!("{},{},{}", 2010 + row / 12, month(row), values(row, 1))), "%Y %b", "1mo"),
        (csv("Year,Quarter,a", 60, |row| format!("{},Q{},{}", 1990 + row / 4, row % 4 + 1, values(row, 1))), "%Y Q%q", "3mo"),
        (csv("date,Hour,a", 96, |row| format!("{},H{:02},{}", day(row / 24), row % 24 + 1, values(row, 1))), "%Y-%m-%d H%H", "1h"),
        (csv("date,time,a", 96, |row| format!("{},{},{}", day(row / 24), half(row), values(row, 1))), "%Y-%m-%d %I:%M %p", "1h"),
    ] {
        init(&text, &[])
            .has(&[&format!("time_format = \"{format}\""), &format!("a row every {step}"), "series   1 target,"])
            .has_not(&["series ="]);
    }
    let periods = csv("Date,Period,a", 96, |row| format!("{},{},{}", day(row / 48), row % 48 + 1, values(row, 1)));
    init_refuses(&periods, &[], &["\"Date\" repeat", "\"Period\""]);
}

#[test]
fn keys_of_long_tables() {
    let two = csv("date,store,item,sales", 240, |row| format!("{},{},{},{}", day(row / 4), row % 4 / 2 + 1, row % 2 + 1, values(row, 1)));
    init_refuses(&two, &[], &["\"store\" and \"item\" together"]);
    let meters = csv("date,meter,value", 120, |row| format!("{},{},{}", day(row / 2), 1000 + row % 2, values(row, 1)));
    init(&meters, &[]).has(&["series = \"meter\"", "series   2 targets,"]);
    let priced = csv("unique_id,ds,y,price", 120, |row| format!("{},{},{}", row % 2, day(row / 2), values(row, 2)));
    init(&priced, &[]).has(&["targets = [\"y\"]", "column = \"price\"", "series   2 targets,"]);
}

#[test]
fn dead_series_and_excluded_names() {
    let dead = csv("unique_id,ds,y", 120, |row| {
        format!(
            "{},{},{}",
            ["A", "B"][usize::try_from(row % 2).expect("0 or 1")],
            day(row / 2),
            if row % 2 == 1 { "0".into() } else { values(row, 1) }
        )
    });
    init(&dead, &[]).has(&["exclude = [\"B\"]", "\"B\" (always 0 in the training rows)", "series   1 target,"]);
    // A name that matches nothing is only noted, and a later file need not have the column.
    let place = trained(&daily(60, 1), &format!("{PLAIN}\nexclude = [\"b\"]"));
    place.write("new.csv", &daily(60, 1));
    forecast(&place, "new.csv");
    assert!(place.run(&["plan", "config.toml"]).ok().err.contains("no column \"b\""));
    let constant = csv("time,a,k,is_holiday", 60, |row| format!("{},{},5,{}", day(row), values(row, 1), row % 2));
    init(&constant, &[]).has(&["# not used: \"k\" (always 5)", "these columns are constant"]);
}

#[test]
fn inputs_and_files_of_the_run_are_no_outputs() {
    let place = place(&daily(60, 1), &format!("{PLAIN}\njoin = [\"more.csv\"]"));
    place.write("more.csv", &csv("time,weather", 60, |row| format!("{},{:.2}", day(row), value(row, 3))));
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    // A later file with all columns is read alone.
    place.write("whole.csv", &csv("time,a,weather", 60, |row| format!("{},{}", day(row), values(row, 2))));
    assert_eq!(forecast_stamps(&place, "whole.csv")[0], "2021-03-02");
    std::fs::hard_link(place.path("data.csv"), place.path("link.csv")).expect("a link");
    for output in ["data.csv", "more.csv", "link.csv", "whole.csv", "run/run.json"] {
        place.run(&["forecast", "run", "--data", "whole.csv", "--out", output]).error(&[output, "would be replaced"]);
    }
    place.write("more.csv", &csv("time,a", 60, |row| format!("{},{:.3}", day(row), value(row, 3))));
    place.run(&["plan", "config.toml"]).error(&["at 2021-01-01 00:00:00, \"a\" is ", "data.csv and ", "more.csv"]);
}

#[test]
fn lines_that_are_no_rows() {
    let rows = |row: u32| format!("{},{}", hour(row), values(row, 2));
    let again = csv("time,t1,t2", 60, rows) + "time,t1,t2\nTotal,1.2.3,4\nSource: an office\n# a note\n";
    init(&again, &[]).has(&["comment = \"#\"", "\"Total\"", "series   2 targets,"]).has_not(&["missing ="]);
    let footer = csv("time,a", 60, |row| format!("{},{}", hour(row), values(row, 1)));
    planned(&format!("{footer}end\n"), PLAIN).error(&["line 62", "data.skip_rows = [\"end\"]"]);
    planned(&format!("{footer}# end\n"), PLAIN).error(&["line 62", "data.comment"]);
    planned(&format!("{footer}end\n"), &format!("{PLAIN}\nskip_rows = [\"end\"]")).ok();
    planned("[{\"a\": 1}]", PLAIN).error(&["JSON"]);
    planned("<html><body>\n", PLAIN).error(&["HTML"]);
    let wrong = "time = \"time\"\ntargets = [\"x\", \"z\"]";
    let out = place(&footer, wrong).run(&["check", "config.toml"]).out;
    assert!(out.contains("\"x\"") && out.contains("\"z\""), "{out}");
}

#[test]
fn zones_of_first_configs() {
    let text = berlin((2021, 10, 31, 1), 40, 80, false);
    init_refuses(&text, &[], &["data.timezone", "--timezone"]);
    init(&text, &["--timezone", "Europe/Berlin"]).has(&["timezone = \"Europe/Berlin\"", "a row every 1h"]);
    // The clocks skip this midnight, so that the day begins at 01:00.
    let brazil = csv("time,a", 60, |row| {
        let (y, m, d) = after((2018, 10, 10), row);
        let (hour, offset) = if row < 25 { (0, 3) } else { (u32::from(row == 25), 2) };
        format!("{y}-{m:02}-{d:02} {hour:02}:00:00-0{offset}:00,{}", values(row, 1))
    });
    let said = planned(&brazil, "time = \"time\"\ntimezone = \"America/Sao_Paulo\"\ntargets = [\"*\"]").ok();
    assert!(!said.err.contains("gap"), "{}", said.err);
    planned(&brazil, PLAIN).error(&["data.timezone"]);
    let six = csv("time,a", 150, |row| format!("{},{}", day(row), values(row, 1)));
    let kept: Vec<&str> = six.lines().enumerate().filter(|(k, _)| *k == 0 || (k + 3) % 7 != 6).map(|(_, line)| line).collect();
    init(&(kept.join("\n") + "\n"), &[]).has(&["a season has 6 rows"]);
}
