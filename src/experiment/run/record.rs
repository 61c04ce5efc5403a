//! `run.json`: the properties of a run that are not in its config.

use crate::config::Config;
use crate::data::{DataFacts, Dataset};
use crate::executor::Backend;
use crate::gpu::AdapterRecord;
use crate::plan::AdapterClass;
use crate::session::Session;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The format version of runs that this crate writes. It is also the newest version that it reads.
pub const RUN_VERSION: u32 = 3;

/// Revision of the numerics: the order of every sum and the key of every random number. Increase it with each change after which a run
/// trains to other bits (`tests/digests.rs` fails until then). A run of another revision can be resumed, but a break is recorded.
pub const NUMERICS_REVISION: u32 = 1;

/// The properties of a run that are not in its config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the run format.
    pub format_version: u32,
    /// Version of the crate that created the run.
    pub pgat: String,
    /// Absolute path of the data file. A run created in a browser has only the file name.
    pub data: PathBuf,
    /// Seed.
    pub seed: u64,
    /// Names of the series, covariates first. The learned node vectors belong to these series.
    pub series: Vec<String>,
    /// What the run remembers of its data. Runs of earlier versions remember nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<DataFacts>,
    /// The adapter; none for the reference backend.
    pub adapter: Option<AdapterRecord>,
    /// Kernel shapes and predicted costs. A resumed run uses the same table.
    pub class: AdapterClass,
    /// The numerics revision ([`NUMERICS_REVISION`]) with which the run was last trained.
    #[serde(default = "first_revision")]
    pub numerics_revision: u32,
    /// Steps at which the run was resumed on an adapter of another class or with another numerics revision, with the class or revision. The
    /// results may not be bit-identical after such a step.
    #[serde(default)]
    pub breaks: Vec<(u64, String)>,
}

/// The revision of a record without one. Such a record was written before the second revision.
fn first_revision() -> u32 {
    1
}

impl RunRecord {
    /// The record of a new run.
    #[must_use]
    pub fn new(config: &Config, dataset: &Dataset, session: &Session) -> Self {
        Self {
            format_version: RUN_VERSION,
            pgat: env!("CARGO_PKG_VERSION").into(),
            data: config.data.path.clone().into(),
            seed: config.training.seed,
            series: dataset.series_names().map(str::to_owned).collect(),
            facts: dataset.facts().ok(),
            adapter: session.backend().adapter().cloned(),
            class: session.plan().class.clone(),
            numerics_revision: NUMERICS_REVISION,
            breaks: vec![],
        }
    }

    /// The table of kernel shapes to use on a backend: the table of the run if the backend supports it.
    #[must_use]
    pub fn class_on(&self, backend: &Backend) -> Option<AdapterClass> {
        let lanes = |class: &AdapterClass| class.variants.rows.lanes.max(class.variants.weights.lanes);
        let fits = match backend {
            Backend::Gpu(gpu) => lanes(&self.class) == 0 || lanes(&self.class) == lanes(&gpu.class),
            #[cfg(feature = "twins")]
            Backend::Reference => true,
        };
        fits.then(|| self.class.clone())
    }

    /// Class of the adapter on which the run was last trained.
    #[must_use]
    pub fn adapter_class(&self) -> &str {
        self.adapter.as_ref().map_or(Backend::REFERENCE, |a| &a.class)
    }

    /// The reason why the results may not be bit-identical if the run is resumed on a backend; none if they are.
    #[must_use]
    pub fn break_on(&self, backend: &Backend) -> Option<String> {
        let (was, now) = (self.adapter_class(), backend.class_name());
        let class = (was != now).then(|| format!("the run was trained on an adapter of class {was}, but this adapter is of class {now}"));
        let (was, now) = (self.numerics_revision, NUMERICS_REVISION);
        let revision =
            (was != now).then(|| format!("the run was trained with numerics revision {was}, but this pgat has numerics revision {now}"));
        let both: Vec<_> = class.into_iter().chain(revision).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Records that the run is resumed with this session at a step. Returns whether the record has changed, which means that the results
    /// may not be bit-identical from this step on.
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
