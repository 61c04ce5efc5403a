//! The original's keys, their defaults there, and what becomes of each.

use super::draft::Draft;
use super::yaml::{Entry, Old};
use super::{DataFile, Fate, MigrateError, data};
use crate::synth::original_frequency;

/// A key of the original.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it meant where it was left out, if that has to be written here.
    pub(super) default: Option<&'static str>,
    rule: Rule,
}

type Function = fn(&Old, &Entry, &DataFile, &mut Draft) -> Result<Fate, MigrateError>;

/// What becomes of a key.
enum Rule {
    /// A count under this section and key.
    Count(&'static str, &'static str),
    /// A number.
    Real(&'static str, &'static str),
    /// A switch.
    Switch(&'static str, &'static str),
    /// Something else.
    Special(Function),
    /// Nothing, and why.
    Nothing(&'static str),
}

use Rule::{Count, Nothing, Real, Special, Switch};

const fn key(name: &'static str, default: &'static str, rule: Rule) -> Key {
    Key { name, default: if default.is_empty() { None } else { Some(default) }, rule }
}

const PLANNED: &str = "memory is planned before training, and nothing is allocated after that";
const COUNTED: &str = "series are counted from the columns of the data";
const LEARNED: &str = "how much each graph counts is learned";

/// All of them, by the sections of the original's documentation.
pub(super) const KEYS: &[Key] = &[
    key("seq_len", "96", Count("window", "history")),
    key("pred_len", "24", Count("window", "horizon")),
    key("d_model", "512", Special(width)),
    key("n_heads", "8", Special(heads)),
    key("enc_in", "", Nothing(COUNTED)),
    key("c_out", "", Special(targets)),
    key("num_waves", "", Nothing(COUNTED)),
    key("num_targets", "", Special(targets)),
    key("num_transitions", "3", Special(transitions)),
    key("dropout", "0.1", Real("model", "dropout")),
    key("use_mixture_density", "", Special(mixture)),
    key("mdn_components", "3", Special(components)),
    key("use_dynamic_edge_weights", "true", Switch("model", "use_dynamic_edge_weights")),
    key("enable_graph_attention", "true", Switch("model", "use_graph_attention")),
    key("enable_dynamic_graph", "true", Switch("model", "use_dynamic_graph")),
    key("use_autocorr_attention", "true", Switch("model", "use_autocorr")),
    key("autocorr_factor", "1", Real("model", "autocorr_factor")),
    key("use_adaptive_temporal", "true", Switch("model", "use_adaptive_temporal")),
    key("max_eigenvectors", "16", Count("model", "num_eigenvectors")),
    key("enable_graph_positional_encoding", "true", Switch("model", "use_graph_encoding")),
    key("enable_structural_pos_encoding", "true", Switch("model", "use_structural_encoding")),
    key("base_adjacency_weight", "", Nothing(LEARNED)),
    key("adaptive_adjacency_weight", "", Nothing(LEARNED)),
    key("adjacency_diagonal_value", "", Nothing("a series has a self-loop of weight 1 in the fixed graph; see [graph]")),
    key("use_gated_graph_combiner", "false", Switch("model", "use_graph_gate")),
    key("d_ff", "2048", Count("model", "d_ff")),
    key("factor", "", Nothing("attention is exact, not sampled")),
    key("activation", "", Special(activation)),
    key("mode", "", Special(mode)),
    key("PGAT_MAX_ATTENTION_TOKENS", "", Nothing("attention runs along steps or across series, never over all tokens at once")),
    key("use_gradient_checkpointing", "", Nothing("what is kept for the backward pass follows from the memory bound, training.memory")),
    key("memory_chunk_size", "", Nothing("chunks are planned from the memory bound, and no chunk changes a number")),
    key("enable_memory_cleanup", "", Nothing(PLANNED)),
    key("enable_memory_optimization", "", Nothing(PLANNED)),
    key("use_sparse_adjacency", "", Nothing("the number of senders kept is model.top_k_edges")),
    key("chunk_size", "", Nothing("chunks are planned from the memory bound, and no chunk changes a number")),
    key("memory_threshold_mb", "", Special(memory)),
    key("root_path", "", Special(path)),
    key("data_path", "synthetic_multi_wave.csv", Special(path)),
    key("target", "*", Special(|old, _, file, _| data::target(old, file))),
    key("features", "", Special(|old, _, file, _| data::described(old, file))),
    key("freq", "h", Special(frequency)),
    key("label_len", "", Nothing("the decoder starts from the history's tokens, not from repeated values")),
    key("scale", "", Special(scale)),
    key("batch_size", "32", Count("training", "batch_size")),
    key("num_workers", "", Nothing("windows are made while the device computes")),
    key("validation_length", "", Special(|old, _, file, _| data::length(old, file, "validation_length"))),
    key("test_length", "", Special(|old, _, file, _| data::length(old, file, "test_length"))),
    key("embed", "", Nothing("calendar features are data.calendar, by default chosen by the frequency")),
    key("learning_rate", "1e-4", Real("training", "learning_rate")),
    key("lradj", "type1", Special(schedule)),
    key("train_epochs", "20", Count("training", "epochs")),
    key("patience", "5", Count("training", "patience")),
    key("warmup_epochs", "", Special(warmup)),
    key("loss", "", Special(loss)),
    key("loss_function_type", "", Special(loss)),
    key("quantile_levels", "", Special(levels)),
    key("huber_delta", "", Nothing("it is model.huber_delta, which goes with model.head = \"point\" and model.point_loss = \"huber\"")),
    key("use_amp", "", Nothing("kernels compute in f32")),
    key("use_gpu", "", Nothing("the device is chosen when training starts, not in the config")),
    key("checkpoints", "", Nothing("a run's folder is chosen when training starts, not in the config")),
];

impl Key {
    /// Writes what the key became; nothing to say of a default that is no key's.
    pub(super) fn apply(&self, old: &Old, file: &DataFile, draft: &mut Draft) -> Result<Option<Fate>, MigrateError> {
        let Some(entry) = old.value(self.name, self.default) else { return Ok(None) };
        let named = |section: &str, key: &str, value: String| {
            let now = format!("{section}.{key} = {value}");
            if key == self.name { Fate::Kept(now) } else { Fate::Renamed(now) }
        };
        Ok(Some(match self.rule {
            Count(section, key) => {
                let value = entry.whole()?;
                draft.count(section, key, value);
                named(section, key, value.to_string())
            }
            Real(section, key) => {
                let value = entry.real()?;
                draft.set(section, key, value);
                named(section, key, value.to_string())
            }
            Switch(section, key) => {
                let value = entry.switch()?;
                draft.set(section, key, value);
                named(section, key, value.to_string())
            }
            Special(special) => special(old, &entry, file, draft)?,
            Nothing(why) => Fate::Dropped(why.into()),
        }))
    }
}

/// A count by name, with its default.
fn count(old: &Old, name: &str, default: &str) -> Result<usize, MigrateError> {
    old.value(name, Some(default)).map_or(Ok(0), |e| e.whole())
}

/// Heads are even here: half of them look along steps, half across series.
fn even_heads(old: &Old) -> Result<usize, MigrateError> {
    Ok(count(old, "n_heads", "8")?.max(1).next_multiple_of(2))
}

fn heads(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let (asked, heads) = (entry.whole()?, even_heads(old)?);
    draft.count("model", "n_heads", heads);
    let now = format!("model.n_heads = {heads}");
    let why = "half of the heads look along steps, half across series, so their number is even";
    Ok(if asked == heads { Fate::Kept(now) } else { Fate::Changed(now, why.into()) })
}

fn width(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let unit = 2 * even_heads(old)?;
    let (asked, width) = (entry.whole()?, entry.whole()?.max(1).next_multiple_of(unit));
    draft.count("model", "d_model", width);
    let now = format!("model.d_model = {width}");
    Ok(if asked == width { Fate::Kept(now) } else { Fate::Changed(now, format!("it must be a multiple of 2 n_heads = {unit}")) })
}

fn targets(old: &Old, entry: &Entry, file: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let (asked, columns) = (entry.whole()?, data::Columns::of(old, file)?);
    let pattern = columns.targets.iter().any(|t| t == "*" || t.contains("{i}"));
    let found = columns.targets.len();
    let differs = !pattern && found != asked;
    let but = if differs { format!(" (mind: {asked} there, {found} in data.targets)") } else { String::new() };
    Ok(Fate::Dropped(format!("{COUNTED}{but}")))
}

fn transitions(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let least = count(old, "num_waves", "7")?.min(count(old, "num_targets", "3")?);
    let transitions = if old.get("num_transitions").is_some() { entry.whole()? } else { least };
    draft.count("model", "num_transitions", transitions);
    Ok(Fate::Kept(format!("model.num_transitions = {transitions}")))
}

fn mixture(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    Ok(if entry.switch()? {
        Fate::Dropped("forecasts are mixtures unless model.head says otherwise".into())
    } else {
        Fate::Changed("model.mdn_components = 1".into(), "one Gaussian; for numbers alone set model.head = \"point\"".into())
    })
}

fn components(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let plain = old.get("use_mixture_density").map(Entry::switch).transpose()? == Some(false);
    let components = if plain { 1 } else { entry.whole()? };
    draft.count("model", "mdn_components", components);
    let now = format!("model.mdn_components = {components}");
    Ok(if plain { Fate::Changed(now, "use_mixture_density is false".into()) } else { Fate::Kept(now) })
}

fn activation(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let text = entry.text()?;
    Ok(Fate::Dropped(if text == "gelu" {
        "feed-forward blocks have it always".into()
    } else {
        format!("feed-forward blocks have gelu, not {text}")
    }))
}

fn mode(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    match entry.text()?.as_str() {
        "probabilistic" => Ok(Fate::Dropped("forecasts are probabilistic unless model.head says otherwise".into())),
        "standard" => Ok(Fate::Dropped("the mean of a forecast is its column mean; for numbers alone set model.head = \"point\"".into())),
        _ => Err(entry.wrong("neither probabilistic nor standard")),
    }
}

fn memory(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let bound = format!("{}MB", entry.whole()?);
    draft.set("training", "memory", bound.as_str());
    Ok(Fate::Changed(
        format!("training.memory = \"{bound}\""),
        "a bound on device memory that is kept, where it was a mark for cleaning up".into(),
    ))
}

fn path(old: &Old, _: &Entry, file: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let path = file.path.clone().map_or_else(|| data::path(old), Ok)?;
    Ok(Fate::Changed(format!("data.path = \"{path}\""), "it is relative to the configuration file, not to where a command is run".into()))
}

fn frequency(_: &Old, entry: &Entry, file: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let frequency = original_frequency(&entry.text()?).map_err(|advice| entry.wrong(&format!("no step ({advice})")))?.to_string();
    if data::time(file).is_none() {
        return Ok(Fate::Dropped("the data have no column of time stamps".into()));
    }
    draft.set("data", "frequency", frequency.as_str());
    Ok(Fate::Renamed(format!("data.frequency = \"{frequency}\"")))
}

fn scale(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let always = "the model sees every series standardised by its training rows, and forecasts come out in the units of the data";
    Ok(Fate::Dropped(if entry.switch()? { always.into() } else { format!("{always}, whatever this says") }))
}

fn schedule(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let text = entry.text()?;
    let why = match text.as_str() {
        "cosine" => None,
        "type1" => Some("the rate falls smoothly, where it was halved after every epoch"),
        "type2" => Some("the rate falls smoothly, where it jumped at given epochs"),
        "type3" => Some("the rate falls smoothly, where it fell by a tenth an epoch"),
        _ => return Err(entry.wrong("none of type1, type2, type3 and cosine")),
    };
    draft.set("training", "schedule", "cosine");
    let now = "training.schedule = \"cosine\"".to_owned();
    Ok(why.map_or_else(|| Fate::Renamed(now.clone()), |why| Fate::Changed(now.clone(), why.into())))
}

fn warmup(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let (warmup, epochs) = (entry.whole()?, count(old, "train_epochs", "20")?);
    if warmup == 0 {
        return Ok(Fate::Dropped("there is no warm-up unless one is asked for".into()));
    }
    let fraction = (warmup as f64 / epochs.max(1) as f64).min(1.0);
    draft.set("training", "warmup_fraction", fraction);
    Ok(Fate::Changed(format!("training.warmup_fraction = {fraction}"), format!("{warmup} of {epochs} epochs")))
}

fn loss(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let text = entry.text()?;
    let scored = "training maximises the likelihood of the mixture; model.head = \"point\" (point_loss mse, mae, huber), \"quantile\" or \"gaussian\" trains \
         for others";
    Ok(Fate::Dropped(format!("{scored} (there: {text})")))
}

fn levels(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let mut levels = entry.reals()?;
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    draft.set("evaluation", "levels", levels.clone());
    Ok(Fate::Changed(
        format!("evaluation.levels = {}", toml::Value::from(levels)),
        "levels that are written and scored; to train for levels set model.head = \"quantile\" and model.quantile_levels".into(),
    ))
}
