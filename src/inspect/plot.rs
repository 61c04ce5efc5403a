//! SVG pictures of a model: heat maps, the learned graph as a node-link diagram, lags as bars.

use super::attention::{Attention, Axis};
use super::drivers::DriverGraph;
use super::graph::{Edge, LearnedGraph, Scores};
use super::lags::{Lags, TargetLags};
use crate::forecast::ticks::shorten;
use crate::svg::Anchor::{End, Middle, Start};
use crate::svg::Level::{Base, Centre, Top};
use crate::svg::{Colour, Element, Font, INK, MUTED, PAPER, Point, px, width};

const MARGIN: f64 = 16.0;
const HEADER: f64 = 62.0;
/// Maximum number of characters of a name.
const NAME: usize = 22;
/// Font size of names.
const LABEL: f64 = 11.0;
/// Font of the headings within a picture.
const HEADING: Font = Font(13.0, INK, Start, Top);
const NOTE: Font = Font(12.0, MUTED, Start, Top);
/// Colour ramp from 0 to the maximum.
const RAMP: [Colour; 4] = [Colour(0xf7_f9_fc), Colour(0xb6_cf_ec), Colour(0x4a_81_bf), Colour(0x0e_30_60)];

/// The colour of a value between 0 and 1.
fn colour(share: f64) -> Colour {
    let at = share.clamp(0.0, 1.0) * 3.0;
    let low = if at >= 2.0 { 2 } else { usize::from(at >= 1.0) };
    RAMP[low].mix(RAMP[low + 1], at - low as f64)
}

/// Pixel width of the longest name, with a margin.
fn room(names: &[String]) -> f64 {
    names.iter().map(|name| width(&shorten(name, NAME), LABEL)).fold(0.0, f64::max).ceil() + 14.0
}

/// A picture with a title and a note below it; wide enough for both.
fn picture((wide, tall): Point, title: &str, note: &str) -> Element {
    let needed = width(title, 17.0).max(width(note, NOTE.0)) + 2.0 * MARGIN;
    let mut root = Element::picture((wide.max(needed).ceil(), tall), title);
    root.push(Element::text((MARGIN, 12.0), Font(17.0, INK, Start, Top), title));
    root.push(Element::text((MARGIN, 37.0), NOTE, note));
    root
}

/// A heat map of non-negative numbers with row and column names.
struct HeatMap<'a> {
    title: String,
    rows: &'a [String],
    columns: &'a [String],
    values: &'a [f64],
}

impl HeatMap<'_> {
    /// Offset of the first row of cells.
    const TOP: f64 = 26.0;

    fn most(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// Cell size in pixels: small enough for a page, and large enough for names if there are few.
    fn cell(&self) -> usize {
        (420 / self.rows.len().max(self.columns.len()).max(1)).clamp(2, 26)
    }

    /// Position of the first pixel of a row or a column.
    fn at(&self, index: usize) -> f64 {
        (index * self.cell()) as f64
    }

    fn size(&self) -> Point {
        let wide = room(self.rows) + self.at(self.columns.len());
        // Column names are vertical, below the map.
        let tall = Self::TOP + self.at(self.rows.len()) + room(self.columns);
        (wide.max(width(&self.heading(), HEADING.0)) + MARGIN, tall)
    }

    /// The title with the value of the darkest colour. Each map has its own scale.
    fn heading(&self) -> String {
        format!("{} (darkest: {:.3})", self.title, self.most())
    }

    fn draw(&self, corner: Point) -> Element {
        let mut group = Element::moved(corner);
        group.push(Element::text((0.0, 4.0), HEADING, &self.heading()));
        let (left, most, cell) = (room(self.rows), self.most(), self.cell());
        let side = cell as f64 - if cell > 6 { 1.0 } else { 0.0 };
        for (e, value) in self.values.iter().enumerate() {
            let (x, y) = (left + self.at(e % self.columns.len()), Self::TOP + self.at(e / self.columns.len()));
            let fill = colour(if most > 0.0 { value / most } else { 0.0 });
            group.push(Element::rectangle((x, y), (x + side, y + side)).with("fill", fill));
        }
        // If cells are small, only every n-th name is drawn.
        let (every, middle) = (13_usize.div_ceil(cell), cell as f64 / 2.0);
        let label = Font(LABEL, MUTED, End, Centre);
        for (i, name) in self.rows.iter().enumerate().step_by(every) {
            group.push(Element::text((left - 6.0, Self::TOP + self.at(i) + middle), label, &shorten(name, NAME)));
        }
        let foot = Self::TOP + self.at(self.rows.len()) + 6.0;
        for (j, name) in self.columns.iter().enumerate().step_by(every) {
            let at = (left + self.at(j) + middle, foot);
            group.push(Element::text(at, label, &shorten(name, NAME)).upright(at));
        }
        group
    }
}

/// Heat maps, two per row.
fn heat_maps(title: &str, note: &str, maps: &[HeatMap]) -> String {
    let rows: Vec<&[HeatMap]> = maps.chunks(2).collect();
    let height = |row: &[HeatMap]| row.iter().map(|m| m.size().1).fold(0.0, f64::max) + MARGIN;
    let widest = rows.iter().map(|row| row.iter().map(|m| m.size().0 + MARGIN).sum()).fold(0.0, f64::max);
    let tall = HEADER + rows.iter().map(|row| height(row)).sum::<f64>();
    let mut root = picture((MARGIN + widest, tall), title, note);
    let mut y = HEADER;
    for row in rows {
        let mut x = MARGIN;
        for map in row {
            root.push(map.draw((x, y)));
            x += map.size().0 + MARGIN;
        }
        y += height(row);
    }
    format!("{root}\n")
}

/// Heat maps of the driver-target scores and of the two stages.
#[must_use]
pub fn graph_map(title: &str, graph: &LearnedGraph, scores: &Scores) -> String {
    let stage = |title: &str, i: usize| {
        let s = &graph.stages[i];
        HeatMap { title: title.into(), rows: &s.receivers, columns: &s.senders, values: &s.probabilities }
    };
    let reach = HeatMap { title: "driver to target".into(), rows: &scores.targets, columns: &scores.drivers, values: &scores.values };
    let maps = [reach, stage("series to hubs", 0), stage("hubs to targets", 1)];
    let maps: Vec<HeatMap> = maps.into_iter().filter(|m| !m.columns.is_empty()).collect();
    heat_maps(title, "Probability that the row receives from the column, before the top-k selection; rows of a stage sum to 1.", &maps)
}

/// A heat map of the strengths of the driver highway.
#[must_use]
pub fn driver_map(title: &str, drivers: &DriverGraph) -> String {
    let s = &drivers.strengths;
    let map = HeatMap { title: "series to target".into(), rows: &s.targets, columns: &s.drivers, values: &s.values };
    heat_maps(title, "Strength of the edge from the column to the row, divided by the largest; a target's own history is left out.", &[map])
}

/// Heat maps of all heads.
#[must_use]
pub fn attention_map(title: &str, attention: &Attention) -> String {
    let maps = attention.heads.iter().map(|h| {
        let along = if h.axis == Axis::Steps { "along steps" } else { "across nodes" };
        let names = attention.names(h.axis);
        HeatMap { title: format!("layer {}, head {}: {along}", h.layer, h.head), rows: names, columns: names, values: &h.weights }
    });
    let maps: Vec<HeatMap> = maps.collect();
    heat_maps(
        title,
        "The row attends to the column; rows sum to 1. Heads along steps are averaged over nodes, heads across nodes over steps.",
        &maps,
    )
}

/// The learned edges as a node-link diagram: series, hubs and targets from left to right. Width and darkness of a link show its
/// probability.
#[must_use]
pub fn node_link(title: &str, graph: &LearnedGraph, edges: &[Edge]) -> String {
    const ROW: f64 = 24.0;
    const GAP: f64 = 260.0;
    let [first, second] = &graph.stages;
    let columns = [&first.senders, &first.receivers, &second.receivers];
    let most = columns.iter().map(|c| c.len()).max().unwrap_or(1).max(3);
    let height = ROW * (most + 1) as f64;
    let x = [0.0, 1.0, 2.0].map(|i| MARGIN + 6.0 + room(columns[0]) + i * GAP);
    let size = (x[2] + 6.0 + room(columns[2]) + MARGIN, HEADER + height + MARGIN);
    let mut root = picture(
        size,
        title,
        "Links that the model uses: the most probable senders of each receiver. Width and darkness show the probability.",
    );
    let place = |column: usize, n: usize| {
        let share = (n as f64 + 0.5) / columns[column].len() as f64;
        (x[column], HEADER + 24.0 + share * (height - 24.0))
    };
    let mut ordered: Vec<&Edge> = edges.iter().collect();
    ordered.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    for e in ordered {
        let find = |column: usize, name: &String| Some(place(column, columns[column].iter().position(|n| n == name)?));
        if let Some((from, to)) = find(e.stage - 1, &e.source).zip(find(e.stage, &e.target)) {
            root.push(link(from, to, e.probability));
        }
    }
    for (i, (names, heading)) in columns.iter().zip(["series", "hubs", "targets"]).enumerate() {
        let (anchor, shift) = [(End, -10.0), (Middle, 0.0), (Start, 10.0)][i];
        root.push(Element::text((x[i] + shift, HEADER + 2.0), Font(12.0, INK, anchor, Top), heading));
        for (n, name) in names.iter().enumerate() {
            let (at, driver) = (place(i, n), i > 0 || n < graph.covariates);
            root.push(Element::circle(at, 6.0).with("fill", PAPER));
            root.push(Element::circle(at, 3.5).with("fill", if driver { INK } else { PAPER }).with("stroke", INK));
            // Hubs have links on both sides, so their names are above them.
            let (at, level) = if i == 1 { ((at.0, at.1 - 8.0), Base) } else { ((at.0 + shift, at.1), Centre) };
            root.push(Element::text(at, Font(LABEL, MUTED, anchor, level), &shorten(name, NAME)));
        }
    }
    format!("{root}\n")
}

/// A curve with horizontal ends.
fn link(from: Point, to: Point, probability: f64) -> Element {
    let third = (to.0 - from.0) / 3.0;
    let [x0, y0, x1, x2, x3, y3] = [from.0, from.1, from.0 + third, to.0 - third, to.0, to.1].map(px);
    let curve = Element::new("path").with("d", format_args!("M{x0} {y0}C{x1} {y0} {x2} {y3} {x3} {y3}")).with("fill", "none");
    curve.with("stroke", colour(0.25 + 0.75 * probability)).with("stroke-width", px(1.0 + 5.0 * probability))
}

/// Maximum number of lag panels.
const PANELS: usize = 12;
/// Size of a lag panel.
const PANEL: Point = (560.0, 150.0);

/// Scores of all lags as bars, for the first targets. Selected lags are dark and labelled with their weights.
#[must_use]
pub fn lag_bars(title: &str, lags: &Lags) -> String {
    let shown = lags.targets.len().min(PANELS);
    let columns = shown.clamp(1, 2);
    let size = (columns as f64 * PANEL.0, HEADER + shown.div_ceil(2) as f64 * PANEL.1 + MARGIN);
    let mut root = picture(size, title, "R of every lag; the lags that the model selected are dark, with their weights.");
    if shown < lags.targets.len() {
        let more = format!("first {shown} of {} targets", lags.targets.len());
        root.push(Element::text((size.0 - MARGIN, 37.0), Font(NOTE.0, MUTED, End, Top), &more));
    }
    for (i, target) in lags.targets[..shown].iter().enumerate() {
        root.push(bars(((i % columns) as f64 * PANEL.0, HEADER + (i / columns) as f64 * PANEL.1), target, lags));
    }
    format!("{root}\n")
}

fn bars(corner: Point, target: &TargetLags, lags: &Lags) -> Element {
    let (left, wide, top, tall) = (MARGIN, PANEL.0 - 2.0 * MARGIN, 40.0, 70.0);
    let mut group = Element::moved(corner);
    group.push(Element::text((left, 4.0), HEADING, &shorten(&target.target, 60)));
    group.push(Element::text((left + wide, 6.0), Font(LABEL, MUTED, End, Top), "lag in rows"));
    let (low, high) = target.scores.iter().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(*v), high.max(*v)));
    let y = |v: f64| top + if high > low { tall * (high - v) / (high - low) } else { tall };
    let step = wide / target.scores.len().max(1) as f64;
    let x = |lag: usize| (left + lag as f64 * step).round();
    let middle = |lag: usize| (x(lag) + x(lag + 1)) / 2.0;
    for (lag, &score) in target.scores.iter().enumerate() {
        let taken = target.taken.iter().find(|t| t.tokens == lag);
        let head = y(score.max(0.0));
        let right = x(lag + 1) - if step > 3.0 { 1.0 } else { 0.0 };
        let bar = Element::rectangle((x(lag), head), (right.max(x(lag) + 1.0), y(score.min(0.0))));
        group.push(bar.with("fill", RAMP[if taken.is_some() { 3 } else { 1 }]));
        if let Some(taken) = taken {
            let label = format!("{:.0} %", 100.0 * taken.weight);
            group.push(Element::text((middle(lag), head - 4.0), Font(LABEL, INK, Middle, Base), &label));
        }
    }
    group.push(Element::line(&[(left, y(0.0)), (left + wide, y(0.0))], MUTED));
    for lag in (0..target.scores.len()).step_by(target.scores.len().div_ceil(12).max(1)) {
        let label = (lag * lags.patch).to_string();
        group.push(Element::text((middle(lag), top + tall + 6.0), Font(LABEL, MUTED, Middle, Top), &label));
    }
    group
}
