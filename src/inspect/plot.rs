//! Pictures of what is inside a model, as SVG: heat maps, the learned graph as nodes and links, lags as bars.

use super::attention::{Attention, Axis};
use super::graph::{Edge, LearnedGraph, Scores};
use super::lags::Lags;
use crate::forecast::plot::{CHARACTER, INK, MUTED, PlotError, font, int};
use crate::forecast::ticks::shorten;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const MARGIN: i32 = 16;
const HEADER: i32 = 62;
/// Most characters of a name.
const NAME: usize = 22;
/// Colours from nothing to all.
const RAMP: [RGBColor; 4] = [RGBColor(247, 249, 252), RGBColor(182, 207, 236), RGBColor(74, 129, 191), RGBColor(14, 48, 96)];

/// A colour for a share 0 to 1.
fn colour(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * 3.0;
    let (low, part) = (if at >= 2.0 { 2 } else { usize::from(at >= 1.0) }, at - at.min(2.0).floor());
    let (a, b) = (RAMP[low], RAMP[low + 1]);
    #[expect(clippy::cast_possible_truncation, reason = "between two bytes")]
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// A table of numbers, 0 or more, with names.
struct HeatMap<'a> {
    title: String,
    rows: &'a [String],
    columns: &'a [String],
    values: &'a [f64],
}

impl HeatMap<'_> {
    fn most(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// Pixels of a cell, so that maps of any size fit a page and names fit their cells where there are few.
    fn cell(&self) -> i32 {
        (420 / int(self.rows.len().max(self.columns.len()).max(1))).clamp(2, 26)
    }

    /// Every so-many-th name is written.
    fn every(&self) -> usize {
        usize::try_from((13 + self.cell() - 1) / self.cell()).unwrap_or(1)
    }

    fn left(&self) -> i32 {
        CHARACTER * int(self.rows.iter().map(|r| r.chars().count().min(NAME)).max().unwrap_or(0)) + 14
    }

    /// Names of columns stand upright below the map.
    fn below(&self) -> i32 {
        CHARACTER * int(self.columns.iter().map(|c| c.chars().count().min(NAME)).max().unwrap_or(0)) + 14
    }

    fn size(&self) -> (i32, i32) {
        let width = self.left() + int(self.columns.len()) * self.cell();
        let title = 8 * int(self.heading().chars().count());
        (width.max(title) + MARGIN, 26 + int(self.rows.len()) * self.cell() + self.below())
    }

    /// Its title with the number that the darkest colour stands for; maps of few and of many names have their own scales.
    fn heading(&self) -> String {
        format!("{} (darkest: {:.3})", self.title, self.most())
    }

    fn draw(&self, area: &Area) -> Result<(), PlotError> {
        let (left, top, cell, every, most) = (self.left(), 26, self.cell(), self.every(), self.most());
        area.draw(&Text::new(self.heading(), (0, 4), font(13, INK, HPos::Left, VPos::Top)))?;
        let gap = i32::from(cell > 6);
        for (e, value) in self.values.iter().enumerate() {
            let (i, j) = (int(e / self.columns.len()), int(e % self.columns.len()));
            let corner = (left + j * cell, top + i * cell);
            let other = (corner.0 + cell - gap, corner.1 + cell - gap);
            area.draw(&Rectangle::new([corner, other], colour(if most > 0.0 { value / most } else { 0.0 }).filled()))?;
        }
        for (i, name) in self.rows.iter().enumerate().step_by(every) {
            let at = (left - 6, top + int(i) * cell + cell / 2);
            area.draw(&Text::new(shorten(name, NAME), at, font(11, MUTED, HPos::Right, VPos::Center)))?;
        }
        let foot = top + int(self.rows.len()) * cell + 6;
        let upright = font(11, MUTED, HPos::Right, VPos::Center).transform(FontTransform::Rotate270);
        for (j, name) in self.columns.iter().enumerate().step_by(every) {
            area.draw(&Text::new(shorten(name, NAME), (left + int(j) * cell + cell / 2, foot), upright.clone()))?;
        }
        Ok(())
    }
}

/// Title, and a line of explanation below it.
fn header(root: &Area, title: &str, note: &str) -> Result<(), PlotError> {
    root.draw(&Text::new(title.to_owned(), (MARGIN, 12), font(17, INK, HPos::Left, VPos::Top)))?;
    root.draw(&Text::new(note.to_owned(), (MARGIN, 37), font(12, MUTED, HPos::Left, VPos::Top)))?;
    Ok(())
}

/// Pixels that title and note need.
fn header_width(title: &str, note: &str) -> i32 {
    2 * MARGIN + (10 * int(title.chars().count())).max(CHARACTER * int(note.chars().count()))
}

/// Maps side by side, `across` in a row.
fn heat_maps(title: &str, note: &str, maps: &[HeatMap], across: usize) -> Result<String, PlotError> {
    let rows: Vec<&[HeatMap]> = maps.chunks(across.max(1)).collect();
    let height = |row: &[HeatMap]| row.iter().map(|m| m.size().1).max().unwrap_or(0) + MARGIN;
    let widest = rows.iter().map(|row| row.iter().map(|m| m.size().0 + MARGIN).sum::<i32>()).max().unwrap_or(0);
    let width = (MARGIN + widest).max(header_width(title, note));
    let total = HEADER + rows.iter().map(|row| height(row)).sum::<i32>();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width.unsigned_abs(), total.unsigned_abs())).into_drawing_area();
        root.fill(&WHITE)?;
        header(&root, title, note)?;
        let mut y = HEADER;
        for row in rows {
            let mut x = MARGIN;
            for map in row {
                let size = map.size();
                map.draw(&root.clone().shrink((x, y), size))?;
                x += size.0 + MARGIN;
            }
            y += height(row);
        }
        root.present()?;
    }
    Ok(svg)
}

/// What reaches which target, and the two stages that it comes from, as heat maps.
///
/// # Errors
/// Fails only if the drawing library does.
pub fn graph_map(title: &str, graph: &LearnedGraph, scores: &Scores) -> Result<String, PlotError> {
    let stage = |title: &str, i: usize| {
        let s = &graph.stages[i];
        HeatMap { title: title.into(), rows: &s.receivers, columns: &s.senders, values: &s.probabilities }
    };
    let reach = HeatMap { title: "driver to target".into(), rows: &scores.targets, columns: &scores.drivers, values: &scores.values };
    let maps = [reach, stage("series to hubs", 0), stage("hubs to targets", 1)];
    let maps: Vec<HeatMap> = maps.into_iter().filter(|m| !m.columns.is_empty()).collect();
    heat_maps(title, "Probability that the row listens to the column, before the top k are taken; rows of a stage sum to 1.", &maps, 2)
}

/// Attention of each head.
///
/// # Errors
/// Fails only if the drawing library does.
pub fn attention_map(title: &str, attention: &Attention) -> Result<String, PlotError> {
    let maps = attention.heads.iter().map(|h| {
        let along = if h.axis == Axis::Steps { "along steps" } else { "across nodes" };
        let names = attention.names(h.axis);
        HeatMap { title: format!("layer {}, head {}: {along}", h.layer, h.head), rows: names, columns: names, values: &h.weights }
    });
    let maps: Vec<HeatMap> = maps.collect();
    let note = "The row attends to the column; rows sum to 1. Steps averaged over nodes, nodes averaged over steps.";
    heat_maps(title, note, &maps, 2)
}

/// Places of names on three columns, from the widest column down.
fn column(names: &[String], x: i32, height: i32) -> Vec<(i32, i32)> {
    let n = int(names.len()).max(1);
    (0..int(names.len())).map(|i| (x, HEADER + 24 + (2 * i + 1) * (height - 24) / (2 * n))).collect()
}

/// The learned edges as nodes and links: series, hubs, targets from left to right; a link is as wide and as dark as its probability.
///
/// # Errors
/// Fails only if the drawing library does.
pub fn node_link(title: &str, graph: &LearnedGraph, edges: &[Edge]) -> Result<String, PlotError> {
    const ROW: i32 = 24;
    let [first, second] = &graph.stages;
    let columns = [&first.senders, &first.receivers, &second.receivers];
    let label = |names: &[String]| CHARACTER * int(names.iter().map(|n| n.chars().count().min(NAME)).max().unwrap_or(0)) + 20;
    let most = columns.iter().map(|c| c.len()).max().unwrap_or(1);
    let height = 24 + ROW * int(most.max(3));
    let note = "Links that the model uses: each receiver's likeliest senders, as wide and dark as they are likely.";
    let gap = 260;
    let x = [MARGIN + label(columns[0]), MARGIN + label(columns[0]) + gap, MARGIN + label(columns[0]) + 2 * gap];
    let width = (x[2] + label(columns[2]) + MARGIN).max(header_width(title, note));
    let places = [0, 1, 2].map(|i| column(columns[i], x[i], height));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width.unsigned_abs(), (HEADER + height + MARGIN).unsigned_abs())).into_drawing_area();
        root.fill(&WHITE)?;
        header(&root, title, note)?;
        let mut ordered: Vec<&Edge> = edges.iter().collect();
        ordered.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        for e in ordered {
            let find = |names: &[String], name: &String| names.iter().position(|n| n == name);
            let ends = find(columns[e.stage - 1], &e.source).zip(find(columns[e.stage], &e.target));
            let Some((from, to)) = ends else { continue };
            let (from, to) = (places[e.stage - 1][from], places[e.stage][to]);
            #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
            let style = colour(0.25 + 0.75 * e.probability).stroke_width((1.0 + 5.0 * e.probability).round() as u32);
            root.draw(&PathElement::new(curve(from, to), style))?;
        }
        for (i, (names, heading)) in columns.iter().zip(["series", "hubs", "targets"]).enumerate() {
            let (anchor, shift) = [(HPos::Right, -10), (HPos::Center, 0), (HPos::Left, 10)][i];
            root.draw(&Text::new(heading, (x[i] + shift, HEADER + 2), font(12, INK, anchor, VPos::Top)))?;
            for ((place, name), n) in places[i].iter().zip(names.iter()).zip(0..) {
                let driver = i > 0 || n < graph.covariates;
                let fill = if driver { INK.filled() } else { INK.stroke_width(1) };
                root.draw(&Circle::new(*place, 5, WHITE.filled()))?;
                root.draw(&Circle::new(*place, 4, fill))?;
                // Hubs have links on both sides: their names stand above them.
                let (at, vertical) =
                    if i == 1 { ((place.0, place.1 - 6), VPos::Bottom) } else { ((place.0 + shift, place.1), VPos::Center) };
                root.draw(&Text::new(shorten(name, NAME), at, font(11, MUTED, anchor, vertical)))?;
            }
        }
        root.present()?;
    }
    Ok(svg)
}

/// A line that leaves and arrives level.
fn curve(from: (i32, i32), to: (i32, i32)) -> Vec<(i32, i32)> {
    (0..=24)
        .map(|i| {
            let t = f64::from(i) / 24.0;
            let smooth = t * t * (3.0 - 2.0 * t);
            #[expect(clippy::cast_possible_truncation, reason = "pixels")]
            let along = |a: i32, b: i32, t: f64| (f64::from(a) + t * f64::from(b - a)).round() as i32;
            (along(from.0, to.0, t), along(from.1, to.1, smooth))
        })
        .collect()
}

/// Panels of lags drawn, at most.
const PANELS: usize = 12;

/// Scores of all lags as bars, those that were taken dark and with their weights; the first targets.
///
/// # Errors
/// Fails only if the drawing library does.
pub fn lag_bars(title: &str, lags: &Lags) -> Result<String, PlotError> {
    const WIDE: i32 = 560;
    const TALL: i32 = 150;
    let shown = lags.targets.len().min(PANELS);
    let note = "R of every lag; those that the model took are dark, with their share of the sum.";
    let rows = int(shown.div_ceil(2));
    let (columns, width) = if shown > 1 { (2, 2 * WIDE) } else { (1, WIDE.max(header_width(title, note))) };
    let mut svg = String::new();
    {
        let size = (width.unsigned_abs(), (HEADER + rows * TALL + MARGIN).unsigned_abs());
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        header(&root, title, note)?;
        if shown < lags.targets.len() {
            let more = format!("first {shown} of {} targets", lags.targets.len());
            root.draw(&Text::new(more, (width - MARGIN, 37), font(12, MUTED, HPos::Right, VPos::Top)))?;
        }
        for (i, target) in (0..).zip(&lags.targets[..shown]) {
            let corner = (i % columns * WIDE, HEADER + i / columns * TALL);
            bars(&root.clone().shrink(corner, (WIDE, TALL)), target, lags)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn bars(area: &Area, target: &super::lags::TargetLags, lags: &Lags) -> Result<(), PlotError> {
    let (left, top, wide, tall) = (MARGIN, 40, 560 - 2 * MARGIN, 70);
    area.draw(&Text::new(shorten(&target.target, 60), (left, 4), font(13, INK, HPos::Left, VPos::Top)))?;
    let low = target.scores.iter().copied().fold(0.0, f64::min);
    let span = target.scores.iter().copied().fold(0.0, f64::max) - low;
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let height = |v: f64| if span > 0.0 { (f64::from(tall) * (v - low) / span).round() as i32 } else { 0 };
    let n = int(target.scores.len()).max(1);
    let x = |lag: usize| left + int(lag) * wide / n;
    for (lag, score) in target.scores.iter().enumerate() {
        let taken = target.taken.iter().find(|t| t.tokens == lag);
        let fill = if taken.is_some() { RAMP[3] } else { RAMP[1] };
        let (a, b) = (height(0.0), height(*score));
        let gap = if wide / n > 3 { 1 } else { 0 };
        let ends = [(x(lag), top + tall - a.max(b)), ((x(lag + 1) - gap).max(x(lag) + 1), top + tall - a.min(b))];
        area.draw(&Rectangle::new(ends, fill.filled()))?;
        if let Some(taken) = taken {
            let label = format!("{:.0} %", 100.0 * taken.weight);
            let at = ((x(lag) + x(lag + 1)) / 2, top + tall - a.max(b) - 3);
            area.draw(&Text::new(label, at, font(11, INK, HPos::Center, VPos::Bottom)))?;
        }
    }
    let foot = top + tall;
    area.draw(&PathElement::new(vec![(left, foot - height(0.0)), (left + wide, foot - height(0.0))], MUTED))?;
    let every = target.scores.len().div_ceil(12).max(1);
    for lag in (0..target.scores.len()).step_by(every) {
        let centre = (x(lag) + x(lag + 1)) / 2;
        area.draw(&Text::new(format!("{}", lag * lags.patch), (centre, foot + 6), font(11, MUTED, HPos::Center, VPos::Top)))?;
    }
    let unit = "lag in rows";
    area.draw(&Text::new(unit, (left + wide, 6), font(11, MUTED, HPos::Right, VPos::Top)))?;
    Ok(())
}
