//! A test that has nothing to compare on an adapter or a system leaves a note here. `scripts/test.sh` prints the notes after the tests.

use std::path::Path;

/// Records that a test compared nothing, and why.
pub(crate) fn not_run(test: &str, why: &str) {
    eprintln!("NOT RUN: {test}: {why}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-run");
    std::fs::create_dir_all(&folder).expect("a writable target folder");
    std::fs::write(folder.join(test), format!("{test}: {why}\n")).expect("a writable target folder");
}
