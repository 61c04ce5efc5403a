//! What a file is read into: its fields, the stored columns, and the column of each input of the model.

use super::expression::Expression;
use super::words::Declaration;
use crate::config::KnownFuture;

/// A field of the file.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Index in the header.
    pub(super) index: usize,
    /// Name in the header.
    pub(super) name: String,
    /// Which driver with categories its cells belong to; `None` for numbers.
    pub(super) words: Option<usize>,
}

impl Field {
    /// A field with numbers.
    pub(super) fn number(index: usize, name: String) -> Self {
        Self { index, name, words: None }
    }
}

/// A stored column.
#[derive(Debug)]
pub(super) struct Column {
    /// Column name or expression.
    pub(super) label: String,
    /// The source of its values.
    pub(super) source: Source,
}

/// The source of the values of a column. Numbers are indices into [`Schema::fields`].
#[derive(Debug)]
pub(super) enum Source {
    Field(usize),
    Expression { expression: Expression, inputs: Vec<usize> },
}

impl Column {
    /// Indices into [`Schema::fields`] of the fields that the column reads.
    pub(super) fn inputs(&self) -> Vec<usize> {
        match &self.source {
            Source::Field(field) => vec![*field],
            Source::Expression { inputs, .. } => inputs.clone(),
        }
    }
}

/// The column of each input: Nx series (covariates, then targets) with F channels.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Names of the Nc covariates.
    pub(super) covariates: Vec<String>,
    /// Names of the Nt targets.
    pub(super) targets: Vec<String>,
    /// Names of channels 1..F.
    pub(super) channels: Vec<String>,
    /// The text that `{i}` matched, for each target.
    pub(super) bindings: Vec<Option<String>>,
    /// `[Nx, F]`; `None` if there is no input (channels of covariates).
    pub(super) slots: Vec<Option<Slot>>,
    /// The drivers with categories: covariates, then channels.
    pub(super) declared: Vec<Declaration>,
    /// Categories that are common to all series.
    pub(super) common: Vec<CategorySlot>,
    /// `[Nt, Q]`, categories of each target.
    pub(super) own: Vec<CategorySlot>,
}

impl Layout {
    /// All inputs with categories.
    pub(super) fn categories(&self) -> impl Iterator<Item = &CategorySlot> {
        self.common.iter().chain(&self.own)
    }

    /// All inputs with categories, to change their columns.
    pub(super) fn categories_mut(&mut self) -> impl Iterator<Item = &mut CategorySlot> {
        self.common.iter_mut().chain(&mut self.own)
    }

    /// Q: categories that each target has for its own.
    pub(super) fn num_own(&self) -> usize {
        self.own.len().checked_div(self.targets.len()).unwrap_or(0)
    }
}

/// One input with categories.
#[derive(Debug, Clone, Copy)]
pub(super) struct CategorySlot {
    pub(super) slot: Slot,
    /// The driver with categories to which it belongs.
    pub(super) words: usize,
}

/// One input of the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Index of the stored column.
    pub(super) column: usize,
    /// Whether its values in the horizon are inputs.
    pub(super) known_future: KnownFuture,
    /// Whether its values in the history are hidden, that is, not inputs.
    pub(super) hidden: bool,
}
