//! Random tables as text: any delimiter, form of the timestamps, step, spelling of numbers and of missing values, and damage of many kinds.
//! A table and its options follow from its seed alone.

use super::dates::{civil, days};
use std::fmt::Write as _;

/// A generator of random numbers with 64 bits of state.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("a small number")
    }

    /// True in one of `n` cases.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A number between -1 and 1.
    fn noise(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// What a well-formed table holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Content {
    /// The time step as `pgat` writes it; `None` without a time column.
    pub(crate) step: Option<&'static str>,
    /// Series of numbers that can be learned.
    pub(crate) series: usize,
    pub(crate) rows: usize,
}

/// A table and what is given on the command line.
pub(crate) struct RandomTable {
    pub(crate) bytes: Vec<u8>,
    pub(crate) no_time: bool,
    pub(crate) time: Option<String>,
    pub(crate) time_format: Option<String>,
    /// What `init` must find; `None` if the table has an odd feature, so that it may be refused.
    pub(crate) content: Option<Content>,
}

/// The steps of time columns.
const STEPS: [&str; 14] = ["100ms", "1s", "1min", "15min", "1h", "3h", "1d", "B", "sun-thu", "1w", "1mo", "3mo", "1y", "ends"];

/// Milliseconds of the timestamps of `rows` rows.
fn stamps(random: &mut Random, step: &str, rows: usize) -> Vec<i64> {
    let year = 1990 + random.below(40) as i64;
    let start = days(year, 1 + random.below(12) as i64, 1) + random.below(28) as i64;
    let months = |first: i64, count: i64, end: bool| {
        (0..rows as i64).map(move |k| {
            let month = first + k * count + i64::from(end);
            days(month.div_euclid(12), month.rem_euclid(12) + 1, 1) - i64::from(end)
        })
    };
    let first = year * 12 + random.below(12) as i64;
    let regular = |step: i64, start: i64| (0..rows as i64).map(move |k| start + k * step).collect();
    match step {
        "100ms" => regular(100, start * DAY),
        "1s" => regular(1_000, start * DAY),
        "1min" => regular(60_000, start * DAY),
        "15min" => regular(15 * 60_000, start * DAY),
        "1h" => regular(HOUR, start * DAY),
        "3h" => regular(3 * HOUR, start * DAY),
        "1d" => regular(DAY, start * DAY),
        "1w" => regular(7 * DAY, (start - (start + 3).rem_euclid(7)) * DAY),
        "B" => (start..).filter(|day| (day + 3).rem_euclid(7) < 5).take(rows).map(|day| day * DAY).collect(),
        "sun-thu" => (start..).filter(|day| (day + 4).rem_euclid(7) < 5).take(rows).map(|day| day * DAY).collect(),
        "1mo" => months(first, 1, false).map(|day| day * DAY).collect(),
        "3mo" => months(first - first % 3, 3, false).map(|day| day * DAY).collect(),
        "1y" => months((year - 100) * 12, 12, false).map(|day| day * DAY).collect(),
        _ => months(first, 1, true).map(|day| day * DAY).collect(),
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The forms in which the timestamps of a step can be written; `false` for those that may be refused, because day and month can be swapped.
fn forms(step: &str) -> Vec<(&'static str, bool)> {
    let mut forms: Vec<(&str, bool)> = vec![("iso", true), ("T", true), ("Z", true), ("+00:00", true), ("epoch ms", true)];
    match step {
        "100ms" => return forms,
        "1s" => forms.extend([("epoch s", true), ("d.m.y H:M:S", true), ("m/d/Y h:m:s p", false)]),
        "1min" | "15min" | "1h" | "3h" => {
            forms.extend([("epoch s", true), ("d.m.Y H:M", true), ("m/d/Y h:m p", false), ("Y/m/d H:M", true), ("ymd hm", true)]);
            if matches!(step, "1h" | "3h") {
                forms.extend([("parts", true), ("hour 1 to 24", true), ("two columns", true), ("+02:00", true)]);
            }
        }
        _ => {
            forms = vec![("date", true), ("ymd", true), ("d.m.Y", true), ("m/d/Y", false), ("d/m/Y", false), ("d Mon Y", true)];
            forms.extend([("iso", true), ("m/d/y", false), ("date parts", true)]);
            match step {
                "1w" => forms.push(("week", true)),
                "1mo" => forms.extend([("Mon Y", true), ("m/Y", true), ("Y-m", true)]),
                "3mo" => forms.extend([("quarter", true), ("Q Y", true)]),
                "1y" => forms.push(("year", true)),
                _ => {}
            }
        }
    }
    forms
}

/// A timestamp in a form: one or several cells.
fn written(form: &str, at: i64) -> Vec<String> {
    let (date, time) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (y, m, d) = civil(date);
    let (hour, minute, second, milli) = (time / HOUR, time / 60_000 % 60, time / 1_000 % 60, time % 1_000);
    let (half, twelve) = (if hour < 12 { "AM" } else { "PM" }, if hour % 12 == 0 { 12 } else { hour % 12 });
    let fraction = if milli > 0 { format!(".{milli:03}") } else { String::new() };
    let text = match form {
        "iso" => format!("{y}-{m:02}-{d:02} {hour:02}:{minute:02}:{second:02}{fraction}"),
        "T" => format!("{y}-{m:02}-{d:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}"),
        "Z" => format!("{y}-{m:02}-{d:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"),
        "+00:00" | "+02:00" => format!("{y}-{m:02}-{d:02} {hour:02}:{minute:02}:{second:02}{fraction}{form}"),
        "epoch ms" => format!("{at}"),
        "epoch s" => format!("{}", at / 1_000),
        "d.m.y H:M:S" => format!("{d:02}.{m:02}.{:02} {hour:02}:{minute:02}:{second:02}", y % 100),
        "m/d/Y h:m:s p" => format!("{m}/{d}/{y} {twelve}:{minute:02}:{second:02} {half}"),
        "m/d/Y h:m p" => format!("{m}/{d}/{y} {twelve}:{minute:02} {half}"),
        "d.m.Y H:M" => format!("{d:02}.{m:02}.{y} {hour:02}:{minute:02}"),
        "Y/m/d H:M" => format!("{y}/{m}/{d} {hour}:{minute:02}"),
        "ymd hm" => format!("{y}{m:02}{d:02} {hour:02}{minute:02}"),
        "parts" => return [y, m, d, hour].map(|part| part.to_string()).to_vec(),
        "hour 1 to 24" => {
            let ((y, m, d), hour) = if hour == 0 { (civil(date - 1), 24) } else { ((y, m, d), hour) };
            return vec![format!("{y}-{m:02}-{d:02}"), hour.to_string()];
        }
        "date parts" => return [y, m, d].map(|part| part.to_string()).to_vec(),
        "two columns" => return vec![format!("{y}-{m:02}-{d:02}"), format!("{hour:02}:{minute:02}")],
        "ymd" => format!("{y}{m:02}{d:02}"),
        "d.m.Y" => format!("{d}.{m}.{y}"),
        "m/d/Y" => format!("{m:02}/{d:02}/{y}"),
        "d/m/Y" => format!("{d:02}/{m:02}/{y}"),
        "m/d/y" => format!("{m}/{d}/{:02}", y % 100),
        "d Mon Y" => format!("{d} {} {y}", MONTHS[usize::try_from(m - 1).expect("a month")]),
        "Mon Y" => format!("{} {y}", MONTHS[usize::try_from(m - 1).expect("a month")]),
        "m/Y" => format!("{m}/{y}"),
        "Y-m" => format!("{y}-{m:02}"),
        "quarter" => format!("{y}Q{}", (m - 1) / 3 + 1),
        "Q Y" => format!("Q{} {y}", (m - 1) / 3 + 1),
        "year" => format!("{y}"),
        "week" => {
            // The week belongs to the year of its Thursday.
            let year = civil(date + 3).0;
            let first = days(year, 1, 4);
            let monday = first - (first + 3).rem_euclid(7);
            format!("{year}-W{:02}", (date - monday) / 7 + 1)
        }
        _ => format!("{y}-{m:02}-{d:02}"),
    };
    vec![text]
}

/// How numbers are written.
#[derive(Clone, Copy)]
struct Style {
    decimal: char,
    thousands: Option<char>,
}

impl Style {
    fn text(self, value: f64, digits: usize) -> String {
        let plain = format!("{:.digits$}", value.abs());
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut text = String::from(if value < 0.0 { "-" } else { "" });
        for (k, digit) in whole.chars().enumerate() {
            if let Some(separator) = self.thousands.filter(|_| k > 0 && (whole.len() - k).is_multiple_of(3)) {
                text.push(separator);
            }
            text.push(digit);
        }
        if !fraction.is_empty() {
            text.push(self.decimal);
            text += fraction;
        }
        text
    }
}

/// The kinds of columns besides the timestamps.
const KINDS: [&str; 16] = [
    "plain", "plain", "plain", "plain", "counts", "large", "tiny", "missing", "odd", "constant", "empty", "text", "index", "late", "flags",
    "hostile",
];
const NAMES: [&str; 24] = [
    "load",
    "price",
    "a",
    "b",
    "c1",
    "c2",
    "temp_forecast",
    "z1_TARGETVAR",
    "z2_TARGETVAR",
    "z1_wind",
    "über",
    "量",
    "no. of people",
    "x{i}",
    "c*",
    "*",
    "7",
    "1",
    "value",
    "sales",
    "day",
    "id",
    "is_holiday",
    "price, net",
];
const MISSING: [&str; 14] = ["", "", "", "NA", "NaN", "N/A", "null", "None", "-", "?", "#N/A", "n.a.", "--", "."];
const ODD: [&str; 20] = [
    "x",
    "1e400",
    "inf",
    "-inf",
    "1,234.5",
    "1.234,5",
    "12abc",
    "€5",
    "5%",
    "0x10",
    "1_000",
    "\u{feff}",
    "\"",
    "'",
    "=A1",
    "2021-01-01",
    "12:30",
    "true",
    "٣",
    "-",
];

/// The cells of one column.
fn column(random: &mut Random, kind: &str, rows: usize, style: Style) -> Vec<String> {
    let (level, amplitude, digits) = match kind {
        "large" => (random.pick(&[6.78e9, 1.0e9, -5.0e8]), 25.0, random.pick(&[0, 2])),
        "tiny" => (0.0, random.pick(&[1e-3, 1e-2]), 6),
        "counts" => (40.0, 30.0, 0),
        _ => (random.pick(&[0.0, 10.0, 1_500.0, -300.0]), random.pick(&[1.0, 5.0, 2_000.0]), random.pick(&[1, 2, 4])),
    };
    let start = if kind == "late" { random.below(rows + 1) } else { 0 };
    let token = random.pick(&MISSING);
    let often = 2 + random.below(30);
    let mut cell = |k: usize| {
        let value = level + amplitude * ((k as f64 * 0.7).sin() * 0.5 + random.noise());
        match kind {
            "constant" => "7".into(),
            "empty" => String::new(),
            "text" => format!("word{}", random.below(3)),
            "index" => k.to_string(),
            "flags" => random.below(2).to_string(),
            "late" if k < start => String::new(),
            "missing" if random.one_in(often) || k == rows / 2 => token.to_owned(),
            "odd" if random.one_in(often) => random.pick(&ODD).to_owned(),
            "hostile" => random.pick(&ODD).to_owned(),
            "counts" => style.text(value.abs().round(), 0),
            _ => style.text(value, digits),
        }
    };
    (0..rows).map(&mut cell).collect()
}

fn quoted(cell: &str, delimiter: char, always: bool) -> String {
    if always || cell.contains([delimiter, '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

impl RandomTable {
    /// The table of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5851_f42d_4c95_7f2d);
        let random = &mut random;
        // Half of the tables have no odd feature.
        let plain = random.one_in(2);
        let odd = |random: &mut Random, n: usize| !plain && random.one_in(n);
        let rows = if plain { 60 + random.below(140) } else { random.pick(&[0, 1, 2, 3, 5, 10, 20, 40, 80, 120, 200]) };
        let delimiter = random.pick(&[',', ',', ',', ';', ';', '\t', '|']);
        let style = match delimiter {
            ';' | '\t' if random.one_in(2) => Style { decimal: ',', thousands: random.pick(&[None, None, Some('.')]) },
            _ => Style { decimal: '.', thousands: if odd(random, 8) { Some(',') } else { None } },
        };
        let no_time = random.one_in(10);
        let with_time = if no_time { odd(random, 3) } else { !odd(random, 12) };
        let step = random.pick(&STEPS);
        let (form, clear) = random.pick(&forms(step));
        let long = with_time && !no_time && random.one_in(6) && !matches!(form, "parts" | "date parts" | "two columns" | "hour 1 to 24");

        let mut header: Vec<String> = vec![];
        let mut cells: Vec<Vec<String>> = vec![vec![]; rows];
        let series_column = if long { random.pick(&["unique_id", "item_id", "store", "station name"]) } else { "" };
        let (ids, prefix) = (2 + random.below(4), random.pick(&["S", "store ", "x", "2021-", "É"]));
        if long {
            header.push(series_column.to_owned());
        }
        if with_time {
            let at = stamps(random, step, if long { rows / ids + 1 } else { rows });
            match form {
                "parts" => header.extend(["year", "month", "day", "hour"].map(String::from)),
                "date parts" => header.extend(["year", "month", "day"].map(String::from)),
                "hour 1 to 24" => header.extend(["date", "hour"].map(String::from)),
                "two columns" => header.extend(["date", "time of day"].map(String::from)),
                "year" => header.push("year".into()),
                _ => header.push(random.pick(&["time", "date", "ds", "timestamp", "Date", "when"]).into()),
            }
            for (row, cells) in cells.iter_mut().enumerate() {
                if long {
                    let id = row % ids;
                    cells.push(if series_column == "item_id" { (100 + id).to_string() } else { format!("{prefix}{id}") });
                    cells.extend(written(form, at[row / ids]));
                } else {
                    cells.extend(written(form, at[row]));
                }
            }
        }
        let mut series = 0;
        let columns = if long && plain { 1 } else { 1 + random.below(5) };
        for k in 0..columns {
            let kind = if plain { random.pick(&KINDS[..8]) } else { random.pick(&KINDS) };
            let name =
                if plain { format!("s{}", char::from(b'a' + u8::try_from(k).expect("a letter"))) } else { random.pick(&NAMES).to_owned() };
            header.push(if odd(random, 30) { String::new() } else { name });
            for (cells, cell) in cells.iter_mut().zip(column(random, kind, rows, style)) {
                cells.push(cell);
            }
            series += if long { ids } else { 1 };
        }
        let width = header.len();
        let newest_first = !long && with_time && random.one_in(8);
        if newest_first {
            cells.reverse();
        }
        if long && random.one_in(2) {
            cells.sort_by(|a, b| a[0].cmp(&b[0]));
        }
        damage_rows(random, plain, &mut cells);
        let kept = cells.len();

        let mut text = String::new();
        if random.one_in(12) {
            text.push('\u{feff}');
        }
        if random.one_in(15) {
            let _ = writeln!(text, "sep={delimiter}");
        } else if random.one_in(15) {
            text += "# exported\n# by hand\n";
        } else if odd(random, 15) {
            text += "Report of 2021\n\n";
        }
        let end = random.pick(&["\n", "\n", "\r\n"]);
        let always = random.one_in(10);
        let line = |cells: &[String]| cells.iter().map(|c| quoted(c, delimiter, always)).collect::<Vec<_>>().join(&delimiter.to_string());
        if !odd(random, 10) {
            text += &(line(&header) + end);
        }
        for cells in &cells {
            text += &line(cells);
            if odd(random, 400) {
                text.push(delimiter);
            }
            text += end;
        }
        if random.one_in(10) {
            text.truncate(text.trim_end().len());
        }
        let mut bytes = text.into_bytes();
        if odd(random, 6) {
            damage_bytes(random, &mut bytes);
        }
        let named = odd(random, 15);
        let content = Content {
            step: with_time.then_some(match step {
                "ends" => "1mo",
                "sun-thu" => "B",
                step => step,
            }),
            series,
            rows: kept,
        };
        let content = (plain && clear && !(no_time && with_time)).then_some(content);
        Self {
            bytes,
            no_time,
            time: named.then(|| header.get(random.below(width + 1)).cloned().unwrap_or_else(|| "nowhere".into())).filter(|_| !no_time),
            time_format: odd(random, 20).then(|| random.pick(&["%Y-%m-%d", "epoch s", "%d.%m.%Y", "%m/%d/%Y %H:%M"]).to_owned()),
            content,
        }
    }
}

/// Repeats, loses, moves and replaces rows and cells.
fn damage_rows(random: &mut Random, plain: bool, cells: &mut Vec<Vec<String>>) {
    let odd = |random: &mut Random, n: usize| !plain && random.one_in(n);
    if odd(random, 8) && !cells.is_empty() {
        for _ in 0..1 + random.below(4) {
            let row = random.below(cells.len());
            cells.insert(row, cells[row].clone());
        }
    }
    if odd(random, 5) {
        let often = 2 + random.below(30);
        cells.retain(|_| !random.one_in(often));
    }
    if odd(random, 12) {
        for row in (1..cells.len()).rev() {
            cells.swap(row, random.below(row + 1));
        }
    }
    if odd(random, 8) && !cells.is_empty() {
        for _ in 0..1 + random.below(3) {
            let row = random.below(cells.len());
            let column = random.below(cells[row].len());
            cells[row][column] = random.pick(&ODD).to_owned();
        }
    }
    if odd(random, 12)
        && let Some(last) = cells.last().cloned()
    {
        cells.push(std::iter::once("Total".to_owned()).chain(last.into_iter().skip(1)).collect());
    }
    if odd(random, 20) && !cells.is_empty() {
        let row = random.below(cells.len());
        if random.one_in(2) {
            cells[row].pop();
        } else {
            cells[row].push("9".into());
        }
    }
}

/// Changes, inserts and removes bytes, or cuts the text.
fn damage_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(5) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let byte = random.pick(b"\0\n\r\",;\t|\xff\xc3#-.9e\x1f\x8b");
        match random.below(5) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => drop(bytes.drain(..at.min(bytes.len() / 3))),
        }
    }
}
