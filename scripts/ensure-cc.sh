#!/usr/bin/env bash
# Installs a C linker (cc) if there is none. Rust needs one, and a machine with only rustup may not have it.
set -euo pipefail
command -v cc >/dev/null && exit 0
exec "$(dirname "$0")/apt-install.sh" gcc libc6-dev
