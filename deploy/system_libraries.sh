#!/bin/sh
# What a bare Debian or Ubuntu lacks: Python's venv module, and the libraries and fonts that Qt needs.
#   system_libraries.sh make-venv DIR     make a virtual environment with Python 3.11 to 3.13
#   system_libraries.sh qt PYTHON         make sure that Qt starts and has fonts
#   system_libraries.sh window            make sure that there is Xvfb, a display without a screen
#   system_libraries.sh list              what Qt needs, an X display included
# Installs with apt as root or with sudo; otherwise prints the one line to type and stops.
set -eu

QT_PACKAGES="libgl1 libglib2.0-0 libfontconfig1 libfreetype6 libx11-6 libxext6 libdbus-1-3 libxkbcommon-x11-0
libx11-xcb1 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-shm0
libxcb-sync1 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 fontconfig fonts-dejavu-core fonts-ipaexfont-gothic"

install() {
    packages=$(echo "$*" | tr '\n' ' ')
    if command -v apt-get >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ]; then
            run=""
        elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            run="sudo"
        else
            echo "Some system libraries are missing. Type this, then make again:" >&2
            echo "  sudo apt-get install -y --no-install-recommends $packages" >&2
            exit 1
        fi
        echo "installing: $packages"
        $run apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $packages >/dev/null
    else
        echo "Some system libraries are missing, and this is no Debian or Ubuntu. Debian calls them:" >&2
        echo "  $packages" >&2
        exit 1
    fi
}

find_python() {
    for python in python3 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed; none is on the PATH." >&2
    exit 1
}

qt_starts() {
    QT_QPA_PLATFORM=offscreen "$1" -c '
import sys
from PyQt5.QtGui import QFontDatabase
from PyQt5.QtWidgets import QApplication
application = QApplication([])
sys.exit(not QFontDatabase().families())' 2>/dev/null
}

case "${1:-}" in
make-venv)
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        install "python3-venv"
    fi
    [ -x "$2/bin/python" ] || "$python" -m venv "$2"
    ;;
qt)
    if ! qt_starts "$2"; then
        install "$QT_PACKAGES"
        qt_starts "$2" || { echo "Qt still does not start; QT_DEBUG_PLUGINS=1 make demo says why." >&2; exit 1; }
    fi
    ;;
window)
    if ! command -v Xvfb >/dev/null || ! command -v xvfb-run >/dev/null; then
        install "xvfb xauth $QT_PACKAGES"
    fi
    ;;
list)
    # shellcheck disable=SC2086 # one line
    echo $QT_PACKAGES
    ;;
*)
    sed -n '2,8p' "$0"
    exit 2
    ;;
esac
