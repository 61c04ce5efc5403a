//! The optimiser settings of a config file affect the weights: the weights after `pgat train` equal those of an AdamW written here, on the
//! same gradients. With any one setting at its default the two differ.

use crate::common::probe::{Batch, Named, largest, pass};
use crate::support::place::{CONFIG, Place};
use pgat::config::Config;
use pgat::data::{Dataset, PartWindows, Scaler, WindowSource as _};
use pgat::engine::executor::Backend;
use pgat::engine::model::ModelShape;
use pgat::engine::session::{Session, Setup};
use pgat::engine::train::weights::read_weights;
use pgat::series_graph::{KnownGraph, SeriesGraph};
use std::f64::consts::PI;
use std::fs;
use std::sync::Arc;

/// Training steps.
const STEPS: u32 = 6;

/// Weights and gradients are rounded to f32 at several points.
const TOLERANCE: f64 = 1e-6;

#[derive(Clone, Copy, PartialEq)]
enum Schedule {
    Constant,
    /// With a linear warm-up of so many steps.
    Cosine(u32),
    /// With a rise of so many steps.
    OneCycle(u32),
}

/// The keys of `[training]` that the optimiser reads.
#[derive(Clone, Copy)]
struct Settings {
    learning_rate: f64,
    schedule: Schedule,
    weight_decay: f64,
    betas: [f64; 2],
    epsilon: f64,
    clip_norm: f64,
}

/// The defaults that README and code state.
const DEFAULT: Settings =
    Settings { learning_rate: 1e-3, schedule: Schedule::Constant, weight_decay: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, clip_norm: 1.0 };

/// The gradients are about ten times as long as the clip allows, and epsilon has the magnitude of the clipped elements.
const CHOSEN: Settings =
    Settings { learning_rate: 0.02, schedule: Schedule::Cosine(2), weight_decay: 0.3, betas: [0.6, 0.8], epsilon: 0.01, clip_norm: 0.4 };

impl Settings {
    fn toml(&self) -> String {
        let schedule = match self.schedule {
            Schedule::Constant => "schedule = \"constant\"".to_owned(),
            Schedule::Cosine(warmup) => format!("schedule = \"cosine\"\nwarmup_steps = {warmup}"),
            Schedule::OneCycle(rise) => format!("schedule = \"one-cycle\"\nwarmup_fraction = {}", f64::from(rise) / f64::from(STEPS)),
        };
        let Self { learning_rate, weight_decay, betas, epsilon, clip_norm, .. } = self;
        format!(
            "learning_rate = {learning_rate:?}\n{schedule}\nweight_decay = {weight_decay:?}\nbetas = {betas:?}\nepsilon = {epsilon:?}\n\
             clip_norm = {clip_norm:?}\n"
        )
    }

    fn rate(&self, step: u32) -> f64 {
        let half_cosine =
            |from: f64, to: f64, done: u32, of: u32| to + (from - to) * (1.0 + (PI * f64::from(done) / f64::from(of)).cos()) / 2.0;
        let peak = self.learning_rate;
        match self.schedule {
            Schedule::Constant => peak,
            Schedule::Cosine(warmup) if step < warmup => peak * f64::from(step + 1) / f64::from(warmup),
            Schedule::Cosine(warmup) => half_cosine(peak, 0.0, step - warmup, STEPS - warmup),
            Schedule::OneCycle(rise) if step < rise => half_cosine(peak / 25.0, peak, step, rise),
            Schedule::OneCycle(rise) => half_cosine(peak, peak / 25.0 / 1e4, step - rise, STEPS - rise),
        }
    }
}

/// AdamW (Loshchilov and Hutter, 2019, algorithm 2) after clipping by the global norm, in f64.
struct AdamW {
    first: Named,
    second: Named,
}

impl AdamW {
    fn new(parameters: &Named) -> Self {
        let zeros: Named = parameters.iter().map(|(name, values)| (name.clone(), vec![0.0; values.len()])).collect();
        Self { first: zeros.clone(), second: zeros }
    }

    fn step(&mut self, settings: &Settings, step: u32, parameters: &mut Named, gradients: &Named) {
        let norm = gradients.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let clip = (settings.clip_norm / (norm + 1e-6)).min(1.0);
        let ([beta1, beta2], rate) = (settings.betas, settings.rate(step));
        let power = i32::try_from(step + 1).expect("few steps");
        let (correct1, correct2) = (1.0 - beta1.powi(power), 1.0 - beta2.powi(power));
        for (name, values) in parameters {
            // A parameter that no loss depends on has a gradient of 0: only weight decay changes it.
            let none = vec![0.0; values.len()];
            let gradient = gradients.get(name).unwrap_or(&none);
            let first = self.first.get_mut(name).expect("a moment");
            let second = self.second.get_mut(name).expect("a moment");
            for (((p, g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
                let g = clip * g;
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let direction = (*m / correct1) / ((*v / correct2).sqrt() + settings.epsilon);
                *p -= rate * (direction + settings.weight_decay * *p);
            }
        }
    }
}

/// A config whose batch holds all training windows, so that their order has no effect. It has no dropout, no noise, and no graph memory,
/// which changes without a gradient.
fn config(settings: &Settings) -> String {
    let off: String = ["dynamic_graph", "adaptive_graph", "autocorr"].map(|part| format!("use_{part} = false\n")).concat();
    let batch = format!("dropout = 0.0\n{off}[training]\n{}batch_size = 1000", settings.toml());
    let steps = format!("max_steps = {STEPS}");
    CONFIG.replace("[training]\nbatch_size = 4", &batch).replace("max_steps = 4", &steps)
}

/// The model of a config, its initial parameters, and its training windows.
struct Training {
    shape: ModelShape,
    start: Named,
    batch: Batch,
    session: Session,
}

impl Training {
    fn new(place: &Place) -> Self {
        let config = Config::from_toml(&place.read("config.toml")).expect("a config");
        let dataset = Arc::new(Dataset::open(&config, &place.path("waves.csv")).expect("data"));
        let scaler = Arc::new(Scaler::fit(&dataset).expect("a scaler").0);
        let graph = SeriesGraph::build(&config.graph, &dataset, None).expect("a graph").0;
        let shape = ModelShape::of(&config, &dataset, &KnownGraph::of(graph, &config.model).expect("a graph"));
        let windows = PartWindows::new(dataset.clone(), scaler, dataset.training_windows().expect("windows"));
        assert!(windows.len() < 1000, "a batch is all windows");
        let batch = Batch::of(&windows, &(0..windows.len()).collect::<Vec<_>>());
        let made = Session::new(Setup::training(shape.clone(), config.training), Backend::Reference);
        let session = pollster::block_on(made).expect("a session");
        let start = Self::named(&session, &session.initial_state().parameters);
        Self { shape, start, batch, session }
    }

    fn named(session: &Session, flat: &[f32]) -> Named {
        let one = |p: &pgat::engine::model::ParameterPlace| {
            let values = &flat[p.start..p.start + p.shape.iter().product::<usize>()];
            (p.name.clone(), values.iter().map(|v| f64::from(*v)).collect())
        };
        session.parameters().iter().map(one).collect()
    }

    /// The parameters that the settings produce from the initial ones.
    fn expected(&self, settings: &Settings) -> Named {
        let mut parameters = self.start.clone();
        let mut optimiser = AdamW::new(&parameters);
        for step in 0..STEPS {
            let gradients = pass(&self.shape, &Backend::Reference, &parameters, &self.batch).gradients;
            optimiser.step(settings, step, &mut parameters, &gradients);
        }
        parameters
    }
}

fn difference(a: &Named, b: &Named) -> f64 {
    assert!(a.keys().eq(b.keys()));
    let one = |(a, b): (&Vec<f64>, &Vec<f64>)| largest(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
    a.values().zip(b.values()).map(one).fold(0.0, f64::max)
}

fn check(settings: Settings) {
    let place = Place::new();
    let rows: Vec<String> = place.read("waves.csv").lines().take(41).map(|line| format!("{line}\n")).collect();
    place.write("waves.csv", &rows.concat());
    place.write("config.toml", &config(&settings));
    place.run(&["train", "config.toml", "--out", "run"]).ok();
    let training = Training::new(&place);
    let bytes = fs::read(place.path("run/weights.safetensors")).expect("weights");
    let found = Training::named(&training.session, &read_weights(&bytes, training.session.parameters()).expect("weights").0);
    let off = difference(&training.expected(&settings), &found);
    eprintln!("largest difference {off:.1e}, largest change {:.1e}", difference(&training.start, &found));
    assert!(off < TOLERANCE, "the weights are {off} off");
    let [beta1, beta2] = settings.betas;
    let ignoring = [
        ("learning_rate", Settings { learning_rate: DEFAULT.learning_rate, ..settings }),
        ("schedule", Settings { schedule: DEFAULT.schedule, ..settings }),
        ("warm-up", Settings { schedule: without_warmup(settings.schedule), ..settings }),
        ("weight_decay", Settings { weight_decay: DEFAULT.weight_decay, ..settings }),
        ("beta1", Settings { betas: [DEFAULT.betas[0], beta2], ..settings }),
        ("beta2", Settings { betas: [beta1, DEFAULT.betas[1]], ..settings }),
        ("epsilon", Settings { epsilon: DEFAULT.epsilon, ..settings }),
        ("clip_norm", Settings { clip_norm: DEFAULT.clip_norm, ..settings }),
    ];
    for (setting, other) in ignoring {
        let off = difference(&training.expected(&other), &found);
        eprintln!("{setting} ignored: {off:.1e}");
        assert!(off > 1000.0 * TOLERANCE, "{setting} could be ignored: {off}");
    }
}

/// The schedule of a config without a warm-up key.
fn without_warmup(schedule: Schedule) -> Schedule {
    match schedule {
        Schedule::Constant => Schedule::Constant,
        Schedule::Cosine(_) => Schedule::Cosine(0),
        Schedule::OneCycle(_) => Schedule::OneCycle(STEPS * 3 / 10),
    }
}

#[test]
fn settings_reach_the_weights() {
    check(CHOSEN);
}

#[test]
fn another_schedule_reaches_the_weights() {
    check(Settings { schedule: Schedule::OneCycle(3), ..CHOSEN });
}
