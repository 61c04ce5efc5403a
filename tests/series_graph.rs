//! Features of series graphs, compared with vectors that numpy computed from the definitions (tests/golden/make_graph_golden.py), and
//! under permutations of the series.

use pgat::series_graph::{FeatureSizes, GraphFeatures, SeriesGraph};
use safetensors::SafeTensors;
use std::path::PathBuf;

const TOLERANCE: f64 = 1e-9;

const CASES: [&str; 9] = ["path", "ring", "star", "complete", "two_parts", "random", "single", "no_edges", "sensors"];

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/graph")).join(format!("{name}.safetensors"));
        Self { bytes: std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())) }
    }

    fn words(&self, name: &str) -> Vec<[u8; 8]> {
        let file = SafeTensors::deserialize(&self.bytes).expect("a safetensors file");
        file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).data().as_chunks::<8>().0.to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        self.words(name).into_iter().map(f64::from_le_bytes).collect()
    }

    fn integers(&self, name: &str) -> Vec<usize> {
        self.words(name).into_iter().map(|w| usize::try_from(i64::from_le_bytes(w)).expect("not negative")).collect()
    }

    fn graph_and_sizes(&self) -> (SeriesGraph, FeatureSizes) {
        let (_, head) = SafeTensors::read_metadata(&self.bytes).expect("a safetensors file");
        let metadata = head.metadata().as_ref().expect("it has metadata");
        let n: usize = metadata["nodes"].parse().expect("a number");
        let mut weights = vec![0.0; n * n];
        for (edge, weight) in self.integers("edges").chunks_exact(2).zip(self.floats("edge_weights")) {
            weights[edge[0] * n + edge[1]] = weight;
        }
        let sizes: serde_json::Value = serde_json::from_str(&metadata["sizes"]).expect("JSON");
        let size = |value: &serde_json::Value| usize::try_from(value.as_u64().expect("a number")).expect("a size");
        let sizes = FeatureSizes {
            num_transitions: size(&sizes["num_transitions"]),
            max_hop_distance: size(&sizes["max_hop_distance"]),
            num_spectral: size(&sizes["num_spectral"]),
            num_random_walk: size(&sizes["num_random_walk"]),
            num_eigenvectors: size(&sizes["num_eigenvectors"]),
            hierarchy: sizes["hierarchy"].as_array().expect("a list").iter().map(size).collect(),
        };
        (SeriesGraph::from_weights(names(n), weights).expect("a graph"), sizes)
    }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("s{i}")).collect()
}

fn difference(expected: &[f64], found: &[f64]) -> f64 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).map(|(e, f)| if f.is_finite() { (e - f).abs() } else { f64::INFINITY }).fold(0.0, f64::max)
}

fn as_usize(values: &[u32]) -> Vec<usize> {
    values.iter().map(|v| *v as usize).collect()
}

#[test]
fn features_equal_their_definitions() {
    for name in CASES {
        let golden = Golden::open(name);
        let (graph, sizes) = golden.graph_and_sizes();
        let f = GraphFeatures::of(&graph, &sizes).expect("features");
        assert_eq!(f.nodes, graph.len() + sizes.num_transitions);
        let prior: Vec<f64> = f.prior.iter().copied().filter(|p| *p != 0.0).collect();
        let tables = [
            ("prior_nonzero", &prior),
            ("centrality", &f.centrality),
            ("spectral", &f.spectral),
            ("random_walk", &f.random_walk),
            ("eigenmaps", &f.eigenmaps),
        ];
        for (table, found) in tables {
            let worst = difference(&golden.floats(table), found);
            assert!(worst < TOLERANCE, "{name}, {table}: {worst:.1e}");
            eprintln!("{name}, {table}: {worst:.1e}");
        }
        assert_eq!(as_usize(&f.hop_distance), golden.integers("hop_distance"), "{name}");
        for (i, labels) in f.clusters.iter().enumerate() {
            assert_eq!(as_usize(labels), golden.integers(&format!("cluster.{i}")), "{name}, scale {i}");
            assert_eq!(labels.iter().max().map_or(0, |l| *l as usize + 1), f.num_clusters(i), "{name}, scale {i}");
        }
        let (constants, last) = (f.constants(), f.prior.len() - 1);
        #[expect(clippy::cast_possible_truncation, reason = "the rounding that is tested")]
        let narrow = f.prior[last] as f32;
        assert_eq!((constants.prior[last], constants.clusters, constants.hop_distance), (narrow, f.clusters, f.hop_distance));
    }
}

/// A weighted graph of 40 nodes without symmetries.
fn lopsided() -> (usize, Vec<f64>) {
    let n = 40;
    let mut weights = vec![0.0; n * n];
    let mut state = 20_260_801_u64;
    for i in 0..n {
        for j in 0..n {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let linked = (state >> 33) % 100 < 9 || j == i + 1;
            weights[i * n + j] = if linked && i != j { f64::from((state >> 40) as u32 & 0xFFFF) / 65_536.0 + 0.01 } else { 0.0 };
        }
    }
    (n, weights)
}

#[test]
fn features_go_with_the_series() {
    let (n, weights) = lopsided();
    let hubs = 2;
    let sizes = FeatureSizes {
        num_transitions: hubs,
        max_hop_distance: 8,
        num_spectral: 45,
        num_random_walk: 6,
        num_eigenvectors: 10,
        hierarchy: vec![3, 7],
    };
    let f = GraphFeatures::of(&SeriesGraph::from_weights(names(n), weights.clone()).expect("a graph"), &sizes).expect("features");
    // Node k of the other graph is node from[k] of this one.
    let from: Vec<usize> = (0..n).map(|k| (k * 17 + 5) % n).collect();
    let moved: Vec<f64> = (0..n * n).map(|k| weights[from[k / n] * n + from[k % n]]).collect();
    let names: Vec<String> = from.iter().map(|k| format!("s{k}")).collect();
    let g = GraphFeatures::of(&SeriesGraph::from_weights(names, moved).expect("a graph"), &sizes).expect("features");
    let back: Vec<usize> = from.iter().copied().chain(n..n + hubs).collect();
    for (width, here, there) in [
        (4, &f.centrality, &g.centrality),
        (sizes.num_spectral, &f.spectral, &g.spectral),
        (sizes.num_random_walk, &f.random_walk, &g.random_walk),
        (sizes.num_eigenvectors, &f.eigenmaps, &g.eigenmaps),
    ] {
        let expected: Vec<f64> = back.iter().flat_map(|&k| here[k * width..(k + 1) * width].to_vec()).collect();
        assert!(difference(&expected, there) < TOLERANCE, "width {width}: {:.1e}", difference(&expected, there));
        assert_ne!(expected, *here, "the permutation moves something");
    }
    let all = n + hubs;
    let prior: Vec<f64> = (0..all * all).map(|k| f.prior[back[k / all] * all + back[k % all]]).collect();
    assert!(difference(&prior, &g.prior) < TOLERANCE);
    let moved = |v: &[u32]| -> Vec<u32> { back.iter().map(|&k| v[k]).collect() };
    assert_eq!(moved(&f.hop_distance), g.hop_distance);
    for (here, there) in f.clusters.iter().zip(&g.clusters) {
        assert_eq!(moved(here), *there);
    }
}

#[test]
fn no_golden_file_is_left_over() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/graph")).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        assert!(CASES.contains(&stem), "{} belongs to no test", path.display());
    }
}
