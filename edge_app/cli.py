"""The command `edge-app`.

Exit codes of every command: 0 done (inspect, scans: all GOOD), 1 at least one NG, 2 wrong usage, 3 at least one
NO VERDICT, 4 refused with one line that says why, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_app import __version__, control_cli, records_query
from edge_app.errors import KensaError

EXIT_OK, EXIT_NG, EXIT_USAGE, EXIT_NO_VERDICT, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-app", description="Inspect parts with a model bundle.")
    parser.add_argument("--version", action="version", version=f"edge-app {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    inspect = commands.add_parser("inspect", help="judge single pictures")
    inspect.add_argument("bundle", type=Path)
    inspect.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    inspect.add_argument("--json", action="store_true", help="one JSON object a line")
    inspect.add_argument("--heatmap", type=Path, metavar="OUT.png", help="picture with heatmap (one IMAGE only)")
    inspect.set_defaults(handler="edge_app.batch:command_inspect")

    scan = commands.add_parser("scan", help="judge a folder of pictures, with a report")
    scan.add_argument("folder", help="a folder, or an address that fsspec knows, such as s3://bucket/lot")
    scan.add_argument("--bundle", type=Path, required=True)
    scan.add_argument("--out", type=Path, required=True, help="folder for results.csv, summary.json and report.html")
    scan.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    scan.add_argument("--engine", choices=("local", "dask"), default="local", help="this machine, or a Dask cluster")
    scan.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster (default: one of its own)")
    scan.set_defaults(handler="edge_app.batch:command_scan")

    table = commands.add_parser("scan-table", help="judge the rows of a CSV file, with a report")
    table.add_argument("table", type=Path, metavar="CSV")
    table.add_argument("--bundle", type=Path, required=True)
    table.add_argument("--out", type=Path, required=True, help="folder for results.csv, summary.json and report.html")
    table.set_defaults(handler="edge_app.table_scan:command_scan_table")

    run = commands.add_parser("run", help="the station: camera, screen, records")
    run.add_argument("--source", help="camera:0, rtsp://..., http://..., watch:DIR, folder:DIR, synthetic:, ...")
    run.add_argument("--bundle", type=Path, help="a bundle file; without it the one of station.toml")
    run.add_argument(
        "--config", type=Path, help="station.toml; without it a drawn line and the bundle that comes along"
    )
    run.add_argument("--records", type=Path, metavar="DIR", help="where verdicts are written")
    run.add_argument("--control", type=Path, metavar="PATH", help="socket for edge-app status and edge-app trigger")
    run.add_argument("--headless", action="store_true", help="no screen; a line for each verdict")
    run.add_argument("--parts", type=int, metavar="N", help="stop after N parts")
    run.add_argument("--screenshots", type=Path, metavar="DIR", help="save pictures of the screen here at the end")
    run.set_defaults(handler="edge_app.worker_start:command_run")

    gallery = commands.add_parser("gallery", help="every widget of the screen in each of its states")
    gallery.add_argument("--bundle", type=Path, help="a bundle file; without it the one that comes along")
    gallery.add_argument("--out", type=Path, metavar="DIR", help="save pictures of it here and end")
    gallery.set_defaults(handler="edge_app.ui.gallery:command_gallery")

    control_cli.add_parsers(commands)
    records_query.add_parser(commands)

    bench = commands.add_parser("bench", help="where the time goes, against the bare interpreter")
    bench.add_argument("bundle", type=Path)
    bench.add_argument("--frames", type=int, default=300, metavar="N")
    bench.add_argument("--threads", type=int, default=1)
    bench.add_argument(
        "--device",
        choices=("all", "cpu", "gpu", "coral", "delegate"),
        help="compare devices on the same frames, each held against the CPU",
    )
    bench.add_argument("--config", type=Path, help="station.toml with the delegate's library and options")
    bench.add_argument("--json", action="store_true")
    bench.set_defaults(handler="edge_app.bench:command_bench")

    tune = commands.add_parser("tune", help="measure which threads and workers are the fastest on this machine")
    tune.add_argument("--config", type=Path, help="station.toml; without it the bundle that comes along is measured")
    tune.add_argument("--seconds", type=float, default=2.0, metavar="S", help="of each measurement (default 2)")
    tune.add_argument("--write", action="store_true", help="write the best into station.toml without asking")
    tune.set_defaults(handler="edge_app.tune_speed:command_tune")

    devices = commands.add_parser("devices", help="which devices can run models here, really tried")
    devices.add_argument(
        "--bundle", type=Path, help="a bundle file to try them with; without it the one that comes along"
    )
    devices.add_argument("--config", type=Path, help="station.toml with the delegate's library and options")
    devices.add_argument("--limit", type=float, default=60.0, metavar="S", help="seconds for each (default 60)")
    devices.add_argument("--json", action="store_true")
    devices.set_defaults(handler="edge_app.devices_cli:command_devices")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    arguments = _parser().parse_args(argv)
    # Imported only when asked for: a scan must not load Qt, nor a screen what reads folders.
    module_name, function_name = arguments.handler.split(":")
    try:
        return int(getattr(importlib.import_module(module_name), function_name)(arguments))
    except KensaError as error:
        print(f"edge-app: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("edge-app: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
