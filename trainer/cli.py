"""The command `trainer`.

Exit codes: 0 done, 2 wrong usage, 4 refused with one line that says why, 130 interrupted (the same command goes on).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edge_app import __version__
from edge_app.errors import KensaError
from trainer.quiet import native_stderr_held

EXIT_OK, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 4, 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trainer", description="Learn what good parts look like; write a model bundle."
    )
    parser.add_argument("--version", action="version", version=f"trainer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="good pictures in, one bundle out")
    fit.add_argument("data", type=Path, help="a folder of good pictures, or the MVTec AD layout")
    fit.add_argument("--out", type=Path, required=True, metavar="X.bundle")
    fit.add_argument("--detector", choices=("cae", "ssim_ae"), default="cae")
    fit.add_argument("--product", help="default: the data folder's name")
    fit.add_argument("--size", type=int, help="side of the model's picture (default: cae 256, ssim_ae 128)")
    fit.add_argument("--loss", choices=("l2", "ssim", "l2+ssim"), help="default: cae l2, ssim_ae ssim")
    fit.add_argument("--epochs", type=int, metavar="N", help="default: about 800 training steps")
    fit.add_argument("--precision", choices=("float32", "float16", "dynamic", "int8"), default="int8")
    fit.add_argument("--false-reject-rate", type=float, default=0.01, metavar="RATE")
    fit.add_argument("--folds", type=int, default=3, help="good parts are scored by models that did not see them")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--sequence", type=int, help="place in the product's history (default: the time in seconds)")
    fit.add_argument("--report", type=Path, metavar="DIR", help="write report.html here")
    fit.add_argument("--skip-bad", action="store_true", help="leave out pictures that cannot be read")
    fit.add_argument("--allow-parity-loss", action="store_true", help="ship a model that loses verdicts; recorded")
    fit.add_argument("--channels", choices=("colour", "grey"), default="colour")
    fit.add_argument("--ssim-weight", type=float, default=1.0)
    fit.add_argument("--l2-weight", type=float, default=40.0)
    fit.add_argument("--pixel-statistics", action=argparse.BooleanOptionalAction, default=True,
                     help="judge each pixel against what is normal for it")  # fmt: skip
    fit.add_argument("--two-sided", action=argparse.BooleanOptionalAction, default=True,
                     help="with --pixel-statistics: too alike is anomalous too")  # fmt: skip
    fit.add_argument("--min-defect-area", type=float, default=4.0, metavar="PX", dest="min_defect_area_px",
                     help="smallest defect, in pixels of the model's picture")  # fmt: skip
    fit.set_defaults(handler=_fit)

    evaluate = commands.add_parser("evaluate", help="AUROC, AUPRO and shares of right verdicts on labelled parts")
    evaluate.add_argument("bundle", type=Path)
    evaluate.add_argument("data", type=Path, help="MVTec AD layout, with test/good and test/<defect>")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(handler=_evaluate)

    line = commands.add_parser("draw-line", help="draw the synthetic line's parts as a data folder")
    line.add_argument("out", type=Path)
    line.add_argument("--good", type=int, default=300, help="good parts to learn from")
    line.add_argument("--test", type=int, default=100, help="test parts, two fifths of them anomalous")
    line.add_argument("--seed", type=int, default=1001, help="not the demo's own seed")
    line.set_defaults(handler=_draw_line)
    return parser


def _fit(arguments: argparse.Namespace) -> int:
    # What can be refused at once is refused before TensorFlow takes its seconds to load.
    from trainer.calibrate import check_enough
    from trainer.data import open_data_set

    check_enough(len(open_data_set(arguments.data).train_good), arguments.false_reject_rate)
    with native_stderr_held():
        from trainer.fit import Options, fit

    given = {key: value for key, value in vars(arguments).items() if key not in {"command", "handler", "report"}}
    options = Options(**given)
    with tqdm(unit="epoch", dynamic_ncols=True, file=sys.stderr) as bar:

        def on_plan(epochs: int) -> None:
            bar.reset(epochs)

        def on_epoch(run: str, _epoch: int, loss: float) -> None:
            bar.set_description(run, refresh=False)
            bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
            bar.update()

        try:
            fitted = fit(options, on_plan, on_epoch, lambda line: bar.write(line, file=sys.stderr))
        except KeyboardInterrupt:
            work = options.out.with_name(options.out.name + ".work")
            bar.write(f"stopped; the best weights so far are in {work}; the same command goes on", file=sys.stderr)
            return EXIT_INTERRUPTED
    if arguments.report is not None:
        from trainer.report import write_report

        print(f"report: {write_report(fitted, arguments.report)}")
    _print_bundle(fitted.bundle.manifest.model_dump(mode="json"), options.out)
    return EXIT_OK


def _evaluate(arguments: argparse.Namespace) -> int:
    from edge_app.bundle import read_bundle
    from trainer.data import open_data_set
    from trainer.evaluate import evaluate

    data_set = open_data_set(arguments.data)
    with tqdm(total=len(data_set.test), unit="part", dynamic_ncols=True, file=sys.stderr) as bar:
        results = evaluate(read_bundle(arguments.bundle), data_set, bar.update)
    if arguments.json:
        print(json.dumps(results.figures, sort_keys=True))
    else:
        _print_figures(results.figures)
    return EXIT_OK


def _draw_line(arguments: argparse.Namespace) -> int:
    from trainer.line_data import draw_line

    draw_line(arguments.out, arguments.good, arguments.test, arguments.seed)
    return EXIT_OK


def _print_bundle(manifest: dict[str, Any], path: Path) -> None:
    thresholds, proof = manifest["thresholds"], manifest["parity"]
    print(f"{path}: {manifest['bundle_id']}, {path.stat().st_size / 1e6:.2f} MB")
    print(
        f"image threshold {thresholds['image']:.6g} ({thresholds['rule']}, {thresholds['n_good']} good parts,"
        f" false-reject rate {thresholds['false_reject_rate']:.3g}, bound {thresholds['false_reject_bound']:.3g})"
    )
    print(f"parity {proof['precision']}: {proof['label_flips']} of {proof['n_pictures']} verdicts flip")
    if manifest.get("evaluation"):
        _print_figures(manifest["evaluation"])


def _print_figures(figures: dict[str, Any]) -> None:
    print(
        f"{figures['n_normal']} normal and {figures['n_anomalous']} anomalous parts, {figures['no_verdict']} NO VERDICT"
    )
    for key in ("image_auroc", "normal_called_good", "anomalous_called_ng"):
        if figures.get(key):
            value = figures[key]
            print(f"{key.replace('_', ' '):<22}{value['value']:.4f}  ({value['low']:.4f} to {value['high']:.4f})")
    for key in ("pixel_auroc", "aupro"):
        if figures.get(key) is not None:
            print(f"{key.replace('_', ' '):<22}{figures[key]:.4f}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    arguments = _parser().parse_args(argv)
    # Before TensorFlow is imported: its own start-up lines say nothing to a user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(arguments.handler(arguments))
    except KensaError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except ModuleNotFoundError as error:
        print(f"trainer: {error.name} is not installed; type: pip install 'kensa[train]'", file=sys.stderr)
        return EXIT_REFUSED
    except OSError as error:
        print(
            f"trainer: {error.filename or ''}: {error.strerror or error}; put that right, then again", file=sys.stderr
        )
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("trainer: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
