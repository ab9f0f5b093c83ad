"""`swap-model import` takes a bundle from a USB stick, `swap-model compare` tells who would be judged otherwise."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from deploy import key_commands
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.domain import Verdict
from edge_app.errors import BundleError, ConfigError, DataError
from edge_app.results import escape
from edge_app.shadow import RECORDED_AT_MOST, Judged, compare, recorded_parts
from edge_app.state_folder import usual_records

_EXIT_OK = 0
_NAMED_AT_MOST = 20


def add_commands(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add them to the subparsers of swap-model; `parents` name the store and how long to wait."""
    taken = commands.add_parser("import", parents=parents, help="install the newest bundle of a USB stick or folder")
    taken.add_argument("folder", type=Path, metavar="FOLDER", help="such as /media/usb; looked through one folder deep")
    taken.add_argument("--activate", action="store_true", help="make it the active one, too")
    taken.set_defaults(handler=_import)
    compared = commands.add_parser(
        "compare", parents=[parents[0]], help="judge recorded parts with another bundle, and say what would change"
    )
    compared.add_argument("bundle_id", metavar="BUNDLE_ID", help="an installed bundle")
    compared.add_argument("--records", type=Path, metavar="DIR", help="default: what station.toml says")
    compared.add_argument(
        "--parts", type=int, default=RECORDED_AT_MOST, metavar="N", help="the newest N with a picture"
    )
    compared.set_defaults(handler=_compare)


def _import(arguments: argparse.Namespace) -> int:
    from deploy import swap_model

    product = arguments.product or key_commands.config_of(arguments).product
    found = _newest(arguments.folder, product, key_commands.trust_of(arguments).trust())
    code = swap_model.stage_file(arguments, found[0])
    if code == _EXIT_OK and arguments.activate:
        arguments.product = found[1].manifest.product
        arguments.bundle_id, arguments.allow_downgrade = found[1].bundle_id, False
        return swap_model.activate_bundle(arguments)
    return code


def _newest(folder: Path, product: str | None, trust: Any) -> tuple[Path, ModelBundle]:
    """The bundle of the highest sequence; what is passed over is said.

    Raises:
        DataError: there is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; is the stick plugged in and mounted?")
    newest: tuple[Path, ModelBundle] | None = None
    products = set()
    for path in sorted(_bundle_files(folder)):
        try:
            bundle = read_bundle(path, trust)
        except BundleError as error:
            print(f"swap-model: passed over: {escape(str(error))}", file=sys.stderr)
            continue
        if product is not None and bundle.manifest.product != product:
            print(f"swap-model: passed over: {escape(str(path))} is for {bundle.manifest.product}", file=sys.stderr)
            continue
        products.add(bundle.manifest.product)
        if newest is None or bundle.manifest.sequence > newest[1].manifest.sequence:
            newest = path, bundle
    if newest is None:
        raise DataError(f"{folder}: no bundle on it that this station takes; look at what was passed over")
    if len(products) > 1:
        raise DataError(f"{folder} holds bundles for {', '.join(sorted(products))}; say which with --product NAME")
    return newest


def _bundle_files(folder: Path) -> Iterator[Path]:
    for path in (*folder.glob("*.bundle"), *folder.glob("*/*.bundle")):
        if path.is_file() and not path.is_symlink():
            yield path


def _compare(arguments: argparse.Namespace) -> int:
    from deploy import swap_model

    config, store = key_commands.config_of(arguments), swap_model.store_of(arguments)
    active = store.active_id()
    if active is None:
        raise BundleError(f"{store.folder}: no bundle is active, so there is nothing to compare with; activate one")
    if arguments.parts < 1:
        raise ConfigError(f"--parts {arguments.parts}: give 1 or more")
    folder = arguments.records or config.records_dir or usual_records([store.product])
    parts = recorded_parts(folder, store.product, arguments.parts)
    if not parts:
        raise DataError(f"{folder}: no recorded part of {store.product} has its picture still; keep more of them")
    areas = {camera.name: camera.area for camera in config.each_camera}
    judged = compare(store.load(arguments.bundle_id), store.load(active), parts, areas)
    rows = [one for one in tqdm(judged, total=len(parts), unit="part", disable=None) if one is not None]
    print("\n".join(_lines(rows, len(parts) - len(rows), active, arguments.bundle_id)))
    return _EXIT_OK


def _lines(rows: Sequence[Judged], unreadable: int, active: str, candidate: str) -> list[str]:
    was, now = Counter(row.was for row in rows), Counter(row.now for row in rows)
    changed = [row for row in rows if row.was is not row.now]
    lines = [f"{'':<12} {active:>40} {candidate:>40}"]
    lines += [f"{verdict.value:<12} {was[verdict]:>40} {now[verdict]:>40}" for verdict in Verdict]
    lines.append(f"{len(rows)} recorded parts, {len(changed)} would have another verdict")
    lines += [
        f"  {escape(row.name)}: {row.was.value} -> {row.now.value}, score over threshold {_ratio(row.was_ratio)} ->"
        f" {_ratio(row.now_ratio)}"
        for row in changed[:_NAMED_AT_MOST]
    ]
    if len(changed) > _NAMED_AT_MOST:
        lines.append(f"  and {len(changed) - _NAMED_AT_MOST} more")
    if unreadable:
        lines.append(f"{unreadable} pictures could not be read")
    return [*lines, "Mostly parts that were not GOOD keep their picture: at the line, the two agree more often."]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
