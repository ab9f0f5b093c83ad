#!/bin/sh
# Inside a bare root, from prove.sh: each step must hold; lines that begin with "box:" are the report.
set -eu
steps=$1
config=/etc/kensa/station.toml

install() { sh /box/deploy/install.sh "$@"; }
report() { echo "box: $*"; }
hold() { "$@" || { echo "box: FAILED: $*"; exit 1; }; }
fails() { ! "$@"; }
seconds() { date +%s; }
# Names, kinds, modes, sizes and times of everything that a dry run could change.
picture_of() { find / -xdev \( -path /proc -o -path /box -o -path /tmp -o -path /dev \) -prune -o -printf '%p %y %m %s %T@ %l\n' | sort; }

# shellcheck disable=SC1091 # the root's
. /etc/os-release
report "$PRETTY_NAME, $(uname -m)"

began=$(seconds)
picture_of >/box/before
hold install --dry-run --wheels /box/wheels >/box/dry
picture_of >/box/after
hold cmp /box/before /box/after
report "a dry run names $(grep -c '^would' /box/dry) changes and makes none"

hold install --wheels /box/wheels
report "installed in $(($(seconds) - began)) s"
began=$(seconds)
hold runuser -u kensa -- edge-app --version
report "edge-app --version as kensa: $(edge-app --version), $(($(seconds) - began)) s"
demo=$(echo /opt/kensa/current/lib/python3*/site-packages/edge_app/demo.bundle)
began=$(seconds)
mkdir -p /tmp/scan && chown kensa /tmp/scan
code=0
runuser -u kensa -- edge-app scan /box/parts/test --bundle "$demo" --out /tmp/scan/out || code=$?
hold test $code -le 1
report "a scan of $(($(wc -l </tmp/scan/out/results.csv) - 1)) drawn parts: code $code, $(($(seconds) - began)) s;" \
    "$(cut -d, -f2- /tmp/scan/out/results.csv | grep -o -E 'NO VERDICT|NG|GOOD' | sort | uniq -c | tr -s ' \n' ' ')"
hold /opt/kensa/current/bin/python -c 'import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ["trainer", "tensorflow", "keras"])))'
report "no trainer, TensorFlow or Keras in the environment: $(du -sm /opt/kensa/current/ | cut -f1) MB"
[ "$steps" = all ] || exit 0

began=$(seconds)
hold install --wheels /box/wheels
hold install --dry-run --wheels /box/wheels >/box/dry
hold fails grep '^would' /box/dry
report "installed again in $(($(seconds) - began)) s; a dry run then has nothing left to do"

first=$(readlink /opt/kensa/current)
hold install --wheels /box/wheels --wheel /box/newer/kensa-0.1.1-py3-none-any.whl
newer=$(readlink /opt/kensa/current)
hold test "$newer" != "$first"
hold test "$(readlink /opt/kensa/previous)" = "$first"
hold fails install --wheels /box/wheels --wheel /box/broken/kensa-0.1.2-py3-none-any.whl
hold test "$(readlink /opt/kensa/current)" = "$newer"
hold test "$(find /opt/kensa/releases -mindepth 1 -maxdepth 1 | wc -l)" = 2
hold install rollback
hold test "$(readlink /opt/kensa/current)" = "$first"
report "0.1.1 took the place of 0.1.0, a 0.1.2 that does not work did not, and rollback brought 0.1.0 back"

hold runuser -u kensa -- env PATH="$PATH" sh -c "
    swap-model stage $demo --models /var/lib/kensa/models >/dev/null && swap-model activate --models /var/lib/kensa/models --product demo"
sed -i 's/^product = .*/product = "demo"/; s/^source = .*/source = "synthetic:"/; s/^headless = .*/headless = true/' $config
hold runuser -u kensa -- env XDG_STATE_HOME=/var/lib edge-app run --config $config --parts 20 >/dev/null
hold station-backup create /tmp/state.tar --config $config
rm -rf /var/lib/kensa/records /var/lib/kensa/models
hold station-backup restore /tmp/state.tar --config $config
hold runuser -u kensa -- env XDG_STATE_HOME=/var/lib edge-app run --config $config --parts 5 >/dev/null
hold test "$(/opt/kensa/current/bin/python -c 'import sqlite3; print(sqlite3.connect("/var/lib/kensa/records/records.sqlite").execute("select count(*) from parts").fetchone()[0])')" = 25
report "backup, loss of records and models, restore: the station went on at part 21"

hold install --kiosk --wheels /box/wheels
mkdir -m 700 /tmp/screen && chown kensa /tmp/screen
sed 's/^headless = .*/headless = false/' $config >/tmp/screen.toml
# The compositor as the unit starts it, without graphics or touch; the station as its client.
runuser -u kensa -- env XDG_RUNTIME_DIR=/tmp/screen WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1 \
    timeout 300 cage -d -- /bin/sh -c 'touch /tmp/screen/ready && exec sleep infinity' >/tmp/screen.log 2>&1 &
cage=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e /tmp/screen/ready ] || sleep 1; done
hold runuser -u kensa -- env XDG_STATE_HOME=/var/lib QT_QPA_PLATFORM=wayland WAYLAND_DISPLAY=/tmp/screen/wayland-0 \
    QT_WAYLAND_DISABLE_WINDOWDECORATION=1 timeout 120 edge-app run --config /tmp/screen.toml --records /tmp/screen/records --parts 12 \
    --screenshots /tmp/screen/shots
hold test "$(find /tmp/screen/shots -name '*.png' | wc -l)" -ge 1
hold kill -0 $cage
kill $cage
report "the screen ran as a Wayland client of cage $(dpkg-query -W -f '${Version}' cage), $(find /tmp/screen/shots -name '*.png' | wc -l) screenshots; cage outlived it"

if command -v systemd-analyze >/dev/null; then
    for unit in kensa kensa-screen; do
        found=$(systemd-analyze verify --man=no /etc/systemd/system/$unit.service 2>&1 | grep "^/etc/systemd/system/kensa" || true)
        hold test -z "$found"
        report "$unit: $(systemd-analyze security --offline=yes /etc/systemd/system/$unit.service | tail -n 1)"
    done
fi
! command -v udevadm >/dev/null || ! udevadm verify --help >/dev/null 2>&1 || { hold udevadm verify /etc/udev/rules.d/60-kensa.rules; report "udevadm takes the rules"; }

hold install uninstall
hold test -e $config -a -d /var/lib/kensa/records -a ! -e /opt/kensa -a ! -e /usr/local/bin/edge-app
hold install uninstall --purge
left=$(find / -xdev \( -path /proc -o -path /box -o -path /tmp -o -path /dev \) -prune -o -iname '*kensa*' -print)
hold test -z "$left"
report "uninstall kept settings and state, --purge left nothing"
