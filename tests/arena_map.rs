//! Tests of the map of the arena over a step: the data and the picture show what the plan says.

use crate::support::random_graph::recipes;
use pgat::config::{ModelSettings, TrainingSettings};
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::graph::{Direction, Graph, Program, Section};
use pgat::engine::model::ModelShape;
use pgat::engine::ops::Scope;
use pgat::engine::ops::linear::{Activation, Linear};
use pgat::engine::plan::map::{ArenaMap, BoxKind, MapBox};
use pgat::engine::plan::{AdapterClass, BufferRole, DeviceLimits, Plan, PlanOptions, Region};
use pgat::engine::session::Setup;
use pgat::inspect::memory::picture;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::{HashMap, HashSet};

fn options(batch: usize) -> PlanOptions {
    PlanOptions::new(batch, AdapterClass::portable_cpu())
}

/// The plan of a whole model: training and scoring.
fn model(settings: &TrainingSettings) -> Plan {
    let window = WindowShape {
        history: 48,
        horizon: 24,
        num_covariates: 1,
        num_targets: 7,
        num_channels: 2,
        num_calendar: 2,
        ..WindowShape::default()
    };
    let shape = ModelShape::new(
        window,
        ModelSettings::default().with(|s| {
            s.n_layers = 2;
            s.d_model = 32;
            s.d_ff = 48;
            s.patch_len = 2;
        }),
    );
    Setup::training(shape, settings.clone()).plan(&Backend::Reference).expect("it fits")
}

/// Checks every property that relates a map to the recording it shows.
fn agrees(plan: &Plan, index: usize) -> Result<(), String> {
    let map = ArenaMap::new(plan, index);
    let recording = &plan.recordings[index];
    let program = &recording.program;
    places(plan, index, &map)?;
    for (i, a) in map.boxes.iter().enumerate() {
        if a.offset + a.aligned_bytes() > map.pages[a.page].used_bytes || map.pages[a.page].used_bytes > map.pages[a.page].bytes {
            return Err(format!("{a:?} lies outside of its page {:?}", map.pages[a.page]));
        }
        let meets = |b: &&MapBox| a.page == b.page && a.first <= b.last && b.first <= a.last;
        let overlaps = |b: &&MapBox| a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        if let Some(b) = map.boxes[..i].iter().filter(meets).find(overlaps) {
            return Err(format!("{a:?} and {b:?} overlap"));
        }
    }
    let by_name: HashMap<&str, &MapBox> = map.boxes.iter().map(|b| (b.name.as_str(), b)).collect();
    let (mut read_back, mut derived) = (HashSet::new(), HashSet::new());
    for (i, phase) in program.phases.iter().enumerate() {
        let (reads, writes) = (program.reads(phase), program.writes(phase));
        for t in reads.iter().chain(&writes) {
            let name = program.graph.tensors[*t].name.as_str();
            if let Some(b) = by_name.get(name).filter(|b| !b.alive(i)) {
                return Err(format!("phase {i} touches {b:?}"));
            }
        }
        if phase.direction == Direction::Backward {
            let name = |t: &usize| program.graph.tensors[*t].name.as_str();
            read_back.extend(reads.iter().map(name));
            derived.extend(writes.iter().map(name));
        }
    }
    for b in &map.boxes {
        let name = b.name.as_str();
        let fits = match b.kind {
            BoxKind::Saved => read_back.contains(name) && !derived.contains(name),
            BoxKind::Activation => !read_back.contains(name) && !derived.contains(name),
            BoxKind::Gradient => derived.contains(name),
            BoxKind::Scratch => b.first == b.last && !program.graph.tensors.iter().any(|t| t.name == name),
            BoxKind::Other => program.phases[b.first].section == Section::Epilogue && !derived.contains(name),
            BoxKind::Recomputed => program.phases[b.first].direction == Direction::Forward && recording.phases[b.first].again,
        };
        if !fits {
            return Err(format!("{b:?} is called that"));
        }
    }
    figures(plan, index, &map)
}

/// The map has one box for each tensor of the arena and for each piece of scratch, at its place, and no other box.
fn places(plan: &Plan, index: usize, map: &ArenaMap) -> Result<(), String> {
    let recording = &plan.recordings[index];
    let same = |b: &MapBox, r: &Region| {
        (BufferRole::Arena(b.page), b.offset, b.bytes, b.window_bytes) == (r.role, r.offset, r.bytes, r.window_bytes)
    };
    let in_arena = |r: &&Region| matches!(r.role, BufferRole::Arena(_));
    let mut expected = 0;
    for (tensor, region) in recording.program.graph.tensors.iter().zip(&recording.regions) {
        if let Some(region) = region.as_ref().filter(in_arena) {
            expected += 1;
            if !map.boxes.iter().any(|b| b.name == tensor.name && b.kind != BoxKind::Scratch && same(b, region)) {
                return Err(format!("{} at {region:?} has no box", tensor.name));
            }
        }
    }
    for (phase, pieces) in recording.scratch.iter().enumerate() {
        for region in pieces {
            expected += 1;
            if !map.boxes.iter().any(|b| b.kind == BoxKind::Scratch && (b.first, b.last) == (phase, phase) && same(b, region)) {
                return Err(format!("scratch {region:?} of phase {phase} has no box"));
            }
        }
    }
    if map.boxes.len() != expected {
        return Err(format!("{} boxes for {expected} places", map.boxes.len()));
    }
    Ok(())
}

/// The sums are right: live bytes, high-water mark, pages, seconds.
fn figures(plan: &Plan, index: usize, map: &ArenaMap) -> Result<(), String> {
    let recording = &plan.recordings[index];
    for (i, phase) in map.phases.iter().enumerate() {
        let alive: u64 = map.alive(i).iter().map(|b| b.bytes.next_multiple_of(256)).sum();
        if phase.alive_bytes != alive || alive > map.arena_bytes() || alive > map.high_water.bytes {
            return Err(format!("{} bytes alive in phase {i}, where boxes have {alive}", phase.alive_bytes));
        }
    }
    let reached = map.phases.get(map.high_water.phase).map_or(0, |p| p.alive_bytes);
    if (map.high_water.bytes, map.lower_bound) != (reached, recording.arena_bound) || reached != recording.arena_bound {
        return Err(format!("{:?}, reached {reached}, bound {}", map.high_water, recording.arena_bound));
    }
    let pages: u64 = plan.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))).map(|b| b.bytes).sum();
    if map.arena_bytes() != pages {
        return Err(format!("{} bytes of pages, {pages} of buffers", map.arena_bytes()));
    }
    let times = |s: Section| if s == Section::Body { map.micro_batches } else { 1 };
    let seconds: f64 = map.phases.iter().map(|p| p.seconds * times(p.section) as f64).sum();
    // A phase counts whole micro-batches. The step's prediction counts only the windows that a short last micro-batch holds.
    let short = !recording.batch.is_multiple_of(recording.micro_batch);
    let differ = seconds - recording.seconds();
    if if short { differ < 0.0 || differ > seconds } else { differ.abs() > 1e-9 * seconds } {
        return Err(format!("{seconds} s in phases, {} s in the recording", recording.seconds()));
    }
    Ok(())
}

const SMALL: DeviceLimits = DeviceLimits { binding_bytes: 640 << 10, buffer_bytes: 2 << 20, storage_buffers: 8 };

proptest! {
    #![proptest_config(Config { cases: 128, rng_seed: RngSeed::Fixed(20_261_125), failure_persistence: None, ..Config::default() })]

    #[test]
    fn maps_agree_with_random_plans(recipe in recipes(14), batch in 1..400_usize, micro in 0..9_usize, reuse: bool, small: bool) {
        let limits = if small { SMALL } else { DeviceLimits::default() };
        let micro_batch = (micro > 0).then_some(micro);
        let (plan, _) = recipe.plan(PlanOptions { micro_batch, reuse, limits, ..options(batch) }).expect("the limits suffice");
        agrees(&plan, 0).map_err(TestCaseError::fail)?;
        let map = ArenaMap::new(&plan, 0);
        drawn(&map, &picture(&map, "random")).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn maps_agree_with_a_models_plans() {
    for (micro_batch, memory, repeats) in [(32, "unlimited", 1), (5, "unlimited", 7), (5, "14MiB", 7)] {
        let plan = model(&TrainingSettings::default().with(|s| {
            s.micro_batch = Some(micro_batch);
            s.memory = Some(memory.into());
        }));
        assert_eq!(plan.recordings.len(), 2);
        for index in 0..2 {
            agrees(&plan, index).unwrap_or_else(|e| panic!("recording {index}: {e}"));
        }
        let [train, score] = [0, 1].map(|i| ArenaMap::new(&plan, i));
        assert_eq!((train.program, score.program, train.micro_batches), ("train", "score", repeats));
        let of = |map: &ArenaMap, kind| map.boxes.iter().filter(|b| b.kind == kind).count();
        for kind in BoxKind::ALL.into_iter().filter(|k| memory != "unlimited" || *k != BoxKind::Recomputed) {
            assert!(of(&train, kind) > 0, "{kind:?}");
        }
        // A forward-only program saves nothing for a backward pass and has no gradients.
        assert!([BoxKind::Saved, BoxKind::Gradient].iter().all(|k| of(&score, *k) == 0));
        assert!(train.phases[train.high_water.phase].section == Section::Body && train.high_water.bytes > score.high_water.bytes);
    }
}

/// The name of a recomputed tensor says that it is recomputed.
#[test]
fn what_is_made_again_is_told() {
    let mut graph = Graph::default();
    let x = graph.input("x", &[2, 3, 4]);
    let w = graph.parameter("w", &[4, 4]);
    let mut linear = |label: &str, x| {
        let map = Linear { bias: false, residual: false, activation: Activation::Identity, dropout: 0.0, column0: None };
        graph.apply1(map, label, &[x, w]).expect("it fits")
    };
    let first = linear("first", x);
    let again = linear("first again", first);
    assert_eq!(graph.tensors[again].operand.scope, Scope::Window);
    let plan = Plan::new(vec![(Program::forward("again", graph, vec![again]), options(3))]).expect("it fits");
    let map = ArenaMap::new(&plan, 0);
    let kinds: Vec<_> = map.boxes.iter().map(|b| (b.name.as_str(), b.kind)).collect();
    assert_eq!(kinds, [("first", BoxKind::Activation), ("first again", BoxKind::Recomputed)]);
    assert!(picture(&map, "").contains(">recomputed</text>"));
}

/// An element of a picture.
struct Element {
    name: String,
    attributes: HashMap<String, String>,
    /// The text directly inside it, as written.
    text: String,
    parent: Option<usize>,
}

/// Parses a well-formed XML text. It supports the simple subset without comments and CDATA sections.
fn elements(xml: &str) -> Result<Vec<Element>, String> {
    let (mut all, mut open): (Vec<Element>, Vec<usize>) = (vec![], vec![]);
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        entities(text)?;
        match open.last() {
            Some(&i) => all[i].text += text,
            None if text.trim().is_empty() && (all.is_empty() || rest.trim().is_empty()) => {}
            None => return Err(format!("{text:?} outside of the root")),
        }
        let (tag, after) = rest[at + 1..].split_once('>').ok_or("a tag without end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let i = open.pop().ok_or_else(|| format!("{name} is closed, and nothing is open"))?;
            if all[i].name != name {
                return Err(format!("{name} is closed, and {} is open", all[i].name));
            }
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut more) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = HashMap::new();
        while !more.trim().is_empty() {
            let (key, value) = more.split_once("=\"").ok_or_else(|| format!("no value in {more:?}"))?;
            let (value, left) = value.split_once('"').ok_or_else(|| format!("no end of {value:?}"))?;
            entities(value)?;
            if value.contains('<') || attributes.insert(key.trim().to_owned(), value.to_owned()).is_some() {
                return Err(format!("{key} of {tag:?}"));
            }
            more = left;
        }
        all.push(Element { name: name.to_owned(), attributes, text: String::new(), parent: open.last().copied() });
        if !closed {
            open.push(all.len() - 1);
        }
    }
    if !open.is_empty() || !rest.trim().is_empty() {
        return Err("something is left open or follows the root".into());
    }
    Ok(all)
}

/// Checks that every `&` begins one of the predefined XML entities and that no character is forbidden.
fn entities(text: &str) -> Result<(), String> {
    let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
    let bad = text.match_indices('&').find(|(at, _)| !known.iter().any(|k| text[*at..].starts_with(k)));
    if bad.is_some() || text.contains(|c: char| c < ' ' && !"\t\n\r".contains(c)) {
        return Err(format!("{text:?}"));
    }
    Ok(())
}

/// A picture is XML with one rectangle for each box of the map. Its x range follows from the phases, its y range from offset and page.
fn drawn(map: &ArenaMap, svg: &str) -> Result<(), String> {
    let all = elements(svg)?;
    if svg.contains("NaN") || svg.contains("inf") {
        return Err("a number is not finite".into());
    }
    let number = |e: &Element, key: &str| e.attributes[key].parse::<f64>().map_err(|_| format!("{key} of {}", e.name));
    let (width, height) = (number(&all[0], "width")?, number(&all[0], "height")?);
    let titled = all.iter().filter(|e| e.name == "title").filter_map(|e| Some((e.text.as_str(), &all[e.parent?])));
    let boxes: Vec<_> = titled.filter(|(title, _)| title.contains("\npage ")).collect();
    if boxes.len() != map.boxes.len() {
        return Err(format!("{} boxes are drawn of {}", boxes.len(), map.boxes.len()));
    }
    let mut of: HashMap<&str, [f64; 4]> = HashMap::new();
    for (title, e) in &boxes {
        let [x, y, w, h] = ["x", "y", "width", "height"].map(|key| number(e, key));
        let place = [x?, y?, w?, h?];
        let name = title.lines().next().unwrap_or_default();
        let outside = place[0] < 0.0 || place[1] < 0.0 || place[0] + place[2] > width || place[1] + place[3] > height;
        if e.name != "rect" || outside || of.insert(name, place).is_some() {
            return Err(format!("{title:?} at {place:?} in {width} x {height}"));
        }
    }
    for a in &map.boxes {
        let mine = of.get(a.name.as_str()).ok_or_else(|| format!("{} is not drawn", a.name))?;
        for b in &map.boxes {
            let other = &of[b.name.as_str()];
            // Time runs to the right, offsets run upwards, pages are stacked from the bottom. Thin boxes are widened by less than a pixel.
            let right = a.last >= b.first || mine[0] + mine[2] <= other[0] + 1.0;
            let joined = a.last + 1 != b.first || (mine[0] + mine[2] - other[0]).abs() <= 1.0;
            let above = (a.page, a.offset + a.aligned_bytes()) > (b.page, b.offset) || mine[1] + 1.0 >= other[1] + other[3];
            if !right || !joined || !above {
                return Err(format!("{} at {mine:?}, {} at {other:?}", a.name, b.name));
            }
        }
    }
    Ok(())
}

#[test]
fn a_models_picture_names_every_tensor() {
    let plan = model(&TrainingSettings::default().with(|s| s.micro_batch = Some(5)));
    let map = ArenaMap::new(&plan, 0);
    let svg = picture(&map, "a <b> & \"c\"\u{1}");
    drawn(&map, &svg).expect("it is drawn as it is");
    assert!(svg.len() < 300 << 10, "{} bytes", svg.len());
    let all = elements(&svg).expect("XML");
    let texts: Vec<&str> = all.iter().filter(|e| e.name == "text").map(|e| e.text.as_str()).collect();
    for words in [
        "a &lt;b&gt; &amp; &quot;c&quot;\u{fffd}",
        "lower bound",
        "arena",
        "peak of live bytes",
        "page 0",
        "saved for backward",
        "gradient",
    ] {
        assert!(texts.contains(&words), "{words:?} is not in {texts:?}");
    }
    let starts = |words: &str| texts.iter().any(|t| t.starts_with(words));
    assert!(starts("forward: ") && starts("backward: ") && starts("Live bytes (") && starts("predicted time of a step, body counted once"));
    assert!(texts.iter().any(|t| t.ends_with(", 7 times")), "{texts:?}");
    let named = map.boxes.iter().filter(|b| texts.contains(&b.name.as_str())).count();
    assert!(named >= 20, "only {named} boxes show their names");
    // The picture of a step with a single micro-batch does not mention repetition.
    let one = TrainingSettings::default().with(|s| s.micro_batch = Some(32));
    let whole = picture(&ArenaMap::new(&model(&one), 0), "whole");
    assert!(!whole.contains(" times<") && !whole.contains("body counted once"));
}

/// Recomputed forward phases among the backward phases do not split the strip of the backward pass.
#[test]
fn forward_phases_among_backward_ones_belong_to_the_backward_half() {
    let mut map = ArenaMap::new(&model(&TrainingSettings::default()), 0);
    let strips = |map: &ArenaMap| {
        let svg = picture(map, "strips");
        let titles: Vec<String> = elements(&svg).expect("XML").into_iter().filter(|e| e.name == "title").map(|e| e.text).collect();
        ["prologue: ", "forward: ", "backward: ", "epilogue: "].map(|half| titles.iter().filter(|t| t.starts_with(half)).count())
    };
    assert_eq!(strips(&map), [1; 4]);
    let backward = |p: &pgat::engine::plan::map::MapPhase| p.section == Section::Body && p.direction == Direction::Backward;
    let at: Vec<usize> = (0..map.phases.len()).filter(|&i| backward(&map.phases[i])).collect();
    for i in &at[at.len() / 3..at.len() / 2] {
        map.phases[*i].direction = Direction::Forward;
    }
    assert_eq!(strips(&map), [1; 4]);
}

/// An empty map causes no panic.
#[test]
fn an_empty_program_has_a_picture() {
    let plan = Plan::new(vec![(Program::forward("nothing", Graph::default(), vec![]), options(1))]).expect("it fits");
    let map = ArenaMap::new(&plan, 0);
    assert_eq!((map.boxes.len(), map.high_water.bytes, map.arena_bytes()), (0, 0, 0));
    drawn(&map, &picture(&map, "nothing")).expect("a picture");
}
