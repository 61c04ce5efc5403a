//! Positions and labels of ticks: time axes from timestamps, value axes from the range of values.

/// A tick: its position along the axis, and its label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Index of the timestamp.
    pub(super) at: usize,
    /// Label.
    pub(super) label: String,
}

/// Date ("2024-05-01") and time of day ("13:00") of a timestamp similar to ISO 8601; `None` for anything else.
fn parts(stamp: &str) -> Option<(&str, &str)> {
    let date = stamp.get(..10)?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_date = digits(&date[..4]) && &date[4..5] == "-" && digits(&date[5..7]) && &date[7..8] == "-" && digits(&date[8..]);
    let rest = stamp.get(10..)?;
    let time = match rest.as_bytes().first() {
        None => "00:00",
        Some(b'T' | b' ') => rest.get(1..6).filter(|t| digits(&t[..2]) && &t[2..3] == ":" && digits(&t[3..]))?,
        Some(_) => return None,
    };
    is_date.then_some((date, time))
}

/// Whether a timestamp with this date and time begins a calendar unit.
type Begins = fn(&str, &str) -> bool;
const UNITS: [Begins; 9] = [
    |date, time| &date[5..] == "01-01" && time == "00:00",
    |date, time| matches!(&date[5..], "01-01" | "07-01") && time == "00:00",
    |date, time| matches!(&date[5..], "01-01" | "04-01" | "07-01" | "10-01") && time == "00:00",
    |date, time| &date[8..] == "01" && time == "00:00",
    |date, time| matches!(&date[8..], "01" | "11" | "21") && time == "00:00",
    |_, time| time == "00:00",
    |_, time| matches!(time, "00:00" | "12:00"),
    |_, time| matches!(time, "00:00" | "06:00" | "12:00" | "18:00"),
    |_, time| matches!(time, "00:00" | "03:00" | "06:00" | "09:00" | "12:00" | "15:00" | "18:00" | "21:00"),
];

/// At most `most` ticks, at the beginnings of years, months, days or hours: the unit with the most ticks that fit, if it has at least
/// three. Otherwise every n-th beginning of the longest unit that occurs at least three times. Otherwise evenly spaced.
pub(super) fn time_ticks(stamps: &[&str], most: usize) -> Vec<Tick> {
    let most = most.max(1);
    let parsed: Option<Vec<(&str, &str)>> = stamps.iter().map(|s| parts(s)).collect();
    let every = stamps.len().div_ceil(most).max(1);
    let evenly = || (0..stamps.len()).step_by(every).collect::<Vec<_>>();
    let Some(parsed) = parsed else {
        return evenly().into_iter().map(|at| Tick { at, label: shorten(stamps[at], 12) }).collect();
    };
    let begin = |begins: &Begins| -> Vec<usize> {
        parsed.iter().enumerate().filter(|(_, (date, time))| begins(date, time)).map(|(i, _)| i).collect()
    };
    let few = 3.min(most);
    let fitting = UNITS.iter().rev().map(begin).find(|at| (few..=most).contains(&at.len()));
    let thinned = || {
        let at = UNITS.iter().map(begin).find(|at| at.len() >= few)?;
        Some(at.iter().copied().step_by(at.len().div_ceil(most)).collect())
    };
    let at = fitting.or_else(thinned).unwrap_or_else(evenly);
    let label = label_style(&at.iter().map(|&i| parsed[i]).collect::<Vec<_>>());
    at.into_iter().map(|i| Tick { at: i, label: label(parsed[i].0, parsed[i].1) }).collect()
}

/// The shortest label style that distinguishes these timestamps.
fn label_style(stamps: &[(&str, &str)]) -> fn(&str, &str) -> String {
    let same = |part: fn(&(&str, &str)) -> String| stamps.windows(2).all(|w| part(&w[0]) == part(&w[1]));
    let midnight = stamps.iter().all(|(_, time)| *time == "00:00");
    let first_of_year = stamps.iter().all(|(date, _)| &date[5..] == "01-01");
    let first_of_month = stamps.iter().all(|(date, _)| &date[8..] == "01");
    if midnight && first_of_year {
        |date, _| date[..4].to_owned()
    } else if midnight && first_of_month {
        |date, _| date[..7].to_owned()
    } else if midnight || same(|(_, time)| (*time).to_owned()) {
        if same(|(date, _)| date[..4].to_owned()) { |date, _| date[5..].to_owned() } else { |date, _| date.to_owned() }
    } else if same(|(date, _)| (*date).to_owned()) {
        |_, time| time.to_owned()
    } else {
        |date, time| {
            if time == "00:00" { date[5..].to_owned() } else { time.to_owned() }
        }
    }
}

/// `text` cut to at most `most` characters, with an ellipsis if it was cut.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// At most eight round values within [low, high] (spaced 1, 2 or 5 times a power of ten), with labels of equal precision (except a plain
/// 0).
pub(crate) fn value_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return Vec::new();
    }
    let rough = span / 7.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= rough).unwrap_or(10.0) * power;
    #[expect(clippy::cast_possible_truncation, reason = "a number of decimals, clamped")]
    let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 12.0) as usize;
    let largest = low.abs().max(high.abs());
    #[expect(clippy::cast_possible_truncation, reason = "a number of digits, clamped")]
    let digits = (largest.log10().floor() - power.log10().round()).clamp(1.0, 12.0) as usize;
    let (plain, powers) = (|v: f64| format!("{v:.decimals$}"), |v: f64| format!("{v:.digits$e}"));
    // Far from zero, a power of ten needs as many digits as the plain number, and more characters.
    let short = (1e-4..1e7).contains(&largest) || plain(largest).len() <= powers(largest).len();
    let label = |v: f64| match short {
        _ if v == 0.0 => "0".to_owned(),
        true => plain(v),
        false => powers(v),
    };
    let first = (low / step).ceil();
    // Multiples of the step do not accumulate rounding errors, and zero is exact.
    let multiples = (0..12).map(|i| (first + f64::from(i)) * step);
    multiples.take_while(|&v| v <= high + 1e-9 * span).map(|v| if v == 0.0 { 0.0 } else { v }).map(|v| (v, label(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(stamps: &[String], most: usize) -> Vec<(usize, String)> {
        let stamps: Vec<&str> = stamps.iter().map(String::as_str).collect();
        time_ticks(&stamps, most).into_iter().map(|t| (t.at, t.label)).collect()
    }

    fn hourly(days: usize, separator: char) -> Vec<String> {
        (1..=24 * days).map(|h| format!("2013-08-{:02}{separator}{:02}:00:00", 1 + h / 24, h % 24)).collect()
    }

    #[test]
    fn hours_of_two_days_tick_at_noon_and_midnight() {
        let expected = [(5, "06:00"), (11, "12:00"), (17, "18:00"), (23, "08-02"), (29, "06:00")];
        let ticks = labels(&hourly(2, 'T'), 8);
        assert_eq!(ticks[..5], expected.map(|(at, label)| (at, label.to_owned())));
        assert_eq!(
            labels(&hourly(6, ' '), 6).iter().map(|t| t.1.as_str()).collect::<Vec<_>>(),
            ["08-02", "08-03", "08-04", "08-05", "08-06", "08-07"]
        );
    }

    #[test]
    fn months_over_years_tick_at_years() {
        let months: Vec<String> = (0..60).map(|m| format!("{}-{:02}-01", 1990 + m / 12, 1 + m % 12)).collect();
        let ticks = labels(&months, 6);
        assert_eq!(ticks.iter().map(|t| t.1.as_str()).collect::<Vec<_>>(), ["1990", "1991", "1992", "1993", "1994"]);
        assert_eq!(labels(&months, 4).iter().map(|t| t.1.as_str()).collect::<Vec<_>>(), ["1990", "1992", "1994"]);
        assert_eq!(labels(&months[..12], 6)[1], (3, "1990-04".to_owned()));
    }

    #[test]
    fn other_stamps_are_spaced_evenly_and_cut() {
        let stamps: Vec<String> = (0..10).map(|i| format!("a very long stamp no. {i}")).collect();
        let ticks = labels(&stamps, 3);
        assert_eq!(ticks.iter().map(|t| t.0).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(ticks[0].1, "a very long…");
        assert_eq!(labels(&["2024-05-01x".to_owned(), "äöüäöüäöü".to_owned()], 3).len(), 2);
    }

    #[test]
    fn never_more_ticks_than_asked() {
        for days in 1..20 {
            for most in 1..9 {
                let count = labels(&hourly(days, ' '), most).len();
                assert!((1..=most).contains(&count), "{days} days, at most {most}: {count}");
            }
        }
        assert!(labels(&[], 5).is_empty());
    }

    #[test]
    fn value_ticks_are_round_and_labelled_alike() {
        let text = |low, high| value_ticks(low, high).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(text(-0.05, 1.05), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(text(-3.0, 2.0), ["-3", "-2", "-1", "0", "1", "2"]);
        assert_eq!(text(0.031, 0.049), ["0.035", "0.040", "0.045"]);
        assert_eq!(text(0.0, 4e9), ["0", "1.0e9", "2.0e9", "3.0e9", "4.0e9"]);
        // Far from zero, the labels still differ.
        assert_eq!(text(1e9, 1e9 + 3.0)[..2], ["1000000000.0", "1000000000.5"]);
        assert_eq!(text(6.78e9 - 25.0, 6.78e9 + 25.0), ["6779999980", "6779999990", "6780000000", "6780000010", "6780000020"]);
        let far = text(6.78e9, 6.78e9 + 0.002);
        assert!(far.len() > 3 && far.windows(2).all(|w| w[0] != w[1]), "{far:?}");
        assert!(text(1.0, 1.0).is_empty());
        assert!(text(0.0, f64::NAN).is_empty());
    }
}
