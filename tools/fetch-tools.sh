#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts osslsigncode 2.9 of Debian backports into build/tools, without touching the system: a private
# apt configuration, no root, dpkg -x. Nothing to do where it is new enough already.
set -eu
cd "$(dirname "$0")/.."

new_enough() {
    command -v osslsigncode >/dev/null 2>&1 || return 1
    version=$(osslsigncode --version 2>/dev/null | sed -n 's/^osslsigncode \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086
    set -- $version
    [ "${1:-0}" -gt 2 ] || { [ "${1:-0}" = 2 ] && [ "${2:-0}" -ge 9 ]; }
}

PATH=$PWD/build/tools/usr/bin:$PATH
if new_enough; then
    echo "osslsigncode is new enough"
    exit 0
fi
case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release) in
bookworm) ;;
*)
    echo "SKIPPED osslsigncode 2.9: its backport is for Debian 12 only"
    exit 77
    ;;
esac
apt=$PWD/build/tools/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -v security | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} bookworm-backports main" >"$apt/sources.list"
set -- -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -qq
if apt-get "$@" update && (cd "$apt" && apt-get "$@" download osslsigncode) && dpkg -x "$apt"/osslsigncode_*.deb build/tools && new_enough; then
    echo "osslsigncode is in build/tools"
    exit 0
fi
echo "SKIPPED osslsigncode 2.9: the backports archive cannot be reached; tests use the system's"
exit 77
