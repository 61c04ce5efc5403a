#!/usr/bin/env bash
# From a fresh clone to a forecast: builds pgat, trains the example, scores it, forecasts the next day and draws the forecast.
# Installs a C linker and Mesa's Vulkan driver if they are missing (Debian and Ubuntu, as root or with sudo).
#   scripts/quickstart.sh [DIR]     writes the results to DIR, by default a new folder in runs/
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

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

say '== building (takes minutes on a fresh clone)'
cargo build --release --bin pgat
pgat=${CARGO_TARGET_DIR:-target}/release/pgat

started=$SECONDS
example=examples/weather
out=${1:-runs/weather-$(date +%Y%m%d-%H%M%S)}
mkdir -p "$(dirname "$out")"

say "== training on $example/weather.csv.gz"
"$pgat" train "$example/config.toml" --out "$out"

say '== scores on the test part: the last fifth of the data, not used in training'
"$pgat" evaluate "$out"

say '== forecast of the 24 hours after the end of the data'
"$pgat" forecast "$out" --data "$example/weather.csv.gz" --plot "$out/forecast.svg" >"$out/forecast.csv"
head -n 13 "$out/forecast.csv"

say "== done in $((SECONDS - started)) s (without the build)"
say "picture:     $out/forecast.svg"
say "whole table: $out/forecast.csv ($(($(wc -l <"$out/forecast.csv") - 1)) rows; the first 12 are above)"
say "weights:     $out"
