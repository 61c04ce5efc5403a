//! Texts of the arena picture: names, runs of phases, times.

use crate::bytes::rounded_text as size;
use crate::graph::{Direction, Section};
use crate::plan::map::{ArenaMap, MapBox};
use crate::svg::width;

/// The tooltip of a box.
pub(super) fn about(map: &ArenaMap, b: &MapBox) -> String {
    let exact = if b.bytes < 1024 { String::new() } else { format!(" ({} bytes)", b.bytes) };
    let windows = if b.window_bytes > 0 { format!(", {} per window", size(b.window_bytes)) } else { String::new() };
    let phases = match (b.first, b.last) {
        (first, last) if first == last => format!("phase {first}: {}", map.phases[first].label),
        (first, last) => format!("phases {first} to {last}: {} to {}", map.phases[first].label, map.phases[last].label),
    };
    format!("{}\n{}, {}{exact}{windows}\npage {}, offset {}\n{phases}", b.name, b.kind.name(), size(b.bytes), b.page, size(b.offset))
}

/// The longest end of a dotted name that fits into `pixels`, and its font size, at most `most`; `None` if no whole word fits.
pub(super) fn fitting(name: &str, pixels: f64, most: f64) -> Option<(String, f64)> {
    // Smaller letters are not readable.
    const LEAST: f64 = 6.5;
    let ends = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]).filter(|end| end.len() > 2);
    let texts = std::iter::once(name.to_owned()).chain(ends.map(|end| format!("…{end}")));
    let sized = texts.map(|text| {
        let size = pixels / width(&text, 1.0);
        (text, size.min(most))
    });
    sized.into_iter().find(|(_, size)| *size >= LEAST)
}

/// The section of each phase in the upper strip. A recomputed phase belongs to the backward section.
pub(super) fn sections(map: &ArenaMap) -> Vec<String> {
    let mut turned = false;
    let mut name = |section: Section, direction: Direction| {
        turned |= section == Section::Body && direction == Direction::Backward;
        match section {
            Section::Prologue => "prologue",
            Section::Body if turned => "backward",
            Section::Body => "forward",
            Section::Epilogue => "epilogue",
        }
    };
    map.phases.iter().map(|p| name(p.section, p.direction).to_owned()).collect()
}

/// The part of the model that each phase belongs to: the first word of its label, with the number that follows.
pub(super) fn parts(map: &ArenaMap) -> Vec<String> {
    let part = |label: &str| {
        let mut words = label.split([' ', '.']);
        let first = words.next().unwrap_or_default().to_owned();
        match words.next().filter(|w| w.chars().all(|c| c.is_ascii_digit())) {
            Some(number) => format!("{first}.{number}"),
            None => first,
        }
    };
    map.phases.iter().map(|p| part(&p.label)).collect()
}

/// Runs of equal names, with their ranges of phases.
pub(super) fn runs(names: &[String]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut at = 0;
    let run = |run: &[String]| {
        at += run.len();
        at - run.len()..at
    };
    let ranges: Vec<_> = names.chunk_by(|a, b| a == b).map(run).collect();
    ranges.into_iter().map(|r| (names[r.start].clone(), r)).collect()
}

/// Unit of a time axis: its name and seconds.
pub(super) fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        s if s >= 2.0 => ("s", 1.0),
        s if s >= 0.01 => ("ms", 1e-3),
        _ => ("µs", 1e-6),
    }
}

/// A duration as text, for example 1.23 s or 12.3 ms.
pub(super) fn duration(seconds: f64) -> String {
    let (unit, one) = match seconds {
        s if s >= 1.0 => ("s", 1.0),
        s if s >= 1e-3 => ("ms", 1e-3),
        _ => ("µs", 1e-6),
    };
    let value = seconds / one;
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}
