//! What the picture of the arena says: names, runs of phases, times.

use crate::bytes::rounded_text as size;
use crate::graph::{Direction, Section};
use crate::plan::map::{ArenaMap, MapBox};
use crate::svg::width;

/// What one reads when the mouse rests on a box.
pub(super) fn about(map: &ArenaMap, b: &MapBox) -> String {
    let exact = if b.bytes < 1024 { String::new() } else { format!(" ({} bytes)", b.bytes) };
    let windows = if b.window_bytes > 0 { format!(", {} a window", size(b.window_bytes)) } else { String::new() };
    let phases = match (b.first, b.last) {
        (first, last) if first == last => format!("phase {first}: {}", map.phases[first].label),
        (first, last) => format!("phases {first} to {last}: {} to {}", map.phases[first].label, map.phases[last].label),
    };
    format!("{}\n{}, {}{exact}{windows}\npage {} from {}\n{phases}", b.name, b.kind.name(), size(b.bytes), b.page, size(b.offset))
}

/// As much of a dotted name as fits some pixels, its end, and the size of its letters, at most `most`; nothing where no whole word fits.
pub(super) fn fitting(name: &str, pixels: f64, most: f64) -> Option<(String, f64)> {
    // Smaller letters are not read.
    const LEAST: f64 = 6.5;
    let ends = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]).filter(|end| end.len() > 2);
    let texts = std::iter::once(name.to_owned()).chain(ends.map(|end| format!("…{end}")));
    let sized = texts.map(|text| {
        let size = pixels / width(&text, 1.0);
        (text, size.min(most))
    });
    sized.into_iter().find(|(_, size)| *size >= LEAST)
}

/// What a phase belongs to in the upper strip. What is made again in the backward half belongs there.
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

/// The part of the model that a phase belongs to: the first word of its label, with the number that follows.
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

/// Runs of equal names, with their phases.
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

/// 1.23 s, 12.3 ms
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
