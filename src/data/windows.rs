//! Which windows there are: computed, never listed.

/// A part of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Fits the scaler and the weights.
    Train,
    /// Chooses the weights.
    Validation,
    /// Judges them.
    Test,
}

/// A window: never a bare row, so that it cannot straddle a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId {
    /// Index of the segment.
    pub segment: u32,
    /// First row of the history within the segment.
    pub row: u32,
}

/// Which of the possible windows are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Every so-many-th window; with an origin, every so-many-th origin.
    pub stride: usize,
    /// Seconds after midnight at which the history must end.
    pub origin: Option<i64>,
}

/// Windows at regular distances in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowRun {
    /// Index of the segment.
    pub segment: u32,
    /// First row of the first window within the segment.
    pub first: u32,
    /// Rows from window to window.
    pub stride: u32,
    /// How many.
    pub count: u32,
}

/// Numbered windows, as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowIndex {
    runs: Vec<WindowRun>,
    /// Number of the first window of each run.
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

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Window number `index`.
    ///
    /// # Panics
    /// If `index` is not below the length.
    #[must_use]
    pub fn get(&self, index: usize) -> WindowId {
        assert!(index < self.len, "window {index} of {}", self.len);
        let k = self.starts.partition_point(|&start| start <= index) - 1;
        let run = self.runs[k];
        let steps = u32::try_from(index - self.starts[k]).expect("a run has at most 2^32 windows");
        WindowId { segment: run.segment, row: run.first + steps * run.stride }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = WindowId> + '_ {
        (0..self.len).map(|index| self.get(index))
    }

    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &[WindowRun] {
        &self.runs
    }
}

/// Windows of the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WindowCounts {
    /// That train.
    pub training: usize,
    /// That choose the best weights.
    pub validation: usize,
    /// That are scored at the end.
    pub test: usize,
}
