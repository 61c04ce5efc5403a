#!/usr/bin/env bash
# Installs Mesa's Vulkan drivers (lavapipe runs on the CPU) if this machine has no Vulkan adapter.
# For Debian and Ubuntu, as root or with sudo. Does nothing if there is an adapter, so it is safe to run again.
#   --check  only reports whether there is an adapter (status 0 or 1)
set -euo pipefail

say() { printf 'vulkan: %s\n' "$*" >&2; }

# Prints the adapters or drivers found. Fails if there are none.
find_adapter() {
    if command -v vulkaninfo >/dev/null; then
        local names
        names=$(vulkaninfo --summary 2>/dev/null | sed -n 's/^[[:space:]]*deviceName[[:space:]]*= //p' | paste -sd ';')
        [ -n "$names" ] && printf '%s' "$names"
        return
    fi
    # Without vulkaninfo: look for the loader and for the manifest of at least one driver.
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libvulkan\.so\.1' || return 1
    local folder manifest names=()
    for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        for manifest in "$folder"/*.json; do
            [ -e "$manifest" ] && names+=("${manifest##*/}")
        done
    done
    [ "${#names[@]}" -gt 0 ] && printf 'drivers %s' "${names[*]}"
}

if [ "$(uname -s)" != Linux ]; then
    say "nothing to do on $(uname -s): pgat uses the system's own graphics API"
    exit 0
fi
if found=$(find_adapter); then
    say "nothing to do: $found"
    exit 0
fi
if [ "${1:-}" = --check ]; then
    say 'no adapter'
    exit 1
fi

ID='' ID_LIKE='' VERSION_CODENAME=''
# shellcheck source=/dev/null
[ -r /etc/os-release ] && . /etc/os-release
case " $ID $ID_LIKE " in
    *' debian '* | *' ubuntu '*) ;;
    *)
        say "no adapter, and ${ID:-this system} is not Debian or Ubuntu: install the Vulkan loader and a driver."
        say 'hint: Fedora: dnf install mesa-vulkan-drivers vulkan-loader; Arch: pacman -S vulkan-swrast vulkan-icd-loader'
        exit 1
        ;;
esac

# Mesa 22.3 of Debian 12 runs everything, but slowly. Its backports have Mesa 25.
release=()
list=/etc/apt/sources.list.d/pgat-backports.list
line=''
if [ "$VERSION_CODENAME" = bookworm ]; then
    release=(--target-release bookworm-backports)
    # shellcheck disable=SC2016  # apt expands the placeholders
    targets=$(apt-get indextargets --format '$(CODENAME) $(SITE)' 'Created-By: Packages' 2>/dev/null || true)
    if ! grep -q '^bookworm-backports ' <<<"$targets"; then
        mirror=$(sed -n 's/^bookworm //p' <<<"$targets" | head -n 1)
        line="deb ${mirror:-http://deb.debian.org/debian} bookworm-backports main"
    fi
fi
install=(apt-get install --yes --no-install-recommends "${release[@]}" mesa-vulkan-drivers)
loader=(apt-get install --yes --no-install-recommends libvulkan1)

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        say 'no adapter; installing one needs root, and there is no sudo. As root, run:'
        [ -n "$line" ] && printf "  echo '%s' > %s\n" "$line" "$list" >&2
        printf '  %s\n' 'apt-get update' "${loader[*]}" "${install[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    say "$*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 && return
    cat "$log" >&2
    say "failed: $*"
    exit 1
}

say 'no adapter: installing Mesa'
if [ -n "$line" ]; then
    say "adding $list: $line"
    "${as_root[@]}" tee "$list" <<<"$line" >/dev/null
fi
quietly apt-get update
quietly "${loader[@]}"
quietly "${install[@]}"
if ! found=$(find_adapter); then
    say 'Mesa is installed, but there is still no adapter. vulkaninfo --summary (package vulkan-tools) may say why.'
    exit 1
fi
say "installed mesa-vulkan-drivers $(dpkg-query --show --showformat='${Version}' mesa-vulkan-drivers): $found"
