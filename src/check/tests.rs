//! Each finding on a small table that has it, and none on a clean one.

use std::fmt::Write as _;

use super::*;

/// Hourly rows of 2020 from a function of the row, with the columns that a config uses.
struct Made {
    header: &'static str,
    data: &'static str,
    rest: &'static str,
    rows: usize,
}

const MADE: Made = Made { header: "a,b", data: "targets = [\"*\"]", rest: "", rows: 600 };

impl Made {
    fn config(&self) -> Config {
        let Self { data, rest, .. } = self;
        Config::from_toml(&format!("[data]\npath = \"x\"\ntime = \"t\"\n{data}\n[window]\nhistory = 24\nhorizon = 4\n{rest}")).unwrap()
    }

    fn text(&self, cells: impl Fn(usize) -> String) -> String {
        let mut text = format!("t,{}\n", self.header);
        for row in 0..self.rows {
            let (day, hour) = (row / 24, row % 24);
            writeln!(text, "2020-{:02}-{:02} {hour:02}:00,{}", 1 + day / 28, 1 + day % 28, cells(row)).unwrap();
        }
        text
    }

    fn check(&self, cells: impl Fn(usize) -> String) -> Check {
        Check::read(&self.config(), self.text(cells).as_bytes())
    }
}

/// Irregular numbers within 0 and 1.
fn noise(row: usize, column: u64) -> f64 {
    let mut x = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (column + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

/// A daily wave with noise, far from zero.
fn wave(row: usize, column: u64) -> f64 {
    let angle = row as f64 * std::f64::consts::TAU / 24.0 + column as f64;
    50.0 + 5.0 * angle.sin() + 4.0 * noise(row, column)
}

fn two(row: usize) -> String {
    format!("{:.3},{:.3}", wave(row, 0), wave(row, 1))
}

/// The second column is what `other` gives, or a wave.
fn with(row: usize, other: Option<&str>) -> String {
    other.map_or_else(|| two(row), |other| format!("{:.3},{other}", wave(row, 0)))
}

#[track_caller]
fn only(check: &Check, kind: Kind) -> &Finding {
    let [one] = check.findings.as_slice() else { panic!("{:#?}", check.findings) };
    assert_eq!(one.kind, kind, "{one:#?}");
    one
}

#[track_caller]
fn one(check: &Check, kind: Kind) -> &Finding {
    let all: Vec<&Finding> = check.findings.iter().filter(|finding| finding.kind == kind).collect();
    let [one] = all.as_slice() else { panic!("{kind:?} in {:#?}", check.findings) };
    one
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[test]
fn clean_data_have_no_findings() {
    let check = MADE.check(two);
    assert_eq!(check.findings, []);
    assert!(check.usable && check.unsearched.is_empty());
    let facts = check.facts.unwrap();
    assert_eq!((facts.rows, facts.segments, facts.step.as_deref(), facts.zone, facts.season), (600, 1, Some("1h"), None, 24));
    assert_eq!((facts.first.as_str(), facts.last.as_str()), ("2020-01-01 00:00:00", "2020-01-25 23:00:00"));
    let windows = facts.windows.unwrap();
    assert!(windows.training > 300 && windows.test > 20, "{windows:?}");
}

/// Kinds of data that look odd and are not: counts, heavy tails, intermittent demand, temperatures about zero, nights without sun, a random
/// walk, and a level of 1e5.
#[test]
fn usual_kinds_of_data_have_no_findings() {
    let normal = |row: usize, k: u64| (0..12).map(|i| noise(row, 100 * k + i)).sum::<f64>() - 6.0;
    let kinds: [(&str, &dyn Fn(usize) -> String); 7] = [
        ("counts", &|row| format!("{}", (4.0 * noise(row, 3) * noise(row, 4) * 3.0).floor())),
        ("heavy tail", &|row| format!("{:.4}", normal(row, 5).exp())),
        ("intermittent", &|row| if noise(row, 6) < 0.8 { "0".into() } else { format!("{}", 1.0 + (10.0 * noise(row, 7)).floor()) }),
        ("temperature", &|row| format!("{:.0}", 4.0 * normal(row, 8))),
        ("sun", &|row| format!("{:.2}", (wave(row, 0) - 52.0).max(0.0))),
        ("walk", &|row| format!("{:.3}", (0..=row).map(|r| noise(r, 9) - 0.5).sum::<f64>())),
        ("level", &|row| format!("{:.2}", 1e5 + 300.0 * normal(row, 10))),
    ];
    for (name, kind) in kinds {
        let check = MADE.check(|row| with(row, Some(&kind(row))));
        assert_eq!(check.findings, [], "{name}");
    }
}

#[test]
fn gaps_name_the_setting_that_fills_them() {
    let text = MADE.text(two);
    let without = |ranges: &[std::ops::Range<usize>]| {
        let lines = text.lines().enumerate().filter(|(k, _)| !ranges.iter().any(|range| range.contains(k)));
        lines.fold(String::new(), |all, (_, line)| all + line + "\n")
    };
    let check = |text: &str| Check::read(&MADE.config(), text.as_bytes());
    let found = check(&without(&[100..103, 200..201]));
    let finding = only(&found, Kind::Gaps);
    assert_eq!((finding.severity, finding.count), (Severity::Note, Some(4)));
    has(&finding.text, &["2 gaps with 4 missing timestamps", "the longest has 3, after 2020-01-05 02:00:00"]);
    has(&finding.advice, &["data.max_gap = 3 fills"]);
    // A gap that is longer than a history is left, and a piece that is shorter than a window is lost.
    let found = check(&without(&[100..103, 110..160]));
    let finding = one(&found, Kind::Gaps);
    assert_eq!(finding.severity, Severity::Warning);
    has(&finding.text, &["7 rows in 1 segment shorter than one window (28 rows) are never used"]);
    has(&finding.advice, &["data.max_gap = 3 fills 1 of them"]);
    let filled = Made { data: "targets = [\"*\"]\nmax_gap = 3", ..MADE };
    let found = Check::read(&filled.config(), without(std::slice::from_ref(&(100..103))).as_bytes());
    has(&one(&found, Kind::EmptyRows).text, &["3 rows have no value in any column, in 1 run", "from 2020-01-05 03:00:00"]);
}

#[test]
fn the_errors_of_the_reader_are_findings_and_all_bad_columns_are_named() {
    let check = MADE.check(|row| {
        if row == 7 || row == 9 {
            format!("x,{row}")
        } else if row == 30 {
            "1,y".into()
        } else {
            two(row)
        }
    });
    assert!(!check.usable && check.facts.is_none());
    let [a, b] = check.findings.as_slice() else { panic!("{:#?}", check.findings) };
    assert_eq!((a.kind, a.severity, a.count, b.count), (Kind::NotNumbers, Severity::Error, Some(2), Some(1)));
    assert_eq!((&a.columns, &b.columns), (&vec!["a".to_owned()], &vec!["b".to_owned()]));
    has(&a.text, &["2 cells are not a finite number in column \"a\"", "line 9"]);
    let twice = MADE.text(two).replace("2020-01-01 03:00", "2020-01-01 02:00");
    let check = Check::read(&MADE.config(), twice.as_bytes());
    assert!(!check.usable);
    has(&only(&check, Kind::Unreadable).text, &["line 5: timestamp 2020-01-01 02:00:00 also occurs on line 4"]);
}

#[test]
fn constant_and_empty_columns_are_named_all_at_once() {
    let made = Made { header: "a,b,c,d", data: "targets = [\"a\", \"b\"]\ncovariates = [{ column = \"c\" }, { column = \"d\" }]", ..MADE };
    let check = made.check(|row| format!("{:.3},3,{},7", wave(row, 0), if row > 590 { "1" } else { "" }));
    assert!(!check.usable);
    has(&one(&check, Kind::Empty).text, &["1 column without a value in the training rows: \"c\""]);
    let constant: Vec<_> = check.findings.iter().filter(|f| f.kind == Kind::Constant).collect();
    assert_eq!(constant.iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Error, Severity::Warning]);
    has(&constant[0].text, &["\"b\" (always 3)"]);
    has(&constant[1].text, &["\"d\" (always 7)"]);
    let star = Made { header: "a,b,c", ..MADE }.check(|row| format!("{:.3},3,", wave(row, 0)));
    assert!(star.usable);
    let left_out = only(&star, Kind::LeftOut);
    assert_eq!(left_out.columns, ["b", "c"]);
}

#[test]
fn missing_cells_late_and_ended_columns() {
    let check = MADE.check(|row| with(row, (row % 10 == 0).then_some("")));
    let finding = only(&check, Kind::Missing);
    assert_eq!((finding.severity, finding.count), (Severity::Note, Some(60)));
    has(&finding.text, &["\"b\" 10.0 %"]);
    let check = MADE.check(|row| with(row, (row % 3 != 0).then_some("")));
    assert_eq!(only(&check, Kind::Missing).severity, Severity::Warning);
    let check = MADE.check(|row| with(row, (!(50..570).contains(&row)).then_some("")));
    has(&one(&check, Kind::StartsLate).text, &["1 column starts late: \"b\" at 2020-01-03 02:00:00"]);
    has(&one(&check, Kind::HasEnded).text, &["\"b\" after 2020-01-24 17:00:00"]);
}

#[test]
fn outliers_and_codes_are_asked_about() {
    let check = MADE.check(|row| with(row, (row == 77).then_some("5000.5")));
    let finding = only(&check, Kind::Outliers);
    assert_eq!((finding.severity, finding.count, finding.first.as_deref()), (Severity::Question, Some(1), Some("2020-01-04 05:00:00")));
    has(&finding.text, &["\"b\" 5000.5 at 2020-01-04 05:00:00 (median 5"]);
    for (code, every, value) in
        [("-9999", 50, -9999.0), ("-999", 3, -999.0), ("99999", 100, 99_999.0), ("1e20", 70, 1e20), ("-77", 2, -77.0)]
    {
        let check = MADE.check(|row| with(row, (row % every != 1).then_some(two(row).split_once(',').unwrap().1).or(Some(code))));
        let finding = one(&check, Kind::MissingCode);
        assert_eq!((finding.value, finding.columns.as_slice()), (Some(value), ["b".to_owned()].as_slice()), "{finding:#?}");
        has(&finding.advice, &[&format!("data.missing = [\"\", \"NA\", \"NaN\", \"null\", \"{code}\"]")]);
    }
    // The list of the config is kept.
    let own = Made { data: "targets = [\"*\"]\nmissing = [\"-\"]", ..MADE };
    let check = own.check(|row| with(row, (row % 50 == 0).then_some("-9999")));
    has(&only(&check, Kind::MissingCode).advice, &["data.missing = [\"-\", \"-9999\"]"]);
    let declared = Made { data: "targets = [\"*\"]\nmissing = [\"-9999\"]", ..MADE };
    only(&declared.check(|row| with(row, (row % 50 == 0).then_some("-9999"))), Kind::Missing);
}

#[test]
fn zeros_that_may_mean_missing_are_asked_about() {
    for range in [100..130, 100..500] {
        let check = MADE.check(|row| with(row, range.contains(&row).then_some("0")));
        let finding = only(&check, Kind::Zeros);
        assert_eq!((finding.severity, finding.count), (Severity::Question, Some(range.len())));
        has(&finding.text, &[&format!("longest run {}, from 2020-01-05 04:00:00", range.len()), "in 100.0 % of these cells, most other"]);
        has(&finding.advice, &["\"0\"]", "in all columns"]);
    }
}

#[test]
fn a_driver_that_tells_the_future_is_named_with_its_shift() {
    let known = "targets = [\"a\"]\ncovariates = [{ column = \"b\", known_future = true }]";
    let unknown = "targets = [\"a\"]\ncovariates = [{ column = \"b\" }]";
    let at =
        |row: usize, shift: i64| wave((row + 100).checked_add_signed(isize::try_from(shift).expect("a small shift")).expect("a row"), 0);
    let check = |data, shift, scale: f64| Made { data, ..MADE }.check(|row| format!("{:.4},{:.4}", at(row, 0), scale * at(row, shift)));
    for (data, shift, kind, severity, words) in [
        (unknown, 3, Kind::Leak, Severity::Warning, "\"b\" equals target \"a\" 3 rows later; its history tells 3 steps"),
        (unknown, 0, Kind::CopyOfTarget, Severity::Note, "\"b\" equals target \"a\" in the same row"),
        (unknown, -24, Kind::CopyOfTarget, Severity::Note, "\"b\" equals target \"a\" 24 rows earlier"),
        (known, 0, Kind::Leak, Severity::Warning, "in the same row; it is known_future, so it tells 4 steps"),
        (known, -3, Kind::Leak, Severity::Warning, "3 rows earlier; it is known_future, so it tells 1 step of"),
        (known, -4, Kind::CopyOfTarget, Severity::Note, "4 rows earlier"),
    ] {
        let found = check(data, shift, 1.0);
        let finding = only(&found, kind);
        assert_eq!((finding.severity, finding.shift), (severity, Some(shift)), "{finding:#?}");
        has(&finding.text, &[words]);
    }
    let found = check(known, 2, 3.6);
    has(&only(&found, Kind::Leak).text, &["\"b\" is nearly (correlation above 0.999) target \"a\" 2 rows later"]);
    let hidden = Made { data: "targets = [\"a\"]\nhide_history = true\ncovariates = [{ column = \"b\" }]", ..MADE };
    let found = hidden.check(|row| format!("{:.4},{:.4}", at(row, 0), at(row, -1)));
    assert_eq!(only(&found, Kind::CopyOfTarget).severity, Severity::Warning);
    // A driver that only resembles the target, and a smooth target with a smooth driver.
    let check = Made { data: known, ..MADE }.check(|row| format!("{:.4},{:.4}", at(row, 0), at(row, 0) + noise(row, 5)));
    assert_eq!(check.findings, []);
    let smooth = |row: usize, phase: f64| (row as f64 / 200.0 + phase).sin();
    let check =
        Made { data: known, ..MADE }.check(|row| format!("{:.6},{:.6}", smooth(row, 0.0), smooth(row, 0.001) + 1e-4 * noise(row, 1)));
    assert_eq!(check.findings, []);
}

#[test]
fn equal_columns_are_named() {
    let made = Made { header: "a,b,c,d", ..MADE };
    let check = made.check(|row| format!("{0:.3},{1:.3},{0:.3},{2:.3}", wave(row, 0), wave(row, 1), wave(row, 2)));
    let finding = only(&check, Kind::Duplicates);
    assert_eq!((finding.severity, finding.columns.as_slice()), (Severity::Warning, ["a".to_owned(), "c".to_owned()].as_slice()));
    has(&finding.text, &["1 group of columns that are equal in all rows: \"a\" = \"c\""]);
}

#[test]
fn lost_digits_are_reported_before_and_after_an_offset() {
    let level = |row: usize| format!("{:.3}", 6.78e9 + 100.0 * wave(row, 3));
    let check = MADE.check(|row| with(row, Some(&level(row))));
    let finding = only(&check, Kind::Offset);
    assert_eq!((finding.severity, finding.columns.as_slice()), (Severity::Note, ["b".to_owned()].as_slice()));
    has(&finding.text, &["stored as differences from an offset", "of cells would lose digits, now 0.0 %"]);
    // One far value hides the small spread, and the reader gives no offset.
    let check = MADE.check(|row| with(row, Some(if row == 40 { "-9999".into() } else { level(row) }).as_deref()));
    let finding = one(&check, Kind::Digits);
    assert_eq!(finding.severity, Severity::Warning);
    has(&finding.text, &["1 column may lose digits", "\"b\" up to 99.8 %"]);
    one(&check, Kind::MissingCode);
}

#[test]
fn too_few_rows_are_an_error_and_findings_are_sorted() {
    let check = Made { rows: 25, ..MADE }.check(|row| with(row, (row == 3).then_some("")));
    assert!(!check.usable);
    one(&check, Kind::NoWindows);
    assert!(check.findings.is_sorted_by_key(|finding| finding.severity));
    let test = Made { rest: "[split]\ntrain = 0.9\nvalidation = 0.098\ntest = 0.002\n", ..MADE }.check(two);
    assert!(test.usable);
    has(&only(&test, Kind::NoTestWindows).text, &["cannot be evaluated", "the test part contains no window"]);
}

/// Programs read the keys.
#[test]
fn the_keys_of_the_json_are_stable() {
    let check = MADE.check(|row| with(row, (row % 50 == 0).then_some("-9999")));
    let json = serde_json::to_value(&check).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&json), "facts findings unsearched usable");
    assert_eq!(keys(&json["findings"][0]), "advice columns count first kind severity text value");
    assert_eq!((&json["findings"][0]["severity"], &json["findings"][0]["kind"]), (&"question".into(), &"missing_code".into()));
}
