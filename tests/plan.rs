//! The planner, tested by its invariants on random programs, without a GPU: no live tensor is overwritten, every WebGPU rule holds under
//! small limits, and neither memory reuse nor the size of the micro-batches changes a bit of the results.

use crate::support::random_graph::{Recipe, inputs, recipes, step};
use pgat::config::{ModelSettings, TrainingSettings};
use pgat::data::WindowShape;
use pgat::engine::executor::Backend;
use pgat::engine::gpu::{Gpu, GpuRun};
use pgat::engine::graph::{PhaseSpec, Section, TensorId};
use pgat::engine::model::ModelShape;
use pgat::engine::ops::{Grid, Scope};
use pgat::engine::plan::arena::ALIGNMENT;
use pgat::engine::plan::check::check;
use pgat::engine::plan::lifetime::lifetimes;
use pgat::engine::plan::{AdapterClass, BufferRole, DeviceLimits, Plan, PlanError, PlanOptions, Recording, Region};
use pgat::engine::reference::Reference;
use pgat::engine::selftest::Draw;
use pgat::engine::session::Setup;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(20_260_801), failure_persistence: None, ..Config::default() }
}

/// Small enough to force micro-batches and chunks, large enough for the scratch of any recipe.
const SMALL: DeviceLimits = DeviceLimits { binding_bytes: 640 << 10, buffer_bytes: 2 << 20, storage_buffers: 8 };

fn options(batch: usize) -> PlanOptions {
    PlanOptions::new(batch, AdapterClass::portable_cpu())
}

fn in_arena(region: &Region) -> bool {
    matches!(region.role, BufferRole::Arena(_))
}

/// The last writer of each 256 bytes of the arena.
struct Replay<'a> {
    recording: &'a Recording,
    owner: HashMap<(BufferRole, u64), Owner>,
    written: HashSet<TensorId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Tensor(TensorId),
    Scratch(usize, usize),
}

impl Replay<'_> {
    fn units(region: &Region) -> impl Iterator<Item = (BufferRole, u64)> {
        let (role, first, end) = (region.role, region.offset / ALIGNMENT, (region.offset + region.bytes).div_ceil(ALIGNMENT));
        (first..end).map(move |unit| (role, unit))
    }

    fn region(&self, t: TensorId) -> Option<Region> {
        self.recording.regions[t].filter(in_arena)
    }

    fn holds(&self, t: TensorId) -> bool {
        self.region(t).is_none_or(|r| Self::units(&r).all(|u| self.owner.get(&u) == Some(&Owner::Tensor(t))))
    }

    fn phase(&mut self, index: usize, spec: &PhaseSpec) -> Result<(), String> {
        let program = &self.recording.program;
        let name = |t: TensorId| &program.graph.tensors[t].name;
        let (reads, writes) = (program.reads(spec), program.writes(spec));
        if let Some(&t) = reads.iter().find(|&&t| !self.holds(t)) {
            return Err(format!("phase {index} reads {}, which was overwritten or never written", name(t)));
        }
        for &t in &writes {
            self.written.insert(t);
            for unit in self.region(t).iter().flat_map(Self::units) {
                self.owner.insert(unit, Owner::Tensor(t));
            }
        }
        for (k, region) in self.recording.scratch[index].iter().enumerate() {
            for unit in Self::units(region) {
                self.owner.insert(unit, Owner::Scratch(index, k));
            }
        }
        // A dispatch may read one operand after it began to write another: all operands of a phase must be disjoint.
        if let Some(&t) = reads.iter().chain(&writes).find(|&&t| !self.holds(t)) {
            return Err(format!("phase {index}: {} shares bytes with another operand", name(t)));
        }
        for (k, region) in self.recording.scratch[index].iter().enumerate() {
            if !Self::units(region).all(|u| self.owner[&u] == Owner::Scratch(index, k)) {
                return Err(format!("phase {index}: scratch {k} is shared"));
            }
        }
        Ok(())
    }
}

/// Replays a step of three micro-batches and checks every read.
fn replay(recording: &Recording) -> Result<(), String> {
    let mut replay = Replay { recording, owner: HashMap::new(), written: HashSet::new() };
    let phases = &recording.program.phases;
    let repeats = [Section::Prologue, Section::Body, Section::Body, Section::Body, Section::Epilogue];
    for section in repeats {
        for (i, spec) in phases.iter().enumerate().filter(|(_, p)| p.section == section) {
            replay.phase(i, spec)?;
        }
        for t in recording.program.pinned.iter().filter(|t| replay.written.contains(t)) {
            if !replay.holds(*t) {
                return Err(format!("{} is pinned and was overwritten", recording.program.graph.tensors[*t].name));
            }
        }
    }
    Ok(())
}

/// Checks the invariants of every plan.
fn invariants(plan: &Plan, limits: DeviceLimits) -> Result<(), String> {
    let sum: u64 = plan.buffers.iter().map(|b| b.bytes).sum();
    if sum != plan.bytes() {
        return Err(format!("{sum} bytes in buffers, {} planned", plan.bytes()));
    }
    for (i, b) in plan.buffers.iter().enumerate() {
        if b.bytes == 0 || plan.buffers[..i].iter().any(|o| o.role == b.role) {
            return Err(format!("{b:?} is empty or stands twice"));
        }
        if b.role.is_storage() && b.bytes > limits.buffer_bytes {
            return Err(format!("{b:?} is larger than a buffer may be"));
        }
    }
    for recording in &plan.recordings {
        check(recording, limits).map_err(|e| e.to_string())?;
        replay(recording)?;
        let regions = recording.regions.iter().flatten().chain(recording.scratch.iter().flatten());
        for r in regions {
            if r.offset % ALIGNMENT != 0 || r.offset + r.bytes > plan.buffer_bytes(r.role) {
                return Err(format!("{r:?} is not aligned or not inside {} bytes", plan.buffer_bytes(r.role)));
            }
        }
        let lives = lifetimes(&recording.program);
        for (i, a) in lives.iter().enumerate() {
            for b in lives[..i].iter().filter(|b| b.meets(a)) {
                if let (Some(x), Some(y)) = (recording.regions[a.tensor], recording.regions[b.tensor])
                    && x.role == y.role
                    && x.offset < y.offset + y.bytes
                    && y.offset < x.offset + x.bytes
                {
                    return Err(format!("{a:?} at {x:?} and {b:?} at {y:?} overlap"));
                }
            }
        }
        let arena: u64 = plan.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))).map(|b| b.bytes).sum();
        if arena < recording.arena_bound {
            return Err(format!("an arena of {arena} bytes cannot hold {}", recording.arena_bound));
        }
        if recording.dispatches.iter().any(|d| d.ranges.iter().any(|r| r.bytes > limits.binding_bytes)) {
            return Err("a binding is too large".into());
        }
        every_window_once(recording)?;
    }
    Ok(())
}

/// No dispatch is empty. The dispatches that sum blocks cover each block of each window exactly once.
fn every_window_once(recording: &Recording) -> Result<(), String> {
    let program = &recording.program;
    for (phase, spec) in recording.phases.iter().zip(&program.phases) {
        let windows = if program.graph.nodes[spec.node].scope == Scope::Window { recording.micro_batch } else { 1 };
        let mut by_kernel: HashMap<(usize, u64), u64> = HashMap::new();
        for d in &recording.dispatches[phase.dispatches.clone()] {
            let [x, _] = d.groups(windows).unwrap_or_default();
            if x == 0 {
                return Err(format!("{}: an empty dispatch", phase.label));
            }
            if let Grid::Blocks { per_window, .. } = d.grid.rule {
                *by_kernel.entry((d.kernel, per_window as u64)).or_default() += u64::from(x);
            }
        }
        for ((kernel, per_window), covered) in by_kernel {
            if covered != per_window * windows as u64 {
                return Err(format!("{}: kernel {kernel} covers {covered} blocks of {per_window} a window", phase.label));
            }
        }
    }
    Ok(())
}

/// The results of a step on the twins (the f64 reference implementations): per-window leaves, parameters, gradients and moments.
struct Results {
    leaves: Vec<Vec<f64>>,
    buffers: Vec<Vec<f64>>,
}

/// The arena starts as NaN, so that a read of an unwritten value is visible in the results.
fn results(recipe: &Recipe, options: PlanOptions, windows: usize) -> Results {
    let (plan, leaves) = recipe.plan(options).expect("default limits suffice");
    results_of(plan, leaves, windows)
}

fn results_of(plan: Plan, leaves: Vec<TensorId>, windows: usize) -> Results {
    let plan = Arc::new(plan);
    invariants(&plan, DeviceLimits::default()).expect("invariants");
    let mut reference = Reference::new(plan.clone());
    for b in plan.buffers.iter().filter(|b| matches!(b.role, BufferRole::Arena(_))) {
        let nans = vec![f64::NAN; usize::try_from(b.bytes / 4).expect("a small arena")];
        reference.write_buffer(b.role, &nans);
    }
    let flat = plan.recordings[0].program.graph.flat_len();
    let mut draw = Draw::new(5);
    let parameters: Vec<f64> = (0..flat).map(|_| 0.4 * draw.normal()).collect();
    if flat > 0 {
        reference.write_buffer(BufferRole::Parameters, &parameters);
    }
    let data = inputs(&plan, windows, 21);
    reference.run(0, &step(windows, &data));
    let last = if windows.is_multiple_of(plan.recordings[0].micro_batch) { plan.recordings[0].micro_batch } else { 0 };
    let leaves = leaves.iter().map(|&t| if last == windows { reference.read(0, t, windows) } else { vec![] }).collect();
    let whole = |role| reference.read_buffer(role).to_vec();
    let gradients = whole(BufferRole::Gradients)[..flat].to_vec();
    Results { leaves, buffers: vec![whole(BufferRole::Parameters), gradients, whole(BufferRole::Moment1), whole(BufferRole::Moment2)] }
}

fn bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    values.iter().map(|v| v.iter().map(|x| x.to_bits()).collect()).collect()
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn live_tensors_never_share_bytes(recipe in recipes(14), batch in 1..9_usize, micro in 0..9_usize, reuse: bool, guard in 0..2_u64) {
        let micro_batch = (micro > 0).then_some(micro);
        let options = PlanOptions { micro_batch, reuse, guard_bytes: 256 * guard, ..options(batch) };
        let (plan, _) = recipe.plan(options).expect("default limits suffice");
        invariants(&plan, DeviceLimits::default()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn small_limits_are_obeyed(recipe in recipes(10), batch in 1..6000_usize, class in 0..5_usize, short: bool) {
        let class = pgat::engine::shaders::classes().swap_remove(class);
        let submit_seconds = if short { 1e-5 } else { 0.5 };
        let made = recipe.plan(PlanOptions { limits: SMALL, submit_seconds, ..PlanOptions::new(batch, class) });
        match made {
            Ok((plan, _)) => invariants(&plan, SMALL).map_err(TestCaseError::fail)?,
            Err(e) => prop_assert!(false, "{e}"),
        }
    }
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn reuse_changes_no_bit(recipe in recipes(12), windows in 1..5_usize) {
        let shared = results(&recipe, options(windows), windows);
        let own = results(&recipe, PlanOptions { reuse: false, ..options(windows) }, windows);
        prop_assert!(shared.leaves.iter().flatten().all(|v| v.is_finite()));
        prop_assert!(shared.buffers.iter().flatten().all(|v| v.is_finite()));
        prop_assert!(recipe.trains || !shared.leaves.is_empty());
        prop_assert!(shared.leaves.iter().all(|l| !l.is_empty()));
        prop_assert_eq!(bits(&shared.leaves), bits(&own.leaves));
        prop_assert_eq!(bits(&shared.buffers), bits(&own.buffers));
    }

    #[test]
    fn micro_batches_change_no_bit(recipe in recipes(12), windows in 1..7_usize) {
        let whole = results(&recipe, options(windows), windows);
        for micro_batch in [1, 2, 4] {
            let cut = results(&recipe, PlanOptions { micro_batch: Some(micro_batch), ..options(windows) }, windows);
            prop_assert_eq!(bits(&whole.buffers), bits(&cut.buffers), "micro-batches of {}", micro_batch);
        }
        // A short batch uses the same plan.
        let short = results(&recipe, options(windows + 3), windows);
        prop_assert_eq!(bits(&whole.buffers), bits(&short.buffers));
        let gradients = &whole.buffers[1];
        prop_assert!(gradients.iter().any(|g| *g != 0.0));
    }
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn computing_again_changes_no_bit(recipe in recipes(14), windows in 1..5_usize, micro in 1..5_usize, mask: u64) {
        let kept = results(&recipe, options(windows), windows);
        let micro_batch = Some(micro.min(windows));
        let (plan, leaves, chosen) = recipe.plan_again(PlanOptions { micro_batch, ..options(windows) }, mask).expect("a plan");
        let again = plan.recordings[0].computed_again();
        prop_assert_eq!(again, chosen, "each chosen node runs once more");
        let again = results_of(plan, leaves, windows);
        if micro >= windows {
            prop_assert_eq!(bits(&kept.leaves), bits(&again.leaves));
        }
        prop_assert_eq!(bits(&kept.buffers), bits(&again.buffers));
    }
}

/// Checks that the property above is not vacuous: many random masks select nodes, and some recomputed nodes use dropout.
#[test]
fn random_masks_compute_again() {
    let (mut chosen, mut random) = (0, 0);
    for recipe in samples(60, 14) {
        let (plan, _, n) = recipe.plan_again(options(4), u64::MAX).expect("a plan");
        chosen += usize::from(n > 2);
        let program = &plan.recordings[0].program;
        let draws = |p: &PhaseSpec| (program.graph.nodes[p.node].op.random)(&program.graph.nodes[p.node].attrs);
        let again = |i: usize| plan.recordings[0].phases[i].again;
        random += usize::from(program.phases.iter().enumerate().any(|(i, p)| again(i) && draws(p)));
    }
    eprintln!("of 60 programs {chosen} compute more than two nodes again, {random} random ones among them");
    assert!(chosen >= 30 && random >= 5, "{chosen} {random}");
}

/// Checks that the small limits have an effect: batches are cut into micro-batches, and micro-batches into ranges of windows.
#[test]
fn small_limits_force_cuts() {
    let (mut micro, mut ranges) = (0, 0);
    for recipe in samples(60, 10) {
        let (plan, _) = recipe.plan(PlanOptions { limits: SMALL, ..options(6000) }).expect("a plan");
        micro += usize::from(plan.recordings[0].micro_batch < 6000);
        ranges += usize::from(plan.recordings[0].dispatches.iter().any(|d| d.window0 > 0));
    }
    eprintln!("of 60 plans, {micro} in micro-batches, {ranges} with dispatches over ranges of windows");
    assert!(micro >= 20 && ranges >= 3, "{micro} in micro-batches, {ranges} in ranges");
}

/// Recipes that are the same in every run.
fn samples(count: usize, ops: usize) -> Vec<Recipe> {
    let mut runner = TestRunner::new(config(1));
    let strategy = recipes(ops);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a recipe").current()).collect()
}

/// Compares the arena with its lower bound, the maximum of the live bytes.
#[test]
fn the_arena_is_close_to_its_lower_bound() {
    let (mut ratios, mut saved) = (vec![], vec![]);
    for recipe in samples(150, 24) {
        let bytes = |reuse| {
            let (plan, _) = recipe.plan(PlanOptions { reuse, ..options(16) }).expect("default limits suffice");
            let arena = |b: &&pgat::engine::plan::BufferSpec| matches!(b.role, BufferRole::Arena(_));
            (plan.buffers.iter().filter(arena).map(|b| b.bytes).sum::<u64>(), plan.recordings[0].arena_bound)
        };
        let ((shared, bound), (own, _)) = (bytes(true), bytes(false));
        let ratio = |a: u64, b: u64| a as f64 / b as f64;
        ratios.push(ratio(shared, bound));
        saved.push(ratio(shared, own));
    }
    ratios.sort_by(f64::total_cmp);
    saved.sort_by(f64::total_cmp);
    let (median, high, worst) = (ratios[75], ratios[135], ratios[149]);
    eprintln!(
        "arena over its lower bound: median {median:.4}, 90 % below {high:.4}, worst {worst:.4}; of no reuse: median {:.3}",
        saved[75]
    );
    assert!(ratios[0] >= 1.0);
    assert!(median <= 1.01 && high <= 1.08 && worst <= 1.25, "median {median}, 90 % below {high}, worst {worst}");
    assert!(saved[75] < 0.8, "reuse saves too little: {}", saved[75]);
}

fn recorded() -> Plan {
    let recipe = samples(8, 24).into_iter().find(|r| r.trains).expect("one that trains");
    recipe.plan(options(4)).expect("default limits suffice").0
}

/// Changes the first dispatch that `fits` and returns the checker's error.
fn tampered(fits: impl Fn(&pgat::engine::plan::Dispatch) -> bool, change: impl Fn(&mut pgat::engine::plan::Dispatch)) -> String {
    let mut plan = recorded();
    let limits = DeviceLimits::default();
    check(&plan.recordings[0], limits).expect("an untouched recording passes");
    let at = plan.recordings[0].dispatches.iter().position(fits).expect("a dispatch to tamper with");
    change(&mut plan.recordings[0].dispatches[at]);
    let broken = check(&plan.recordings[0], limits).expect_err("a tampered recording must be refused");
    assert_eq!(broken.dispatch, at);
    broken.rule
}

#[test]
fn the_checker_refuses_tampered_recordings() {
    let two_writable = |d: &pgat::engine::plan::Dispatch| d.ranges.len() > 1 && d.ranges[..2].iter().all(|r| r.writable);
    let any = |_: &pgat::engine::plan::Dispatch| true;
    let overlap = tampered(two_writable, |d| (d.ranges[1].role, d.ranges[1].offset) = (d.ranges[0].role, d.ranges[0].offset));
    assert!(overlap.contains("overlap"), "{overlap}");
    let both = tampered(two_writable, |d| {
        let (role, offset, bytes) = (d.ranges[0].role, d.ranges[0].offset, d.ranges[0].bytes);
        (d.ranges[1].role, d.ranges[1].writable) = (role, false);
        d.ranges[1].offset = offset + bytes.next_multiple_of(ALIGNMENT);
    });
    assert!(both.contains("read and read_write"), "{both}");
    let shifted = tampered(any, |d| d.ranges[0].offset += 4);
    assert!(shifted.contains("aligned"), "{shifted}");
    let past = tampered(any, |d| d.ranges[0].offset += 1 << 30);
    assert!(past.contains("past its buffer"), "{past}");
    let large = tampered(any, |d| d.ranges[0].bytes = 1 << 28);
    assert!(large.contains("larger than the binding limit"), "{large}");
    let empty = tampered(any, |d| d.ranges[0].bytes = 0);
    assert!(empty.contains("empty"), "{empty}");
    let missing = tampered(any, |d| d.ranges.truncate(d.ranges.len() - 1));
    assert!(missing.contains("do not match the bindings of the kernel"), "{missing}");
    let renumbered = tampered(any, |d| d.ranges[0].binding += 20);
    assert!(renumbered.contains("do not match the bindings of the kernel"), "{renumbered}");
    let read_only = tampered(|d| d.ranges.iter().any(|r| r.writes), |d| d.ranges.iter_mut().for_each(|r| r.writable = false));
    assert!(!read_only.is_empty());
    let many = tampered(any, |d| d.ranges = (0..9).map(|i| pgat::engine::plan::BoundRange { binding: i, ..d.ranges[0] }).collect());
    assert!(many.contains("9 storage buffers"), "{many}");
}

/// Checks that the replay above detects the error it is written for.
#[test]
fn the_replay_sees_a_moved_tensor() {
    let mut seen = 0;
    for t in 0..recorded().recordings[0].regions.len() {
        let mut plan = recorded();
        let regions = &mut plan.recordings[0].regions;
        let Some(mine) = regions[t].filter(in_arena) else { continue };
        // All tensors of the arena are at the same place: some read must find the value of another tensor.
        for other in regions.iter_mut().flatten().filter(|r| in_arena(r)) {
            (other.role, other.offset) = (mine.role, mine.offset);
        }
        seen += usize::from(replay(&plan.recordings[0]).is_err());
    }
    assert!(seen > 3, "only {seen} moves were seen");
}

/// A tensor of one window that exceeds every binding is an error that names the tensor.
#[test]
fn too_large_for_the_device_is_said() {
    let recipe = Recipe { steps: 5, nodes: 5, quads: 2, ops: vec![[0; 4]], trains: false };
    let tiny = DeviceLimits { binding_bytes: 512, buffer_bytes: 1024, storage_buffers: 8 };
    let refused = recipe.plan(PlanOptions { limits: tiny, ..options(2) }).err().expect("nothing fits 512 bytes");
    assert!(matches!(refused, PlanError::TooLarge { .. } | PlanError::Parameters { .. }), "{refused}");
}

/// wgpu's own validation accepts what the planner recorded: bindings, alignment, limits, usages.
#[test]
fn recordings_pass_wgpus_validation() {
    pollster::block_on(async {
        let gpu = Arc::new(Gpu::noop());
        for (k, recipe) in samples(6, 16).into_iter().enumerate() {
            let made =
                recipe.plan(PlanOptions { limits: gpu.limits, micro_batch: Some(1 + k % 3), ..PlanOptions::new(5, gpu.class.clone()) });
            let plan = Arc::new(made.expect("default limits suffice").0);
            let mut run = GpuRun::new(gpu.clone(), plan.clone()).await.expect("every pipeline and bind group is valid");
            assert_eq!(run.created_bytes(), plan.bytes());
            assert_eq!(run.created_buffers(), plan.buffers.len());
            for windows in [5, 3, 1] {
                let data = inputs(&plan, windows, 1);
                run.step(0, &step(windows, &data)).await.expect("every command is valid");
            }
            run.finish().expect("the device is well");
            gpu.healthy().expect("nothing was refused");
            assert_eq!(run.created_bytes(), plan.bytes(), "a step creates nothing");
        }
    });
}

/// A batch whose tensors exceed a binding is cut: training into micro-batches, scoring into smaller batches, because its outputs are read
/// after each pass. The sizes are those of a generated first config for 60 series with default settings.
#[test]
fn a_large_model_is_cut_for_training_and_scoring() {
    let window = WindowShape {
        history: 168,
        horizon: 24,
        num_covariates: 0,
        num_targets: 60,
        num_channels: 1,
        num_calendar: 4,
        ..WindowShape::default()
    };
    let shape = ModelShape::new(window, ModelSettings::default().with(|s| s.n_layers = 1));
    let made = Setup::training(shape.clone(), TrainingSettings::default()).plan(&Backend::Reference).expect("it fits");
    let [training, scoring] = &made.recordings[..] else { panic!("training and scoring") };
    assert!(training.batch == 32 && training.micro_batch < 32, "{} {}", training.batch, training.micro_batch);
    assert!(scoring.batch == scoring.micro_batch && scoring.batch < 32, "{} {}", scoring.batch, scoring.micro_batch);
    let settings = TrainingSettings::default().with(|s| s.micro_batch = Some(2));
    let asked = Setup::scoring(shape, settings).plan(&Backend::Reference).expect("it fits");
    assert_eq!((asked.recordings[0].batch, asked.recordings[0].micro_batch), (2, 2));
}
