//! The model compared with golden files of the PyTorch reference: every output, loss and gradient. Also files that cannot be compared, or
//! only in part.

use crate::support::golden_file::GoldenFile;
use pgat::engine::executor::Backend;
use pgat::engine::gpu::Gpu;
use pgat::engine::verify::{Golden, Report, VerifyError, tolerance, verify};
use std::sync::Arc;

const GROUPS: [&str; 4] = ["act", "out", "loss", "grad"];

fn files() -> Vec<std::path::PathBuf> {
    let folder = std::env::var("PGAT_GOLDEN").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model").into());
    let entries = std::fs::read_dir(&folder).expect("tests/golden/model is part of the project");
    let mut files: Vec<_> =
        entries.map(|e| e.expect("a readable folder").path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect();
    if std::env::var_os("PGAT_GOLDEN").is_none() {
        files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/self-test.safetensors").into());
    }
    files.sort();
    files
}

fn check(backend: &Backend) {
    let files = files();
    assert!(files.len() >= 3, "only {} golden files", files.len());
    for file in files {
        let golden = Golden::read(&std::fs::read(&file).expect("a readable file")).expect("a golden file");
        if golden.is_trajectory() {
            continue;
        }
        let report = compare(&golden, backend).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(report.ties.is_empty(), "{}: {:?}", file.display(), report.ties);
        let groups: Vec<_> = report.groups.iter().map(|g| g.group.as_str()).collect();
        assert_eq!(groups, GROUPS);
        for g in report.groups {
            let error = g.error.expect("nothing is void");
            eprintln!("{}: {} of {} tensors: {error:e} ({:?})", file.display(), g.group, g.tensors, g.worst);
            assert!(error < tolerance(backend, &g.group), "{}: {g:?}", file.display());
            assert!(g.tensors > 0 && g.void == 0);
        }
    }
}

fn compare(golden: &Golden, backend: &Backend) -> Result<Report, VerifyError> {
    pollster::block_on(verify(golden, backend, |group| tolerance(backend, group)))
}

#[test]
fn twins_equal_pytorch() {
    check(&Backend::Reference);
}

#[test]
fn kernels_equal_pytorch() {
    let gpu = Arc::new(pollster::block_on(Gpu::open(None)).expect("tests need an adapter"));
    check(&Backend::Gpu(gpu));
}

fn on_twins(file: &GoldenFile) -> Result<Report, VerifyError> {
    compare(&Golden::read(&file.bytes())?, &Backend::Reference)
}

/// Numbers of compared and of void tensors of a group.
fn counts(report: &Report, group: &str) -> (usize, usize) {
    let g = report.groups.iter().find(|g| g.group == group).unwrap_or_else(|| panic!("no group {group}"));
    assert_eq!(g.error.is_none(), g.tensors == 0);
    (g.tensors, g.void)
}

#[test]
fn a_tie_of_edges_voids_the_graph_and_what_follows() {
    let mut file = GoldenFile::full();
    file.tie_edges("param.", 1e-5);
    let report = on_twins(&file).expect("a report");
    let [tie] = &report.ties[..] else { panic!("one tie: {:?}", report.ties) };
    assert_eq!((tie.tensor.as_str(), tie.row, tie.window), ("graph.edges.0", 1, None));
    assert!((tie.gap - 1e-5).abs() < 1e-6, "{tie:?}");
    assert!(tie.to_string().contains("graph.edges.0, receiver 1: the choice depends on a gap of 1.0e-5"), "{tie}");
    assert_eq!(counts(&report, "act"), (1, 11), "the embedding comes before the edges");
    assert_eq!((counts(&report, "out"), counts(&report, "grad").0, counts(&report, "loss")), ((0, 3), 0, (0, 2)));
    file.tie_edges("param.", 2e-4);
    assert_eq!(on_twins(&file).expect("a report").ties, [], "a gap of 2e-4 is no tie");
}

/// A trajectory is judged by its values: a tie makes void only the values that exceed the tolerance.
#[test]
fn a_tie_in_a_trajectory_voids_only_what_disagrees() {
    let mut file = GoldenFile::read("trajectory/full");
    let before = on_twins(&file).expect("a report");
    assert!(before.groups.iter().all(|g| g.void == 0) && before.above(|_| 1e-6).is_none());
    file.tie_edges("init.", 1e-5);
    let report = on_twins(&file).expect("a report");
    assert_eq!((report.ties[0].tensor.as_str(), report.ties[0].step, report.ties[0].row), ("graph.edges.0", Some(0), 1));
    assert_eq!((counts(&report, "step"), counts(&report, "param").0, counts(&report, "param-zeros").0), ((0, 3), 0, 0));
    // With a looser tolerance all values agree.
    let loose = pollster::block_on(verify(&Golden::read(&file.bytes()).expect("a golden file"), &Backend::Reference, |_| 1e3));
    let loose = loose.expect("a report");
    assert!(!loose.ties.is_empty() && loose.groups.iter().all(|g| g.void == 0 && g.error.is_some()), "{loose:?}");
}

/// With the key weights at zero every lag has the same score.
#[test]
fn a_tie_of_lags_voids_what_follows_alone() {
    let mut file = GoldenFile::full();
    file.change("param.autocorr.qkv.weight", |values| {
        let third = values.len() / 3;
        values[third..2 * third].fill(0.0);
    });
    let report = on_twins(&file).expect("a report");
    assert_eq!(report.ties.len(), 6, "a tie for each of 3 targets in 2 windows");
    let last = report.ties.last().expect("a tie");
    assert_eq!((last.tensor.as_str(), last.window, last.row), ("act.autocorr", Some(1), 2));
    assert!(last.gap < 1e-12);
    assert_eq!(counts(&report, "act"), (8, 4), "autocorrelation and the decoder's three follow");
    assert_eq!((counts(&report, "out"), counts(&report, "grad").0, counts(&report, "loss")), ((0, 3), 0, (0, 2)));
    assert!(report.above(|group| tolerance(&Backend::Reference, group)).is_none(), "what comes before is compared, and agrees");
}

#[test]
fn an_error_is_found_in_any_group() {
    for (name, group) in [("act.scales.0", "act"), ("out.log_std", "out"), ("loss.penalty", "loss"), ("grad.graph.receiver", "grad")] {
        let mut file = GoldenFile::full();
        file.change(name, |values| values[0] += 0.01 * values.iter().fold(0.0, |m: f32, v| m.max(v.abs())));
        let report = on_twins(&file).expect("a report");
        let above: Vec<_> = report.groups.iter().filter(|g| g.error.is_some_and(|e| e > 1e-6)).collect();
        let [g] = above[..] else { panic!("{name}: {above:?}") };
        assert_eq!((g.group.as_str(), g.worst.as_deref()), (group, Some(name)));
        assert!(g.error.is_some_and(|e| (0.005..0.02).contains(&e)), "{g:?}");
    }
}

#[test]
fn files_that_cannot_be_compared_say_why() {
    type Change<'a> = &'a dyn Fn(&mut GoldenFile);
    let said = |change: Change| {
        let mut file = GoldenFile::full();
        change(&mut file);
        on_twins(&file).err().map_or_else(|| "nothing".into(), |e| e.to_string())
    };
    let cases: [(Change, &str); 9] = [
        (&|f| f.remove("param.decoder.head.bias"), "no tensor param.decoder.head.bias"),
        (&|f| f.remove("grad.decoder.head.bias"), "no tensor grad.decoder.head.bias"),
        (&|f| f.remove("in.values"), "no tensor in.values"),
        (&|f| f.remove("gumbel.1"), "no tensor gumbel.1"),
        (&|f| f.rename("act.autocorr", "act.autocorrelation"), "no tensor act.autocorr"),
        (&|f| f.rename("param.decoder.head.bias", "param.decoder.head.biases"), "no tensor param.decoder.head.bias"),
        (&|f| f.config(|c| c["d_model"] = 16.into()), "elements, the model"),
        (&|f| f.config(|c| c["use_magic"] = true.into()), "unknown field `use_magic`"),
        (&|f| f.config(|c| drop(c.as_object_mut().and_then(|c| c.remove("seq_len")))), "has no valid seq_len"),
    ];
    for (change, expected) in cases {
        let text = said(change);
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    }
    let bytes = GoldenFile::full().bytes();
    for len in [0, 7, 100, bytes.len() - 1] {
        let e = Golden::read(&bytes[..len]).err().expect("a truncated file is refused");
        assert!(e.to_string().contains("cannot be read as safetensors"), "{len}: {e}");
    }
}
