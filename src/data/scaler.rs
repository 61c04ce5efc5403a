//! Standardisation: mean and standard deviation of each input over the training rows.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::error::DataError;
use super::layout::Slot;
use super::windows::Part;
use crate::numbers::to_f32;

/// The error about targets of a long table. A column that no series can use is named once. `None` if other columns are among them.
fn of_series(dataset: &Dataset, unusable: &[(String, String)]) -> Option<DataError> {
    let targets = dataset.layout.targets.iter().zip(&dataset.layout.bindings);
    // The column of each target, by its name: a series alone is that of the only column.
    let column = |name: &str, series: &str| name.strip_prefix(series)?.strip_prefix('_').map(str::to_owned);
    let columns: HashMap<&str, Option<String>> =
        targets.map(|(name, series)| (name.as_str(), series.as_deref().and_then(|series| column(name, series)))).collect();
    if !dataset.long || unusable.iter().any(|(name, _)| !columns.contains_key(name.as_str())) {
        return None;
    }
    // Number of series of each column; of those that cannot be used with what their cells are, if that is the same.
    let mut all: HashMap<&str, usize> = HashMap::new();
    let mut bad: HashMap<&str, (usize, Option<&str>)> = HashMap::new();
    columns.values().flatten().for_each(|column| *all.entry(column).or_default() += 1);
    for (name, why) in unusable {
        let Some(column) = &columns[name.as_str()] else { continue };
        let (count, same) = bad.entry(column).or_insert((0, Some(why)));
        *count += 1;
        *same = same.filter(|same| same == why);
    }
    let (mut whole, mut single): (Vec<(String, String)>, _) = (vec![], vec![]);
    for (name, why) in unusable {
        let column = columns[name.as_str()].as_deref().filter(|column| bad[column].0 == all[column]);
        match column {
            None => single.push((name.clone(), why.clone())),
            Some(column) if whole.iter().any(|(known, _)| known == column) => {}
            Some(column) => {
                let why = bad[column].1.unwrap_or("constant or empty");
                whole.push((column.to_owned(), format!("{why} in all {} series", all[column])));
            }
        }
    }
    Some(DataError::UnusableSeries { columns: whole, series: single })
}

/// Mean and standard deviation of each (series, channel) over the observed training rows. It is stored with a run.
///
/// The values are f32 and exact in JSON, so that a resumed run continues with the same bits. Mean and deviation are those of the stored
/// numbers: values of a column with an offset are `offset + mean + std * standardised`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Names of the Nc covariates.
    covariates: Vec<String>,
    /// Names of the Nt targets.
    targets: Vec<String>,
    /// Names of channels 1..F.
    channels: Vec<String>,
    /// `[Nx, F]`; 0 if there is no input.
    mean: Vec<f32>,
    /// `[Nx, F]`, population standard deviation; 1 for constants and if there is no input.
    std: Vec<f32>,
    /// `[Nx, F]`, the offsets of the stored numbers; empty if all are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    offset: Vec<f64>,
}

impl Scaler {
    /// Fits a scaler to the training rows of `dataset` only. Also returns notes for the user.
    ///
    /// # Errors
    /// If targets are constant in the training rows, or inputs are never observed there. The error names all of them.
    pub fn fit(dataset: &Dataset) -> Result<(Self, Vec<String>), DataError> {
        let rows = dataset.part_rows(Part::Train)?;
        let channels = dataset.shape.num_channels;
        let mut scaler = Self::identity(dataset);
        let (mut notes, mut unusable) = (vec![], vec![]);
        for (index, slot) in dataset.layout.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let label = &dataset.labels[slot.column];
            let Some(moments) = Moments::of(|| dataset.table.values(slot.column, rows.clone())) else {
                unusable.push((label.clone(), "no value".to_owned()));
                continue;
            };
            let is_target = index % channels == 0 && index / channels >= dataset.shape.num_covariates;
            if moments.least == moments.greatest {
                let value = value_text(dataset.offsets[slot.column], moments.least);
                let note = format!("column \"{label}\" is {value} in all training rows and contains no information");
                if is_target {
                    unusable.push((label.clone(), format!("always {value}")));
                } else if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            scaler.mean[index] = to_f32(moments.mean);
            scaler.std[index] = moments.scale();
        }
        unusable.dedup();
        if unusable.is_empty() {
            return Ok((scaler, notes));
        }
        Err(of_series(dataset, &unusable).unwrap_or(DataError::Unusable { columns: unusable }))
    }

    /// A scaler with mean 0 and standard deviation 1 of the stored numbers, for all inputs.
    #[must_use]
    pub fn identity(dataset: &Dataset) -> Self {
        let inputs = dataset.layout.slots.len();
        Self {
            covariates: dataset.layout.covariates.clone(),
            targets: dataset.layout.targets.clone(),
            channels: dataset.layout.channels.clone(),
            mean: vec![0.0; inputs],
            std: vec![1.0; inputs],
            offset: offsets(dataset),
        }
    }

    /// Checks that this scaler belongs to the series and channels of `dataset`.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, dataset: &Dataset) -> Result<(), DataError> {
        let layout = &dataset.layout;
        let pairs = [
            ("covariate", &self.covariates, &layout.covariates),
            ("target", &self.targets, &layout.targets),
            ("channel", &self.channels, &layout.channels),
        ];
        for (what, mine, theirs) in pairs {
            if mine.len() != theirs.len() {
                let problem = format!("it has {} {what}s, but the data have {}", mine.len(), theirs.len());
                return Err(DataError::Scaler { problem });
            }
            if let Some((a, b)) = mine.iter().zip(theirs).find(|(a, b)| a != b) {
                return Err(DataError::Scaler { problem: format!("it has the {what} \"{a}\" where the data have \"{b}\"") });
            }
        }
        let inputs = layout.slots.len();
        let whole = self.mean.len() == inputs && self.std.len() == inputs;
        let finite = self.mean.iter().all(|m| m.is_finite()) && self.offset.iter().all(|o| o.is_finite());
        let offsets_whole = self.offset.is_empty() || self.offset.len() == inputs;
        if !(whole && finite && offsets_whole) || self.std.iter().any(|&s| !(s > 0.0 && s.is_finite())) {
            return Err(DataError::Scaler { problem: "its values are damaged".into() });
        }
        let offsets = self.column_offsets(&layout.slots, dataset.offsets.len());
        match offsets.iter().zip(&dataset.offsets).zip(&dataset.labels).find(|((mine, theirs), _)| mine != theirs) {
            None => Ok(()),
            Some(((mine, theirs), label)) => Err(DataError::Scaler {
                problem: format!("it has the offset {mine} for column \"{label}\", whose numbers are stored with the offset {theirs}"),
            }),
        }
    }

    /// Whether a fit to the training rows of `dataset` gives exactly this scaler, that is, whether the training rows are unchanged.
    #[must_use]
    pub fn is_fit_of(&self, dataset: &Dataset) -> bool {
        Self::fit(dataset).is_ok_and(|(fitted, _)| fitted == *self)
    }

    /// Names of the targets.
    #[must_use]
    pub fn target_names(&self) -> &[String] {
        &self.targets
    }

    /// Names of the covariates.
    #[must_use]
    pub fn covariate_names(&self) -> &[String] {
        &self.covariates
    }

    /// Mean and standard deviation of a target in original units.
    #[must_use]
    pub fn target_scale(&self, target: usize) -> (f64, f64) {
        let index = self.target_index(target);
        (self.offset_of(index) + f64::from(self.mean[index]), self.std[index].into())
    }

    /// The number that is subtracted from the values of a target when they are stored; 0 for nearly all targets. Differences from it fit
    /// into f32, the values themselves need f64.
    #[must_use]
    pub fn target_offset(&self, target: usize) -> f64 {
        self.offset_of(self.target_index(target))
    }

    /// Converts a standardised value of a target, or of its forecast, to original units.
    #[must_use]
    pub fn to_original(&self, target: usize, standardised: f64) -> f64 {
        let (mean, std) = self.target_scale(target);
        mean + std * standardised
    }

    /// Standardises a value of a target in original units.
    #[must_use]
    pub fn standardise_target(&self, target: usize, raw: f64) -> f32 {
        let index = self.target_index(target);
        self.standardise(index, to_f32(raw - self.offset_of(index)))
    }

    /// The offset of input `index` of `[Nx, F]`.
    pub(super) fn offset_of(&self, index: usize) -> f64 {
        self.offset.get(index).copied().unwrap_or(0.0)
    }

    /// The offsets with which the `columns` stored columns of a file must be read, so that this scaler applies to them. `slots` are the
    /// inputs `[Nx, F]` of the file; [`Scaler::check`] compares its names.
    pub(super) fn column_offsets(&self, slots: &[Option<Slot>], columns: usize) -> Vec<f64> {
        let mut offsets = vec![0.0; columns];
        for (index, slot) in slots.iter().enumerate() {
            if let Some(slot) = slot {
                offsets[slot.column] = self.offset_of(index);
            }
        }
        offsets
    }

    /// Mean and standard deviation of the stored numbers of input `index` of `[Nx, F]`.
    pub(super) fn input_scale(&self, index: usize) -> (f64, f64) {
        (self.mean[index].into(), self.std[index].into())
    }

    /// Standardises a stored number of input `index` of `[Nx, F]`.
    pub(super) fn standardise(&self, index: usize, raw: f32) -> f32 {
        to_f32((f64::from(raw) - f64::from(self.mean[index])) / f64::from(self.std[index]))
    }

    /// The index of a target in `[Nx, F]`.
    pub(super) fn target_index(&self, target: usize) -> usize {
        (self.covariates.len() + target) * (1 + self.channels.len())
    }
}

/// The offset of each input `[Nx, F]` of a dataset; empty if all are 0, as in scalers that were stored without offsets.
fn offsets(dataset: &Dataset) -> Vec<f64> {
    let offset = |slot: &Option<Slot>| slot.as_ref().map_or(0.0, |slot| dataset.offsets[slot.column]);
    let all: Vec<f64> = dataset.layout.slots.iter().map(offset).collect();
    if all.iter().all(|o| *o == 0.0) { vec![] } else { all }
}

/// A stored number as text, with its offset. Without an offset it has only the digits that f32 holds.
pub(super) fn value_text(offset: f64, stored: f32) -> String {
    if offset == 0.0 { stored.to_string() } else { (offset + f64::from(stored)).to_string() }
}

/// Moments of the observed numbers of a column.
struct Moments {
    least: f32,
    greatest: f32,
    mean: f64,
    std: f64,
}

impl Moments {
    /// Computes the moments in two passes over the values; `None` if no value is observed.
    fn of<V: Iterator<Item = f32>>(values: impl Fn() -> V) -> Option<Self> {
        let observed = || values().filter(|v| !v.is_nan());
        let mut count = 0.0_f64;
        let (mut sum, mut least, mut greatest) = (0.0_f64, f32::INFINITY, f32::NEG_INFINITY);
        observed().for_each(|value| {
            count += 1.0;
            sum += f64::from(value);
            least = least.min(value);
            greatest = greatest.max(value);
        });
        if count == 0.0 {
            return None;
        }
        let mean = sum / count;
        let square = observed().map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>();
        Some(Self { least, greatest, mean, std: (square / count).sqrt() })
    }

    /// The divisor for standardisation; 1 for constants.
    fn scale(&self) -> f32 {
        let std = to_f32(self.std);
        if self.least == self.greatest || std == 0.0 { 1.0 } else { std }
    }
}
