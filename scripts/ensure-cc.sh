#!/usr/bin/env bash
# Makes sure that Rust finds a C linker (cc), which a machine with rustup and nothing else may lack.
set -euo pipefail
command -v cc >/dev/null && exit 0
exec "$(dirname "$0")/apt-install.sh" gcc libc6-dev
