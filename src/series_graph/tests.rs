//! Accepted graphs, rejected graphs and their error messages; correlations, cache, storage.

use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::config::{Config, ModelSettings};
use crate::data::Dataset;

const ROWS: usize = 60;

/// Four series: two that are correlated, one anticorrelated with them, one independent. `tail` replaces the rows of validation and test.
fn csv(tail: &str) -> String {
    let mut text = String::from("alpha,beta,gamma,delta\n");
    for row in 0..ROWS * 7 / 10 {
        let x = row as f64;
        let (slow, fast) = ((x * 0.3).sin(), (x * 1.7).cos());
        text += &format!("{:.4},{:.4},{:.4},{:.4}\n", slow, 5.0 + slow + 0.1 * fast, -slow + 0.3 * fast, fast + 0.02 * x);
    }
    text + &tail.repeat(ROWS - ROWS * 7 / 10)
}

fn dataset(csv: &str) -> Dataset {
    let config = "[data]\npath = \"x.csv\"\ntargets = [\"beta\", \"gamma\", \"delta\"]\ncovariates = [{ column = \"alpha\" }]\n\
                  [window]\nhistory = 4\nhorizon = 2";
    Dataset::read(&Config::from_toml(config).unwrap(), csv.as_bytes()).unwrap()
}

fn built(section: &str, file: &[u8]) -> Result<(SeriesGraph, Vec<String>), SeriesGraphError> {
    let text = format!("[data]\npath = \"x\"\ntargets = [\"a\"]\n[window]\nhistory = 4\nhorizon = 2\n[graph]\n{section}");
    let settings = Config::from_toml(&text).unwrap().graph;
    SeriesGraph::build(&settings, &dataset(&csv("1,2,3,4\n")), Some(file))
}

fn edges(file: &str) -> (SeriesGraph, Vec<String>) {
    built("edges = \"e.csv\"", file.as_bytes()).unwrap()
}

/// The error message for a file.
fn refusal(section: &str, file: &str) -> String {
    built(section, file.as_bytes()).unwrap_err().to_string()
}

/// (receiver, sender, weight) of each edge, by name.
fn listed(graph: &SeriesGraph) -> Vec<(&str, &str, f64)> {
    let n = graph.len();
    let edge = |(k, w): (usize, &f64)| (*w > 0.0).then(|| (graph.names()[k / n].as_str(), graph.names()[k % n].as_str(), *w));
    graph.weights().iter().enumerate().filter_map(edge).collect()
}

#[test]
fn an_edge_list_acts_from_source_to_target() {
    let (graph, notes) = edges("\u{feff}weight,source,x,target\r\n0.5,alpha,9,beta\r\n\r\n2,gamma,9,alpha\r\n");
    assert_eq!(graph.names(), ["alpha", "beta", "gamma", "delta"], "covariates first");
    assert_eq!(listed(&graph), [("alpha", "gamma", 2.0), ("beta", "alpha", 0.5)]);
    assert_eq!(notes, ["series without edges in the graph: \"delta\"; the model connects them only through learned graphs"]);
    let features = GraphFeatures::of(&graph, &sizes()).unwrap();
    assert!((features.prior[features.nodes] - 0.5 / 2.5).abs() < 1e-15, "beta receives from alpha, itself and the transition nodes");
}

#[test]
fn what_is_changed_is_noted() {
    let (graph, notes) = edges("source,target\nalpha,beta\nbeta,beta\ngamma,delta");
    assert_eq!(listed(&graph), [("beta", "alpha", 1.0), ("delta", "gamma", 1.0)]);
    for words in ["no column \"weight\"", "1 edge from a series to itself", "2 disconnected components"] {
        assert!(notes.iter().any(|n| n.contains(words)), "{words}: {notes:?}");
    }
    let (graph, notes) = edges("source,target,weight\nalpha,beta,0");
    assert_eq!(graph.edges(), 0);
    assert!(notes[0].contains("1 edges have weight 0") && notes[1].contains("no edges"), "{notes:?}");
    let both = "edges = \"e.csv\"\ndirected = false";
    let (graph, notes) =
        built(both, b"source,target,weight\nalpha,beta,1\nbeta,alpha,3\ngamma,delta,2\ndelta,gamma,2\nbeta,gamma,1").unwrap();
    assert_eq!(graph.edges(), 6);
    assert_eq!(listed(&graph)[..2], [("alpha", "beta", 3.0), ("beta", "alpha", 3.0)]);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("1 pairs have different weights"), "{notes:?}");
    let skip = "edges = \"e.csv\"\nskip_unknown = true";
    let (graph, notes) = built(skip, b"source,target,weight\nalpha,beta,1\nzeta,alpha,3\nzeta,beta,3").unwrap();
    assert_eq!(graph.edges(), 1);
    assert!(notes[0].ends_with("does not have these series: \"zeta\""), "{notes:?}");
}

#[test]
fn bad_edge_lists_are_refused_with_their_line() {
    let edges = "edges = \"e.csv\"";
    let cases = [
        ("", "the graph file has no lines"),
        ("source,target\n", "has no edges below its header"),
        ("from,target\nalpha,beta", "line 1: the edge list has no column \"source\" (it has \"from\", \"target\")"),
        ("source,target,weight\nalpha,beta,1\n\nalpha,betta,1", "line 4: no series is named \"betta\"; did you mean \"beta\"?"),
        ("source,target,weight\nalpha,unheard,1", "the most similar names are \"alpha\""),
        ("source,target,weight\nalpha,beta,-1", "line 2, column \"weight\": \"-1\" is negative"),
        ("source,target,weight\nalpha,beta,inf", "\"inf\" is not finite"),
        ("source,target,weight\nalpha,beta,NaN", "\"NaN\" is not finite"),
        ("source,target,weight\nalpha,beta,", "\"\" is not a number"),
        ("source,target,weight\nalpha,beta", "line 2: found 2 fields, expected 3"),
        ("source,target,weight\nalpha,beta,1\nbeta,alpha,1\nalpha,beta,2", "line 4: the edge from \"alpha\" to \"beta\" is also on line 2"),
    ];
    for (file, words) in cases {
        let message = refusal(edges, file);
        assert!(message.contains(words), "{file:?}: {message}");
    }
    assert!(refusal("edges = \"e.csv\"\ndelimiter = \";\"", "source,target\nalpha,beta").contains("set graph.delimiter"));
    assert!(built(edges, b"source,target\nalpha,\xff\xff").unwrap_err().to_string().contains("line 2: the graph file is not UTF-8"));
    assert!(built(edges, &[0x1f, 0x8b, 8, 0, 1]).unwrap_err().to_string().contains("check that the file is complete"));
    let missing = SeriesGraph::build(&Config::from_toml(&config_with(edges)).unwrap().graph, &dataset(&csv("1,2,3,4\n")), None);
    assert!(missing.unwrap_err().to_string().contains("the contents of e.csv are missing"));
}

fn config_with(section: &str) -> String {
    format!("[data]\npath = \"x\"\ntargets = [\"a\"]\n[window]\nhistory = 4\nhorizon = 2\n[graph]\n{section}")
}

#[test]
fn matrices_with_and_without_names() {
    let named = "name,delta,alpha,beta,gamma\nalpha,0,1,0.5,0\nbeta,0,0,0,0\ngamma,0,0,0,0\ndelta,0,0,0,2\n";
    let (graph, notes) = built("matrix = \"m.csv\"", named.as_bytes()).unwrap();
    assert_eq!(listed(&graph), [("beta", "alpha", 0.5), ("gamma", "delta", 2.0)], "rows are sources");
    assert!(notes.iter().any(|n| n.contains("1 edge from a series to itself")), "{notes:?}");
    let (graph, _) = built("matrix = \"m.csv\"\nrows = \"targets\"", named.as_bytes()).unwrap();
    assert_eq!(listed(&graph), [("alpha", "beta", 0.5), ("delta", "gamma", 2.0)]);
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(b"0,1,0,0\n0,0,0,0\n0,0,0,0\n0,0,0.25,0\n").unwrap();
    let (graph, _) = built("matrix = \"m.csv.gz\"", &packed.finish().unwrap()).unwrap();
    assert_eq!(listed(&graph), [("beta", "alpha", 1.0), ("gamma", "delta", 0.25)]);
}

#[test]
fn bad_matrices_are_refused() {
    let cases = [
        ("0,1\n1,0\n", "the matrix has 2 rows and no names, but the data has 4 series"),
        ("0,1,2\n1,0,2\n", "the matrix is not square: 2 rows of 3 numbers"),
        ("0,1,0,0\n0,0,0\n0,0,0,0\n0,0,1,0\n", "line 2: found 3 fields, expected 4"),
        ("0,1,0,0\n0,0,0,x\n0,0,0,0\n0,0,1,0\n", "line 2, column 4: \"x\" is not a number"),
        (",alpha,beta\nalpha,0,1\n", "\"beta\" names a column but no row"),
        (",alpha\nalpha,0\nbeta,1\n", "\"beta\" on line 3 names a row but no column"),
        (",alpha,beta\nalpha,0,-1\nbeta,1,0\n", "line 2, column \"beta\": \"-1\" is negative"),
        (",alpha,alpha\nalpha,0,1\n", "line 1: \"alpha\" names two columns"),
        (",alpha,beta\nalpha,0,1\nalpha,0,1\n", "line 3: \"alpha\" names two rows"),
        (",alpha,bta\nalpha,0,1\nbta,0,1\n", "line 1: no series is named \"bta\"; did you mean \"beta\"?"),
    ];
    for (file, words) in cases {
        let message = refusal("matrix = \"m.csv\"", file);
        assert!(message.contains(words), "{file:?}: {message}");
    }
}

#[test]
fn weights_of_a_program_are_checked() {
    let names = || vec!["a".to_owned(), "b".to_owned()];
    assert!(SeriesGraph::from_weights(names(), vec![0.0; 3]).unwrap_err().to_string().contains("3 weights do not form a 2 x 2 matrix"));
    for bad in [[0.0, -1.0, 0.0, 0.0], [0.0, f64::NAN, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]] {
        assert!(SeriesGraph::from_weights(names(), bad.to_vec()).is_err(), "{bad:?}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let cases = [
        ("edges = \"a\"\nnearest = 2", "graph: the section gives edges and nearest; keep one of them"),
        ("nearest = 0", "graph.nearest: it is 0"),
        ("rows = \"targets\"", "graph.rows: the key has no effect without matrix"),
        ("nearest = 1\nskip_unknown = true", "graph.skip_unknown: the key has no effect"),
        ("directed = false", "graph.directed: the key has no effect"),
        ("edgs = \"a\"", "unknown key `edgs`; did you mean `edges`?"),
    ];
    for (section, words) in cases {
        let message = Config::from_toml(&config_with(section)).unwrap_err().to_string();
        assert!(message.contains(words), "{section:?}: {message}");
    }
    let config = Config::from_toml(&config_with("matrix = \"m.csv\"\nrows = \"targets\"")).unwrap();
    assert_eq!(Config::from_toml(&config.to_toml().unwrap()).unwrap(), config);
    assert_eq!(config.graph_path(std::path::Path::new("/a/b.toml")), Some("/a/m.csv".into()));
    assert!(!Config::from_toml(&config_with("")).unwrap().to_toml().unwrap().contains("[graph]"), "older versions read it");
}

#[test]
fn the_nearest_are_those_of_the_training_rows() {
    let nearest = |csv: &str| {
        let settings = Config::from_toml(&config_with("nearest = 1")).unwrap().graph;
        SeriesGraph::build(&settings, &dataset(csv), None).unwrap().0
    };
    let graph = nearest(&csv("1,2,3,4\n"));
    let found = listed(&graph);
    let pairs: Vec<_> = found.iter().map(|e| (e.0, e.1)).collect();
    assert_eq!(pairs[..3], [("alpha", "beta"), ("beta", "alpha"), ("gamma", "alpha")]);
    assert_eq!(pairs.len(), 4, "each has one");
    assert!(found[0].2 > 0.99 && found[0].2 <= 1.0 && found[2].2 > 0.9, "{found:?}");
    for tail in ["5,-7,100,-3\n", ",,,\n", "0,0,0,1e20\n"] {
        assert_eq!(nearest(&csv(tail)), graph, "validation and test rows have no influence");
    }
    // A changed training row changes the graph.
    assert_ne!(nearest(&csv("1,2,3,4\n").replacen('\n', "\n9,-9,", 1).replacen("9,-9,0.0000,5.1000", "9,-9", 1)), graph);
    let all =
        SeriesGraph::build(&Config::from_toml(&config_with("nearest = 9")).unwrap().graph, &dataset(&csv("1,2,3,4\n")), None).unwrap();
    assert_eq!(all.0.edges(), 12);
    assert!(all.1[0].contains("linked to all others"), "{:?}", all.1);
}

#[test]
fn correlations_are_pearsons_over_common_rows() {
    // alpha and beta miss different rows; delta is constant in the rows where gamma is observed.
    let text = "alpha,beta,gamma,delta\n1,2,,5\n2,,1,3\n,7,2,3\n4,3,4,3\n5,9,,8\n7,8,3,3\n".to_owned() + &"0,0,0,0\n".repeat(3);
    let config = "[data]\npath = \"x.csv\"\ntargets = [\"*\"]\n[window]\nhistory = 1\nhorizon = 1\n[split]\ntrain_rows = 6";
    let data = Dataset::read(&Config::from_toml(config).unwrap(), text.as_bytes()).unwrap();
    let r = data.training_correlations().unwrap();
    let by_hand = |x: &[f64], y: &[f64]| {
        let n = x.len() as f64;
        let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
        let sum = |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
        sum(x, mx, y, my) / (sum(x, mx, x, mx) * sum(y, my, y, my)).sqrt()
    };
    assert!((r[1] - by_hand(&[1.0, 4.0, 5.0, 7.0], &[2.0, 3.0, 9.0, 8.0])).abs() < 1e-12);
    assert!((r[2] - by_hand(&[2.0, 4.0, 7.0], &[1.0, 4.0, 3.0])).abs() < 1e-12);
    assert_eq!((r[4], r[2 * 4 + 3], r[5]), (r[1], 0.0, 1.0));
}

fn sizes() -> FeatureSizes {
    FeatureSizes { num_transitions: 2, ..(&ModelSettings::default()).into() }
}

fn ring(n: usize) -> SeriesGraph {
    let mut weights = vec![0.0; n * n];
    (0..n).for_each(|i| weights[i * n + (i + 1) % n] = 1.0);
    SeriesGraph::from_weights((0..n).map(|i| format!("s{i}")).collect(), weights).unwrap()
}

#[test]
fn the_cache_goes_by_content_and_drops_what_was_used_longest_ago() {
    let one = GraphFeatures::of(&ring(5), &sizes()).unwrap().bytes();
    let cache = FeatureCache::new(5 * one);
    let get = |n| cache.features(&ring(n), &sizes()).unwrap();
    let first = get(5);
    assert!(Arc::ptr_eq(&first, &get(5)));
    let renamed = SeriesGraph::from_weights(vec!["x".into(); 5], ring(5).weights().to_vec()).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.features(&renamed, &sizes()).unwrap()), "names do not matter");
    let others = FeatureSizes { num_spectral: 3, ..sizes() };
    assert!(!Arc::ptr_eq(&first, &cache.features(&ring(5), &others).unwrap()), "sizes do");
    assert_eq!((cache.statistics().hits, cache.statistics().misses), (2, 2));
    for n in [6, 7, 4, 3] {
        get(5);
        get(n);
    }
    let now = cache.statistics();
    assert!(now.bytes <= 5 * one && now.entries < 6, "{now:?}");
    assert!(Arc::ptr_eq(&first, &get(5)), "used recently, so kept");
    let misses = cache.statistics().misses;
    get(6);
    assert_eq!(cache.statistics().misses, misses + 1, "6 was evicted");
    cache.clear();
    assert_eq!(cache.statistics(), CacheStatistics::default());
    let small = FeatureCache::new(16);
    assert_eq!(*small.features(&ring(5), &sizes()).unwrap(), *first);
    assert_eq!(small.statistics().entries, 0);
}

#[test]
fn a_stored_graph_comes_back() {
    let graph = ring(5);
    let features = Arc::new(GraphFeatures::of(&graph, &sizes()).unwrap());
    let stored = KnownGraph { graph, features };
    let bytes = stored.to_bytes().unwrap();
    assert_eq!(bytes, stored.to_bytes().unwrap());
    assert_eq!(KnownGraph::from_bytes(&bytes).unwrap(), stored);
    assert!(KnownGraph::from_bytes(&bytes[..bytes.len() - 1]).unwrap_err().to_string().contains("delete it"));
    let text = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        KnownGraph::from_bytes(&bytes).unwrap_err().to_string()
    };
    assert!(text("\\\"format_version\\\":1", "\\\"format_version\\\":7").contains("update pgat"));
    assert!(text("\"prior\"", "\"praor\"").contains("prior"));
    assert!(text("\\\"max_hop_distance\\\":32", "\\\"max_hop_distance\\\": 1").contains("exceeds max_hop_distance"));
    assert!(text("\\\"num_transitions\\\":2", "\\\"num_transitions\\\":3").contains("damaged"));
}
