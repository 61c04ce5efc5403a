//! Where tables come from: other formats through standard input, workbooks, several files, and cells of other kinds.

use crate::support::place::{Place, Said, said};
use crate::support::sheet::{
    PLAIN, configure, csv, daily, day, forecast, hourly, init, init_refuses, place, planned, trained, value, values,
};
use std::io::Write as _;

fn piped(place: &Place, arguments: &[&str], bytes: &[u8]) -> Said {
    said(&place.command(arguments).args(["--backend", "reference"]).write_stdin(bytes).output().expect("it runs"))
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/golden/formats/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a file")
}

#[test]
fn every_format_from_standard_input() {
    let place = Place::new();
    let own = piped(&place, &["init", "-"], &golden("tiny.csv")).ok();
    assert!(own.out.contains("path = \"-\""), "{}", own.out);
    for name in ["tiny.parquet", "tiny.csv.zst"] {
        let made = piped(&place, &["init", "-"], &golden(name)).ok();
        let text = |said: &Said| said.out.lines().filter(|line| !line.starts_with("delimiter")).collect::<Vec<_>>().join("\n");
        assert_eq!(text(&made), text(&own), "{name}");
        place.write("piped.toml", &made.out);
        assert!(piped(&place, &["plan", "piped.toml"], &golden(name)).ok().out.contains("series   "), "{name}");
    }
    piped(&place, &["init", "-"], &golden("several.npz")).error(&["standard input", "several arrays", "data.array.name"]);
    piped(&place, &["init", "-"], &golden("tiny.parquet")[..3000]).error(&["standard input", "Parquet file is damaged"]);
    piped(&place, &["init", "-"], &workbook()).error(&["standard input", "Excel workbook", "save it as CSV"]);
}

/// A zip file with the parts by which a workbook is known.
fn workbook() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for name in ["[Content_Types].xml", "xl/workbook.xml"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(b"<xml/>").expect("an entry");
    }
    zip.finish().expect("an archive").into_inner()
}

#[test]
fn a_workbook_is_named() {
    let place = Place::new();
    std::fs::write(place.path("data.csv"), workbook()).expect("a file");
    configure(&place, PLAIN);
    for command in [["init", "data.csv"], ["plan", "config.toml"]] {
        place.run(&command).error(&["data.csv", "the file is an Excel workbook; save it as CSV"]);
    }
    let said = place.run(&["check", "config.toml"]);
    assert!(said.status == Some(2) && said.out.contains("the file is an Excel workbook\n       -> save it as CSV"), "{}", said.out);
}

#[test]
fn evaluation_from_a_timestamp_in_the_form_of_the_data() {
    let dated = |rows| {
        csv("when,a", rows, |row| {
            let iso = day(row);
            format!("{}.{}.{},{}", &iso[8..], &iso[5..7], &iso[..4], values(row, 1))
        })
    };
    let place = trained(&dated(60), "time = \"when\"\ntime_format = \"%d.%m.%Y\"\ntargets = [\"*\"]");
    place.write("new.csv", &dated(90));
    let scored = |from: &str| place.run(&["evaluate", "run", "--data", "new.csv", "--from", from]);
    // 2 March 2021 has another meaning in the other order of day and month.
    let own = scored("02.03.2021").ok().out;
    assert_eq!(scored("2021-03-02").ok().out, own);
    assert_ne!(scored("03.03.2021").ok().out, own);
    scored("3/2").error(&["--from: \"3/2\" is no timestamp", "%d.%m.%Y (data.time_format) or YYYY-MM-DD HH:MM"]);
}

#[test]
fn cells_with_quotes_in_messages() {
    let said = csv("date,a", 40, |row| format!("\"the \"\"{row}\"\", or so\",{}", values(row, 1)));
    init_refuses(&said, &[], &["(line 2, column \"date\": \"the \"0\", or so\")", "--no-time"]);
    // A cell may have several lines and any length; the message has one line.
    let long = csv("date,a", 40, |row| format!("\"the\nday {row} {}\",{}", "x".repeat(200), values(row, 1)));
    init_refuses(&long, &[], &[&format!("(line 2, column \"date\": \"the day 0 {}...\")", "x".repeat(50))]);
}

#[test]
fn true_and_false_are_one_and_zero() {
    let table =
        |cells: [&str; 2]| csv("time,a,b", 60, |row| format!("{},{},{}", day(row), values(row, 1), cells[usize::from(row % 3 == 0)]));
    let data = "time = \"time\"\ntargets = [\"a\"]\ncovariates = [{ column = \"b\", known_future = true }]";
    let numbers = trained(&table(["0", "1"]), data);
    let config = |cells| init(&table(cells), &[]).has(&["series   2 targets"]).config.clone();
    for cells in [["False", "True"], ["false", "true"], ["FALSE", "TRUE"]] {
        let words = trained(&table(cells), data);
        let weights = |place: &Place| std::fs::read(place.path("run/weights.safetensors")).expect("weights");
        assert!(weights(&words) == weights(&numbers), "{cells:?}");
        assert_eq!(config(cells), config(["0", "1"]));
    }
    let mixed = table(["0", "True"]).replacen(",0\n", ",7\n", 1);
    planned(&mixed, data).error(&["line 3, column \"b\": \"7\" is a number below True or False"]);
    let below = csv("time,a,b", 60, |row| {
        let cell = if row == 31 { "True".to_owned() } else { (row + 2).to_string() };
        format!("{},{},{cell}", day(row), values(row, 1))
    });
    planned(&below, data).error(&["line 33, column \"b\": \"True\" is not a number"]);
}

/// Rows of a table in reverse.
fn reversed(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    lines.join("\n") + "\n"
}

#[test]
fn joined_files_may_have_their_newest_row_first() {
    let weather = csv("time,weather", 60, |row| format!("{},{:.2}", day(row), value(row, 3)));
    let own = {
        let place = place(&daily(60, 1), &format!("{PLAIN}\njoin = [\"more.csv\"]"));
        place.write("more.csv", &weather);
        place.run(&["train", "config.toml", "--out", "run"]).ok();
        forecast(&place, "data.csv")
    };
    for (first, second) in
        [(daily(60, 1), reversed(&weather)), (reversed(&daily(60, 1)), weather.clone()), (reversed(&daily(60, 1)), reversed(&weather))]
    {
        let place = place(&first, &format!("{PLAIN}\njoin = [\"more.csv\"]"));
        place.write("more.csv", &second);
        let said = place.run(&["plan", "config.toml"]).ok();
        for (name, text) in [("data.csv", &first), ("more.csv", &second)] {
            let note = format!("{name} has its newest row first; its rows are used in order of time");
            assert_eq!(said.err.contains(&note), text.starts_with("time") && text.lines().nth(1) > text.lines().nth(2), "{}", said.err);
        }
        place.run(&["train", "config.toml", "--out", "run"]).ok();
        assert_eq!(forecast(&place, "data.csv"), own);
    }
    let place = place(&daily(60, 1), &format!("{PLAIN}\njoin = [\"more.csv\"]"));
    let swapped = reversed(&weather).replacen(&day(30), "x", 1).replacen(&day(31), &day(30), 1).replacen('x', &day(31), 1);
    place.write("more.csv", &swapped);
    place.run(&["plan", "config.toml"]).error(&["more.csv", "line 31: 2021-02-01", "sort the files by time"]);
}

/// The rows `from..to` of a table.
fn part(text: &str, from: usize, to: usize) -> String {
    text.lines().enumerate().filter(|(k, _)| *k == 0 || (from + 1..=to).contains(k)).map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn files_with_the_same_columns_follow_each_other() {
    let all = daily(90, 2);
    let whole = trained(&all, PLAIN);
    let years = |first: &str, second: &str| {
        let place = place(first, &format!("{PLAIN}\njoin = [\"more.csv\"]"));
        place.write("more.csv", second);
        place
    };
    let swapped: String = part(&all, 50, 90)
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|c| format!("{},{},{}\n", c[0], c[2], c[1]))
        .collect();
    // In any order of the files and of the columns; rows that both have once; the newest row first.
    for (first, second, words) in [
        (part(&all, 0, 50), part(&all, 50, 90), "(a, b): their rows follow each other in time\n"),
        (part(&all, 50, 90), part(&all, 0, 50), "follow each other"),
        (part(&all, 0, 50), swapped, "follow each other"),
        (part(&all, 0, 52), part(&all, 50, 90), "2 rows are in two of them, with the same values"),
        (reversed(&part(&all, 0, 50)), reversed(&part(&all, 50, 90)), "follow each other"),
    ] {
        let place = years(&first, &second);
        let said = place.run(&["train", "config.toml", "--out", "run"]).ok();
        assert!(said.err.contains(words) && said.err.contains("2 files are joined"), "{}", said.err);
        place.write("whole.csv", &all);
        assert_eq!(forecast(&place, "whole.csv"), forecast(&whole, "data.csv"), "{words}");
    }
    // A column that begins later.
    let more = part(&daily(90, 3), 50, 90);
    let said = years(&part(&all, 0, 50), &more).run(&["plan", "config.toml"]);
    assert!(said.out.contains("series   ") || said.err.contains("\"c\""), "{}\n{}", said.out, said.err);

    let text = |place: Place, words: &[&str]| place.run(&["plan", "config.toml"]).error(words);
    let changed = part(&all, 50, 90).replacen(&format!("{},", day(50)), &format!("{},777\n{},", day(49), day(50)), 1);
    text(
        years(&part(&all, 0, 50), &changed.replacen(",777\n", ",777,1\n", 1)),
        &["2021-02-19", "\"a\" is", "in ", "data.csv", "777", "more.csv"],
    );
    let odd = |k: usize| {
        all.lines().enumerate().filter(|(row, _)| *row == 0 || row % 2 == k).map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    text(years(&odd(0), &odd(1)), &["\"a\" is a column of", "data.csv", "more.csv", "their times do not follow each other"]);
    // Other columns of the same times are joined as before.
    let hours = years(&hourly(60), &hourly(60).replace("time,a", "time,z"));
    assert!(hours.run(&["plan", "config.toml"]).ok().out.contains("series   2 targets"));
}

#[test]
fn breaks_of_a_session_are_no_gaps() {
    // 20 working days of minutes, with a break at noon.
    let times = || (0..2).flat_map(|half| (0..=120).map(move |minute| 570 + 210 * half + minute));
    let days = || (0..26_u32).filter(|row| (row + 4) % 7 < 5);
    let text = std::iter::once("time,a\n".to_owned()).chain(
        days().flat_map(|row| times().map(move |m| format!("{} {:02}:{:02},{}\n", day(row), m / 60, m % 60, values(row * 300 + m, 1)))),
    );
    init(&text.collect::<String>(), &[])
        .has(&["session = \"09:30-11:30,13:00-15:00\"", "weekdays = \"mon-fri\"", "a season has 242 rows"])
        .has_not(&["max_gap"]);
}

#[test]
fn constant_columns_and_series_of_a_long_table_are_named_at_once() {
    let table = csv("unique_id,ds,y,k", 240, |row| {
        let series = ["A", "B", "C", "D"][usize::try_from(row % 4).expect("one of four")];
        format!("{series},{},{},5", day(row / 4), if row % 4 == 1 || row % 4 == 3 { "0".into() } else { values(row, 1) })
    });
    let data = |targets: &str| format!("series = \"unique_id\"\ntime = \"ds\"\ntargets = [{targets}]");
    planned(&table, &data("\"y\"")).error(&["2 series", "\"B\" (always 0), \"D\" (always 0)", "data.exclude = [\"B\", \"D\"]"]);
    planned(&table, &data("\"y\", \"k\"")).error(&[
        "\"k\" (always 5 in all 4 series)",
        "all 4 series",
        "data.targets",
        "\"B_y\" (always 0), \"D_y\" (always 0)",
    ]);
    let listed = format!("{}\nexclude = [\"B\", \"D\"]", data("\"y\""));
    planned(&table, &listed).ok();
}

#[test]
fn a_line_below_two_time_columns() {
    let text = csv("date,hour,a", 96, |row| format!("{},{},{}", day(row / 24), row % 24, values(row, 1))) + "Total,,5\n";
    init(&text, &[]).has(&["line 98: \"Total\" is no timestamp", "skip_rows = [\"Total\"]", "a row every 1h"]);
    let data = "time = [\"date\", \"hour\"]\ntime_format = \"%Y-%m-%d %H\"\ntargets = [\"a\"]";
    planned(&text, data).error(&["line 98", "\"Total\""]);
    planned(&text, &format!("{data}\nskip_rows = [\"Total\"]")).ok();
}

/// One column of numbers with a decimal comma is no table of two columns, also with points between groups of digits and with gaps.
#[test]
fn a_single_column_of_decimal_commas() {
    for (grouped, gap) in [("", "--"), ("1.", ""), ("1.", "n.a.")] {
        let cell = |row: u32| if row % 9 == 7 { gap.to_owned() } else { format!("{grouped}5{}{},{}", row % 7, row % 10, 1 + row % 8) };
        let text = csv("load", 60, cell);
        init(&text, &["--no-time"]).has(&["decimal = \",\"", "series   1 target,"]).has_not(&["skip_lines"]);
    }
}
