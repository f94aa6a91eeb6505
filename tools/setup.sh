# SPDX-License-Identifier: Apache-2.0
# Read by ./run and ./test: packages and the build. POSIX sh; only apt-get runs with more rights.

say() {
    printf '%s\n' "$*"
}

fail() { # fail STATUS TEXT
    status=$1
    shift
    printf '%s: %s\n' "${program:-setup}" "$*" >&2
    exit "$status"
}

# need_packages TIER...: installs those of tools/packages.txt that are missing.
need_packages() {
    wanted=
    for tier in "$@"; do
        wanted="$wanted $(sed -n "s/^\([a-z0-9.+-]*\)  *$tier  .*/\1/p" tools/packages.txt)"
    done
    command -v dpkg-query >/dev/null 2>&1 ||
        fail 2 "this is not Debian or Ubuntu. Install what tools/packages.txt lists, then build with meson."
    # shellcheck disable=SC2086
    present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p')
    # nodejs of other sources brings npm along, and Debian's npm cannot be installed beside it.
    ! command -v npm >/dev/null 2>&1 || present="$present
npm"
    missing=
    for package in $wanted; do
        case "
$present
" in
        *"
$package
"*) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -z "$missing" ] || install_packages "$missing"
}

install_packages() {
    install="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600$1"
    if [ "$(id -u)" = 0 ]; then
        root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        root='sudo -n'
    elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then
        root=sudo
    else
        say "These packages are missing and only root may install them. Run this, then try again:"
        say "    $install"
        exit 2
    fi
    say "Installing:$1"
    log=$(mktemp)
    for step in "apt-get update" "$install"; do
        # shellcheck disable=SC2086
        if ! $root env DEBIAN_FRONTEND=noninteractive LC_ALL=C $step >"$log" 2>&1 </dev/null; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            fail 2 "'$step' failed. Mend what it says above (network, disk, package sources), then try again."
        fi
    done
    rm -f "$log"
}

# configure FOLDER OPTION...: once; later calls only change the options.
configure() {
    folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        meson configure "$folder" "$@" >/dev/null || fail 6 "meson configure $folder failed"
    else
        say "Configuring $folder"
        meson setup "$folder" "$@" >"$folder.log" 2>&1 || {
            tail -n 20 "$folder.log" >&2
            fail 6 "meson setup $folder failed; all of it is in $folder.log"
        }
        rm -f "$folder.log"
    fi
}

# build FOLDER: quiet unless it fails.
build() {
    if ! ninja -C "$1" >"$1/build.log" 2>&1; then
        grep -v '^\[[0-9]*/[0-9]*\] [A-Z]' "$1/build.log" | tail -n 40 >&2
        fail 6 "the build failed; all of it is in $1/build.log"
    fi
}
