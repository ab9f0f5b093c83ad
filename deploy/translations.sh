#!/bin/sh
# The screen's translations, with Qt Linguist's tools.
#   translations.sh update BIN              take the texts of edge_app/ui over into the .ts files
#   translations.sh compile PYTHON TS QM    make a .qm file of a .ts file
# BIN is the folder of pylupdate5. lrelease comes with the Python package qt5-applications, or from the PATH (Debian:
# qttools5-dev-tools). Where there is none, which is no fault, the screen speaks English.
set -eu

case "${1:-}" in
update)
    folder=edge_app/ui/translations
    for ts in "$folder"/*.ts; do
        # shellcheck disable=SC2046
        "$2/pylupdate5" -noobsolete $(find edge_app/ui -name '*.py' | LC_ALL=C sort) -ts "$ts"
        # Numbers of lines would change with every edit.
        sed -i '/<location /d' "$ts"
    done
    ;;
compile)
    lrelease=$("$2" -c '
import importlib.util, pathlib, shutil
found = importlib.util.find_spec("qt5_applications")
mine = pathlib.Path(found.origin).parent / "Qt" / "bin" / "lrelease" if found else None
print(mine if mine and mine.is_file() else shutil.which("lrelease") or shutil.which("lrelease-qt5") or "")')
    if [ -z "$lrelease" ]; then
        echo "no lrelease on this machine: the screen will speak English; Debian has it in qttools5-dev-tools" >&2
        exit 0
    fi
    "$lrelease" -silent "$3" -qm "$4.part"
    mv "$4.part" "$4"
    ;;
*)
    echo "usage: translations.sh update BIN | compile PYTHON TS QM" >&2
    exit 2
    ;;
esac
