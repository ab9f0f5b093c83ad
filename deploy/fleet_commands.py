"""`swap-model push` and `swap-model fleet status`: many stations, from one desk."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.fleet_link import Link, LinkError
from deploy.fleet_push import OK_STEPS, Journal, Push, Soak, parse_soak
from deploy.fleet_stations import FleetStation, read_stations
from deploy.fleet_table import Table, aligned, table_lines
from edge_app.bundle import read_bundle
from edge_app.errors import ConfigError

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_ASKED_AT_ONCE = 16


def add_commands(commands: Any) -> None:
    """Add them to the subparsers of swap-model."""
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument("--stations", type=Path, required=True, metavar="stations.toml", help="which ones")
    push = commands.add_parser("push", parents=[file], help="give a bundle to many stations, canaries first")
    push.add_argument("bundle", type=Path, metavar="BUNDLE_FILE")
    push.add_argument(
        "--canary", type=int, metavar="N", help="the first N stations; default those marked in the file, else 1"
    )
    push.add_argument("--soak", default="200parts", metavar="200parts|10min", help="how long each station is watched")
    push.add_argument(
        "--soak-at-most", default="30min", metavar="TIME", help="a station with too few parts by then has failed"
    )
    push.add_argument(
        "--most-rejected", type=float, default=0.5, metavar="SHARE", help="of its parts, up to which a model is good"
    )
    push.add_argument("--serial", type=int, default=1, metavar="N", help="so many at a time after the canaries")
    push.add_argument("--stop-on-failure", action="store_true", help="begin with no further station after a failure")
    push.set_defaults(handler=_push)
    fleet = commands.add_parser("fleet", help="what many stations run")
    actions = fleet.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser("status", parents=[file], help="a table of all")
    status.add_argument("--product", metavar="NAME", help="default: what their station.toml says")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.set_defaults(handler=_status)


def _push(arguments: argparse.Namespace) -> int:
    stations = read_stations(arguments.stations)
    marked = sum(station.canary for station in stations)
    canaries = arguments.canary if arguments.canary is not None else max(1, marked)
    if not 0 <= canaries <= len(stations) or arguments.serial < 1:
        raise ConfigError(f"--canary 0 to {len(stations)} and --serial 1 or more, please")
    if not 0 <= arguments.most_rejected <= 1:
        raise ConfigError("--most-rejected is a share from 0 to 1")
    parts, seconds = parse_soak(arguments.soak)
    at_most_parts, at_most_s = parse_soak(arguments.soak_at_most)
    if at_most_parts:
        raise ConfigError("--soak-at-most is a time, such as 30min")
    bundle = read_bundle(arguments.bundle)
    journal = Journal(arguments.stations.with_suffix(".pushed.json"))
    link, table = Link(), Table(stations, sys.stderr)
    print(f"{bundle.bundle_id} ({bundle.signer}) for {len(stations)} stations, {canaries} first", file=sys.stderr)
    push = Push(
        bundle, arguments.bundle, journal, Soak(parts, seconds, arguments.most_rejected, at_most_s), link, table.show
    )
    try:
        rows = push.run(stations, canaries, arguments.serial, arguments.stop_on_failure)
    except KeyboardInterrupt:
        link.given_up.set()
        print("swap-model: interrupted; run the same command again, it goes on where it was", file=sys.stderr)
        return EXIT_INTERRUPTED
    table.close()
    print("\n".join(table_lines([rows[station.name] for station in stations])))
    return EXIT_OK if all(row.step in OK_STEPS for row in rows.values()) else EXIT_FAILED


def _status(arguments: argparse.Namespace) -> int:
    stations, link = read_stations(arguments.stations), Link()

    def ask(station: FleetStation) -> dict[str, Any]:
        try:
            return link.status(station, arguments.product)
        except LinkError as error:
            return {"error": str(error)}

    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        try:
            found = list(pool.map(ask, stations))
        except KeyboardInterrupt:
            link.given_up.set()  # before the pool waits for what it runs
            raise
    if arguments.json:
        print(json.dumps({station.name: one for station, one in zip(stations, found, strict=True)}, ensure_ascii=False))
    else:
        print("\n".join(_status_lines(stations, found)))
    return EXIT_FAILED if any("error" in one for one in found) else EXIT_OK


def _status_lines(stations: Sequence[FleetStation], found: Sequence[dict[str, Any]]) -> list[str]:
    rows = [("station", "active", "running", "state", "parts", "")]
    for station, one in zip(stations, found, strict=True):
        if "error" in one:
            rows.append((station.name, "?", "?", "?", "?", one["error"]))
            continue
        running, live = one.get("running") or {}, one.get("station") or {}
        parts = str(live.get("shift", {}).get("parts", "-"))
        same = running.get("bundle_id") == one["active"]
        rows.append(
            (
                station.name,
                str(one["active"] or "-"),
                "yes" if same and running else running.get("bundle_id", "-"),
                str(live.get("state", "-")),
                parts,
                " ".join(str(running.get("message") or live.get("message") or "").split()),
            )
        )
    return aligned(rows)
