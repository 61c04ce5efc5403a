//! How much memory of the host a run needs, known once the data have been read: pure sums, no device.
//!
//! What was read is one table of f32: rows x used columns x 4 bytes ([`table_bytes`]), and nothing else that grows with the file but
//! [`SEGMENT_BYTES`] a hole (and, until it is read, some bytes for each change of the time step). There is no scaled copy: a window is standardised as it is filled. Reading adds buffers of fixed size, which
//! lie within [`ALLOWANCE`]; `tests/host_memory.rs` measures both.
//!
//! Two things grow with the file beyond that, each while it is needed: the numbers of the windows that validate (8 bytes each), and the
//! climatology of targets whose history is hidden (`data.hide_history`; 4.2 bytes for each observed training value). The f64 twins
//! (`--backend reference`) keep twice the plan's device memory on the host, which is not counted here. In a browser the file itself
//! lies in memory while it is read.

use crate::data::{Dataset, Segment, WindowShape};
use crate::gpu::Gpu;
use crate::series_graph::FeatureCache;

/// Bytes that reading may take beside the table, and that everything not listed in [`HostMemory`] shares afterwards: the program, the plan,
/// buffers of readers and writers, blocks of forecasts that are scored.
pub const ALLOWANCE: u64 = 64 << 20;

/// Bytes of a segment, of which every hole in the file that is not filled begins one.
pub const SEGMENT_BYTES: u64 = size_of::<Segment>() as u64;

/// Bytes of a table of f32.
#[must_use]
pub const fn table_bytes(rows: usize, columns: usize) -> u64 {
    4 * rows as u64 * columns as u64
}

/// Bytes of what training keeps of its state, at its peak (a checkpoint): the first parameters and the best ones; the last good state, the
/// one that is read back, and a copy of it on its way from the device or into a file. A state is parameters and two moments for those
/// that are trained.
#[must_use]
pub const fn state_bytes(parameters: usize, trained: usize) -> u64 {
    let state = 4 * (parameters as u64 + 2 * trained as u64);
    2 * 4 * parameters as u64 + 3 * state
}

/// What host memory depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNeeds {
    /// Rows of the table, filled ones included.
    pub rows: usize,
    /// Its columns: the used ones, and one for each expression.
    pub columns: usize,
    /// Pieces of the data between holes.
    pub segments: usize,
    /// Sizes of a window.
    pub window: WindowShape,
    /// Windows in a batch: the whole batch lies on the host, however it is cut into micro-batches.
    pub batch: usize,
    /// Elements of the inputs that a step has once, whatever its windows (noise).
    pub step_inputs: usize,
    /// Bytes of the state; [`state_bytes`] for training, the parameters' for scoring.
    pub state: u64,
}

impl HostNeeds {
    /// Of training or scoring on this dataset.
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

/// Bytes of host memory by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct HostMemory {
    /// The data: rows x used columns x 4, and the segments.
    pub data: u64,
    /// Inputs of a batch.
    pub batch: u64,
    /// Parameters and moments that are kept or on their way.
    pub state: u64,
    /// Bounds of the caches: features of graphs, texts of pipelines.
    pub caches: u64,
    /// [`ALLOWANCE`].
    pub allowance: u64,
}

impl HostMemory {
    /// What these needs come to, at most.
    ///
    /// ```
    /// use pgat::data::WindowShape;
    /// use pgat::engine::host::{HostMemory, HostNeeds, state_bytes};
    ///
    /// let window = WindowShape { history: 24, horizon: 12, num_covariates: 0, num_targets: 5, num_channels: 1, num_calendar: 6 };
    /// let state = state_bytes(10_000, 10_000);
    /// let needs = HostNeeds { rows: 1_000_000, columns: 5, segments: 1, window, batch: 32, step_inputs: 0, state };
    /// assert_eq!(HostMemory::of(&needs).data, 20_000_024 + 8);
    /// ```
    #[must_use]
    pub fn of(needs: &HostNeeds) -> Self {
        let w = &needs.window;
        let window = 2 * w.values_len() + w.calendar_len() + 2 * w.target_len();
        Self {
            data: table_bytes(needs.rows, needs.columns) + SEGMENT_BYTES * needs.segments as u64,
            batch: 4 * (needs.batch as u64 * window as u64 + needs.step_inputs as u64),
            state: needs.state,
            caches: (FeatureCache::SHARED_BYTES + Gpu::PIPELINE_BYTES) as u64,
            allowance: ALLOWANCE,
        }
    }

    /// All of it.
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
        let window = WindowShape { history: 3, horizon: 2, num_covariates: 1, num_targets: 2, num_channels: 2, num_calendar: 4 };
        HostNeeds { rows: 1_000, columns: 5, segments: 3, window, batch: 7, step_inputs: 11, state: 13 }
    }

    #[test]
    fn each_part_is_what_its_buffers_hold() {
        let memory = HostMemory::of(&needs());
        let buffers = crate::data::WindowBuffers::new(&needs().window);
        let window = [&buffers.values, &buffers.observed, &buffers.calendar, &buffers.target, &buffers.target_observed];
        let window: usize = window.iter().map(|b| size_of_val(b.as_slice())).sum();
        assert_eq!(memory.data, 20_000 + 3 * size_of::<Segment>() as u64);
        assert_eq!(memory.batch, 7 * window as u64 + 44);
        assert_eq!((memory.state, memory.caches, memory.allowance), (13, (64 + 16) << 20, 64 << 20));
        assert_eq!(memory.total(), memory.data + memory.batch + 13 + (144 << 20));
    }

    #[test]
    fn a_dataset_says_its_columns_and_rows() {
        // b is used twice and stored once, d is not used, the hole is filled, the expression is a column.
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
        assert_eq!(state_bytes(1_000, 900), 8_000 + 3 * 11_200);
    }
}
