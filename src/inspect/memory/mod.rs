//! The arena over a step as an SVG picture: time from left to right, offset upwards, one box per tensor; a second panel above it shows the
//! live bytes. A style sheet adds the dark theme.

mod labels;

use crate::bytes::{Unit, rounded_text as size};
use crate::forecast::ticks::value_ticks;
use crate::graph::Section;
use crate::plan::map::{ArenaMap, BoxKind, MapBox};
use crate::svg::Anchor::{End, Middle, Start};
use crate::svg::{Anchor, Colour, Element, Font, GRID, INK, Level, MUTED, PAPER, Point, width};
use labels::{about, duration, fitting, parts, runs, sections, time_unit};

const WIDTH: f64 = 1280.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 92.0;
/// Top of the panel of live bytes, below title, note and legend.
const ALIVE_TOP: f64 = 104.0;
const ALIVE_HEIGHT: f64 = 130.0;
/// Space between the panels, with the heading of the lower one.
const BETWEEN: f64 = 34.0;
/// Space between two pages.
const PAGE_GAP: f64 = 5.0;
/// Height of the strips for sections and parts of the model.
const STRIP: f64 = 17.0;
/// Space below the strips for ticks and the name of the axis.
const FOOT: f64 = 46.0;
/// Colour of the high-water mark and the lower bound.
const MARK: Colour = Colour(0xc2_3b_0a);
/// Colour of unused bytes.
const FREE: Colour = Colour(0xf1_f2_f4);
/// Alternating colours of a strip.
const TONES: [Colour; 2] = [Colour(0xe2_e6_ea), Colour(0xce_d5_dc)];
/// Colour of names within boxes; the box colours are the same in both themes.
const NAME: Colour = Colour(0x10_16_1b);
/// Replacement of each colour in the dark theme.
const DARK: [(Colour, Colour); 8] = [
    (PAPER, Colour(0x14_17_1a)),
    (FREE, Colour(0x22_27_2c)),
    (INK, Colour(0xe6_e8_e6)),
    (MUTED, Colour(0xa3_ab_b2)),
    (GRID, Colour(0x33_3a_41)),
    (MARK, Colour(0xff_9d_57)),
    (TONES[0], Colour(0x2f_36_3d)),
    (TONES[1], Colour(0x41_4b_54)),
];

/// Colours after Okabe and Ito, lightened: they are distinct for every common kind of colour blindness, and dark text is readable on all of
/// them.
fn colour(kind: BoxKind) -> Colour {
    match kind {
        BoxKind::Saved => Colour(0x4a_9f_d8),
        BoxKind::Activation => Colour(0xa3_d6_f5),
        BoxKind::Recomputed => Colour(0x46_bf_98),
        BoxKind::Gradient => Colour(0xea_b6_4f),
        BoxKind::Scratch => Colour(0xd9_97_bb),
        BoxKind::Other => Colour(0xa7_ad_b3),
    }
}

/// A page of the arena in the picture.
struct Shelf {
    /// Pixel position of its first byte.
    foot: f64,
    /// Height in pixels.
    height: f64,
    bytes: u64,
}

impl Shelf {
    /// Pixel position of an offset.
    fn y(&self, offset: u64) -> f64 {
        self.foot - self.height * offset as f64 / self.bytes.max(1) as f64
    }
}

/// Positions of phases and pages.
struct Frame<'a> {
    map: &'a ArenaMap,
    /// Left edge of each phase, and the right edge of the last.
    edges: Vec<f64>,
    shelves: Vec<Shelf>,
    /// Top and bottom of the arena panel.
    top: f64,
    foot: f64,
    root: Element,
}

impl<'a> Frame<'a> {
    fn new(map: &'a ArenaMap, title: &str) -> Self {
        let pages = map.pages.len();
        let gaps = PAGE_GAP * pages.saturating_sub(1) as f64;
        let room = room(map);
        let (top, total) = (ALIVE_TOP + ALIVE_HEIGHT + BETWEEN, map.arena_bytes().max(1) as f64);
        let mut foot = top + room + gaps;
        let end = foot;
        let mut shelves = vec![];
        for page in &map.pages {
            let height = room * page.bytes as f64 / total;
            shelves.push(Shelf { foot, height, bytes: page.bytes });
            foot -= height + PAGE_GAP;
        }
        let mut root = Element::picture((WIDTH, end + 2.0 * STRIP + FOOT), title).with("class", "arena-map");
        let dark = |key| DARK.map(|(light, dark)| format!(".arena-map [{key}='{light}']{{{key}:{dark}}}")).concat();
        let rules = format!("@media (prefers-color-scheme: dark){{{}{}}}", dark("fill"), dark("stroke"));
        root.push(Element::new("style").holding(&rules));
        Self { map, edges: edges(map), shelves, top, foot: end, root }
    }

    /// Draws a text with its baseline at a position.
    fn text(&mut self, at: Point, (size, colour, anchor): (f64, Colour, Anchor), content: &str) {
        self.root.push(Element::text(at, Font(size, colour, anchor, Level::Base), content));
    }

    fn line(&mut self, from: Point, to: Point, colour: Colour) {
        self.root.push(Element::line(&[from, to], colour));
    }

    fn rectangle(&mut self, from: Point, to: Point, colour: Colour) {
        self.root.push(Element::rectangle(from, to).with("fill", colour));
    }

    fn right(&self) -> f64 {
        WIDTH - RIGHT
    }

    /// Draws title, figures and legend.
    fn header(&mut self, title: &str) {
        let map = self.map;
        self.text((LEFT, 30.0), (17.0, INK, Start), title);
        let pages = if map.pages.len() == 1 { "one page".to_owned() } else { format!("{} pages", map.pages.len()) };
        let over = map.arena_bytes() as f64 / map.lower_bound.max(1) as f64;
        let peak = map.phases.get(map.high_water.phase).map_or_else(String::new, |p| format!(", in {}", p.label));
        let windows = if map.micro_batch == 1 { "window" } else { "windows" };
        let note = format!(
            "Arena {} in {pages} for {} {windows}: {over:.3} times the lower bound. Peak of live bytes: {}{peak}.",
            size(map.arena_bytes()),
            map.micro_batch,
            size(map.high_water.bytes)
        );
        self.text((LEFT, 52.0), (12.0, MUTED, Start), &note);
        let mut x = LEFT;
        for kind in BoxKind::ALL.into_iter().filter(|k| map.boxes.iter().any(|b| b.kind == *k)) {
            self.rectangle((x, 65.0), (x + 11.0, 76.0), colour(kind));
            self.text((x + 16.0, 75.0), (12.0, MUTED, Start), kind.name());
            x += 16.0 + width(kind.name(), 12.0) + 14.0;
        }
        self.rectangle((x, 65.0), (x + 11.0, 76.0), FREE);
        self.text((x + 16.0, 75.0), (12.0, MUTED, Start), "free");
    }

    /// Draws ticks for bytes, at least 13 pixels apart. `y` maps bytes to pixels.
    fn byte_ticks(&mut self, bytes: u64, Unit(_, one): Unit, y: &dyn Fn(f64) -> f64, grid: bool) {
        let ticks = value_ticks(0.0, bytes as f64 / one);
        let apart = ticks.get(1).map_or(f64::INFINITY, |t| (y(0.0) - y(t.0 * one)).abs());
        let every = ticks.iter().enumerate().find(|(i, _)| (*i as f64 + 1.0) * apart >= 13.0).map_or(ticks.len(), |(i, _)| i + 1);
        for (value, label) in ticks.into_iter().step_by(every.max(1)) {
            let at = y(value * one);
            if grid {
                self.line((LEFT, at), (self.right(), at), GRID);
            }
            self.line((LEFT - 4.0, at), (LEFT, at), MUTED);
            self.text((LEFT - 7.0, at + 3.5), (10.0, MUTED, End), &label);
        }
    }

    /// Draws the live bytes by kind, stacked, with the size of the arena and its lower bound.
    fn alive(&mut self) {
        let map = self.map;
        let (foot, arena) = (ALIVE_TOP + ALIVE_HEIGHT, map.arena_bytes());
        let most = arena.max(map.lower_bound).max(1) as f64;
        let y = |bytes: f64| foot - (ALIVE_HEIGHT - 6.0) * bytes / most;
        let unit = Unit::of(arena);
        self.text((LEFT, ALIVE_TOP - 6.0), (12.0, INK, Start), &format!("Live bytes ({})", unit.0));
        self.byte_ticks(arena.max(map.lower_bound), unit, &y, true);
        let (mut alive, mut stacked) = (vec![0_u64; map.phases.len()], vec![]);
        for kind in BoxKind::ALL.into_iter().filter(|k| map.boxes.iter().any(|b| b.kind == *k)) {
            for b in map.boxes.iter().filter(|b| b.kind == kind) {
                alive[b.first..=b.last].iter_mut().for_each(|a| *a += b.aligned_bytes());
            }
            stacked.push((kind, self.steps(&alive, &y)));
        }
        // Each area extends to the bottom, and the areas below it are drawn over it.
        for (kind, mut corners) in stacked.into_iter().rev() {
            corners.extend([(self.right(), foot), (LEFT, foot)]);
            self.root.push(Element::area(&corners, colour(kind)));
        }
        let outline = self.steps(&alive, &y);
        self.root.push(Element::line(&outline, INK));
        let (have, need) = (y(arena as f64), y(map.lower_bound as f64));
        self.line((LEFT, have), (self.right(), have), MUTED);
        self.root.push(Element::line(&[(LEFT, need), (self.right(), need)], MARK).with("stroke-dasharray", "5 3"));
        // The two lines are often close, so their labels are moved apart.
        let push = ((22.0 - (need - have)) / 2.0).max(0.0);
        for (at, what, bytes, colour) in [(have - push, "arena", arena, MUTED), (need + push, "lower bound", map.lower_bound, MARK)] {
            self.text((self.right() + 6.0, at), (10.0, colour, Start), what);
            self.text((self.right() + 6.0, at + 11.0), (10.0, colour, Start), &size(bytes));
        }
    }

    /// Corners of a step line with one value per phase.
    fn steps(&self, values: &[u64], y: &dyn Fn(f64) -> f64) -> Vec<Point> {
        let mut corners = vec![];
        for (i, value) in values.iter().enumerate() {
            let at = y(*value as f64);
            if i == 0 || values[i - 1] != *value {
                corners.push((self.edges[i], at));
            }
            if values.get(i + 1) != Some(value) {
                corners.push((self.edges[i + 1], at));
            }
        }
        corners
    }

    /// Draws the pages with their ticks and sizes.
    fn pages(&mut self) {
        let unit = Unit::of(self.map.pages.iter().map(|p| p.bytes).max().unwrap_or(0));
        let heading = if self.map.pages.len() > 1 { "Offset in the arena's pages" } else { "Offset in the arena" };
        self.text((LEFT, self.top - 8.0), (12.0, INK, Start), &format!("{heading} ({})", unit.0));
        for (i, shelf) in std::mem::take(&mut self.shelves).into_iter().enumerate() {
            let head = shelf.foot - shelf.height;
            self.rectangle((LEFT, head), (self.right(), shelf.foot), FREE);
            let y = |bytes: f64| shelf.foot - shelf.height * bytes / shelf.bytes.max(1) as f64;
            self.byte_ticks(shelf.bytes, unit, &y, false);
            let (x, middle) = (self.right() + 6.0, head + shelf.height / 2.0);
            if shelf.height > 24.0 {
                self.text((x, middle - 1.0), (11.0, INK, Start), &format!("page {i}"));
                self.text((x, middle + 12.0), (10.0, MUTED, Start), &size(shelf.bytes));
            } else if shelf.height + PAGE_GAP > 9.0 {
                self.text((x, middle + 3.0), (9.0, MUTED, Start), &format!("page {i}: {}", size(shelf.bytes)));
            }
            self.shelves.push(shelf);
        }
    }

    /// Position of a box: left, top, width, height.
    fn place(&self, b: &MapBox) -> Option<[f64; 4]> {
        let shelf = self.shelves.get(b.page)?;
        let (left, right) = (self.edges[b.first], self.edges[b.last + 1]);
        let (top, foot) = (shelf.y(b.offset + b.aligned_bytes()), shelf.y(b.offset));
        Some([left, top, right - left, foot - top])
    }

    /// Draws one box per tensor, with a gap between boxes that are large enough.
    fn boxes(&mut self) {
        let map = self.map;
        for kind in BoxKind::ALL {
            if !map.boxes.iter().any(|b| b.kind == kind) {
                continue;
            }
            let mut group = Element::new("g").with("fill", colour(kind));
            for b in map.boxes.iter().filter(|b| b.kind == kind) {
                let Some([x, y, width, height]) = self.place(b) else { continue };
                let (gap_x, gap_y) = (if width > 3.0 { 0.25 } else { 0.0 }, if height > 3.0 { 0.25 } else { 0.0 });
                // Thin boxes stay visible.
                let (width, height) = ((width - 2.0 * gap_x).max(0.5), (height - 2.0 * gap_y).max(0.35));
                let corner = (x + gap_x, y + gap_y);
                group.push(Element::rectangle(corner, (corner.0 + width, corner.1 + height)).titled(&about(map, b)));
            }
            self.root.push(group);
        }
    }

    /// Draws the names of tensors where they fit, horizontally or vertically.
    fn names(&mut self) {
        // Names must not block the tooltips of their boxes.
        let mut group = Element::new("g").with("pointer-events", "none");
        for b in &self.map.boxes {
            let Some([x, y, width, height]) = self.place(b) else { continue };
            let upright = height > width;
            let (along, across) = if upright { (height, width) } else { (width, height) };
            let Some((name, size)) = fitting(&b.name, along - 6.0, (across - 1.5).min(11.0)) else { continue };
            let font = Font(size, NAME, Start, Level::Centre);
            group.push(if upright {
                let at = (x + across / 2.0, y + height - 3.0);
                Element::text(at, font, &name).upright(at)
            } else {
                Element::text((x + 3.0, y + across / 2.0), font, &name)
            });
        }
        self.root.push(group);
    }

    /// Draws the borders of sections and the high-water mark in both panels.
    fn marks(&mut self) {
        let map = self.map;
        let panels = [(ALIVE_TOP, ALIVE_TOP + ALIVE_HEIGHT), (self.top, self.foot)];
        for (_, phases) in runs(&sections(map)).into_iter().skip(1) {
            let x = self.edges[phases.start];
            for (top, foot) in panels {
                self.root.push(Element::line(&[(x, top), (x, foot)], MUTED).with("stroke-dasharray", "2 3"));
            }
        }
        if let Some(&x) = self.edges.get(map.high_water.phase).filter(|_| map.high_water.bytes > 0) {
            for (top, foot) in panels {
                self.line((x, top), (x, foot), MARK);
            }
            let anchor = if x > WIDTH / 2.0 { End } else { Start };
            self.text((x, ALIVE_TOP + ALIVE_HEIGHT + 12.0), (10.0, MARK, anchor), "peak of live bytes");
        }
    }

    /// Draws the strips of sections and parts of the model below the arena.
    fn strips(&mut self) {
        let map = self.map;
        let top = self.foot + 5.0;
        for (i, (name, phases)) in runs(&sections(map)).iter().enumerate() {
            let seconds: f64 = map.phases[phases.clone()].iter().map(|p| p.seconds).sum();
            let body = map.phases[phases.start].section == Section::Body;
            let times = if body && map.micro_batches > 1 { format!(", {} times", map.micro_batches) } else { String::new() };
            let full = format!("{name}: {}{times}", duration(seconds));
            self.strip((top, i), phases, &[&full, name], &full);
        }
        for (i, (part, phases)) in runs(&parts(map)).iter().enumerate() {
            self.strip((top + STRIP + 2.0, i), phases, &[part], part);
        }
    }

    /// Draws a cell of a strip, with the first label that fits.
    fn strip(&mut self, (top, i): (f64, usize), phases: &std::ops::Range<usize>, labels: &[&str], title: &str) {
        let (left, right) = (self.edges[phases.start], self.edges[phases.end]);
        self.root.push(Element::rectangle((left, top), (right, top + STRIP)).with("fill", TONES[i % 2]).titled(title));
        let fits = |label: &&&str| width(label, 10.0) + 4.0 <= right - left;
        if let Some(label) = labels.iter().find(fits) {
            self.text(((left + right) / 2.0, top + STRIP - 5.0), (10.0, INK, Middle), label);
        }
    }

    /// Draws ticks of the predicted time. They are closer together where short phases are widened.
    fn time(&mut self) {
        let top = self.foot + 2.0 * STRIP + 9.0;
        let seconds: Vec<f64> = self.map.phases.iter().map(|p| p.seconds).collect();
        let total: f64 = seconds.iter().sum();
        let (unit, one) = time_unit(total);
        let mut free = f64::NEG_INFINITY;
        for (value, label) in value_ticks(0.0, total / one) {
            let x = self.at(&seconds, value * one);
            self.line((x, top), (x, top + 4.0), MUTED);
            let half = width(&label, 10.0) / 2.0;
            if x - half > free {
                self.text((x, top + 14.0), (10.0, MUTED, Middle), &label);
                free = x + half + 4.0;
            }
        }
        let once = if self.map.micro_batches > 1 { ", body counted once" } else { "" };
        let name = format!("predicted time of a step{once} ({unit}); short phases are widened");
        self.text((LEFT, top + 30.0), (11.0, MUTED, Start), &name);
    }

    /// Pixel position of a time since the start.
    fn at(&self, seconds: &[f64], time: f64) -> f64 {
        let mut before = 0.0;
        for (i, s) in seconds.iter().enumerate() {
            if time <= before + s {
                return self.edges[i] + (self.edges[i + 1] - self.edges[i]) * (time - before) / s.max(f64::MIN_POSITIVE);
            }
            before += s;
        }
        self.right()
    }
}

/// Draws the arena of a step as SVG. The upper panel shows the live bytes in each phase and the lower bound. The lower panel shows the
/// pages, with one box per tensor from its first phase to its last. The tooltip of each box shows its tensor, bytes and phases.
#[must_use]
pub fn picture(map: &ArenaMap, title: &str) -> String {
    let mut frame = Frame::new(map, title);
    frame.header(title);
    frame.alive();
    frame.pages();
    frame.boxes();
    frame.marks();
    frame.names();
    frame.strips();
    frame.time();
    format!("{}\n", frame.root)
}

/// Total height of all pages. Names fit into the tensors that make up half of all bytes, as long as the picture does not exceed one or two
/// screens.
fn room(map: &ArenaMap) -> f64 {
    let mut sizes: Vec<u64> = map.boxes.iter().filter(|b| b.kind != BoxKind::Scratch).map(MapBox::aligned_bytes).collect();
    sizes.sort_unstable_by_key(|bytes| std::cmp::Reverse(*bytes));
    let (all, mut sum) = (sizes.iter().sum::<u64>(), 0);
    let typical = sizes.into_iter().find(|bytes| {
        sum += bytes;
        2 * sum >= all
    });
    let wanted = 10.5 * map.arena_bytes() as f64 / typical.unwrap_or(1).max(1) as f64;
    if wanted > 2400.0 { 440.0 } else { wanted.clamp(440.0, 1200.0) }
}

/// Left edges of the phases, and the right edge of the last one. The width is a minimum plus a part proportional to the predicted time.
fn edges(map: &ArenaMap) -> Vec<f64> {
    let (room, n) = (WIDTH - LEFT - RIGHT, map.phases.len().max(1) as f64);
    let total: f64 = map.phases.iter().map(|p| p.seconds).sum();
    let least = if total > 0.0 { (0.35 * room / n).min(2.0) } else { room / n };
    let spare = if total > 0.0 { (room - least * n) / total } else { 0.0 };
    let mut x = LEFT;
    let mut edges = vec![x];
    for phase in &map.phases {
        x += least + spare * phase.seconds;
        edges.push(x);
    }
    edges
}
