#!/usr/bin/env bash
# Installs packages on Debian and Ubuntu, as root or with sudo. On other systems, prints the packages to install and fails.
#   scripts/apt-install.sh PACKAGE...
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

if ! command -v apt-get >/dev/null; then
    say "install these packages (Debian names): $*"
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say "installing packages needs root and there is no sudo; as root, run: apt-get update && apt-get install --yes $*"
        exit 1
    fi
    as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "   apt-get install $*"
if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    cat "$log" >&2
    say "failed: apt-get install $*"
    exit 1
fi
