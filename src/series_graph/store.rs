//! Stores a graph and its features as safetensors, so that a run does not need the graph file again.

use std::collections::HashMap;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use crate::config::ModelSettings;

use super::{FeatureCache, FeatureSizes, GraphFeatures, SeriesGraph, SeriesGraphError};

/// Format version of the stored graphs that this crate writes, and the newest version that it reads.
pub const GRAPH_VERSION: u32 = 1;

/// A graph with its features: `graph.safetensors` of a run folder.
///
/// Tensors `weights` `[Nx, Nx]` (row = receiver), `prior`, `centrality`, `spectral`, `random_walk`, `eigenmaps` in F64, `hop_distance` and
/// `cluster.0`, `cluster.1`, .. in U32. The metadata entry `pgat` holds version, names and sizes as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownGraph {
    /// The graph.
    pub graph: SeriesGraph,
    /// Its features.
    pub features: Arc<GraphFeatures>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format_version: u32,
    writer: String,
    series: Vec<String>,
    num_transitions: usize,
    max_hop_distance: usize,
    hierarchy: Vec<usize>,
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

fn damaged(what: impl ToString) -> SeriesGraphError {
    SeriesGraphError::Damaged(what.to_string())
}

impl KnownGraph {
    /// The graph with its features from the shared cache of the process.
    ///
    /// # Errors
    /// Fails if the features cannot be computed.
    pub fn of(graph: SeriesGraph, settings: &ModelSettings) -> Result<Self, SeriesGraphError> {
        let features = FeatureCache::shared().features(&graph, &settings.into())?;
        Ok(Self { graph, features })
    }

    /// The bytes of a safetensors file. Equal graphs give equal bytes.
    ///
    /// # Errors
    /// Fails only if the file would be too large for the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SeriesGraphError> {
        let (m, f) = (self.graph.len(), &*self.features);
        let n = f.nodes;
        let wide = |shape: &[usize], values: &[f64]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (Dtype::F64, shape.to_vec(), bytes)
        };
        let narrow = |values: &[u32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (Dtype::U32, vec![n], bytes)
        };
        let mut all = vec![
            ("weights".to_owned(), wide(&[m, m], self.graph.weights())),
            ("prior".to_owned(), wide(&[n, n], &f.prior)),
            ("centrality".to_owned(), wide(&[n, 4], &f.centrality)),
            ("spectral".to_owned(), wide(&[n, f.sizes.num_spectral], &f.spectral)),
            ("random_walk".to_owned(), wide(&[n, f.sizes.num_random_walk], &f.random_walk)),
            ("eigenmaps".to_owned(), wide(&[n, f.sizes.num_eigenvectors], &f.eigenmaps)),
            ("hop_distance".to_owned(), narrow(&f.hop_distance)),
        ];
        all.extend(f.clusters.iter().enumerate().map(|(i, labels)| (format!("cluster.{i}"), narrow(labels))));
        let head = Head {
            format_version: GRAPH_VERSION,
            writer: concat!("pgat ", env!("CARGO_PKG_VERSION")).into(),
            series: self.graph.names().to_vec(),
            num_transitions: f.sizes.num_transitions,
            max_hop_distance: f.sizes.max_hop_distance,
            hierarchy: f.sizes.hierarchy.clone(),
        };
        let head = serde_json::to_string(&head).map_err(damaged)?;
        let mut views = vec![];
        for (name, (dtype, shape, bytes)) in &all {
            views.push((name.clone(), TensorView::new(*dtype, shape.clone(), bytes).map_err(damaged)?));
        }
        safetensors::serialize(views, Some(HashMap::from([("pgat".into(), head)]))).map_err(damaged)
    }

    /// Reads the output of [`KnownGraph::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are damaged or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SeriesGraphError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let head = metadata.metadata().as_ref().and_then(|m| m.get("pgat")).ok_or_else(|| damaged("the metadata entry pgat is missing"))?;
        let Version { format_version: found } = serde_json::from_str(head).map_err(damaged)?;
        if found > GRAPH_VERSION {
            return Err(SeriesGraphError::Newer { found, supported: GRAPH_VERSION });
        }
        let head: Head = serde_json::from_str(head).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (m, n) = (head.series.len(), head.series.len() + head.num_transitions);
        let sizes = FeatureSizes {
            num_transitions: head.num_transitions,
            max_hop_distance: head.max_hop_distance,
            num_spectral: width(&file, "spectral")?,
            num_random_walk: width(&file, "random_walk")?,
            num_eigenvectors: width(&file, "eigenmaps")?,
            hierarchy: head.hierarchy,
        };
        let weights = wide(&file, "weights", &[m, m])?;
        let clusters = (0..sizes.hierarchy.len()).map(|i| narrow(&file, &format!("cluster.{i}"), n)).collect::<Result<_, _>>()?;
        let features = GraphFeatures {
            nodes: n,
            prior: wide(&file, "prior", &[n, n])?,
            hop_distance: narrow(&file, "hop_distance", n)?,
            centrality: wide(&file, "centrality", &[n, 4])?,
            spectral: wide(&file, "spectral", &[n, sizes.num_spectral])?,
            random_walk: wide(&file, "random_walk", &[n, sizes.num_random_walk])?,
            eigenmaps: wide(&file, "eigenmaps", &[n, sizes.num_eigenvectors])?,
            clusters,
            sizes,
        };
        features.check()?;
        Ok(Self { graph: SeriesGraph::from_weights(head.series, weights)?, features: Arc::new(features) })
    }
}

impl GraphFeatures {
    /// Checks the assumptions of the model, so that a damaged file cannot cause reads beyond a table.
    fn check(&self) -> Result<(), SeriesGraphError> {
        let rows = u32::try_from(self.sizes.max_hop_distance).unwrap_or(u32::MAX);
        if self.hop_distance.iter().any(|h| *h >= rows.max(1)) {
            return Err(damaged("hop_distance exceeds max_hop_distance"));
        }
        for (i, labels) in self.clusters.iter().enumerate() {
            if labels.iter().any(|label| *label as usize >= self.num_clusters(i)) {
                return Err(damaged(format!("cluster.{i} has a number above the last cluster")));
            }
        }
        let tables = [&self.prior, &self.centrality, &self.spectral, &self.random_walk, &self.eigenmaps];
        if tables.iter().any(|t| t.iter().any(|v| !v.is_finite())) {
            return Err(damaged("a feature is not finite"));
        }
        Ok(())
    }
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], SeriesGraphError> {
    let view = file.tensor(name).map_err(|e| damaged(format!("{name}: {e}")))?;
    if view.dtype() != dtype || view.shape() != shape {
        return Err(damaged(format!("{name} is {:?} {:?} instead of {dtype:?} {shape:?}", view.dtype(), view.shape())));
    }
    Ok(view.data())
}

fn width(file: &SafeTensors, name: &str) -> Result<usize, SeriesGraphError> {
    let view = file.tensor(name).map_err(|e| damaged(format!("{name}: {e}")))?;
    view.shape().get(1).copied().ok_or_else(|| damaged(format!("{name} is not a matrix")))
}

fn wide(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f64>, SeriesGraphError> {
    Ok(tensor(file, name, Dtype::F64, shape)?.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
}

fn narrow(file: &SafeTensors, name: &str, n: usize) -> Result<Vec<u32>, SeriesGraphError> {
    Ok(tensor(file, name, Dtype::U32, &[n])?.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect())
}
