//! No input makes the calendar panic, and steps on a grid are found again.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;

fn frequencies() -> impl Strategy<Value = Frequency> {
    let count = prop_oneof![1..40_i64, 1..i64::MAX];
    (0..4, count).prop_map(|(kind, count)| {
        let frequency = match kind {
            0 => Frequency::time(count),
            1 => Frequency::time(count.saturating_mul(60 * SECOND)),
            2 => Frequency::months(count),
            _ => Frequency::business(count),
        };
        frequency.expect("a positive count")
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let session = prop::option::of((0..DAY, 0..DAY).prop_map(|(open, close)| Session::new(open, close).expect("times of day")));
    let holidays = prop::collection::vec(prop_oneof![-50..20_000_i64, any::<i64>()], 0..20);
    let weekdays = any::<u8>().prop_map(Weekdays::of_mask);
    (weekdays, holidays, session).prop_map(|(weekdays, holidays, session)| Rules { weekdays, holidays, session })
}

/// Texts that look like timestamps more often than chance has it.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof!["[0-9]{1,4}", "[-/. :,TZ+%]", "(Jan|may|Q|W|AM|p\\.m\\.|UTC| {1,3})", "\\PC"];
    prop_oneof![prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat()), "\\PC*"]
}

fn formats() -> impl Strategy<Value = String> {
    let part = prop_oneof!["%[YymbBdjHIMSfpzGVuqaA%]", "[-/. :,T]", "\\PC"];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(Config { rng_seed: RngSeed::Fixed(20_261_128), failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_text_panics(text in texts(), format in formats()) {
        let _ = parse_moment(&text).map(Moment::instant);
        let _ = (text.parse::<Frequency>(), text.parse::<Weekdays>(), text.parse::<Session>(), parse_time_of_day(&text));
        for format in [format.as_str(), &text, "%d.%m.%Y %H:%M", "epoch ns", "epoch s"] {
            if let Ok(format) = TimeFormat::parse(format) {
                let _ = format.read(&text);
            }
        }
    }

    #[test]
    fn a_guess_reads_what_it_counts(cells in prop::collection::vec(texts(), 0..8), date in (1..32, 1..13, 0..3000)) {
        let (day, month, year) = date;
        let mut guess = FormatGuess::new();
        let cells: Vec<String> = cells.into_iter().map(|tail| format!("{day}/{month}/{year:04} {tail}")).collect();
        cells.iter().for_each(|cell| guess.add(cell));
        let guess = guess.finish();
        let reads = |format: &TimeFormat| cells.iter().filter(|cell| format.read(cell).is_ok()).count();
        match &guess.found {
            Found::Format(format) => prop_assert!(reads(format) >= guess.read, "{format}: {cells:?}"),
            Found::Ambiguous(a, b) => prop_assert!(reads(a) >= guess.read && reads(b) >= guess.read, "{a} {b}: {cells:?}"),
            Found::Default | Found::None => {}
        }
    }

    #[test]
    fn frequencies_survive_their_text(frequency in frequencies()) {
        prop_assert_eq!(frequency.to_string().parse(), Ok(frequency));
        prop_assert!(frequency.season() >= 1);
    }

    #[test]
    fn steps_on_a_grid_are_found_again(
        frequency in frequencies(), rules in rules(), start in -30_000 * DAY..60_000 * DAY, ahead in 0..3_000_i64
    ) {
        let stamps: Steps = [start].into_iter().collect();
        let grid = Grid::of(frequency, &stamps, &rules);
        // The first timestamp may be beside a grid of sessions.
        let start = grid.advance(start, 1);
        let later = grid.advance(start, ahead);
        // Beyond the calendar, all steps end at its last moment.
        let end = parse_stamp("9990-01-01").expect("a date");
        if later < end {
            prop_assert_eq!(grid.steps(start, later), Some(ahead));
            prop_assert_eq!(grid.steps(later, start), Some(-ahead));
            prop_assert_eq!(grid.advance(later, -ahead), start);
        }
        let in_order = if ahead > 0 && start < end { later > start } else { later >= start };
        prop_assert!(in_order);
    }

    #[test]
    fn no_number_panics(
        frequency in frequencies(), rules in rules(), numbers in prop::collection::vec(any::<i64>(), 0..5), steps in any::<i64>()
    ) {
        let stamps: Steps = numbers.iter().copied().collect();
        let grid = Grid::of(frequency, &stamps, &rules);
        let _ = (Frequency::infer(&stamps), Grid::suggest(&stamps), grid.season());
        let zones = ["Europe/Berlin", "+14:00", "UTC"].into_iter().filter_map(|name| Zone::open(name).ok()).collect::<Vec<_>>();
        for &number in &numbers {
            let moved = grid.advance(number, steps);
            let _ = (grid.steps(number, moved), grid.steps(moved, number), grid.clone().with_month_day(steps).advance(number, 1));
            let _ = (format_stamp(number), format_date(number), CalendarFeature::DayOfYear.at(number));
            for zone in &zones {
                let _ = (zone.instant_of(number), zone.format(number), zone.to_local(number));
            }
        }
        for run in stamps.runs() {
            let _ = grid.is_regular(&run);
        }
    }
}
