//! Targets that cannot be learned: constant or empty in the training rows.

use super::dataset::Dataset;
use super::layout::Slot;
use super::scaler::value_text;
use super::schema::Schema;
use super::windows::Part;
use crate::config::DataSettings;

/// Maximum number of columns that a note lists.
const NAMED: usize = 20;

impl Dataset {
    /// Leaves out the targets of the star in data.targets that are constant or empty in the training rows, with a note. If all are, they
    /// stay, and the scaler refuses them.
    pub(super) fn leave_out_unlearnable(&mut self, settings: &DataSettings) {
        let targets = self.shape.num_targets;
        // A single training row tells nothing.
        if self.part_rows(Part::Train).map_or(0, |rows| rows.len()) < 2 {
            return;
        }
        let starred: Vec<bool> = self.layout.targets.iter().map(|name| Schema::is_starred(settings, name)).collect();
        let found: Vec<Option<String>> =
            (0..targets).map(|t| if starred[t] { self.unlearnable(self.target_slot(t).column) } else { None }).collect();
        let left_out: Vec<usize> = (0..targets).filter(|&t| found[t].is_some()).collect();
        if left_out.is_empty() || left_out.len() == targets {
            return;
        }
        let listed = left_out.iter().take(NAMED).map(|&t| {
            let why = found[t].as_deref().unwrap_or_default();
            format!("\"{}\" ({why})", self.layout.targets[t])
        });
        let mut note = format!(
            "{} columns are left out of \"*\", because they are constant or empty in the training rows: {}",
            left_out.len(),
            listed.collect::<Vec<_>>().join(", ")
        );
        if left_out.len() > NAMED {
            note += ", ..";
        }
        self.report.notes.push(note);
        let names = left_out.iter().map(|&t| (self.layout.targets[t].clone(), found[t].clone().unwrap_or_default()));
        self.report.left_out = names.collect();
        self.keep_targets(|t| found[t].is_none());
    }

    /// What is wrong with a column in the training rows: its only value, or that it has none.
    pub(super) fn unlearnable(&self, column: usize) -> Option<String> {
        let rows = self.part_rows(Part::Train).ok()?;
        let mut values = self.table.values(column, rows).filter(|v| !v.is_nan());
        let Some(first) = values.next() else { return Some("no value".into()) };
        values.all(|v| v == first).then(|| format!("always {}", value_text(self.offsets[column], first)))
    }

    /// Removes the other targets, and the columns that only they use.
    fn keep_targets(&mut self, keep: impl Fn(usize) -> bool) {
        let channels = self.shape.num_channels;
        let covariates = self.shape.num_covariates;
        let kept = |series: usize| series < covariates || keep(series - covariates);
        let layout = &mut self.layout;
        let slots = std::mem::take(&mut layout.slots);
        layout.slots = slots.into_iter().enumerate().filter(|(index, _)| kept(index / channels)).map(|(_, slot)| slot).collect();
        let own = layout.num_own();
        let mut at = 0..;
        layout.own.retain(|_| at.next().is_some_and(|at| keep(at / own)));
        let mut t = 0..;
        layout.targets.retain(|_| t.next().is_some_and(&keep));
        let mut t = 0..;
        layout.bindings.retain(|_| t.next().is_some_and(&keep));
        self.shape.num_targets = layout.targets.len();
        let slots = layout.slots.iter().flatten().chain(layout.categories().map(|category| &category.slot));
        let mut columns: Vec<usize> = slots.map(|slot| slot.column).collect();
        columns.sort_unstable();
        columns.dedup();
        let place = |slot: &mut Slot| slot.column = columns.partition_point(|&column| column < slot.column);
        layout.slots.iter_mut().flatten().for_each(place);
        layout.categories_mut().for_each(|category| place(&mut category.slot));
        self.labels = columns.iter().map(|&column| self.labels[column].clone()).collect();
        self.offsets = columns.iter().map(|&column| self.offsets[column]).collect();
        let table = std::mem::replace(&mut self.table, super::table::Table::new(1));
        self.table = table.with_columns(&columns);
    }
}
