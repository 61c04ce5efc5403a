//! Fills the buffers of the caller with standardised windows.

use std::sync::Arc;

use super::dataset::Dataset;
use super::layout::CategorySlot;
use super::scaler::Scaler;
use super::source::{WindowMut, WindowShape, WindowSource};
use super::windows::{WindowId, WindowIndex, WindowRun};

impl Dataset {
    /// Fills the buffers of one window. Rows beyond the end of the segment are unobserved.
    ///
    /// # Panics
    /// If the length of a buffer does not match [`Dataset::shape`], or the segment does not exist.
    pub fn fill(&self, id: WindowId, scaler: &Scaler, out: WindowMut<'_>) {
        out.check(&self.shape);
        let WindowMut { values, observed, calendar, common, own, target, target_observed } = out;
        self.fill_inputs(id, scaler, values, observed);
        self.fill_calendar(id, calendar);
        self.fill_codes(id, &self.layout.common, common, (self.shape.num_common, 0));
        let before = self.shape.num_covariates * self.shape.num_own;
        self.fill_codes(id, &self.layout.own, own, (self.shape.num_series() * self.shape.num_own, before));
        self.fill_targets(id, scaler, target, target_observed);
    }

    /// Fills `values` and `observed`, `[S, Nx, F]`.
    fn fill_inputs(&self, id: WindowId, scaler: &Scaler, values: &mut [f32], observed: &mut [f32]) {
        values.fill(0.0);
        observed.fill(0.0);
        let history = self.shape.history;
        let slots = self.layout.slots.len();
        for (index, slot) in self.layout.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let first = if slot.hidden { history } else { 0 };
            let end = if slot.known_future.is_known() { self.shape.steps() } else { history };
            let rows = self.segment_rows(slot.column, id, first, end);
            for (step, raw) in (first..end).zip(rows) {
                if !raw.is_nan() {
                    values[step * slots + index] = scaler.standardise(index, raw);
                    observed[step * slots + index] = 1.0;
                }
            }
        }
    }

    /// Fills codes of categories `[S, width]`; the first of `slots` is number `before` of a step.
    fn fill_codes(&self, id: WindowId, slots: &[CategorySlot], codes: &mut [f32], (width, before): (usize, usize)) {
        codes.fill(0.0);
        for (index, CategorySlot { slot, words }) in (before..).zip(slots) {
            let end = if slot.known_future.is_known() { self.shape.steps() } else { self.shape.history };
            for (step, stored) in self.segment_rows(slot.column, id, 0, end).enumerate() {
                codes[step * width + index] = self.words[*words].code(stored);
            }
        }
    }

    /// Steps `first..end` of a window in a column, up to the end of the segment.
    fn segment_rows(&self, column: usize, id: WindowId, first: usize, end: usize) -> impl Iterator<Item = f32> {
        let segment = self.segments[id.segment as usize];
        let row = |step: usize| segment.first_row + (id.row as usize + step).min(segment.rows);
        self.table.values(column, row(first)..row(end.max(first)))
    }

    /// Fills `calendar`, `[S, C]`.
    fn fill_calendar(&self, id: WindowId, calendar: &mut [f32]) {
        if self.calendar.is_empty() {
            return;
        }
        for (step, features) in calendar.chunks_exact_mut(2 * self.calendar.len()).enumerate() {
            let stamp = self.stamp(id.segment, id.row as usize + step).expect("a calendar needs stamps");
            for (pair, feature) in features.chunks_exact_mut(2).zip(&self.calendar) {
                pair.copy_from_slice(&feature.at(self.scale.to_local(stamp)));
            }
        }
    }

    /// Fills `target` and `target_observed`, `[H, Nt]`.
    fn fill_targets(&self, id: WindowId, scaler: &Scaler, target: &mut [f32], target_observed: &mut [f32]) {
        target.fill(0.0);
        target_observed.fill(0.0);
        let count = self.shape.num_targets;
        for index in 0..count {
            let input = scaler.target_index(index);
            let rows = self.segment_rows(self.target_slot(index).column, id, self.shape.history, self.shape.steps());
            for (step, raw) in rows.enumerate() {
                if !raw.is_nan() {
                    target[step * count + index] = scaler.standardise(input, raw);
                    target_observed[step * count + index] = 1.0;
                }
            }
        }
    }
}

/// The windows of one part of a dataset.
#[derive(Debug, Clone)]
pub struct PartWindows {
    /// The data.
    pub dataset: Arc<Dataset>,
    /// The scaler, fitted on the training rows.
    pub scaler: Arc<Scaler>,
    /// The windows.
    pub index: WindowIndex,
}

impl PartWindows {
    /// The windows of `index`.
    #[must_use]
    pub fn new(dataset: Arc<Dataset>, scaler: Arc<Scaler>, index: WindowIndex) -> Self {
        Self { dataset, scaler, index }
    }

    /// A single window.
    #[must_use]
    pub fn one(dataset: Arc<Dataset>, scaler: Arc<Scaler>, id: WindowId) -> Self {
        let run = WindowRun { segment: id.segment, first: id.row, stride: 1, count: 1 };
        Self::new(dataset, scaler, WindowIndex::new(vec![run]))
    }

    /// The id of window `index`.
    ///
    /// # Panics
    /// If `index` is not less than the number of windows.
    #[must_use]
    pub fn id(&self, index: usize) -> WindowId {
        self.index.get(index)
    }
}

impl WindowSource for PartWindows {
    fn shape(&self) -> &WindowShape {
        self.dataset.shape()
    }

    fn len(&self) -> usize {
        self.index.len()
    }

    fn fill(&self, index: usize, out: WindowMut<'_>) {
        self.dataset.fill(self.index.get(index), &self.scaler, out);
    }
}
