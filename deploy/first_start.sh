#!/bin/sh
# Before a station's first start: station.toml from the example, and what to do next. Again, it changes nothing.
#   first_start.sh            asks for product and camera where somebody sits at a terminal, and nothing otherwise
# ROOT=DIR: below DIR in place of /; DRY=yes: only say what would be done. So install.sh calls it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${ROOT-} dry=${DRY-}
config=$root/etc/kensa/station.toml
fresh=$config.fresh

if [ -e "$config" ]; then
    echo "$config is there already and stays as it is"
elif [ -n "$dry" ]; then
    echo "would: make $config from $here/station.example.toml"
else
    product=flange source=camera:0
    if [ -t 0 ] && [ -t 1 ]; then
        printf 'Name of the product, as in its bundle [%s]: ' "$product"
        read -r answer && product=${answer:-$product}
        printf 'Address of the camera, such as camera:0 or rtsp://... [%s]: ' "$source"
        read -r answer && source=${answer:-$source}
    fi
    # What TOML's quotes and sed take amiss is in no name and no address.
    case $product$source in
    *[\"\\\|\&]*) echo "first_start.sh: product and address must not contain \" \\ | or &" >&2; exit 1 ;;
    esac
    sed -e "s|^product = .*|product = \"$product\"|" -e "s|^source = .*|source = \"$source\"|" \
        "$here/station.example.toml" >"$fresh"
    # As the folder: its owner is the station's user, who changes it at the screen.
    chmod 0640 "$fresh"
    [ "$(id -u)" != 0 ] || chown --reference="$root/etc/kensa" "$fresh"
    mv "$fresh" "$config"
    echo "$config is made from the example; it explains each setting"
fi

cat <<END
What comes next:
  1. settings:  camera, product and outputs in $config
  2. a model:   sudo -u kensa swap-model stage FILE.bundle --config $config
                sudo -u kensa swap-model activate --config $config
  3. start it:  sudo systemctl start kensa && systemctl status kensa
  4. the PIN:   there is none yet. At the screen, the first to open an engineer's page sets it; do so before
                others can. A forgotten one is reset by taking away $root/var/lib/kensa/roles.json
END
