//! A forecast as a fan chart: small multiples, one panel a series, as SVG.

use crate::forecast::table::{ForecastTable, TableError};
use crate::forecast::ticks::{Tick, shorten, time_ticks, value_ticks};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use thiserror::Error;

/// Text and extent of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct FanChartOptions {
    /// Title, above everything.
    pub title: String,
    /// Most series drawn, the first ones of the table; at most 12.
    pub max_series: usize,
    /// Most steps of history drawn, the latest ones.
    pub history_steps: usize,
}

impl Default for FanChartOptions {
    fn default() -> Self {
        Self { title: "Forecast".to_owned(), max_series: 12, history_steps: usize::MAX }
    }
}

/// A chart that cannot be drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// The table does not fit together.
    #[error(transparent)]
    Table(#[from] TableError),
    /// No series or no step.
    #[error("there is nothing to draw: the forecast has {series} series and {steps} steps")]
    Empty {
        /// Number of series.
        series: usize,
        /// Number of steps.
        steps: usize,
    },
    /// The drawing library failed.
    #[error("the chart could not be drawn: {0}")]
    Draw(String),
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        PlotError::Draw(error.to_string())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(crate) const INK: RGBColor = RGBColor(38, 42, 48);
pub(crate) const MUTED: RGBColor = RGBColor(112, 118, 126);
const GRID: RGBColor = RGBColor(232, 234, 237);
const PAST: RGBColor = RGBColor(90, 96, 104);
const MEDIAN: RGBColor = RGBColor(22, 72, 140);
const TRUTH: RGBColor = RGBColor(214, 84, 20);
/// Central intervals, widest first, and their colours.
const BANDS: [(f64, &str, RGBColor); 3] =
    [(0.9, "90 %", RGBColor(217, 230, 245)), (0.8, "80 %", RGBColor(182, 207, 236)), (0.5, "50 %", RGBColor(126, 170, 219))];

const HEADER: i32 = 64;
/// Least room for value labels.
const LEFT: i32 = 44;
const RIGHT: i32 = 14;
const TOP: i32 = 26;
const BOTTOM: i32 = 30;
/// Width of a character of the labels, in pixels, rounded up: SVG text cannot be measured here.
pub(crate) const CHARACTER: i32 = 7;

pub(crate) fn font(size: u32, colour: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    // Plotters divides the size of a font by 1.24 on its way into SVG.
    ("sans-serif", f64::from(size) * 1.24).into_font().color(&colour).pos(Pos::new(horizontal, vertical))
}

/// A count or index as a pixel or coordinate; charts are far smaller than i32's range.
pub(crate) fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// One series' lines, by position on the time axis: history at 0..L, forecast from L.
struct Panel {
    name: String,
    past: Vec<f64>,
    median: Vec<f64>,
    truth: Vec<f64>,
    /// Per band of `BANDS`: lower and upper ends; empty where the table lacks the levels.
    bands: Vec<Vec<(f64, f64)>>,
}

impl Panel {
    fn new(table: &ForecastTable, series: usize, skipped: usize) -> Self {
        let width = table.series.len();
        let column = |values: &[f32]| values.iter().skip(series).step_by(width).map(|&v| f64::from(v)).collect::<Vec<_>>();
        let steps = 0..table.horizon();
        let level = |p: f64| steps.clone().map(|h| table.quantile(h, series, p).map(f64::from)).collect::<Option<Vec<_>>>();
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

    /// Range of all values, a little wider; [-1, 1] around a constant.
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

/// Runs of finite values as polylines, the first value at position `first`.
fn runs(values: &[f64], first: usize) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
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

/// Draws `table` as SVG: history, median and central 50, 80 and 90 % bands (those whose quantile levels the table has; without
/// the median, the mean), and the truth where it is given. Each panel has its own value axis.
pub fn fan_chart(table: &ForecastTable, options: &FanChartOptions) -> Result<String, PlotError> {
    table.check()?;
    let shown = table.series.len().min(options.max_series.clamp(1, 12));
    if shown == 0 || table.horizon() == 0 {
        return Err(PlotError::Empty { series: table.series.len(), steps: table.horizon() });
    }
    let past = table.history.as_ref().map_or(&[][..], |h| h.stamps.as_slice());
    let skipped = past.len().saturating_sub(options.history_steps);
    let stamps: Vec<&str> = past[skipped..].iter().chain(&table.stamps).map(String::as_str).collect();

    let (columns, width, height) = match shown {
        1 => (1, 960, 380),
        2 => (1, 960, 250),
        3..=4 => (2, 560, 260),
        5..=6 => (2, 560, 220),
        _ => (3, 430, 210),
    };
    let rows = int(shown.div_ceil(columns));
    let columns = int(columns);
    let size = (columns * width, HEADER + rows * height + 8);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (size.0.unsigned_abs(), size.1.unsigned_abs())).into_drawing_area();
        root.fill(&WHITE)?;
        let panels: Vec<Panel> = (0..shown).map(|series| Panel::new(table, series, skipped)).collect();
        let labels = panels.iter().flat_map(|p| value_ticks(p.range().0, p.range().1));
        let widest = labels.map(|(_, label)| int(label.chars().count())).max().unwrap_or(0);
        let frame = Frame { size: (width, height), left: LEFT.max(CHARACTER * widest + 10), origin: stamps.len() - table.horizon() };
        // A time label and the space around it take 72 pixels.
        let ticks = time_ticks(&stamps, usize::try_from(frame.room().0 / 72).unwrap_or(1));
        header(&root, table, options, shown, (frame.left, size.0))?;
        for (i, panel) in (0..).zip(&panels) {
            let corner = (i % columns * width, HEADER + i / columns * height);
            draw_panel(&root.clone().shrink(corner, frame.size), panel, &frame, &ticks)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Title, what is shown, and the legend; from `left`, on a chart of this `width`.
fn header(root: &Area, table: &ForecastTable, options: &FanChartOptions, shown: usize, (left, width): (i32, i32)) -> Result<(), PlotError> {
    // Titles are about 9 pixels a character.
    let room = usize::try_from((width - left - RIGHT) / 9).unwrap_or(0);
    let title = shorten(&options.title, room);
    root.draw(&Text::new(title, (left, 12), font(17, INK, HPos::Left, VPos::Top)))?;

    let label = font(12, MUTED, HPos::Left, VPos::Center);
    let (mut x, y) = (left, 49);
    let has = |p: f64| table.quantile(0, 0, p).is_some();
    let mut entry = |text: &str, colour: RGBColor, band: bool| -> Result<(), PlotError> {
        let half = if band { 5 } else { 1 };
        root.draw(&Rectangle::new([(x, y - half), (x + 18, y + half)], colour.filled()))?;
        root.draw(&Text::new(text.to_owned(), (x + 24, y), label.clone()))?;
        x += 24 + CHARACTER * int(text.chars().count()) + 14;
        Ok(())
    };
    if table.history.is_some() {
        entry("history", PAST, false)?;
    }
    entry(if has(0.5) { "median" } else { "mean" }, MEDIAN, false)?;
    for (central, name, colour) in BANDS.iter().rev() {
        if has(0.5 - 0.5 * central) && has(0.5 + 0.5 * central) {
            entry(name, *colour, true)?;
        }
    }
    if table.truth.is_some() {
        entry("observed", TRUTH, false)?;
    }
    if shown < table.series.len() {
        let note = format!("first {shown} of {} series", table.series.len());
        root.draw(&Text::new(note, (width - RIGHT, y), font(12, MUTED, HPos::Right, VPos::Center)))?;
    }
    Ok(())
}

/// What the panels of a chart share.
struct Frame {
    /// Width and height of a panel, in pixels.
    size: (i32, i32),
    /// Room for value labels, in pixels.
    left: i32,
    /// Position of the first forecast step on the time axis.
    origin: usize,
}

impl Frame {
    /// Width and height of the plot within the panel.
    fn room(&self) -> (i32, i32) {
        (self.size.0 - self.left - RIGHT, self.size.1 - TOP - BOTTOM)
    }
}

/// From (position, value) to pixels of the plot.
struct Scale {
    time: (f64, f64),
    value: (f64, f64),
    room: (i32, i32),
}

impl Scale {
    fn new(panel: &Panel, frame: &Frame) -> Self {
        let last = frame.origin + panel.median.len() - 1;
        // A lone step gets some width.
        let time = if last == 0 { (-1.5, 1.5) } else { (0.0, last as f64) };
        Self { time, value: panel.range(), room: frame.room() }
    }

    fn pixel(&self, (t, v): (f64, f64)) -> (i32, i32) {
        let (time, value) = (self.time, self.value);
        let x = (t - time.0) / (time.1 - time.0) * f64::from(self.room.0 - 1);
        let y = (value.1 - v) / (value.1 - value.0) * f64::from(self.room.1 - 1);
        (round(x), round(y))
    }
}

fn draw_panel(area: &Area, panel: &Panel, frame: &Frame, ticks: &[Tick]) -> Result<(), PlotError> {
    let plot = area.clone().shrink((frame.left, TOP), frame.room());
    let scale = Scale::new(panel, frame);
    draw_axes((area, &plot), panel, frame, &scale, ticks)?;
    draw_bands(&plot, panel, frame, &scale)?;
    draw_lines(&plot, panel, frame, &scale)
}

/// Name, grid, ticks and labels; `area` is the whole panel, `plot` the part within the axes.
fn draw_axes((area, plot): (&Area, &Area), panel: &Panel, frame: &Frame, scale: &Scale, ticks: &[Tick]) -> Result<(), PlotError> {
    let (left, room) = (frame.left, frame.room());
    let name = shorten(&panel.name, usize::try_from(room.0 / 8).unwrap_or(0));
    area.draw(&Text::new(name, (left, 6), font(13, INK, HPos::Left, VPos::Top)))?;
    let value_label = font(11, MUTED, HPos::Right, VPos::Center);
    for (value, label) in value_ticks(scale.value.0, scale.value.1) {
        let y = scale.pixel((scale.time.0, value)).1;
        plot.draw(&PathElement::new(vec![(0, y), (room.0, y)], GRID))?;
        area.draw(&Text::new(label, (left - 7, TOP + y), value_label.clone()))?;
    }
    let foot = TOP + room.1;
    for Tick { at, label } in ticks {
        let x = left + scale.pixel((*at as f64, scale.value.0)).0;
        // On the whole panel's area: the plot's own would cut it off.
        area.draw(&PathElement::new(vec![(x, foot), (x, foot + 4)], MUTED))?;
        // Labels at the ends stay within the panel.
        let half = CHARACTER * int(label.chars().count()) / 2;
        let centre = x.clamp(half, (frame.size.0 - half).max(half));
        area.draw(&Text::new(label.clone(), (centre, foot + 8), font(11, MUTED, HPos::Center, VPos::Top)))?;
    }
    plot.draw(&PathElement::new(vec![(0, room.1), (room.0, room.1)], MUTED))?;
    Ok(())
}

/// Values from the origin on; the fan opens at the last history value, if that was observed.
fn from_origin(panel: &Panel, frame: &Frame, values: impl Iterator<Item = f64>) -> Vec<Vec<(f64, f64)>> {
    let anchor = panel.past.last().copied().filter(|v| v.is_finite());
    let values: Vec<f64> = anchor.into_iter().chain(values).collect();
    widen(runs(&values, frame.origin - usize::from(anchor.is_some())))
}

fn draw_bands(plot: &Area, panel: &Panel, frame: &Frame, scale: &Scale) -> Result<(), PlotError> {
    for (ends, (_, _, colour)) in panel.bands.iter().zip(BANDS).filter(|(ends, _)| !ends.is_empty()) {
        let lower = from_origin(panel, frame, ends.iter().map(|e| e.0));
        let upper = from_origin(panel, frame, ends.iter().map(|e| e.1));
        for (lower, upper) in lower.into_iter().zip(upper) {
            let outline = lower.into_iter().chain(upper.into_iter().rev()).map(|p| scale.pixel(p));
            plot.draw(&Polygon::new(outline.collect::<Vec<_>>(), colour))?;
        }
    }
    Ok(())
}

/// The origin, dashed, and the lines of history, median and truth.
fn draw_lines(plot: &Area, panel: &Panel, frame: &Frame, scale: &Scale) -> Result<(), PlotError> {
    if frame.origin > 0 {
        let (x, foot) = scale.pixel((frame.origin as f64 - 0.5, scale.value.0));
        for y in (0..foot).step_by(6) {
            plot.draw(&PathElement::new(vec![(x, y), (x, (y + 3).min(foot))], MUTED.mix(0.7)))?;
        }
    }
    let lines = [
        (runs(&panel.past, 0), PAST, 1),
        (from_origin(panel, frame, panel.median.iter().copied()), MEDIAN, 2),
        (runs(&panel.truth, frame.origin), TRUTH, 1),
    ];
    for (runs, colour, stroke) in lines {
        for run in runs {
            if let [one] = run.as_slice() {
                plot.draw(&Circle::new(scale.pixel(*one), 2, colour.filled()))?;
            }
            let line: Vec<_> = run.into_iter().map(|p| scale.pixel(p)).collect();
            plot.draw(&PathElement::new(line, colour.stroke_width(stroke)))?;
        }
    }
    Ok(())
}

/// Gives a run of a single step some width, so that it can be seen.
fn widen(mut runs: Vec<Vec<(f64, f64)>>) -> Vec<Vec<(f64, f64)>> {
    for run in &mut runs {
        if let [(t, v)] = *run.as_slice() {
            *run = vec![(t - 0.3, v), (t + 0.3, v)];
        }
    }
    runs
}

#[expect(clippy::cast_possible_truncation, reason = "pixels of a chart, clamped")]
fn round(pixel: f64) -> i32 {
    pixel.round().clamp(-1e6, 1e6) as i32
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
