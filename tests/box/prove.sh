#!/bin/sh
# Installs a station into bare Debian roots made by debootstrap, and proves it there; root, half an hour, some GB.
#   prove.sh BIN [bookworm] [trixie] [trixie-arm64]     BIN: bin/ of the development environment; without names: the first two
# The roots' programs come from wheels alone, without a network; Debian's packages come from its mirror ($MIRROR).
# trixie-arm64 is emulated (qemu-user-static and binfmt-support) and proves less. Results in build/box.
set -eu
cd "$(dirname "$0")/../.."
bin=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- bookworm trixie
[ "$(id -u)" = 0 ] || { echo "prove.sh makes roots: it must be root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 1; }
box=build/box
mkdir -p $box

# wheels DIR PYTHON MACHINE: the station's wheel and all it needs; what pip itself would take there.
wheels() {
    [ -f "$1/.whole" ] || {
        mkdir -p "$1"
        "$bin/uv" pip compile -q pyproject.toml --python-version "$2" --python-platform "$3-manylinux_2_28" \
            --no-annotate --no-header -o "$1.txt"
        # uv does not look at the upper bound of the Python that this one is for; pip does.
        sed -i 's/^backports-strenum==.*/backports-strenum/' "$1.txt"
        platforms=''
        for glibc in 17 24 26 27 28; do platforms="$platforms --platform manylinux_2_${glibc}_$3"; done
        # shellcheck disable=SC2086 # several options
        "$bin/python" -m pip download -q --no-deps --only-binary=:all: --python-version "$2" --implementation cp \
            $platforms --platform "manylinux2014_$3" -d "$1" -r "$1.txt"
        touch "$1/.whole"
    }
    rm -f "$1"/kensa-*.whl
    "$bin/python" -m hatchling build -t wheel -d "$1" >/dev/null
}

# other_wheel DIR VERSION SED: the same program by another version, changed in its command line.
other_wheel() {
    rm -rf $box/tree
    mkdir -p $box/tree "$1"
    cp -r edge_app deploy models LICENSE README.md pyproject.toml $box/tree
    sed -i "s/^version = .*/version = \"$2\"/" $box/tree/pyproject.toml
    sed -i "$3" $box/tree/edge_app/cli.py
    (cd $box/tree && "$bin/python" -m hatchling build -t wheel -d "$1" >/dev/null)
}

[ -d $box/parts ] || "$bin/trainer" draw-line $box/parts --good 12 --test 8 >/dev/null

for name in "$@"; do
    root=$box/$name
    suite=${name%-arm64} machine=x86_64 architecture=amd64 steps=all
    [ "$suite" = "$name" ] || { machine=aarch64 architecture=arm64 steps=short; }
    python=3.13
    [ "$suite" != bookworm ] || python=3.11
    wheels $box/wheels-$python-$machine $python $machine
    [ -f "$root.base.tar" ] || {
        rm -rf "$root"
        debootstrap --variant=minbase --arch=$architecture "$suite" "$root" "${MIRROR:-http://deb.debian.org/debian}" \
            >"$root.debootstrap.log"
        tar -C "$root" -cf "$root.base.tar" .
    }
    rm -rf "$root"
    mkdir "$root"
    tar -C "$root" -xf "$root.base.tar"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$root/box"
    cp -r $box/wheels-$python-$machine "$root/box/wheels"
    other_wheel "$PWD/$root/box/newer" 0.1.1 ''
    # It starts, says its version, and fails when it shall judge.
    other_wheel "$PWD/$root/box/broken" 0.1.2 's/^    arguments = _parser().parse_args(argv)/&\n    raise SystemExit(4)/'
    cp -r deploy tests/box/inside.sh $box/parts "$root/box/"
    echo "== $name"
    # The mounts end with the namespace.
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp" &&
        exec chroot "$1" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 sh /box/inside.sh "$2"
    ' sh "$root" $steps >"$root.log" 2>&1 || { tail -n 30 "$root.log"; echo "== $name failed: $root.log"; exit 1; }
    grep '^box:' "$root.log"
done
