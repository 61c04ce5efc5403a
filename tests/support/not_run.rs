//! Tests that have nothing to compare on an adapter or a system say so here; `scripts/test.sh` lists them at its end.

use std::path::Path;

/// Notes that a test did not compare, and why.
pub(crate) fn not_run(test: &str, why: &str) {
    eprintln!("NOT RUN: {test}: {why}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-run");
    std::fs::create_dir_all(&folder).expect("a writable target folder");
    std::fs::write(folder.join(test), format!("{test}: {why}\n")).expect("a writable target folder");
}
