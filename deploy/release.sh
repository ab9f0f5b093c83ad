#!/bin/sh
# Makes a release from a clean checkout: make release.
#   release.sh BIN OUT [draft]     BIN: bin/ of the development environment; OUT: a folder, made anew
# OUT holds the wheels of the edge and of the trainer, for each a CycloneDX list of what it stands on, constraints.txt for
# a station's pins, audit.txt, and SHA256SUMS over all. The same commit gives the same bytes, but for audit.txt.
# A draft may be unreleased in the changelog, uncommitted, and not audited; it says so.
set -eu
cd "$(dirname "$0")/.."
bin=$(realpath "$1")
out=$(realpath -m "$2")
draft=${3-}

fail() { echo "release.sh: $*" >&2; exit 1; }
# not_yet TEXT: stops a release; of a draft it is only said.
not_yet() {
    [ -n "$draft" ] || fail "$*"
    echo "release.sh: DRAFT: $*" >&2
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
for stated in "$(sed -n 's/^version = "\(.*\)"$/\1/p' trainer/pyproject.toml)" \
    "$(sed -n 's/^  "kensa==\(.*\)",$/\1/p' trainer/pyproject.toml)" \
    "$(sed -n 's/^train = \["kensa-trainer==\(.*\)"\]$/\1/p' pyproject.toml)" \
    "$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' edge_app/__init__.py)"; do
    [ "$stated" = "$version" ] || fail "versions differ: $version in pyproject.toml, '$stated' elsewhere (trainer/pyproject.toml, edge_app/__init__.py)"
done
heading=$(grep -m 1 "^## $version " CHANGELOG.md) || fail "CHANGELOG.md has no section '## $version (YYYY-MM-DD)'; write it"
echo "$heading" | grep -q -E "^## $version \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$" ||
    not_yet "CHANGELOG.md says '$heading'; write the day in place of what stands in brackets"
[ -z "$(git status --porcelain)" ] || not_yet "there are changes that are not committed"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rm -rf "$out"
mkdir -p "$out"

for ts in edge_app/ui/translations/*.ts; do
    [ -f "${ts%.ts}.qm" ] || fail "$ts is not compiled, and the screen would speak English alone: make translations"
done
for where in "$out" "$scratch"; do
    for project in . trainer; do
        (cd $project && "$bin/python" -m hatchling build -t wheel -d "$where" >/dev/null)
    done
done
for wheel in "$out"/*.whl; do
    cmp "$wheel" "$scratch/$(basename "$wheel")" || fail "$(basename "$wheel") is not the same twice"
done
if unzip -l "$out"/kensa-"$version"-*.whl | grep -q ' trainer/'; then
    fail "the edge's wheel holds the trainer"
fi

for package in kensa kensa-trainer; do
    extras=''
    [ $package = kensa-trainer ] || extras='--extra barcode --extra parquet'
    # A number that is drawn and the time of day are no part of what is listed.
    # shellcheck disable=SC2086 # several options
    "$bin/uv" export --quiet --frozen --no-dev --package $package $extras --format cyclonedx1.5 \
        --preview-features sbom-export | "$bin/python" -c '
import datetime, json, os, sys
found = json.load(sys.stdin)
del found["serialNumber"]
time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
found["metadata"]["timestamp"] = time.isoformat().replace("+00:00", "Z")
json.dump(found, sys.stdout, indent=1)' >"$out/$package-$version.cdx.json"
done

pins() { "$bin/uv" export --quiet --frozen --no-dev --no-emit-workspace --no-hashes --no-annotate --no-header "$@"; }
# uv does not look at the upper bound of the Python that backports-strenum is for; pip, which reads these, does.
pins --package kensa --extra barcode --extra parquet | sed '/^backports-strenum==/d' >"$out/constraints.txt"

# Of the versions that this machine would take.
pins --package kensa-trainer >"$scratch/requirements.txt"
"$bin/uv" tool run --quiet --python "$bin/python" --from 'pip-audit==2.10.1' pip-audit --disable-pip --no-deps \
    --progress-spinner off --timeout 20 --format json --output "$scratch/audit.json" -r "$scratch/requirements.txt" \
    2>"$scratch/audit.err" || true
# It ends with 0 also where the service knew nothing of any package: a package that was not looked at is told as such.
"$bin/python" -c '
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
try:
    found = json.loads((folder / "audit.json").read_text())["dependencies"]
except (OSError, ValueError, KeyError):
    why = ((folder / "audit.err").read_text().strip().splitlines() or ["no answer"])[-1]
    print(f"NOT AUDITED: pip-audit could not ask the advisory service ({why[:200]})")
    sys.exit(1)
skipped = [one for one in found if "skip_reason" in one]
flaws = [" ".join((one["name"], one["version"], flaw["id"])) for one in found for flaw in one.get("vulns", [])]
if skipped:
    why = skipped[0]["skip_reason"]
    print(f"NOT AUDITED: the advisory service gave no answer on {len(skipped)} of {len(found)} packages, as on the first: {why}")
print(f"{len(found) - len(skipped)} of {len(found)} packages were looked at, {len(flaws)} advisories", *flaws, sep="\n")
sys.exit(bool(skipped or flaws))' "$scratch" >"$out/audit.txt" || {
    cat "$out/audit.txt" >&2
    not_yet "not audited, or advisories: see above"
}

(cd "$out" && sha256sum -- * >"$scratch/sums" && mv "$scratch/sums" SHA256SUMS)
echo "release.sh: ${draft:+DRAFT of }$version in $out:"
cat "$out/SHA256SUMS"
