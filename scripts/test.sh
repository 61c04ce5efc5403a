#!/usr/bin/env bash
# Runs every check that a change must pass: formatting, lints, shaders, the page in a browser, tests.
# Installs missing tools (Debian and Ubuntu, as root or with sudo), stops at the first error, prints the time of each stage.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_PROGRESS_WHEN=never
started=$SECONDS
stage='start'
stage_started=$SECONDS
log=$(mktemp)

say() { printf '%s\n' "$*" >&2; }

finish() {
    local status=$?
    rm -rf "$log" "${shaders:-}" "${page_log:-}"
    [ -z "${page:-}" ] || kill "$page" 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        say "FAILED in stage '$stage' after $((SECONDS - started)) s (status $status)"
    fi
}
trap finish EXIT

# begin NAME: starts a stage. end: ends it and prints its time.
begin() {
    stage=$1
    stage_started=$SECONDS
    say "== $stage"
}
end() { say "   ok: $stage, $((SECONDS - stage_started)) s"; }

# Runs a command silently. Prints its whole output if it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        local status=$?
        cat "$log" >&2
        say "failed: $*"
        return "$status"
    }
}

begin 'tools'
if ! command -v cargo >/dev/null && [ -r "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
    # shellcheck source=/dev/null
    . "${CARGO_HOME:-$HOME/.cargo}/env"
fi
if ! command -v cargo >/dev/null; then
    say 'cargo is missing: install Rust from https://rustup.rs'
    exit 1
fi
scripts/ensure-cc.sh
scripts/install-vulkan.sh
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    scripts/apt-install.sh nodejs npm
fi
if command -v rustup >/dev/null; then
    toolchain=$(rustup show active-toolchain 2>/dev/null | cut -d' ' -f1)
    installed=$(rustup component list --installed --toolchain "$toolchain")
    for component in rustfmt clippy; do
        grep -q "^$component" <<<"$installed" || quietly rustup component add --toolchain "$toolchain" "$component"
    done
    rustup target list --installed --toolchain "$toolchain" | grep -qx wasm32-unknown-unknown ||
        quietly rustup target add --toolchain "$toolchain" wasm32-unknown-unknown
elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
    say 'the Rust target wasm32-unknown-unknown is missing: install rustup (https://rustup.rs) and run this again'
    exit 1
fi
runner=(cargo nextest run --no-fail-fast)
if ! cargo nextest --version >/dev/null 2>&1; then
    say '   cargo-nextest is missing: running cargo install cargo-nextest --locked (takes minutes)'
    if ! quietly cargo install cargo-nextest --locked; then
        say '   NOTICE: cargo-nextest cannot be installed; the tests run with cargo test instead'
        runner=(cargo test --lib --bins --tests --no-fail-fast)
    fi
fi
if [ ! scripts/node/node_modules/.package-lock.json -nt scripts/node/package-lock.json ]; then
    quietly npm ci --prefix scripts/node --ignore-scripts
fi
end

begin 'format'
cargo fmt --all --check
end

begin 'clippy'
cargo clippy --quiet --all-targets -- -D warnings
cargo clippy --quiet --package xtask --all-targets -- -D warnings
for module in web web-selftest web-intake; do
    cargo clippy --quiet --target wasm32-unknown-unknown --no-default-features --features "$module" --lib -- -D warnings
done
end

begin 'library without the command line'
# A user of the library must not compile crates that only the command line needs.
tree=$(cargo tree --quiet --edges normal --no-default-features --features native --prefix none --format '{lib}')
for crate in clap indicatif ctrlc anyhow tracing_subscriber saphyr; do
    if grep -qx "$crate" <<<"$tree"; then
        say "the library needs $crate without the feature cli"
        exit 1
    fi
done
# The examples have the dependencies of the tests, so cargo compiles no dependency again.
cargo clippy --quiet --no-default-features --features native,test-hooks --lib --examples -- -D warnings
end

begin 'build tests (takes minutes on a fresh clone)'
quietly cargo test --no-run
end

# The linker of the page uses one core for a minute or two. The next stages use the other core meanwhile.
page_log=$(mktemp)
cargo xtask web build >"$page_log" 2>&1 &
page=$!

begin 'shaders under Tint'
shaders=$(mktemp -d)
# Use the program that the test build made. A separate build would have other features and compile everything again.
PGAT_BIN=$(cargo metadata --format-version 1 --no-deps | node -p 'JSON.parse(require("fs").readFileSync(0)).target_directory')/debug/pgat
export PGAT_BIN
"$PGAT_BIN" shaders "$shaders"
node scripts/check-wgsl.mjs "$shaders"
end

begin 'documentation'
RUSTDOCFLAGS='-D warnings' quietly cargo doc --no-deps --quiet
end

begin 'crates: bans, licences, sources'
cargo xtask deny
end

begin 'documentation tests'
quietly cargo test --quiet --doc
end

begin 'tests'
# A test that has nothing to compare on this adapter or system leaves a note (tests/support/not_run.rs).
notes=${CARGO_TARGET_DIR:-target}/tmp/not-run
rm -rf "$notes"
status=0
"${runner[@]}" || status=$?
if [ -n "$(ls -A "$notes" 2>/dev/null)" ]; then
    say '   tests that compared nothing on this machine:'
    cat "$notes"/* | sed 's/^/     /' >&2
else
    say '   tests that compared nothing on this machine: none'
fi
[ "$status" -eq 0 ] || exit "$status"
end

begin 'browser'
wait "$page" || {
    cat "$page_log" >&2
    say 'failed: cargo xtask web build'
    exit 1
}
page=
cat "$page_log" >&2
quietly cargo test --quiet --package xtask
CARGO_TERM_QUIET=true cargo xtask web test --no-build
end
say "all stages passed in $((SECONDS - started)) s"
