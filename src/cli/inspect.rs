//! `pgat inspect`.

use super::context::Context;
use super::open::{self, Run};
use super::out::write_files;
use super::{Ending, console, memory};
use anyhow::Context as _;
use pgat::config::GraphSettings;
use pgat::data::{Dataset, Part, PartWindows};
use pgat::inspect::features::{Features, switches, without, worth};
use pgat::inspect::graph::{Edge, GATES, Gates, LearnedGraph, Scores, edges_csv};
use pgat::inspect::truth::{Recovery, recovery};
use pgat::inspect::{LookedAt, attention, graph, lags, node_names, one_window, plot, spread};
use pgat::model::ModelShape;
use pgat::series_graph::SeriesGraph;
use pgat::session::Session;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Look inside a trained model: learned edges, attention, lags, what each part is worth, memory
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder that `pgat train` made, or a file that the browser page saved
    run: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Edges of the learned graph with their probabilities, and how far the model follows it (gates)
    ///
    /// Text on stdout: the edges that the model uses and the mean of the gates over windows. With --out: edges.csv, scores.csv (how
    /// strongly each driver reaches each target: P2 P1 of the two stages, before the top k are taken), gates.csv (each window's),
    /// adaptive.csv, a heat map and a node-link picture.
    Graph(GraphOptions),
    /// What attends to what in one window: each head's weights
    ///
    /// Heads along steps are averaged over nodes, heads across nodes over steps. Rows are who attends, and sum to 1.
    Attention(WindowOptions),
    /// Lags that autocorrelation attention takes in one window, for each target
    ///
    /// With lag l, a token becomes the value l tokens later, and past the window's end from its start on.
    Lags(WindowOptions),
    /// What each part is worth: the loss with one `use_*` switched off at a time, the weights as they are
    ///
    /// This says what the trained model leans on, not what a model trained without the part would do.
    Features(FeatureOptions),
    /// What the model takes on the device in training: planned and created bytes by buffer, what is alive when, the arena as a picture
    ///
    /// Makes everything on the adapter as training would, and trains nothing; with --backend reference it is only planned.
    Memory(memory::Options),
}

#[derive(clap::Args)]
struct Common {
    /// Part of the data
    #[arg(long, value_enum, default_value_t = open::PartName::Test)]
    part: open::PartName,
    /// Read FILE instead of the data that the run was trained on; [split] of the run's config applies to it
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Use the last weights instead of those with the lowest validation loss
    #[arg(long)]
    last: bool,
    /// Everything as JSON on stdout
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The table as CSV on stdout
    #[arg(long)]
    csv: bool,
    /// Write tables (CSV) and pictures (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
struct GraphOptions {
    /// Compare with the true graph in FILE, an edge list as `pgat synth` writes it: average precision of driver to target
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Windows over which gates are averaged, evenly spread over the part
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct WindowOptions {
    /// Number of the window in its part, from 0, as `pgat evaluate` counts them
    #[arg(long, value_name = "K", default_value_t = 0)]
    window: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct FeatureOptions {
    /// Most windows scored, evenly spread over the part
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(context: &Context, options: &Options) -> anyhow::Result<Ending> {
    let run = Run::open(&options.run)?;
    match &options.what {
        What::Graph(options) => At::new(context, run, &options.common)?.graph(options),
        What::Attention(options) => At::new(context, run, &options.common)?.attention(options.window),
        What::Lags(options) => At::new(context, run, &options.common)?.lags(options.window),
        What::Features(options) => At::new(context, run, &options.common)?.features(count(options.windows)),
        What::Memory(options) => memory::run(context, &run, options),
    }
    .map(|()| Ending::Done)
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// What every inspection needs.
struct At<'a> {
    context: &'a Context,
    run: Run,
    dataset: Arc<Dataset>,
    shape: ModelShape,
    common: &'a Common,
}

/// Everything that `inspect graph` finds.
#[derive(Serialize)]
struct GraphFound {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    temperature: f64,
    part: String,
    gates: Gates,
    edges: Vec<Edge>,
    scores: Scores,
    graph: LearnedGraph,
}

impl<'a> At<'a> {
    fn new(context: &'a Context, run: Run, common: &'a Common) -> anyhow::Result<Self> {
        let dataset = match &common.data {
            Some(file) => open::dataset(&run.config, file)?,
            None => run.dataset(None)?,
        };
        run.scaler.check(&dataset)?;
        let shape = run.shape(&dataset)?;
        Ok(Self { context, run, dataset, shape, common })
    }

    fn part(&self) -> Part {
        self.common.part.part()
    }

    fn names(&self) -> Vec<String> {
        node_names(self.dataset.series_names(), self.shape.settings.num_transitions)
    }

    /// A title of a picture.
    fn title(&self, of: &str) -> String {
        format!("{}: {of}", self.run.config.name)
    }

    fn session(&self, kept: &[String], batch: usize) -> anyhow::Result<Session> {
        self.run.keeper(self.context, self.shape.clone(), self.common.last, batch, kept)
    }

    /// The windows of the part, evenly spread, at most so many.
    fn windows(&self, most: usize) -> anyhow::Result<(PartWindows, Vec<usize>)> {
        let index = self.dataset.evaluation_windows(self.part())?;
        if index.is_empty() {
            return Err(pgat::evaluate::EvaluateError::NoPart(self.part()).into());
        }
        let chosen = spread(index.len(), most);
        Ok((PartWindows::new(self.dataset.clone(), self.run.scaler.clone(), index), chosen))
    }

    fn one(&self, window: usize) -> anyhow::Result<(LookedAt, PartWindows)> {
        Ok(one_window(&self.dataset, &self.run.scaler, self.part(), window)?)
    }

    /// Prints, and writes the files of `--out`.
    fn tell(&self, text: &str, csv: &str, all: &impl Serialize, files: &[(&str, &str)]) -> anyhow::Result<()> {
        write_files(self.context, self.common.out.as_deref(), files)?;
        match (self.common.json, self.common.csv) {
            (true, _) => console::json(all),
            (_, true) => console::result(csv),
            _ => console::result(text),
        }
    }

    fn truth(&self, path: &Path) -> anyhow::Result<SeriesGraph> {
        let settings = GraphSettings { edges: Some(path.display().to_string()), skip_unknown: true, ..GraphSettings::default() };
        let (truth, notes) = SeriesGraph::open(&settings, &self.dataset).with_context(|| path.display().to_string())?;
        for note in notes {
            self.context.say(&format!("note: {}: {note}", path.display()));
        }
        Ok(truth)
    }

    fn graph(&self, options: &GraphOptions) -> anyhow::Result<()> {
        // Refused before an adapter is opened: a model without learned edges, a part without windows, a file that is no graph.
        if !self.shape.settings.use_dynamic_graph {
            return Err(pgat::inspect::InspectError::Off { what: "learned edges", key: "use_dynamic_graph" }.into());
        }
        let (source, windows) = self.windows(count(options.windows))?;
        let truth = options.truth.as_deref().map(|path| self.truth(path)).transpose()?;
        let mut session = self.session(&graph::tensors(&self.shape), windows.len().min(32))?;
        let (parameters, _) = self.run.stored.weights(session.parameters(), self.common.last)?;
        let series: Vec<String> = self.dataset.series_names().map(str::to_owned).collect();
        let learned = LearnedGraph::of(&self.shape, &series, session.parameters(), &parameters)?;
        let (gates, adaptive) = pollster::block_on(graph::look(&mut session, &source, &windows))?;
        let (edges, scores) = (learned.edges(), learned.scores());
        let recovery = truth.map(|truth| recovery(&scores, &truth)).transpose()?;
        let csv = edges_csv(&edges);
        let found =
            GraphFound { recovery, temperature: learned.temperature, part: self.part().to_string(), gates, edges, scores, graph: learned };
        let (map, links) = (
            plot::graph_map(&self.title("learned graph"), &found.graph, &found.scores),
            plot::node_link(&self.title("learned graph"), &found.graph, &found.edges),
        );
        let (scores_csv, gates_csv) = (found.scores.csv(), found.gates.csv());
        let adaptive = adaptive.map(|matrix| graph::matrix_csv(&self.names(), &matrix));
        let mut files =
            vec![("edges.csv", &csv), ("scores.csv", &scores_csv), ("gates.csv", &gates_csv), ("heatmap.svg", &map), ("links.svg", &links)];
        files.extend(adaptive.iter().map(|csv| ("adaptive.csv", csv)));
        let files: Vec<(&str, &str)> = files.into_iter().map(|(name, content)| (name, content.as_str())).collect();
        self.tell(&graph_text(&found), &csv, &found, &files)
    }

    fn attention(&self, window: usize) -> anyhow::Result<()> {
        let (window, source) = self.one(window)?;
        let mut session = self.session(&attention::tensors(&self.shape), 1)?;
        let found = pollster::block_on(attention::look(&mut session, &source, window, self.names()))?;
        let svg = plot::attention_map(&self.title(&of_window("attention", &found.window)), &found);
        let csv = found.csv();
        self.tell(&attention_text(&found), &csv, &found, &[("attention.csv", &csv), ("attention.svg", &svg)])
    }

    fn lags(&self, window: usize) -> anyhow::Result<()> {
        let (window, source) = self.one(window)?;
        let kept = lags::tensors(&self.shape)?;
        let mut session = self.session(&kept, 1)?;
        let step = self.dataset.frequency().map(|f| f.to_string());
        let found = pollster::block_on(lags::look(&mut session, &source, window, self.dataset.target_names(), step))?;
        let svg = plot::lag_bars(&self.title(&of_window("lags", &found.window)), &found);
        let csv = found.csv();
        self.tell(&lags_text(&found), &csv, &found, &[("lags.csv", &csv), ("lags.svg", &svg)])
    }

    fn features(&self, most: usize) -> anyhow::Result<()> {
        let (source, windows) = self.windows(most)?;
        let batch = self.run.config.training.batch_size.min(windows.len());
        let mut session = self.session(&[], batch)?;
        let score = |session: &mut Session| pollster::block_on(worth(session, &source, &self.run.config, &windows));
        let with_all = score(&mut session)?;
        drop(session);
        let all = switches(&self.shape.settings);
        let mut scored = vec![];
        for (i, (key, on)) in all.iter().enumerate() {
            let Some(settings) = without(&self.shape.settings, key).filter(|_| *on) else {
                scored.push((key.clone(), None));
                continue;
            };
            self.context.say(&format!("{}/{}: without {key}", i + 1, all.len()));
            let shape = ModelShape { settings, ..self.shape.clone() };
            let outcome = match self.run.without_a_part(self.context, shape, self.common.last, batch) {
                Ok(mut session) => Ok(score(&mut session)?),
                Err(open::Without::Weights(e)) => Err(e.to_string()),
                Err(open::Without::Other(e)) => return Err(e),
            };
            scored.push((key.clone(), Some(outcome)));
        }
        let found = Features::new(self.part().to_string(), windows.len(), with_all, scored);
        let csv = found.csv();
        self.tell(&features_text(&found), &csv, &found, &[("features.csv", &csv)])
    }
}

fn of_window(what: &str, w: &LookedAt) -> String {
    format!("{what} in window {} of the {} part, origin {}", w.window, w.part, w.origin)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Senders that are named for each receiver.
const NAMED: usize = 5;

fn graph_text(found: &GraphFound) -> String {
    let mut rows = vec![vec!["stage".into(), "receiver".into(), "its likeliest senders".into()]];
    for of_one in found.edges.chunk_by(|a, b| (a.stage, &a.target) == (b.stage, &b.target)) {
        let mut senders =
            of_one.iter().take(NAMED).map(|e| format!("{} {}", e.source, percent(e.probability))).collect::<Vec<_>>().join(", ");
        if of_one.len() > NAMED {
            senders += &format!(" and {} more", of_one.len() - NAMED);
        }
        rows.push(vec![of_one[0].stage.to_string(), of_one[0].target.clone(), senders]);
    }
    let mut text = format!("Edges that the model uses (temperature {:.3})\n{}", found.temperature, console::table(&rows, &[1, 2]));
    let flat = found.graph.stages.iter().flat_map(|s| {
        let even = 1.0 / s.senders.len().max(1) as f64;
        s.probabilities.iter().map(move |p| (p / even - 1.0).abs())
    });
    if flat.fold(0.0, f64::max) < 0.02 {
        text += "Every sender is within 2 % as likely as every other: the model has hardly learned a graph.\n";
    }
    let gates = GATES.iter().zip(found.gates.mean).map(|(name, g)| format!("{name} {}", percent(g))).collect::<Vec<_>>().join(", ");
    text += &format!("\nGates, mean over {} windows of the {} part: {gates}\n", found.gates.windows.len(), found.part);
    if let Some(r) = &found.recovery {
        text += &format!(
            "\nAverage precision of driver to target: {:.3}; density of true edges: {:.3} ({} of {} pairs). A random order has {:.3} in the \
             mean, and {} of random orders reach as much.\n",
            r.average_precision,
            r.density,
            r.edges,
            r.pairs,
            r.chance,
            percent(r.p_value)
        );
    }
    text
}

/// Entries of a head that are printed.
const SHOWN: usize = 3;

fn attention_text(found: &attention::Attention) -> String {
    let mut text = of_window("Attention", &found.window) + "\n";
    for head in &found.heads {
        let names = found.names(head.axis);
        let along = if head.axis == attention::Axis::Steps { "along steps" } else { "across nodes" };
        text += &format!("\nlayer {}, head {}, {along}\n", head.layer, head.head);
        let rows: Vec<Vec<String>> = (names.iter().zip(head.weights.chunks(names.len())))
            .map(|(name, row)| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
                let most = order.iter().take(SHOWN).map(|&j| format!("{} {}", names[j], percent(row[j])));
                vec![name.clone(), most.collect::<Vec<_>>().join(", ")]
            })
            .collect();
        text += &console::table(&rows, &[0, 1]);
    }
    text + &format!("\nLargest difference between the output of these weights and the engine's: {:.1e}\n", found.deviation)
}

fn lags_text(found: &lags::Lags) -> String {
    let unit = found.step.as_ref().map_or_else(String::new, |step| format!(" of {step}"));
    let mut rows = vec![vec!["target".into(), "lag in tokens".into(), format!("in rows{unit}"), "share".into()]];
    for t in &found.targets {
        for (i, lag) in t.taken.iter().enumerate() {
            let name = if i == 0 { t.target.clone() } else { String::new() };
            rows.push(vec![name, lag.tokens.to_string(), lag.rows.to_string(), percent(lag.weight)]);
        }
    }
    format!(
        "{}\n{}\nLags are circular: {} tokens of {} rows go once round the window.\n",
        of_window("Lags", &found.window),
        console::table(&rows, &[0]),
        found.tokens,
        found.patch
    )
}

fn features_text(found: &Features) -> String {
    let mut rows = vec![["switched off", "loss", "change", "CRPS", ""].map(str::to_owned).to_vec()];
    let score = |w: f64| format!("{w:.4}");
    rows.push(vec!["(nothing)".into(), score(found.with_all.loss), String::new(), score(found.with_all.crps), String::new()]);
    for s in &found.switches {
        let cell = |v: Option<f64>| v.map_or_else(String::new, score);
        let change = s.change.map_or_else(String::new, |c| format!("{c:+.4}"));
        let note = match (&s.why_not, s.on) {
            (Some(why), _) => format!("cannot be switched off alone: {why}"),
            (None, false) => "is off".into(),
            _ => String::new(),
        };
        rows.push(vec![s.key.clone(), cell(s.without.map(|w| w.loss)), change, cell(s.without.map(|w| w.crps)), note]);
    }
    format!(
        "{} windows of the {} part, each part switched off at evaluation; loss as in training, in standardised units\n{}",
        found.windows,
        found.part,
        console::table(&rows, &[0, 4])
    )
}
