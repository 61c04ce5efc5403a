//! `pgat inspect`.

use super::context::{self, Context};
use super::out::write_files;
use super::{Ending, console, memory, open};
use anyhow::Context as _;
use pgat::config::GraphSettings;
use pgat::data::Part;
use pgat::experiment::{Experiment, GraphReport, HubReport, Inspector, Run, Truth};
use pgat::inspect::drivers::DriverGraph;
use pgat::inspect::features::Features;
use pgat::inspect::graph::{GATES, edges_csv};
use pgat::inspect::{LookedAt, attention, graph, lags, plot};
use pgat::series_graph::SeriesGraph;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Inspect a trained model: learned graph, attention, lags, importance of each part, memory
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run folder made by `pgat train`, or run file saved by the browser page
    run: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show the learned graph: the strongest drivers of each target
    ///
    /// Prints the strongest drivers of each target along the driver highway, with the lag and the sign of their largest effect
    /// (docs/graph.md says what they mean), then the learned edges over hubs and the mean of the gates over windows, where the model has
    /// them. --out writes drivers.csv and drivers.svg; edges.csv, scores.csv (the strength of each driver for each target: P2 P1 of the two
    /// stages, before the top-k selection), gates.csv (the gates of each window), adaptive.csv, a heat map and a node-link diagram.
    Graph(GraphOptions),
    /// Show the attention weights of each head in one window
    ///
    /// Heads along steps are averaged over nodes; heads across nodes are averaged over steps. Each row belongs to an attending step or
    /// node, and sums to 1.
    Attention(WindowOptions),
    /// Show the lags that autocorrelation attention selects in one window, for each target
    ///
    /// With lag l, each token receives the value l tokens later. Past the end of the window, it continues from the start.
    Lags(WindowOptions),
    /// Show the importance of each part: the loss with one `use_*` switched off at a time, without retraining
    ///
    /// The result shows how much the trained model depends on a part. It does not show the loss of a model trained without the part.
    Features(FeatureOptions),
    /// Show the device memory of training: planned and created bytes by buffer, live tensors, and the arena as a picture
    ///
    /// Allocates all buffers on the adapter as training does, but does not train. With --backend reference, the memory is only planned.
    Memory(memory::Options),
}

#[derive(clap::Args)]
struct Common {
    /// Part of the data to inspect
    #[arg(long, value_enum, default_value_t = open::PartName::Test)]
    part: open::PartName,
    #[command(flatten)]
    data: open::OtherData,
    #[command(flatten)]
    weights: open::WeightsChoice,
    /// Print the result as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the main table as CSV
    #[arg(long)]
    csv: bool,
    /// Write tables (CSV) and pictures (SVG) to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
struct GraphOptions {
    /// True graph to compare with, an edge list as `pgat synth` writes it; prints the average precision of the driver-target edges
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Drivers that are compared with the true graph: names or patterns such as "wave_*" [default: all covariates, or all other series]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "truth")]
    sources: Vec<String>,
    /// Maximum number of windows over which the gates are averaged, evenly spread over the part
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    windows: u64,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct WindowOptions {
    /// Index of the window in its part, counted from 0 as in `pgat evaluate`
    #[arg(long, value_name = "N", default_value_t = 0)]
    window: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct FeatureOptions {
    /// Maximum number of windows to score, evenly spread over the part
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
        What::Memory(options) => memory::run(context, run, options),
    }
    .map(|()| Ending::Done)
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The common state of the inspections.
struct At<'a> {
    context: &'a Context,
    experiment: Experiment,
    common: &'a Common,
}

impl<'a> At<'a> {
    fn new(context: &'a Context, run: Run, common: &'a Common) -> anyhow::Result<Self> {
        Ok(Self { context, experiment: open::run_data(run, common.data.data.as_deref())?, common })
    }

    fn part(&self) -> Part {
        self.common.part.part()
    }

    /// The title of a picture.
    fn title(&self, of: &str) -> String {
        format!("{}: {of}", self.experiment.config().name)
    }

    /// Opens the backend and prints weights and adapter.
    fn inspector(&self) -> anyhow::Result<Inspector> {
        let weights = self.common.weights.weights();
        let stored = self.experiment.weights()?;
        let backend = self.context.open()?;
        self.context.say(&format!("weights: {}", stored.path().join(stored.weights_file(weights)).display()));
        self.context.say(&format!("adapter: {}", context::describe(&backend)));
        Ok(Inspector::new(self.experiment.clone(), backend, weights))
    }

    /// Prints the result and writes the files of `--out`.
    fn tell(&self, text: &str, csv: &str, all: &impl Serialize, files: &[(&str, &str)]) -> anyhow::Result<()> {
        write_files(self.context, self.common.out.as_deref(), files)?;
        match (self.common.json, self.common.csv) {
            (true, _) => console::json(all),
            (_, true) => console::result(csv),
            _ => console::result(text),
        }
    }

    fn truth(&self, path: &Path) -> anyhow::Result<SeriesGraph> {
        let settings = GraphSettings::of_truth(path.display().to_string());
        let (truth, notes) = SeriesGraph::open(&settings, self.experiment.dataset()).with_context(|| path.display().to_string())?;
        for note in notes {
            self.context.say(&format!("note: {}: {note}", path.display()));
        }
        Ok(truth)
    }

    fn graph(&self, options: &GraphOptions) -> anyhow::Result<()> {
        // Errors before an adapter is opened: a model without learned edges, a part without windows, an invalid graph file.
        self.experiment.check_learned_graph()?;
        self.experiment.check_part(self.part())?;
        let truth = options.truth.as_deref().map(|path| self.truth(path)).transpose()?;
        let truth = truth.map(|graph| Truth { graph, sources: options.sources.clone() });
        let inspector = self.inspector()?;
        let found = pollster::block_on(inspector.graph(self.part(), count(options.windows), truth.as_ref()))?;
        let title = self.title("learned graph");
        let mut files: Vec<(&str, String)> = vec![];
        if let Some(drivers) = &found.drivers {
            files.extend([("drivers.csv", drivers.csv()), ("drivers.svg", plot::driver_map(&title, drivers))]);
        }
        if let Some(hubs) = &found.hubs {
            files.extend([
                ("edges.csv", edges_csv(&hubs.edges)),
                ("scores.csv", hubs.scores.csv()),
                ("gates.csv", hubs.gates.csv()),
                ("heatmap.svg", plot::graph_map(&title, &hubs.graph, &hubs.scores)),
                ("links.svg", plot::node_link(&title, &hubs.graph, &hubs.edges)),
            ]);
            files.extend(hubs.adaptive.as_ref().map(|matrix| ("adaptive.csv", graph::matrix_csv(&inspector.node_names(), matrix))));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (*name, content.as_str())).collect();
        let csv = files.first().map_or("", |(_, content)| content);
        self.tell(&graph_text(&found), csv, &found, &files)
    }

    fn attention(&self, window: usize) -> anyhow::Result<()> {
        self.experiment.check_window(self.part(), window)?;
        let found = pollster::block_on(self.inspector()?.attention(self.part(), window))?;
        let svg = plot::attention_map(&self.title(&of_window("attention", &found.window)), &found);
        let csv = found.csv();
        self.tell(&attention_text(&found), &csv, &found, &[("attention.csv", &csv), ("attention.svg", &svg)])
    }

    fn lags(&self, window: usize) -> anyhow::Result<()> {
        self.experiment.check_window(self.part(), window)?;
        self.experiment.check_lags()?;
        let found = pollster::block_on(self.inspector()?.lags(self.part(), window))?;
        let svg = plot::lag_bars(&self.title(&of_window("lags", &found.window)), &found);
        let csv = found.csv();
        self.tell(&lags_text(&found), &csv, &found, &[("lags.csv", &csv), ("lags.svg", &svg)])
    }

    fn features(&self, most: usize) -> anyhow::Result<()> {
        self.experiment.check_part(self.part())?;
        let say = &mut |i: usize, of: usize, key: &str| self.context.say(&format!("{i}/{of}: without {key}"));
        let found = pollster::block_on(self.inspector()?.features(self.part(), most, say))?;
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

/// Number of senders listed per receiver.
const NAMED: usize = 5;

fn drivers_text(found: &DriverGraph) -> String {
    let mut rows = vec![vec!["target".into(), "driver".into(), "strength".into(), "lag in rows".into(), "effect".into()]];
    for of_one in found.edges.chunk_by(|a, b| a.target == b.target) {
        for (i, e) in of_one.iter().take(NAMED).enumerate() {
            let name = if i == 0 { e.target.clone() } else { String::new() };
            rows.push(vec![name, e.source.clone(), format!("{:.3}", e.strength), e.lag.to_string(), format!("{:+.4}", e.effect)]);
        }
        if of_one.len() > NAMED {
            rows.push(vec![String::new(), format!("and {} more", of_one.len() - NAMED), String::new(), String::new(), String::new()]);
        }
    }
    if found.edges.is_empty() {
        return "The driver highway has no edges: no series helps to forecast another one.\n".into();
    }
    let head =
        "Drivers of each target along the driver highway; strengths are divided by the largest, effects are on the first forecast row";
    format!("{head}\n{}", console::table(&rows, &[0, 1]))
}

fn hubs_text(found: &HubReport, part: &str) -> String {
    let mut rows = vec![vec!["stage".into(), "receiver".into(), "most probable senders".into()]];
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
        text += "All senders of a receiver have the same probability within 2 %: the model has hardly learned a graph.\n";
    }
    let gates = GATES.iter().zip(found.gates.mean).map(|(name, g)| format!("{name} {}", percent(g))).collect::<Vec<_>>().join(", ");
    text += &format!("\nGates, mean over {} windows of the {part} part: {gates}\n", found.gates.windows.len());
    text
}

fn graph_text(found: &GraphReport) -> String {
    let drivers = found.drivers.as_ref().map(drivers_text);
    let hubs = found.hubs.as_ref().map(|hubs| hubs_text(hubs, &found.part));
    let mut text = drivers.into_iter().chain(hubs).collect::<Vec<_>>().join("\n");
    if let Some(r) = &found.recovery {
        text += &format!(
            "\nAverage precision of driver-target edges: {:.3}; area under the ROC curve {:.3}; density of true edges: {:.3} ({} of {} pairs). A random order has a mean \
             of {:.3}; {} of random orders reach this average precision.\n",
            r.average_precision,
            r.auroc,
            r.density,
            r.edges,
            r.pairs,
            r.chance,
            percent(r.p_value)
        );
    }
    text
}

/// Number of entries printed per row of a head.
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
        "{}\n{}\nLags are circular: the window has {} tokens of {} rows.\n",
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
        "{} windows of the {} part, one part of the model switched off at a time; loss as in training, in standardised units\n{}",
        found.windows,
        found.part,
        console::table(&rows, &[0, 4])
    )
}
