//! A cache of graph features, by graph content.

use std::sync::{Arc, Mutex, PoisonError};

use super::{FeatureSizes, GraphFeatures, SeriesGraph, SeriesGraphError};
use crate::lru::{CacheStatistics, Lru};

/// Caches the features of the most recently used graphs, with a size limit in bytes.
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
    entries: Mutex<Lru<Key, Arc<GraphFeatures>>>,
}

/// Everything that the features depend on.
#[derive(Debug, PartialEq)]
struct Key {
    sizes: FeatureSizes,
    /// `[Nx, Nx]`; names do not matter. All weights are compared, so two graphs are never confused.
    weights: Vec<f64>,
}

impl FeatureCache {
    /// Size limit of [`FeatureCache::shared`] in bytes: a few dozen graphs of 300 series.
    pub const SHARED_BYTES: usize = 64 << 20;

    /// A cache with a size limit in bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { entries: Mutex::new(Lru::new(bound)) }
    }

    /// The shared cache of the process, limited to [`FeatureCache::SHARED_BYTES`].
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: FeatureCache = FeatureCache::new(FeatureCache::SHARED_BYTES);
        &SHARED
    }

    /// The features of a graph, computed if they are not cached. Features larger than the limit are not cached.
    ///
    /// # Errors
    /// As [`GraphFeatures::of`].
    pub fn features(&self, graph: &SeriesGraph, sizes: &FeatureSizes) -> Result<Arc<GraphFeatures>, SeriesGraphError> {
        if let Some(features) = self.lock().get(|key| key.sizes == *sizes && key.weights == graph.weights()) {
            return Ok(features);
        }
        // Compute without the lock, so that other threads do not wait.
        let features = Arc::new(GraphFeatures::of(graph, sizes)?);
        let key = Key { sizes: sizes.clone(), weights: graph.weights().to_vec() };
        let bytes = size_of_val(&key) + size_of_val(key.weights.as_slice()) + features.bytes();
        self.lock().keep(key, features.clone(), bytes);
        Ok(features)
    }

    /// The size limit in bytes.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.lock().bound()
    }

    /// Removes all features and resets the statistics.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Statistics since the start or the last [`FeatureCache::clear`].
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.lock().statistics()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lru<Key, Arc<GraphFeatures>>> {
        // No code that can panic runs under the lock, so the data behind a poisoned lock is consistent.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
