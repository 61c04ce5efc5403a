//! Features by a graph's content.

use std::sync::{Arc, Mutex, PoisonError};

use super::{FeatureSizes, GraphFeatures, SeriesGraph, SeriesGraphError};

/// Keeps features of the graphs used last, up to a bound in bytes.
///
/// ```
/// use pgat::config::ModelSettings;
/// use pgat::series_graph::{FeatureCache, SeriesGraph};
///
/// let cache = FeatureCache::new(1 << 20);
/// let graph = SeriesGraph::without_edges(vec!["a".into(), "b".into()]);
/// let sizes = (&ModelSettings::default()).into();
/// let first = cache.features(&graph, &sizes)?;
/// let again = cache.features(&graph, &sizes)?;
/// assert!(std::sync::Arc::ptr_eq(&first, &again));
/// assert_eq!((cache.statistics().hits, cache.statistics().misses), (1, 1));
/// # Ok::<(), pgat::series_graph::SeriesGraphError>(())
/// ```
#[derive(Debug)]
pub struct FeatureCache {
    bound: usize,
    state: Mutex<State>,
}

/// What a cache did and holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Features that were there.
    pub hits: u64,
    /// Features that had to be computed.
    pub misses: u64,
    /// Entries held.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// From the one used longest ago to the one used last.
    entries: Vec<Entry>,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Entry {
    /// `[Nx, Nx]`; names do not matter. Compared whole: two graphs are never taken for one another.
    weights: Vec<f64>,
    features: Arc<GraphFeatures>,
}

impl Entry {
    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.weights.len() + self.features.bytes()
    }
}

impl FeatureCache {
    /// A cache that holds at most so many bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { bound, state: Mutex::new(State { entries: vec![], hits: 0, misses: 0 }) }
    }

    /// The process's own, of 64 MiB: some dozen graphs of 300 series.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: FeatureCache = FeatureCache::new(64 << 20);
        &SHARED
    }

    /// The features of a graph, computed if they are not there. What is larger than the bound is not kept.
    ///
    /// # Errors
    /// As [`GraphFeatures::of`].
    pub fn features(&self, graph: &SeriesGraph, sizes: &FeatureSizes) -> Result<Arc<GraphFeatures>, SeriesGraphError> {
        {
            let mut state = self.lock();
            let same = |e: &Entry| e.features.sizes == *sizes && e.weights == graph.weights();
            if let Some(at) = state.entries.iter().position(same) {
                let entry = state.entries.remove(at);
                let features = entry.features.clone();
                state.entries.push(entry);
                state.hits += 1;
                return Ok(features);
            }
            state.misses += 1;
        }
        // Not under the lock: others need not wait for it.
        let features = Arc::new(GraphFeatures::of(graph, sizes)?);
        self.keep(Entry { weights: graph.weights().to_vec(), features: features.clone() });
        Ok(features)
    }

    fn keep(&self, entry: Entry) {
        if entry.bytes() > self.bound {
            return;
        }
        let mut state = self.lock();
        state.entries.retain(|e| e.features.sizes != entry.features.sizes || e.weights != entry.weights);
        state.entries.push(entry);
        while state.entries.iter().map(Entry::bytes).sum::<usize>() > self.bound {
            state.entries.remove(0);
        }
    }

    /// Forgets all features, and what was counted.
    pub fn clear(&self) {
        *self.lock() = State::default();
    }

    /// What was counted since the start or the last [`FeatureCache::clear`].
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        let state = self.lock();
        let bytes = state.entries.iter().map(Entry::bytes).sum();
        CacheStatistics { hits: state.hits, misses: state.misses, entries: state.entries.len(), bytes }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so that what is behind a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
