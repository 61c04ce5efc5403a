//! A forecast as a fan chart in SVG: one panel per series.

use crate::forecast::table::{ForecastTable, TableError};
use crate::forecast::ticks::{Tick, shorten, time_ticks, value_ticks};
use crate::svg::Anchor::{End, Middle, Start};
use crate::svg::Level::{Centre, Top};
use crate::svg::{Colour, Element, Font, GRID, INK, MUTED, Point, width};
use thiserror::Error;

/// Title and limits of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct FanChartOptions {
    /// Title above all panels.
    pub title: String,
    /// Maximum number of series to draw, from the start of the table; at most 12.
    pub max_series: usize,
    /// Maximum number of history steps to draw, the latest ones.
    pub history_steps: usize,
}

impl Default for FanChartOptions {
    fn default() -> Self {
        Self { title: "Forecast".to_owned(), max_series: 12, history_steps: usize::MAX }
    }
}

/// Errors of a chart.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The table is inconsistent.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The forecast has no series or no steps.
    #[error("there is nothing to draw: the forecast has {series} series and {steps} steps")]
    Empty {
        /// Number of series.
        series: usize,
        /// Number of steps.
        steps: usize,
    },
}

const PAST: Colour = Colour(0x5a_60_68);
const MEDIAN: Colour = Colour(0x16_48_8c);
const TRUTH: Colour = Colour(0xd6_54_14);
/// Central intervals with their colours, widest first.
const BANDS: [(f64, &str, Colour); 3] =
    [(0.9, "90 %", Colour(0xd9_e6_f5)), (0.8, "80 %", Colour(0xb6_cf_ec)), (0.5, "50 %", Colour(0x7e_aa_db))];

const HEADER: f64 = 64.0;
/// Minimum width for value labels.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 30.0;
/// Size of the axis labels.
const LABEL: f64 = 11.0;

/// The lines of one series, by position on the time axis: history at 0..L, forecast from L on.
struct Panel {
    name: String,
    past: Vec<f64>,
    median: Vec<f64>,
    truth: Vec<f64>,
    /// Per band of `BANDS`: lower and upper ends; empty if the table lacks the levels.
    bands: Vec<Vec<Point>>,
}

impl Panel {
    fn new(table: &ForecastTable, series: usize, skipped: usize) -> Self {
        let width = table.series.len();
        let column = |values: &[f64]| values.iter().skip(series).step_by(width).copied().collect::<Vec<_>>();
        let steps = 0..table.horizon();
        let level = |p: f64| steps.clone().map(|h| table.quantile(h, series, p)).collect::<Option<Vec<_>>>();
        let band = |central: f64| {
            let ends = level(0.5 - 0.5 * central).zip(level(0.5 + 0.5 * central));
            ends.map(|(low, high)| low.into_iter().zip(high).collect()).unwrap_or_default()
        };
        Self {
            name: table.series[series].clone(),
            past: table.history.as_ref().map_or_else(Vec::new, |h| column(&h.values).split_off(skipped)),
            median: level(0.5).unwrap_or_else(|| column(&table.mean)),
            truth: table.truth.as_deref().map_or_else(Vec::new, column),
            bands: BANDS.iter().map(|b| band(b.0)).collect(),
        }
    }

    /// Range of all values with a margin; [-1, 1] if there are no finite values.
    fn range(&self) -> (f64, f64) {
        let ends = self.bands.iter().flatten().flat_map(|b| [b.0, b.1]);
        let lines = self.past.iter().chain(&self.median).chain(&self.truth).copied();
        let (low, high) = lines
            .chain(ends)
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return (-1.0, 1.0);
        }
        let margin = if high > low { 0.06 * (high - low) } else { high.abs().max(1.0) };
        (low - margin, high + margin)
    }
}

/// Splits the values into polylines of consecutive finite values. The first value is at position `first`.
fn runs(values: &[f64], first: usize) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
    for (i, &v) in values.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if v.is_finite() => run.push(((first + i) as f64, v)),
            Some(run) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Draws `table` as SVG: history, median and the central 50, 80 and 90 % bands (those whose quantile levels the table has; the mean if it
/// has no median), and the truth if it is given. Each panel has its own value axis.
pub fn fan_chart(table: &ForecastTable, options: &FanChartOptions) -> Result<String, PlotError> {
    table.check()?;
    let shown = table.series.len().min(options.max_series.clamp(1, 12));
    if shown == 0 || table.horizon() == 0 {
        return Err(PlotError::Empty { series: table.series.len(), steps: table.horizon() });
    }
    let past = table.history.as_ref().map_or(&[][..], |h| h.stamps.as_slice());
    let skipped = past.len().saturating_sub(options.history_steps);
    let stamps: Vec<&str> = past[skipped..].iter().chain(&table.stamps).map(String::as_str).collect();

    let (columns, size) = match shown {
        1 => (1, (960.0, 380.0)),
        2 => (1, (960.0, 250.0)),
        3..=4 => (2, (560.0, 260.0)),
        5..=6 => (2, (560.0, 220.0)),
        _ => (3, (430.0, 210.0)),
    };
    let full = (columns as f64 * size.0, HEADER + shown.div_ceil(columns) as f64 * size.1 + 8.0);
    let panels: Vec<Panel> = (0..shown).map(|series| Panel::new(table, series, skipped)).collect();
    let labels = panels.iter().flat_map(|p| value_ticks(p.range().0, p.range().1));
    let left = labels.map(|(_, label)| width(&label, LABEL) + 12.0).fold(LEFT, f64::max).ceil();
    let frame = Frame { size, left, origin: stamps.len() - table.horizon() };
    // A time label with its margin takes 72 pixels.
    let ticks = time_ticks(&stamps, fitting(frame.room().0, 72.0));
    let mut root = Element::picture(full, &options.title);
    header(&mut root, table, options, shown, (left, full.0));
    for (i, panel) in panels.iter().enumerate() {
        let corner = ((i % columns) as f64 * size.0, HEADER + (i / columns) as f64 * size.1);
        root.push(panel.draw(corner, &frame, &ticks));
    }
    Ok(format!("{root}\n"))
}

/// The number of pieces of length `size` that fit into `room`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
fn fitting(room: f64, size: f64) -> usize {
    (room / size).max(0.0) as usize
}

/// Title, legend and a note on omitted series. `left` and `right` are the horizontal limits of the text.
fn header(root: &mut Element, table: &ForecastTable, options: &FanChartOptions, shown: usize, (left, right): (f64, f64)) {
    let title = shorten(&options.title, fitting(right - left - RIGHT, width("x", 17.0)));
    root.push(Element::text((left, 12.0), Font(17.0, INK, Start, Top), &title));
    let (mut x, y) = (left, 49.0);
    let has = |p: f64| table.quantile(0, 0, p).is_some();
    let mut entry = |text: &str, colour: Colour, half: f64| {
        root.push(Element::rectangle((x, y - half), (x + 18.0, y + half)).with("fill", colour));
        root.push(Element::text((x + 24.0, y), Font(12.0, MUTED, Start, Centre), text));
        x += 24.0 + width(text, 12.0) + 14.0;
    };
    if table.history.is_some() {
        entry("history", PAST, 1.0);
    }
    entry(if has(0.5) { "median" } else { "mean" }, MEDIAN, 1.0);
    for (central, name, colour) in BANDS.iter().rev() {
        if has(0.5 - 0.5 * central) && has(0.5 + 0.5 * central) {
            entry(name, *colour, 5.0);
        }
    }
    if table.truth.is_some() {
        entry("observed", TRUTH, 1.0);
    }
    if shown < table.series.len() {
        let note = format!("first {shown} of {} series", table.series.len());
        root.push(Element::text((right - RIGHT, y), Font(12.0, MUTED, End, Centre), &note));
    }
}

/// Layout shared by all panels of a chart.
struct Frame {
    /// Width and height of a panel, in pixels.
    size: Point,
    /// Width for value labels, in pixels.
    left: f64,
    /// Position of the first forecast step on the time axis.
    origin: usize,
}

impl Frame {
    /// Width and height of the plot within the panel.
    fn room(&self) -> Point {
        (self.size.0 - self.left - RIGHT, self.size.1 - TOP - BOTTOM)
    }
}

/// Maps (position, value) to pixels of the panel.
struct Scale {
    time: (f64, f64),
    value: (f64, f64),
    left: f64,
    room: Point,
}

impl Scale {
    fn new(panel: &Panel, frame: &Frame) -> Self {
        let last = frame.origin + panel.median.len() - 1;
        // Give a single step some width.
        let time = if last == 0 { (-1.5, 1.5) } else { (0.0, last as f64) };
        Self { time, value: panel.range(), left: frame.left, room: frame.room() }
    }

    fn pixel(&self, (t, v): Point) -> Point {
        let (time, value) = (self.time, self.value);
        let x = (t - time.0) / (time.1 - time.0) * self.room.0;
        let y = (value.1 - v) / (value.1 - value.0) * self.room.1;
        (self.left + x, TOP + y)
    }

    fn pixels(&self, points: impl IntoIterator<Item = Point>) -> Vec<Point> {
        points.into_iter().map(|p| self.pixel(p)).collect()
    }
}

impl Panel {
    /// Draws the panel at a position of the chart.
    fn draw(&self, corner: Point, frame: &Frame, ticks: &[Tick]) -> Element {
        let mut group = Element::moved(corner);
        let scale = Scale::new(self, frame);
        self.draw_axes(&mut group, frame, &scale, ticks);
        self.draw_bands(&mut group, frame, &scale);
        self.draw_lines(&mut group, frame, &scale);
        group
    }

    /// Draws name, grid, ticks and labels.
    fn draw_axes(&self, group: &mut Element, frame: &Frame, scale: &Scale, ticks: &[Tick]) {
        let (left, right, foot) = (frame.left, frame.left + frame.room().0, TOP + frame.room().1);
        let name = shorten(&self.name, fitting(right - left, width("x", 13.0)));
        group.push(Element::text((left, 6.0), Font(13.0, INK, Start, Top), &name));
        for (value, label) in value_ticks(scale.value.0, scale.value.1) {
            let y = scale.pixel((0.0, value)).1;
            group.push(Element::line(&[(left, y), (right, y)], GRID));
            group.push(Element::text((left - 7.0, y), Font(LABEL, MUTED, End, Centre), &label));
        }
        for Tick { at, label } in ticks {
            let x = scale.pixel((*at as f64, 0.0)).0;
            group.push(Element::line(&[(x, foot), (x, foot + 4.0)], MUTED));
            // Keep labels at the ends within the panel.
            let half = width(label, LABEL) / 2.0;
            let centre = x.clamp(half, (frame.size.0 - half).max(half));
            group.push(Element::text((centre, foot + 8.0), Font(LABEL, MUTED, Middle, Top), label));
        }
        group.push(Element::line(&[(left, foot), (right, foot)], MUTED));
    }

    /// Values from the origin on. The fan starts at the last history value, if that was observed.
    fn after_origin(&self, frame: &Frame, values: impl Iterator<Item = f64>) -> Vec<Vec<Point>> {
        let anchor = self.past.last().copied().filter(|v| v.is_finite());
        let values: Vec<f64> = anchor.into_iter().chain(values).collect();
        widen(runs(&values, frame.origin - usize::from(anchor.is_some())))
    }

    fn draw_bands(&self, group: &mut Element, frame: &Frame, scale: &Scale) {
        for (ends, (_, _, colour)) in self.bands.iter().zip(BANDS).filter(|(ends, _)| !ends.is_empty()) {
            let lower = self.after_origin(frame, ends.iter().map(|e| e.0));
            let upper = self.after_origin(frame, ends.iter().map(|e| e.1));
            for (lower, upper) in lower.into_iter().zip(upper) {
                let outline = scale.pixels(lower.into_iter().chain(upper.into_iter().rev()));
                group.push(Element::area(&outline, colour));
            }
        }
    }

    /// Draws the origin (dashed) and the lines of history, median and truth.
    fn draw_lines(&self, group: &mut Element, frame: &Frame, scale: &Scale) {
        if frame.origin > 0 {
            let (x, foot) = scale.pixel((frame.origin as f64 - 0.5, scale.value.0));
            group.push(Element::line(&[(x, TOP), (x, foot)], MUTED).with("stroke-opacity", 0.7).with("stroke-dasharray", 3));
        }
        let lines = [
            (runs(&self.past, 0), PAST, 1),
            (self.after_origin(frame, self.median.iter().copied()), MEDIAN, 2),
            (runs(&self.truth, frame.origin), TRUTH, 1),
        ];
        for (runs, colour, stroke) in lines {
            for run in runs {
                group.push(match *run.as_slice() {
                    [one] => Element::circle(scale.pixel(one), 2.0).with("fill", colour),
                    _ => Element::line(&scale.pixels(run), colour).with("stroke-width", stroke).with("stroke-linejoin", "round"),
                });
            }
        }
    }
}

/// Gives a run of a single step some width, so that it is visible.
fn widen(mut runs: Vec<Vec<Point>>) -> Vec<Vec<Point>> {
    for run in &mut runs {
        if let [(t, v)] = *run.as_slice() {
            *run = vec![(t - 0.3, v), (t + 0.3, v)];
        }
    }
    runs
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
