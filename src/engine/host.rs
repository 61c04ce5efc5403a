//! Host memory of a run, computed from sizes once the data has been read. Requires no device.
//!
//! The data is one f32 table of rows x used columns x 4 bytes ([`table_bytes`]). Nothing else grows with the file, except [`SEGMENT_BYTES`]
//! per gap and, while the file is read, a few bytes for each change of the time step. There is no scaled copy: each window is standardised
//! when it is filled. Reading adds buffers of fixed size within [`ALLOWANCE`]; `tests/host_memory.rs` measures both.
//!
//! Two temporary allocations also grow with the file: the indices of the validation windows (8 bytes each), and the climatology of targets
//! with a hidden history (`data.hide_history`; 4.2 bytes for each observed training value). The f64 reference implementations, selected by
//! `--backend reference`, keep twice the planned device memory on the host, which is not counted here. In a browser, the file itself is in
//! memory while it is read.

use crate::data::{Dataset, Segment, WindowShape};
use crate::gpu::Gpu;
use crate::series_graph::FeatureCache;

/// Bytes that reading may use in addition to the table, and that afterwards covers everything not listed in [`HostMemory`]: the program,
/// the plan, buffers of readers and writers, blocks of forecasts during scoring.
pub const ALLOWANCE: u64 = 64 << 20;

/// Size of a segment in bytes. Every gap in the file that is not filled starts a new segment.
pub const SEGMENT_BYTES: u64 = size_of::<Segment>() as u64;

/// Size of an f32 table in bytes.
#[must_use]
pub const fn table_bytes(rows: usize, columns: usize) -> u64 {
    4 * rows as u64 * columns as u64
}

/// Peak host memory of the training state in bytes (during a checkpoint): the initial and the best parameters; the last good state, the
/// state that is read back, and one temporary copy of it (from the device or for a file). A state consists of the parameters, two
/// moments per trainable parameter and, if `averaged`, the moving mean of the parameters.
#[must_use]
pub const fn state_bytes(parameters: usize, trained: usize, averaged: bool) -> u64 {
    let means = if averaged { parameters as u64 } else { 0 };
    let state = 4 * (parameters as u64 + 2 * trained as u64 + means);
    2 * 4 * parameters as u64 + 3 * state
}

/// The sizes that determine the host memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNeeds {
    /// Rows of the table, including filled ones.
    pub rows: usize,
    /// Columns of the table: the used columns, and one per expression.
    pub columns: usize,
    /// Number of segments between gaps.
    pub segments: usize,
    /// Shape of a window.
    pub window: WindowShape,
    /// Windows per batch. The host holds the whole batch, even if it is divided into micro-batches.
    pub batch: usize,
    /// Elements of the inputs that exist once per step (noise).
    pub step_inputs: usize,
    /// Size of the state in bytes: [`state_bytes`] for training, the size of the parameters for scoring.
    pub state: u64,
}

impl HostNeeds {
    /// The sizes for training or scoring on this dataset.
    #[must_use]
    pub fn of(dataset: &Dataset, batch: usize, step_inputs: usize, state: u64) -> Self {
        Self {
            rows: dataset.rows(),
            columns: dataset.columns(),
            segments: dataset.segments().len(),
            window: *dataset.shape(),
            batch,
            step_inputs,
            state,
        }
    }
}

/// Host memory in bytes, by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct HostMemory {
    /// The data: rows x used columns x 4 bytes, and the segments.
    pub data: u64,
    /// Inputs of a batch.
    pub batch: u64,
    /// Parameters and moments, including temporary copies.
    pub state: u64,
    /// Size limits of the caches: graph features, pipelines.
    pub caches: u64,
    /// [`ALLOWANCE`].
    pub allowance: u64,
}

impl HostMemory {
    /// Upper bound of the host memory for these sizes.
    ///
    /// ```
    /// use pgat::data::WindowShape;
    /// use pgat::engine::host::{HostMemory, HostNeeds, state_bytes};
    ///
    /// let window = WindowShape { history: 24, horizon: 12, num_targets: 5, num_channels: 1, num_calendar: 6, ..WindowShape::default() };
    /// let state = state_bytes(10_000, 10_000, false);
    /// let needs = HostNeeds { rows: 1_000_000, columns: 5, segments: 1, window, batch: 32, step_inputs: 0, state };
    /// assert_eq!(HostMemory::of(&needs).data, 20_000_024 + 8);
    /// ```
    #[must_use]
    pub fn of(needs: &HostNeeds) -> Self {
        let w = &needs.window;
        let window = 2 * w.values_len() + w.calendar_len() + w.common_len() + w.own_len() + 2 * w.target_len();
        Self {
            data: table_bytes(needs.rows, needs.columns) + SEGMENT_BYTES * needs.segments as u64,
            batch: 4 * (needs.batch as u64 * window as u64 + needs.step_inputs as u64),
            state: needs.state,
            caches: (FeatureCache::SHARED_BYTES + Gpu::PIPELINE_BYTES) as u64,
            allowance: ALLOWANCE,
        }
    }

    /// Total size in bytes.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.data + self.batch + self.state + self.caches + self.allowance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn needs() -> HostNeeds {
        let window = WindowShape {
            history: 3,
            horizon: 2,
            num_covariates: 1,
            num_targets: 2,
            num_channels: 2,
            num_calendar: 4,
            num_common: 1,
            num_own: 3,
        };
        HostNeeds { rows: 1_000, columns: 5, segments: 3, window, batch: 7, step_inputs: 11, state: 13 }
    }

    #[test]
    fn each_part_is_what_its_buffers_hold() {
        let memory = HostMemory::of(&needs());
        let buffers = crate::data::WindowBuffers::new(&needs().window);
        let b = &buffers;
        let window = [&b.values, &b.observed, &b.calendar, &b.common, &b.own, &b.target, &b.target_observed];
        let window: usize = window.iter().map(|b| size_of_val(b.as_slice())).sum();
        assert_eq!(memory.data, 20_000 + 3 * size_of::<Segment>() as u64);
        assert_eq!(memory.batch, 7 * window as u64 + 44);
        assert_eq!((memory.state, memory.caches, memory.allowance), (13, (64 + 16) << 20, 64 << 20));
        assert_eq!(memory.total(), memory.data + memory.batch + 13 + (144 << 20));
    }

    #[test]
    fn a_dataset_says_its_columns_and_rows() {
        // b is used twice but stored once, d is not used, the gap of one row is filled, the expression is a column.
        let text = "t,a,b,c,d\n2020-01-01,1,2,3,4\n2020-01-02,5,6,7,8\n2020-01-04,9,8,7,6\n2020-01-08,5,4,3,2\n";
        let config = "[data]\npath = \"x\"\ntime = \"t\"\ntargets = [\"a\", \"b\"]\nmax_gap = 1\n\
            covariates = [{ column = \"b\" }, { name = \"e\", expression = \"b + c\" }]\n[window]\nhistory = 1\nhorizon = 1";
        let dataset = Dataset::read(&Config::from_toml(config).unwrap(), text.as_bytes()).unwrap();
        let found = HostNeeds::of(&dataset, 7, 11, 13);
        assert_eq!((found.rows, found.columns, found.segments, found.window), (5, 3, 2, *dataset.shape()));
        assert_eq!((found.batch, found.step_inputs, found.state), (7, 11, 13));
        assert_eq!(HostMemory::of(&found).data, table_bytes(5, 3) + 2 * SEGMENT_BYTES);
    }

    #[test]
    fn large_files_do_not_overflow() {
        assert_eq!(table_bytes(4_000_000_000, 10_000), 160_000_000_000_000);
        assert_eq!(state_bytes(1_000, 900, false), 8_000 + 3 * 11_200);
        assert_eq!(state_bytes(1_000, 900, true), 8_000 + 3 * 15_200);
    }
}
