//! `run.json`: what a run is, beside its config.

use crate::config::Config;
use crate::data::Dataset;
use crate::executor::Backend;
use crate::gpu::AdapterRecord;
use crate::plan::AdapterClass;
use crate::session::Session;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Format version of runs that this crate writes, and the newest it reads.
pub const RUN_VERSION: u32 = 2;

/// Revision of the arithmetic: the order of every sum, the key of every random number. Whoever changes one of them, so that a run trains to
/// other bits than before, raises it (`tests/digests.rs` fails until then). A run of another revision can go on, but a break is recorded.
pub const NUMERICS_REVISION: u32 = 1;

/// What a run is, beside its config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the folder's format.
    pub format_version: u32,
    /// Version of the crate that made it.
    pub pgat: String,
    /// Where the data were read, absolute; of a run that a browser made, the file's bare name.
    pub data: PathBuf,
    /// Seed.
    pub seed: u64,
    /// Names of the series, covariates first: node vectors belong to them.
    pub series: Vec<String>,
    /// The adapter; nothing for the twins.
    pub adapter: Option<AdapterRecord>,
    /// Kernel shapes and predicted costs: the table by which every later part of the run is computed.
    pub class: AdapterClass,
    /// Revision of the arithmetic ([`NUMERICS_REVISION`]) by which the run was trained last.
    #[serde(default = "first_revision")]
    pub numerics_revision: u32,
    /// Steps at which the run went on on an adapter of another class or with another revision of the arithmetic, and which: bits may differ
    /// from there on.
    #[serde(default)]
    pub breaks: Vec<(u64, String)>,
}

/// Runs that state no revision are older than the second.
fn first_revision() -> u32 {
    1
}

impl RunRecord {
    /// Of a run that begins.
    #[must_use]
    pub fn new(config: &Config, dataset: &Dataset, session: &Session) -> Self {
        Self {
            format_version: RUN_VERSION,
            pgat: env!("CARGO_PKG_VERSION").into(),
            data: config.data.path.clone().into(),
            seed: config.training.seed,
            series: dataset.series_names().map(str::to_owned).collect(),
            adapter: session.backend().adapter().cloned(),
            class: session.plan().class.clone(),
            numerics_revision: NUMERICS_REVISION,
            breaks: vec![],
        }
    }

    /// The table of kernel shapes to use on a backend: the run's own where the backend can run it.
    #[must_use]
    pub fn class_on(&self, backend: &Backend) -> Option<AdapterClass> {
        let lanes = |class: &AdapterClass| class.variants.rows.lanes.max(class.variants.weights.lanes);
        let fits = match backend {
            Backend::Gpu(gpu) => lanes(&self.class) == 0 || lanes(&self.class) == lanes(&gpu.class),
            Backend::Reference => true,
        };
        fits.then(|| self.class.clone())
    }

    /// Class of the adapter that the run was on last.
    #[must_use]
    pub fn adapter_class(&self) -> &str {
        self.adapter.as_ref().map_or(Backend::REFERENCE, |a| &a.class)
    }

    /// Why the bits may differ if the run goes on on a backend, in words; nothing where they do not.
    #[must_use]
    pub fn break_on(&self, backend: &Backend) -> Option<String> {
        let (was, now) = (self.adapter_class(), backend.class_name());
        let class = (was != now).then(|| format!("the run was made on an adapter of class {was}, and this one is of class {now}"));
        let (was, now) = (self.numerics_revision, NUMERICS_REVISION);
        let revision =
            (was != now).then(|| format!("the run was made by revision {was} of the arithmetic, and this pgat computes by revision {now}"));
        let both: Vec<_> = class.into_iter().chain(revision).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Notes that the run goes on with that session from a step on. Whether bits may differ from there on, so that the record has changed.
    pub fn go_on(&mut self, step: u64, session: &Session) -> bool {
        let breaks = self.breaks.len();
        let class = session.backend().class_name();
        if class != self.adapter_class() {
            self.breaks.push((step, class.to_owned()));
            self.adapter = session.backend().adapter().cloned();
            self.class = session.plan().class.clone();
        }
        if self.numerics_revision != NUMERICS_REVISION {
            self.breaks.push((step, format!("numerics revision {NUMERICS_REVISION}")));
            self.numerics_revision = NUMERICS_REVISION;
        }
        self.breaks.len() > breaks
    }
}
