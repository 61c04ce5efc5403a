//! Bad files: each gives an error message with line and advice, or is treated as documented.

use super::*;

const TIMED: &str = "time = \"t\"\ntargets = [\"a\"]";

/// The error message for a file read with `TIMED`.
fn refusal(text: &str) -> String {
    read(&config(TIMED, ""), text).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(message.contains(piece), "{piece:?} not in: {message}");
    }
}

#[test]
fn empty_files_and_headers_alone() {
    assert_says(&refusal(""), &["empty", "header"]);
    assert_says(&refusal("\n\n"), &["empty"]);
    assert_says(&refusal("t,a\n"), &["no rows"]);
    assert_says(&read(&config(TIMED, ""), "t,a\n2020-01-01,1\n").unwrap_err().to_string(), &["data.frequency"]);
}

#[test]
fn headers() {
    assert_says(&refusal("t,a,b,a\n2020-01-01,1,2,3"), &["line 1", "\"a\"", "fields 2 and 4", "rename"]);
    let with = |delimiter: &str| config(&format!("{TIMED}\ndelimiter = \"{delimiter}\""), "");
    assert_says(&read(&with(","), "t;a\n2020-01-01;1").unwrap_err().to_string(), &["line 1", "data.delimiter = ';'"]);
    assert_says(&read(&with(","), "t\ta\n2020-01-01\t1").unwrap_err().to_string(), &["data.delimiter = '\\t'"]);
    for found in ["t;a\n2020-01-01;1\n2020-01-02;2\n", "t\ta\n2020-01-01\t1\n2020-01-02\t2\n"] {
        assert_eq!(read(&config(TIMED, ""), found).unwrap().rows(), 2, "{found}");
    }
    assert_says(&refusal("t,power,load\n"), &["data.targets", "no column \"a\"", "nearest are \"t\", \"load\""]);
    assert_says(&refusal("tt,a\n"), &["data.time", "\"t\"", "did you mean \"tt\"?"]);
    let message = read(&config("targets = [\"power\"]", ""), "powr,b\n1,2\n").unwrap_err().to_string();
    assert_says(&message, &["did you mean \"powr\"?"]);
    assert_says(&Dataset::read(&config(TIMED, ""), &b"a,\xff\xfe\n1,2\n"[..]).unwrap_err().to_string(), &["UTF-8"]);
}

#[test]
fn field_counts_name_the_line() {
    assert_says(&refusal("t,a\n2020-01-01,1\n2020-01-02\n"), &["line 3", "1 fields, but the header has 2"]);
    assert_says(&refusal("t,a\r\n2020-01-01,1\r\n\r\n2020-01-02,1,5\r\n"), &["line 4:", "3 fields"]);
}

#[test]
fn cells_name_line_column_and_text() {
    let file = |cell: &str| format!("t,a\n2020-01-01,1\n2020-01-02,{cell}\n2020-01-03,2\n");
    assert_says(&refusal(&file("abc")), &["line 3, column \"a\"", "\"abc\" is not a number", "data.missing"]);
    assert_says(&refusal(&file("inf")), &["line 3", "\"inf\" is infinite"]);
    assert_says(&refusal(&file("-1e999")), &["infinite"]);
    assert_says(&refusal(&file("1e39")), &["beyond 3e38"]);
    assert_says(&refusal(&file("+NaN")), &["not a number"]);
    assert_says(&refusal(&file("\"1,5\"")), &["\"1,5\"", "decimal point", "data.decimal"]);
    assert_says(&refusal(&file("\"10,350\"")), &["\"10,350\"", "thousands separators", "data.thousands = \",\""]);
    assert_says(&refusal(&file("\"1.234.567,5\"")), &["data.decimal = \",\" and data.thousands = \".\""]);
    for missing in ["", "NA", "NaN", "nan", "null", " NA ", "-NaN", "N/A", "None", "#N/A"] {
        let dataset = read(&config(TIMED, ""), &file(missing)).unwrap();
        assert_eq!(dataset.report().missing_cells, 1, "{missing}");
        assert_eq!(dataset.target_value(0, 1, 0), None);
        assert_says(&dataset.report().notes.join("\n"), &["column \"a\": 1 of 3 cells missing"]);
    }
    let own = config("time = \"t\"\ntargets = [\"a\"]\nmissing = [\"-999\"]", "");
    for spelling in ["-999", "-999.0", "-9.99e2"] {
        assert_eq!(read(&own, &file(spelling)).unwrap().report().missing_cells, 1, "{spelling}");
    }
    assert_says(&read(&own, &file("NA")).unwrap_err().to_string(), &["not a number"]);
}

#[test]
fn line_numbers_survive_blank_lines_and_windows_line_ends() {
    for end in ["\n", "\r\n"] {
        for blank in ["", end] {
            let file = ["t,a", "2020-01-01,1", blank, "2020-01-02,2", "2020-01-03,x"].join(end);
            let expected = if blank.is_empty() { 5 } else { 6 };
            assert_says(&refusal(&file), &[&format!("line {expected},")]);
        }
    }
    let quoted = "t,a,b\n2020-01-01,1,\"two\nlines\"\n2020-01-02,x,y\n";
    assert_says(&refusal(quoted), &["line 4,"]);
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_read() {
    let dataset = read(&config(TIMED, ""), "\u{feff}t,a\r\n2020-01-01,1\r\n2020-01-02,2\r\n").unwrap();
    assert_eq!((dataset.rows(), dataset.target_value(0, 1, 0)), (2, Some(2.0)));
}

#[test]
fn stamps() {
    let file = |stamps: &[&str]| stamps.iter().fold("t,a\n".to_string(), |text, s| format!("{text}{s},1\n"));
    assert_says(
        &refusal(&file(&["2020-01-01", "01/02/2020"])),
        &["line 3, column \"t\"", "\"01/02/2020\"", "data.time_format = \"%d/%m/%Y\"", "%m/%d/%Y"],
    );
    assert_says(&refusal(&file(&["2020-01-01", ""])), &["line 3", "YYYY-MM-DD"]);
    let message = refusal(&file(&["2020-01-01", "2020-01-02", "2020-01-02"]));
    assert_says(&message, &["line 4", "2020-01-02 00:00:00 also occurs on line 3", "data.timezone"]);
    let message = refusal(&file(&["2020-01-02", "2020-01-03", "2020-01-01"]));
    assert_says(&message, &["line 4", "earlier than 2020-01-03 00:00:00 on line 3", "sort"]);
    let message = refusal(&file(&["2020-01-03", "2020-01-02", "2020-01-04"]));
    assert_says(&message, &["line 4", "later, in a file with its newest row first, than 2020-01-02 00:00:00 on line 3", "sort"]);
    let message = refusal(&file(&["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-03 07:00", "2020-01-04 07:00"]));
    assert_says(&message, &["line 5", "1d", "after 2020-01-03 00:00:00 on line 4", "resample"]);
}

#[test]
fn gaps_start_segments_or_are_filled() {
    let file = "t,a\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n2020-01-05,5\n2020-01-06,6\n2020-01-10,10\n2020-01-11,11\n";
    let dataset = read(&config(TIMED, ""), file).unwrap();
    let rows: Vec<_> = dataset.segments().iter().map(|s| (s.first_row, s.rows)).collect();
    assert_eq!(rows, [(0, 3), (3, 2), (5, 2)]);
    assert_eq!(dataset.format_stamp(2, 1), "2020-01-11");
    assert_says(&dataset.report().notes.join("\n"), &["gap after line 4 (2020-01-03 00:00:00): 1 missing timestamps; a new segment"]);

    let dataset = read(&config(&format!("{TIMED}\nmax_gap = 1"), ""), file).unwrap();
    let rows: Vec<_> = dataset.segments().iter().map(|s| (s.first_row, s.rows)).collect();
    assert_eq!(rows, [(0, 6), (6, 2)]);
    let values: Vec<_> = (0..6).map(|row| dataset.target_value(0, row, 0)).collect();
    assert_eq!(values, [Some(1.0), Some(2.0), Some(3.0), None, Some(5.0), Some(6.0)]);
    assert_eq!(dataset.target_value(1, 1, 0), Some(11.0));
    assert_eq!(dataset.format_stamp(1, 0), "2020-01-10");
    assert_says(&dataset.report().notes.join("\n"), &["filled with unobserved rows", "4", "new segment"]);
}

/// Every third day is missing, and after every hundredth row a week. Filled and split segments are compared with a naive construction.
#[test]
fn many_gaps() {
    let day = |row: i64| row + row / 2 + 6 * (row / 100);
    let stamp = |row: i64| format_stamp(parse_stamp("2020-01-01").unwrap() + day(row) * DAY);
    let text = (0..700).fold("t,a\n".to_string(), |text, row| format!("{text}{},{row}\n", stamp(row)));
    for max_gap in [0, 1, 6, 7] {
        let dataset = read(&config(&format!("{TIMED}\nmax_gap = {max_gap}"), ""), &text).unwrap();
        let (mut rows, mut segments) = (vec![Some(0)], vec![(0, 0)]);
        for row in 1..700 {
            let missing = day(row) - day(row - 1) - 1;
            if missing <= max_gap {
                (0..missing).for_each(|_| rows.push(None));
            } else {
                segments.push((rows.len(), row));
            }
            rows.push(Some(row));
        }
        assert_eq!(dataset.rows(), rows.len());
        assert_eq!(dataset.segments().len(), segments.len());
        for (k, (segment, &(first, row))) in dataset.segments().iter().zip(&segments).enumerate() {
            let end = segments.get(k + 1).map_or(rows.len(), |next| next.0);
            assert_eq!((segment.first_row, segment.rows, segment.start), (first, end - first, parse_stamp(&stamp(row)).ok()));
            for (at, expected) in rows[first..end].iter().enumerate() {
                let expected = expected.map(|row| f64::from(i32::try_from(row).unwrap()));
                assert_eq!(dataset.target_value(u32::try_from(k).unwrap(), at, 0), expected);
            }
        }
        let notes = dataset.report().notes.join("\n");
        assert_eq!(notes.contains("filled with"), max_gap > 0, "{notes}");
        assert_eq!(notes.contains("a new segment"), max_gap < 7, "{notes}");
    }
}

#[test]
fn gaps_that_would_fill_more_than_can_be_counted() {
    let settings = config(&format!("{TIMED}\nfrequency = \"1s\"\nmax_gap = 10000000000"), "");
    let text = "t,a\n1800-01-01,1\n1800-01-01 00:00:01,1\n2020-01-02,2\n";
    assert_says(&read(&settings, text).unwrap_err().to_string(), &["more than 2^32 - 1 rows"]);
}

#[test]
fn constant_and_empty_columns() {
    let file =
        |a: &str, b: &str| hourly("t,a,b", 20, |row| format!("{},{}", a.replace('#', &row.to_string()), b.replace('#', &row.to_string())));
    let config = config("time = \"t\"\ntargets = [\"a\"]\ncovariates = [{ column = \"b\" }]", "");
    let fit = |text: &str| Scaler::fit(&read(&config, text).unwrap());
    assert_says(&fit(&file("3", "#")).unwrap_err().to_string(), &["1 column cannot be used", "\"a\" (always 3)", "data.exclude"]);
    assert_says(&fit(&file("", "#")).unwrap_err().to_string(), &["\"a\" (no value)"]);
    assert_says(&fit(&file("#", "NA")).unwrap_err().to_string(), &["\"b\" (no value)"]);
    assert_says(&fit(&file("3", "")).unwrap_err().to_string(), &["2 columns", "\"b\" (no value), \"a\" (always 3)"]);
    let (scaler, notes) = fit(&file("#", "0.1")).unwrap();
    assert_says(&notes.join("\n"), &["column \"b\" is 0.1 in all training rows"]);
    assert!(scaler.standardise(0, 1.1) > 0.99 && scaler.standardise(0, 0.1).abs() < 1e-6);
}

#[test]
fn expressions() {
    let file = |v: &str| hourly("t,a,u1,v1", 9, |row| format!("{row},3,{}", if row == 5 { v } else { "4" }));
    let with = |expression: &str| config(&format!("{TIMED}\ncovariates = [{{ name = \"w\", expression = \"{expression}\" }}]"), "");
    let dataset = read(&with("hypot(u1, v1)"), &file("")).unwrap();
    let slot = dataset.layout.slots[0].unwrap();
    assert_eq!((dataset.value(slot, 0, 4), dataset.value(slot, 0, 5)), (Some(5.0), None));
    assert_says(&read(&with("u1 / v1"), &file("0")).unwrap_err().to_string(), &["line 7", "u1 / v1 gives inf"]);
    assert_says(&read(&with("u1 / v2"), &file("0")).unwrap_err().to_string(), &["\"v2\"", "did you mean \"v1\"?"]);
    assert_says(&read(&with("hypot(u1"), &file("0")).unwrap_err().to_string(), &["cannot be parsed", "sqrt(u^2 + v^2)"]);
    assert_says(&read(&with("2 * 3"), &file("0")).unwrap_err().to_string(), &["contains no column"]);
}

#[test]
fn targets_do_not_leak_through_drivers() {
    let file = hourly("t,a,b", 9, |row| format!("{row},1"));
    let leak = |data: &str| read(&config(&format!("{TIMED}\n{data}"), ""), &file).map(|_| ()).unwrap_err().to_string();
    let message = leak("channels = [{ name = \"x\", expression = \"a + b\", known_future = true }]");
    assert_says(&message, &["data.channels, \"x\"", "reads the target \"a\"", "known_future"]);
    let message = leak("hide_history = true\ncovariates = [{ column = \"a\" }]");
    assert_says(&message, &["hidden by data.hide_history"]);
    assert!(read(&config(&format!("{TIMED}\ncovariates = [{{ column = \"a\" }}]"), ""), &file).is_ok());
}

#[test]
fn patterns_bind_targets_to_their_channels() {
    let file = "z10_P,t,z2_P,z2_U,z10_U,z1_U,z1_P,load\n1,2020-01-01,2,3,4,5,6,7\n8,2020-01-02,9,10,11,12,13,14\n";
    let settings =
        "time = \"t\"\ntargets = [\"z{i}_P\"]\nchannels = [{ name = \"u\", column = \"z{i}_U\" }, { name = \"l\", column = \"load\" }]";
    let dataset = read(&config(settings, ""), file).unwrap();
    assert_eq!(dataset.target_names(), ["z1_P", "z2_P", "z10_P"]);
    assert_eq!(dataset.bindings().iter().flatten().collect::<Vec<_>>(), ["1", "2", "10"]);
    assert_eq!(dataset.channel_names(), ["u", "l"]);
    let inputs: Vec<_> = dataset.layout.slots.iter().map(|s| dataset.value(s.unwrap(), 0, 0).unwrap()).collect();
    assert_eq!(inputs, [6.0, 5.0, 7.0, 2.0, 3.0, 7.0, 1.0, 4.0, 7.0]);
    assert_eq!(dataset.table.width(), 7, "the shared column is stored once");

    let refuse = |data: &str| read(&config(data, ""), file).unwrap_err().to_string();
    assert_says(&refuse("time = \"t\"\ntargets = [\"y{i}_P\"]"), &["\"y{i}_P\"", "no column matches"]);
    assert_says(&refuse("time = \"t\"\ntargets = [\"z{i}_P\", \"z1_P\"]"), &["listed twice"]);
    let unbound = "time = \"t\"\ntargets = [\"load\"]\nchannels = [{ name = \"u\", column = \"z{i}_U\" }]";
    assert_says(&refuse(unbound), &["contains {i}", "write the target as a pattern"]);
    let missing = "time = \"t\"\ntargets = [\"z{i}_P\"]\nchannels = [{ name = \"u\", column = \"z{i}_V\" }]";
    assert_says(&refuse(missing), &["data.channels, \"u\"", "\"z1_V\""]);
}

#[test]
fn a_star_takes_what_is_left() {
    let file = "t,a,b,c,d\n2020-01-01,1,2,3,4\n2020-01-02,5,6,7,8\n";
    let star = |data: &str| read(&config(&format!("time = \"t\"\n{data}"), ""), file).unwrap();
    assert_eq!(star("targets = [\"*\"]").target_names(), ["a", "b", "c", "d"]);
    let data = "targets = [\"d\", \"*\"]\ncovariates = [{ column = \"b\" }]\nchannels = [{ name = \"x\", expression = \"2*c\" }]";
    assert_eq!(star(data).target_names(), ["d", "a"]);
}

#[test]
fn damaged_gzip_is_an_error() {
    let text = hourly("t,a", 5_000, |row| format!("{}", row * 7919 % 1000));
    let bytes = gzip(&text);
    let config = config(TIMED, "");
    assert_eq!(Dataset::read(&config, bytes.as_slice()).unwrap().rows(), 5_000);
    let message = Dataset::read(&config, &bytes[..bytes.len() / 2]).unwrap_err().to_string();
    assert_says(&message, &["after line", "complete"]);
}

#[test]
fn a_quote_left_open_does_not_take_the_rest_of_the_file() {
    let rest = "2020-01-03,1\n".repeat(500_000);
    let message = refusal(&format!("t,a\n2020-01-01,1\n2020-01-02,\"1\n{rest}"));
    assert_says(&message, &["after line 2", "longer than 4 MiB", "quote"]);
    let note = "x".repeat(4_000_000);
    let long = format!("t,a,note\n2020-01-01,1,{note}\n2020-01-02,2,{note}\n");
    assert_eq!(read(&config(TIMED, ""), &long).unwrap().rows(), 2, "the limit is a row's, not the file's");
}

#[test]
fn a_blank_line_in_a_single_column_is_a_missing_cell() {
    let dataset = read(&config("targets = [\"a\"]", ""), "a\n1\n\n\n4\n\n").unwrap();
    let values: Vec<_> = (0..5).map(|row| dataset.target_value(0, row, 0)).collect();
    assert_eq!(values, [Some(1.0), None, None, Some(4.0), None]);
    assert_eq!(dataset.rows(), 4);
}

#[test]
fn a_file_without_time_has_steps() {
    let dataset = read(&config("targets = [\"a\"]", ""), "a\n1\n2\n3\n").unwrap();
    assert_eq!((dataset.frequency(), dataset.shape().num_calendar, dataset.season()), (None, 0, 1));
    assert_eq!(dataset.format_stamp(0, 2), "row 2");
}

#[cfg(feature = "native")]
#[test]
fn a_file_that_is_not_there() {
    let message = Dataset::open(&config(TIMED, ""), std::path::Path::new("no/such.csv")).unwrap_err().to_string();
    assert_says(&message, &["no/such.csv", "check the path"]);
}
