#!/bin/sh
# Puts a station on Debian, Ubuntu or Raspberry Pi OS (x86-64, aarch64): program, user, unit, device rules, log limits.
#
#   install.sh [install] [FROM] [--kiosk] [--wheels DIR]   install, or bring up to date; again changes nothing
#   install.sh rollback                                    back to the program before
#   install.sh uninstall [--purge]                         away with it; settings, records and models stay, or go too
#
#   FROM       --wheel FILE     a wheel of kensa; a constraints.txt beside it pins what it needs
#              --checkout DIR   a checkout, which is made into a wheel; the usual one, where this script lies in one
#              (neither)        the newest kensa in --wheels DIR
#   --wheels DIR   nothing is fetched: the program and all that it needs come from this folder
#   --kiosk        a station without a desktop: cage shows the window (kensa-screen.service)
#   --dry-run      print what would be done, change nothing
#   --root DIR     below DIR in place of /: files alone, no packages, users or services
#
# An environment is made beside the running one, proves itself on drawn parts, and only then takes its place; where the
# station does not come up with it, the one before is put back.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
DO=install WHEEL='' CHECKOUT='' WHEELS='' KIOSK='' DRY='' ROOT='' PURGE='' WORK=''
RELEASE='' # opt/kensa/releases/RELEASE

say() { echo "install.sh: $*"; }
fail() { echo "install.sh: $*" >&2; exit 1; }

# Every change goes through here.
run() {
    if [ -n "$DRY" ]; then
        echo "would: $*"
    else
        "$@"
    fi
}

is_real() { [ -z "$ROOT" ]; }
has_systemd() { is_real && [ -d /run/systemd/system ]; }

need_root() {
    if is_real && [ -z "$DRY" ] && [ "$(id -u)" != 0 ]; then
        fail "this changes the system; type: sudo sh $0 $DO ..."
    fi
}

# --- what the distribution has ---

packages() {
    echo python3-venv
    sh "$HERE/system_libraries.sh" list | tr ' ' '\n'
    # PyQt5 has a wheel for x86-64 alone.
    if [ "$(uname -m)" != x86_64 ]; then
        echo python3-pyqt5
    fi
    if [ -n "$KIOSK" ]; then
        # Debian 12's cage does not start without Xwayland, though nothing here uses it.
        printf '%s\n' cage seatd xwayland libwayland-client0 libwayland-cursor0 libwayland-egl1
        [ "$(uname -m)" = x86_64 ] || echo qtwayland5
    fi
}

install_packages() {
    is_real || return 0
    command -v apt-get >/dev/null || fail "this is no Debian, Ubuntu or Raspberry Pi OS: there is no apt-get"
    # With what they stand for: newer releases call libglib2.0-0 libglib2.0-0t64.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' | sed -n 's/^installed //p' |
        tr ',' '\n' | sed 's/^ *//; s/[ (:].*//')
    missing=''
    for package in $(packages); do
        printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    run apt-get update -qq
    # shellcheck disable=SC2086 # a list
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

make_user() {
    put kensa.sysusers usr/lib/sysusers.d/kensa.conf
    is_real || return 0
    if command -v systemd-sysusers >/dev/null; then
        getent passwd kensa >/dev/null || run systemd-sysusers /usr/lib/sysusers.d/kensa.conf
    else
        for group in video render input plugdev kensa; do
            getent group $group >/dev/null || run groupadd --system $group
        done
        getent passwd kensa >/dev/null ||
            run useradd --system --gid kensa --home-dir /var/lib/kensa --no-create-home --shell /usr/sbin/nologin kensa
    fi
}

make_folders() {
    for folder in etc/kensa var/lib/kensa; do
        [ -d "$ROOT/$folder" ] && continue
        if is_real; then
            run install -d -m 0750 -o kensa -g kensa "/$folder"
        else
            run install -d -m 0750 "$ROOT/$folder"
        fi
    done
}

# --- the program ---

find_wheel() {
    if [ -z "$WHEEL$CHECKOUT$WHEELS" ]; then
        [ -f "$HERE/../pyproject.toml" ] || fail "what shall be installed? Give --wheel FILE, --checkout DIR or --wheels DIR"
        CHECKOUT=$(cd "$HERE/.." && pwd)
    fi
    if [ -n "$CHECKOUT" ]; then
        if [ -n "$DRY" ]; then
            say "a wheel of $CHECKOUT would be made first; its version and digest name the environment"
            RELEASE=VERSION-DIGEST WHEEL=WHEEL
            return
        fi
        python3 -m venv "$WORK/build"
        # shellcheck disable=SC2046 # no option or two
        SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1577836800} "$WORK/build/bin/python" -m pip wheel --quiet \
            --disable-pip-version-check --no-deps $(offline) -w "$WORK" "$CHECKOUT"
        WHEEL=$(echo "$WORK"/kensa-*.whl)
    elif [ -z "$WHEEL" ]; then
        WHEEL=$(find "$WHEELS" -maxdepth 1 -name 'kensa-*.whl' | sort -V | tail -n 1)
        [ -n "$WHEEL" ] || fail "$WHEELS: no kensa-*.whl in it"
    fi
    version=$(basename "$WHEEL" | cut -d- -f2)
    RELEASE=$version-$(sha256sum "$WHEEL" | cut -c1-12)
}

offline() { [ -z "$WHEELS" ] || echo "--no-index --find-links=$WHEELS"; }

make_environment() {
    env=$ROOT/opt/kensa/releases/$RELEASE
    if [ -e "$env/.proved" ]; then
        say "$RELEASE is installed already"
        return
    fi
    run rm -rf "$env" # what an interrupted installation left
    run mkdir -p "$ROOT/opt/kensa/releases"
    site=''
    [ "$(uname -m)" = x86_64 ] || site=--system-site-packages
    constraints=''
    beside=$(dirname "$WHEEL")/constraints.txt
    [ ! -f "$beside" ] || constraints="--constraint $beside"
    # shellcheck disable=SC2086
    run python3 -m venv $site "$env"
    # shellcheck disable=SC2046,SC2086
    run "$env/bin/python" -m pip install --quiet --disable-pip-version-check $(offline) $constraints "$WHEEL" ||
        give_up "the program and what it needs cannot be installed"
    prove || give_up "the new program does not pass its self-test"
    run touch "$env/.proved"
}

give_up() {
    rm -rf "$env"
    fail "$1; it is removed again, and what was installed before is as it was"
}

# It starts, its screen starts, and it judges twelve drawn parts, two of which it must have called GOOD.
prove() {
    if [ -n "$DRY" ]; then
        echo "would: let $env/bin/edge-app judge drawn parts, as a self-test"
        return 0
    fi
    as=''
    if is_real; then
        chown kensa: "$WORK"
        as='runuser -u kensa --'
    fi
    set -- env -i PATH="$PATH" HOME="$WORK" XDG_STATE_HOME="$WORK" QT_QPA_PLATFORM=offscreen
    $as "$@" "$env/bin/edge-app" --version || return 1
    $as "$@" "$env/bin/python" -c 'from PyQt5.QtWidgets import QApplication; QApplication([])' || return 1
    (cd "$WORK" && $as "$@" "$env/bin/edge-app" run --headless --parts 12 --records "$WORK/records") \
        >"$WORK/proof" 2>&1 || { tail -n 5 "$WORK/proof" >&2; return 1; }
    [ "$(grep -c 'Z  GOOD ' "$WORK/proof")" -ge 2 ] || { tail -n 5 "$WORK/proof" >&2; return 1; }
}

# current -> releases/RELEASE; previous -> the one before.
switch_to() {
    before=$(readlink "$ROOT/opt/kensa/current" || true)
    if [ "$before" = "releases/$1" ]; then
        before=''
        return
    fi
    [ -z "$before" ] || point previous "$before"
    point current "releases/$1"
    say "${DRY:+would be }current: $1${before:+, previous: ${before#releases/}}"
}

point() {
    run ln -sfn "$2" "$ROOT/opt/kensa/.$1.new"
    run mv -fT "$ROOT/opt/kensa/.$1.new" "$ROOT/opt/kensa/$1"
}

# Environments that are neither current nor previous, after the switch.
sweep() {
    for path in "$ROOT"/opt/kensa/releases/*; do
        name=releases/$(basename "$path")
        [ -d "$path" ] || continue
        [ "$name" = "$(readlink "$ROOT/opt/kensa/current")" ] || [ "$name" = "$(readlink "$ROOT/opt/kensa/previous")" ] ||
            [ "$name" = "releases/$RELEASE" ] || run rm -rf "$path"
    done
}

# --- what systemd, udev and people see ---

# Copies a file of this folder where it is not yet the same: put NAME PATH.
put() {
    cmp -s "$HERE/$1" "$ROOT/$2" || run install -D -m "${3:-0644}" "$HERE/$1" "$ROOT/$2"
}

system_files() {
    put kensa.tmpfiles usr/lib/tmpfiles.d/kensa.conf
    put kensa.service etc/systemd/system/kensa.service
    put kensa.journald etc/systemd/journald.conf.d/kensa.conf
    put 60-kensa.rules etc/udev/rules.d/60-kensa.rules
    if [ -n "$KIOSK" ]; then
        put kensa-screen.service etc/systemd/system/kensa-screen.service
        put kensa-kiosk.conf etc/systemd/system/kensa.service.d/kiosk.conf
    fi
    for name in edge-app swap-model station-backup; do
        [ "$(readlink "$ROOT/usr/local/bin/$name")" = "/opt/kensa/current/bin/$name" ] && continue
        run mkdir -p "$ROOT/usr/local/bin"
        run ln -sfn "/opt/kensa/current/bin/$name" "$ROOT/usr/local/bin/$name"
    done
}

start_services() {
    if ! has_systemd; then
        say "systemd does not run here: the unit lies in place, and nothing is enabled or started"
        return 0
    fi
    run systemctl daemon-reload
    run udevadm control --reload
    run systemctl try-restart systemd-journald
    run systemctl enable --quiet kensa.service
    [ -z "$KIOSK" ] || run systemctl enable --quiet seatd.service kensa-screen.service
    if systemctl is-active --quiet kensa.service && [ -n "$before" ]; then
        # Comes back when the station says that it is ready, or does not.
        run systemctl restart kensa.service || go_back "the station does not come up with $RELEASE"
    fi
}

go_back() {
    say "$1: going back to ${before#releases/}"
    point current "$before"
    run systemctl restart kensa.service || fail "the program before does not come up either; see: journalctl -u kensa"
    fail "$1; the program before runs again, and journalctl -u kensa says why"
}

# --- the three things it does ---

do_install() {
    install_packages
    find_wheel
    make_user
    make_folders
    make_environment
    system_files
    switch_to "$RELEASE"
    start_services
    sweep
    ROOT=$ROOT DRY=$DRY sh "$HERE/first_start.sh"
}

do_rollback() {
    before=$(readlink "$ROOT/opt/kensa/previous" || true)
    if [ -z "$before" ] || [ ! -d "$ROOT/opt/kensa/$before" ]; then
        fail "there is no program before this one to go back to"
    fi
    [ "$before" != "$(readlink "$ROOT/opt/kensa/current")" ] || fail "the program before is in use already"
    switch_to "${before#releases/}"
    if has_systemd && systemctl is-active --quiet kensa.service; then
        run systemctl restart kensa.service
    fi
}

do_uninstall() {
    if has_systemd; then
        run systemctl disable --now --quiet kensa.service || true
        [ ! -e /etc/systemd/system/kensa-screen.service ] || run systemctl disable --now --quiet kensa-screen.service || true
    fi
    for path in etc/systemd/system/kensa.service etc/systemd/system/kensa-screen.service \
        etc/systemd/system/kensa.service.d/kiosk.conf etc/systemd/journald.conf.d/kensa.conf \
        etc/udev/rules.d/60-kensa.rules usr/lib/tmpfiles.d/kensa.conf usr/lib/sysusers.d/kensa.conf \
        usr/local/bin/edge-app usr/local/bin/swap-model usr/local/bin/station-backup; do
        if [ -e "$ROOT/$path" ] || [ -L "$ROOT/$path" ]; then
            run rm -f "$ROOT/$path"
        fi
    done
    [ ! -d "$ROOT/etc/systemd/system/kensa.service.d" ] || run rmdir --ignore-fail-on-non-empty "$ROOT/etc/systemd/system/kensa.service.d"
    [ ! -d "$ROOT/opt/kensa" ] || run rm -rf "$ROOT/opt/kensa"
    if [ -n "$PURGE" ]; then
        run rm -rf "$ROOT/etc/kensa" "$ROOT/var/lib/kensa"
        if is_real && getent passwd kensa >/dev/null; then
            run userdel kensa
        fi
    else
        say "settings, records and models stay in $ROOT/etc/kensa and $ROOT/var/lib/kensa; uninstall --purge takes them away"
    fi
    ! has_systemd || run systemctl daemon-reload
}

main() {
    while [ $# -gt 0 ]; do
        case $1 in
        install | rollback | uninstall) DO=$1 ;;
        --wheel | --checkout | --wheels | --root)
            [ $# -ge 2 ] || fail "$1: what? See install.sh --help"
            case $1 in
            --wheel) WHEEL=$(realpath -m "$2") ;;
            --checkout) CHECKOUT=$(realpath -m "$2") ;;
            --wheels) WHEELS=$(realpath -m "$2") ;;
            --root) ROOT=$(realpath -m "$2") ;;
            esac
            shift
            ;;
        --kiosk) KIOSK=yes ;;
        --dry-run) DRY=yes ;;
        --purge) PURGE=yes ;;
        -h | --help) sed -n '2,19s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "install.sh: $1 is not known; see install.sh --help" >&2; exit 2 ;;
        esac
        shift
    done
    if [ -n "$WHEEL" ] && [ -n "$CHECKOUT" ]; then
        fail "give --wheel or --checkout, not both"
    fi
    [ -z "$WHEEL" ] || [ -f "$WHEEL" ] || fail "$WHEEL: there is no such wheel"
    [ -z "$WHEELS" ] || [ -d "$WHEELS" ] || fail "$WHEELS: there is no such folder"
    [ -z "$CHECKOUT" ] || [ -f "$CHECKOUT/pyproject.toml" ] || fail "$CHECKOUT: no checkout; there is no pyproject.toml in it"
    [ -z "$PURGE" ] || [ "$DO" = uninstall ] || fail "--purge goes with uninstall"
    [ "$ROOT" != / ] || ROOT=''
    case $(uname -m) in
    x86_64 | aarch64) ;;
    *) fail "$(uname -m): stations are x86-64 or aarch64" ;;
    esac
    need_root
    umask 022
    if [ -z "$DRY" ] && [ "$DO" = install ]; then
        WORK=$(mktemp -d)
        trap 'rm -rf "$WORK"' EXIT
    fi
    "do_$DO"
    if [ -n "$DRY" ]; then
        say "$DO: nothing was changed"
    else
        say "$DO: done"
    fi
}

main "$@"
