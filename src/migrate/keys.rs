//! The keys of the original system, their defaults there, and the conversion of each key.

use super::draft::Draft;
use super::yaml::{Entry, Old};
use super::{DataFile, Fate, MigrateError, data};
use crate::synth::original_frequency;

/// A key of the original system.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The default in the original system, if the new configuration must contain it.
    pub(super) default: Option<&'static str>,
    rule: Rule,
}

type Function = fn(&Old, &Entry, &DataFile, &mut Draft) -> Result<Fate, MigrateError>;

/// The conversion of a key.
enum Rule {
    /// A count with this section and key.
    Count(&'static str, &'static str),
    /// A number with this section and key.
    Real(&'static str, &'static str),
    /// A switch with this section and key.
    Switch(&'static str, &'static str),
    /// A special conversion.
    Special(Function),
    /// No conversion, with the reason.
    Nothing(&'static str),
}

use Rule::{Count, Nothing, Real, Special, Switch};

const fn key(name: &'static str, default: &'static str, rule: Rule) -> Key {
    Key { name, default: if default.is_empty() { None } else { Some(default) }, rule }
}

const PLANNED: &str = "memory is planned before training, and nothing is allocated during training";
const COUNTED: &str = "the number of series is determined by the columns of the data";
const LEARNED: &str = "the weight of each graph is learned";

/// All keys, in the order of the documentation of the original system.
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
    key("adjacency_diagonal_value", "", Nothing("every series has a self-loop of weight 1 in the fixed graph; see [graph]")),
    key("use_gated_graph_combiner", "false", Switch("model", "use_graph_gate")),
    key("d_ff", "2048", Count("model", "d_ff")),
    key("factor", "", Nothing("attention is exact, not sampled")),
    key("activation", "", Special(activation)),
    key("mode", "", Special(mode)),
    key("PGAT_MAX_ATTENTION_TOKENS", "", Nothing("attention runs along steps or across series, never over all tokens")),
    key("use_gradient_checkpointing", "", Nothing("the memory budget, training.memory, determines which tensors are recomputed")),
    key("memory_chunk_size", "", Nothing("chunks are planned from the memory budget and do not affect the results")),
    key("enable_memory_cleanup", "", Nothing(PLANNED)),
    key("enable_memory_optimization", "", Nothing(PLANNED)),
    key("use_sparse_adjacency", "", Nothing("model.top_k_edges sets the number of senders that are kept")),
    key("chunk_size", "", Nothing("chunks are planned from the memory budget and do not affect the results")),
    key("memory_threshold_mb", "", Special(memory)),
    key("root_path", "", Special(path)),
    key("data_path", "synthetic_multi_wave.csv", Special(path)),
    key("target", "*", Special(|old, _, file, _| data::target(old, file))),
    key("features", "", Special(|old, _, file, _| data::described(old, file))),
    key("freq", "h", Special(frequency)),
    key("label_len", "", Nothing("the decoder starts from the tokens of the history, not from repeated values")),
    key("scale", "", Special(scale)),
    key("batch_size", "32", Count("training", "batch_size")),
    key("num_workers", "", Nothing("windows are prepared while the device computes")),
    key("validation_length", "", Special(|old, _, file, _| data::length(old, file, "validation_length"))),
    key("test_length", "", Special(|old, _, file, _| data::length(old, file, "test_length"))),
    key("embed", "", Nothing("data.calendar sets the calendar features; the default depends on the frequency")),
    key("learning_rate", "1e-4", Real("training", "learning_rate")),
    key("lradj", "type1", Special(schedule)),
    key("train_epochs", "20", Count("training", "epochs")),
    key("patience", "5", Count("training", "patience")),
    key("warmup_epochs", "", Special(warmup)),
    key("loss", "", Special(loss)),
    key("loss_function_type", "", Special(loss)),
    key("quantile_levels", "", Special(levels)),
    key("huber_delta", "", Nothing("set model.huber_delta with model.head = \"point\" and model.point_loss = \"huber\"")),
    key("use_amp", "", Nothing("kernels compute in f32")),
    key("use_gpu", "", Nothing("the device is selected when training starts, not in the config")),
    key("checkpoints", "", Nothing("the run folder is selected when training starts, not in the config")),
];

impl Key {
    /// Converts the key; none if it is not in the file and has no default.
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

/// The count with this name, or its default.
fn count(old: &Old, name: &str, default: &str) -> Result<usize, MigrateError> {
    old.value(name, Some(default)).map_or(Ok(0), |e| e.whole())
}

/// The number of heads, rounded up to an even number: half of the heads attend along steps, half across series.
fn even_heads(old: &Old) -> Result<usize, MigrateError> {
    Ok(count(old, "n_heads", "8")?.max(1).next_multiple_of(2))
}

fn heads(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let (asked, heads) = (entry.whole()?, even_heads(old)?);
    draft.count("model", "n_heads", heads);
    let now = format!("model.n_heads = {heads}");
    let why = "the number must be even, since half of the heads attend along steps and half across series";
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
    let but = if differs { format!(" (check: {asked} in the old config, {found} in data.targets)") } else { String::new() };
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
        Fate::Dropped("forecasts are mixtures unless model.head selects another output".into())
    } else {
        Fate::Changed("model.mdn_components = 1".into(), "one Gaussian; for point forecasts, set model.head = \"point\"".into())
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
        "feed-forward blocks always use gelu".into()
    } else {
        format!("feed-forward blocks always use gelu, not {text}")
    }))
}

fn mode(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    match entry.text()?.as_str() {
        "probabilistic" => Ok(Fate::Dropped("forecasts are probabilistic unless model.head selects another output".into())),
        "standard" => Ok(Fate::Dropped("forecasts have a column mean; for point forecasts, set model.head = \"point\"".into())),
        _ => Err(entry.wrong("neither probabilistic nor standard")),
    }
}

fn memory(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let bound = format!("{}MB", entry.whole()?);
    draft.set("training", "memory", bound.as_str());
    Ok(Fate::Changed(
        format!("training.memory = \"{bound}\""),
        "it is a strict limit on device memory; in the original system, it was a threshold for cleaning up".into(),
    ))
}

fn path(old: &Old, _: &Entry, file: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let path = file.path.clone().map_or_else(|| data::path(old), Ok)?;
    Ok(Fate::Changed(format!("data.path = \"{path}\""), "it is relative to the configuration file, not to the current folder".into()))
}

fn frequency(_: &Old, entry: &Entry, file: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let frequency = original_frequency(&entry.text()?).map_err(|advice| entry.wrong(&format!("not a time step ({advice})")))?.to_string();
    if data::time(file).is_none() {
        return Ok(Fate::Dropped("the data have no timestamp column".into()));
    }
    draft.set("data", "frequency", frequency.as_str());
    Ok(Fate::Renamed(format!("data.frequency = \"{frequency}\"")))
}

fn scale(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let always = "series are always standardised by their training rows, and forecasts are in the units of the data";
    Ok(Fate::Dropped(if entry.switch()? { always.into() } else { format!("{always}, also for scale: false") }))
}

fn schedule(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let text = entry.text()?;
    let why = match text.as_str() {
        "cosine" => None,
        "type1" => Some("the learning rate decreases smoothly; in the original system, it was halved after every epoch"),
        "type2" => Some("the learning rate decreases smoothly; in the original system, it changed at given epochs"),
        "type3" => Some("the learning rate decreases smoothly; in the original system, it decreased by a tenth per epoch"),
        _ => return Err(entry.wrong("not one of type1, type2, type3 and cosine")),
    };
    draft.set("training", "schedule", "cosine");
    let now = "training.schedule = \"cosine\"".to_owned();
    Ok(why.map_or_else(|| Fate::Renamed(now.clone()), |why| Fate::Changed(now.clone(), why.into())))
}

fn warmup(old: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let (warmup, epochs) = (entry.whole()?, count(old, "train_epochs", "20")?);
    if warmup == 0 {
        return Ok(Fate::Dropped("there is no warm-up by default".into()));
    }
    let fraction = (warmup as f64 / epochs.max(1) as f64).min(1.0);
    draft.set("training", "warmup_fraction", fraction);
    Ok(Fate::Changed(format!("training.warmup_fraction = {fraction}"), format!("{warmup} of {epochs} epochs")))
}

fn loss(_: &Old, entry: &Entry, _: &DataFile, _: &mut Draft) -> Result<Fate, MigrateError> {
    let text = entry.text()?;
    let scored = "training maximises the likelihood of the mixture; set model.head = \"point\" (with point_loss mse, mae or huber), \
         \"quantile\" or \"gaussian\" for another loss";
    Ok(Fate::Dropped(format!("{scored} (in the old config: {text})")))
}

fn levels(_: &Old, entry: &Entry, _: &DataFile, draft: &mut Draft) -> Result<Fate, MigrateError> {
    let mut levels = entry.reals()?;
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    draft.set("evaluation", "levels", levels.clone());
    Ok(Fate::Changed(
        format!("evaluation.levels = {}", toml::Value::from(levels)),
        "these levels are written and scored; to train on levels, set model.head = \"quantile\" and model.quantile_levels".into(),
    ))
}
