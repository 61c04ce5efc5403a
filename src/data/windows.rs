//! Indices of windows. Windows are computed, not stored in a list.

use crate::calendar::Moment;

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Used to fit the scaler and the weights.
    Train,
    /// Used to select the weights.
    Validation,
    /// Used to evaluate the weights.
    Test,
    /// All rows of a file. The run may have been trained on some of them.
    All,
    /// All rows from this time on.
    From(Moment),
}

/// A window, given by segment and row, so that it cannot span a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId {
    /// Index of the segment.
    pub segment: u32,
    /// First row of the history within the segment.
    pub row: u32,
}

/// The selection of windows from all possible windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Rows between windows; with an origin, the number of origins between windows.
    pub stride: usize,
    /// Seconds after midnight at which the history must end.
    pub origin: Option<i64>,
}

/// Windows at a constant stride in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowRun {
    /// Index of the segment.
    pub segment: u32,
    /// First row of the first window within the segment.
    pub first: u32,
    /// Rows between windows.
    pub stride: u32,
    /// Number of windows.
    pub count: u32,
}

/// Numbered windows, stored as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowIndex {
    runs: Vec<WindowRun>,
    /// Index of the first window of each run.
    starts: Vec<usize>,
    len: usize,
}

impl WindowIndex {
    /// The windows of these runs, in this order.
    #[must_use]
    pub fn new(runs: Vec<WindowRun>) -> Self {
        let mut index = Self::default();
        for run in runs {
            index.starts.push(index.len);
            index.len += run.count as usize;
            index.runs.push(run);
        }
        index
    }

    /// Number of windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no windows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The window with index `index`.
    ///
    /// # Panics
    /// If `index` is not less than the length.
    #[must_use]
    pub fn get(&self, index: usize) -> WindowId {
        assert!(index < self.len, "window {index} of {}", self.len);
        let k = self.starts.partition_point(|&start| start <= index) - 1;
        let run = self.runs[k];
        let steps = u32::try_from(index - self.starts[k]).expect("a run has at most 2^32 windows");
        WindowId { segment: run.segment, row: run.first + steps * run.stride }
    }

    /// All windows in order.
    pub fn iter(&self) -> impl Iterator<Item = WindowId> + '_ {
        (0..self.len).map(|index| self.get(index))
    }

    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &[WindowRun] {
        &self.runs
    }
}

/// Number of windows in each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WindowCounts {
    /// Training windows.
    pub training: usize,
    /// Validation windows.
    pub validation: usize,
    /// Test windows.
    pub test: usize,
}
