"""The command `trainer`.

Exit codes: 0 done, 1 done but for cells of a benchmark that failed, 2 wrong usage, 4 refused with one line that says
why, 130 interrupted (the same command goes on).
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
from edge_app.errors import DataError, KensaError
from trainer import table_cli
from trainer.names import AUTO, DETECTOR_NAMES, LOSS_NAMES
from trainer.progress import BarProgress, JsonProgress, Progress, tell
from trainer.quiet import native_stderr_held
from trainer.signatures import KEY_ARGUMENTS, add_key_arguments, command_sign, sign_file, signing_keys

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
    fit.add_argument("--detector", choices=(AUTO, *DETECTOR_NAMES), default=AUTO,
                     help="auto chooses how parts are placed and compared; see `trainer detectors`")  # fmt: skip
    fit.add_argument("--product", help="default: the data folder's name")
    fit.add_argument("--size", type=int, help="side of the inspected picture (default: the detector's)")
    fit.add_argument("--loss", choices=LOSS_NAMES, help="default: the detector's")
    fit.add_argument("--epochs", type=int, metavar="N", help="default: as many as come to --steps")
    fit.add_argument("--steps", type=int, metavar="N", help="training steps (default: the detector's)")
    fit.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                     help="one of the detector's own settings; may be given again")  # fmt: skip
    fit.add_argument("--backbone-weights", type=Path, metavar="FILE",
                     help="ImageNet weights in place of fetching them: Keras' .h5 file of MobileNetV2 (width 0.35, 0.5,"
                     " 0.75, 1.0, 1.3 or 1.4) or of SqueezeNet 1.1, without top")  # fmt: skip
    fit.add_argument("--texture", action="store_true", help="learn a texture from tiles of 128 pixels")
    fit.add_argument("--align", choices=("none", "template", "crop", "upright"),
                     help="bring each part into place first: onto a template, cut out of its ground, or cut out and"
                     " turned along its long axis (default: the detector's)")  # fmt: skip
    fit.add_argument("--photometric", choices=("none", "stretch", "gamma"),
                     help="even out the light of each picture; gamma also lifts what is dark")  # fmt: skip
    fit.add_argument("--precision", choices=("auto", "int8", "int8+float", "int16x8", "dynamic", "float16", "float32"),
                     default="auto", help="auto: the cheapest that keeps the float model's verdicts")  # fmt: skip
    fit.add_argument("--target", choices=("cpu", "gpu", "coral"),
                     help="what it is to run on: coral asks for int8 and calls edgetpu_compiler where that is"
                     " installed, gpu asks for floats")  # fmt: skip
    fit.add_argument("--qat", action="store_true",
                     help="after training, fine-tune in whole numbers for int8 (detectors with gradients)")  # fmt: skip
    fit.add_argument("--false-reject-rate", type=float, default=0.01, metavar="RATE")
    fit.add_argument("--folds", type=int, help="good parts are scored by models that did not see them")
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--sequence", type=int, help="place in the product's history (default: the time in seconds)")
    fit.add_argument("--report", type=Path, metavar="DIR", help="write report.html here")
    fit.add_argument("--skip-bad", action="store_true", help="leave out pictures that cannot be read")
    fit.add_argument("--trim", action="store_true",
                     help="leave out good pictures that are far unlike all others; each is told")  # fmt: skip
    fit.add_argument("--allow-parity-loss", action="store_true", help="ship a model that loses verdicts; recorded")
    fit.add_argument("--channels", choices=("colour", "grey"), help="of the reconstruction that are compared")
    fit.add_argument("--ssim-weight", type=float, help="of 1 - SSIM in the anomaly map")
    fit.add_argument("--l2-weight", type=float, help="of the root mean square difference in the anomaly map")
    fit.add_argument("--map-weight", type=float, help="of the anomaly map in the image score")
    fit.add_argument("--term-weight", type=float, help="of the model's second number in the image score")
    fit.add_argument("--score-rule", choices=("max", "top_percent"),
                     help="the map's highest place, or the mean of its highest hundredth")  # fmt: skip
    fit.add_argument("--smoothing-sigma", type=float, metavar="PX", dest="smoothing_sigma_px",
                     help="Gaussian smoothing of the anomaly map")  # fmt: skip
    fit.add_argument("--pixel-statistics", action=argparse.BooleanOptionalAction, default=None,
                     help="judge each pixel against what is normal for it")  # fmt: skip
    fit.add_argument("--two-sided", action=argparse.BooleanOptionalAction, default=None,
                     help="with --pixel-statistics: too alike is anomalous too")  # fmt: skip
    fit.add_argument("--min-defect-area", type=float, default=4.0, metavar="PX", dest="min_defect_area_px",
                     help="smallest defect, in pixels of the model's picture")  # fmt: skip
    fit.add_argument("--progress", choices=("bar", "json"), default="bar",
                     help="json: one object a line on the standard output, for a program that reads it")  # fmt: skip
    add_key_arguments(fit)
    fit.set_defaults(handler=_fit)

    extend = commands.add_parser("extend", help="a bundle with a patch head learns good parts, without TensorFlow")
    extend.add_argument("bundle", type=Path, help="of patch_memory, patch_gaussian or kensa; it is not changed")
    extend.add_argument("data", type=Path, help="all good pictures, those that the bundle has learnt from too")
    extend.add_argument("--out", type=Path, required=True, metavar="NEW.bundle")
    extend.add_argument("--false-reject-rate", type=float, metavar="RATE", help="default: the bundle's")
    extend.add_argument("--skip-bad", action="store_true", help="leave out pictures that cannot be read")
    add_key_arguments(extend)
    extend.set_defaults(handler=_extend)

    sign = commands.add_parser("sign", help="sign a bundle; stations take those whose key they trust")
    sign.add_argument("bundle", type=Path, help="the file; it is signed in place")
    add_key_arguments(sign, required=True)
    sign.add_argument("--add", action="store_true", help="keep the signatures that it has, while keys are exchanged")
    sign.set_defaults(handler=command_sign)

    export = commands.add_parser("export", help="the same model for another device, without TensorFlow")
    export.add_argument("bundle", type=Path, help="it is not changed")
    export.add_argument("--target", choices=("cpu", "gpu", "coral"), required=True)
    export.add_argument("--out", type=Path, required=True, metavar="NEW.bundle")
    add_key_arguments(export)
    export.set_defaults(handler=_export)

    check = commands.add_parser("check-coral", help="which operations an Edge TPU would run, and why not the others")
    check.add_argument("model", type=Path, metavar="MODEL", help="a plain .tflite file, or a bundle")
    check.set_defaults(handler=_check_coral)

    evaluate = commands.add_parser("evaluate", help="AUROC, AUPRO and shares of right verdicts on labelled parts")
    evaluate.add_argument("bundle", type=Path)
    evaluate.add_argument("data", type=Path, help="MVTec AD layout, with test/good and test/<defect>")
    evaluate.add_argument("--json", action="store_true")
    evaluate.add_argument("--latent-search", type=int, nargs="?", const=500, metavar="STEPS",
                          help="anogan: also search each part's latent, as the first paper does")  # fmt: skip
    evaluate.set_defaults(handler=_evaluate)

    table_cli.add_commands(commands)

    detectors = commands.add_parser("detectors", help="the detectors with their settings")
    detectors.set_defaults(handler=_detectors)

    bench = commands.add_parser("benchmark", help="every detector on every category, in tables and pictures")
    bench.add_argument("root", type=Path, help="folder of categories, each in the MVTec AD layout")
    bench.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets tables, pictures and bundles")
    bench.add_argument("--detectors", required=True, metavar="cae,vae,...", help="a word may carry a loss: cae:ssim")
    bench.add_argument("--categories", metavar="a,b", help="default: every folder that has train/good")
    bench.add_argument("--jobs", type=int, default=1, metavar="N", help="how many are fitted at once")
    bench.add_argument("--steps", type=int, metavar="N", help="training steps a model (default: the detector's)")
    bench.add_argument("--folds", type=int, metavar="N", help="(default: the detector's)")
    bench.add_argument("--seed", type=int, default=0)
    bench.add_argument("--backbone-weights", type=Path, metavar="FILE", help="for detectors that start from some")
    bench.add_argument("--false-reject-rate", type=float, default=0.01, metavar="RATE")
    bench.set_defaults(handler=_benchmark)

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
        from trainer.fit import fit
        from trainer.options import Options

    as_json = arguments.progress == "json"
    not_options = {"command", "handler", "report", "progress", *KEY_ARGUMENTS}
    given = {key: value for key, value in vars(arguments).items() if key not in not_options}
    options = Options(**{**given, "settings": _pairs(given["settings"])})
    reporter: Progress = JsonProgress() if as_json else BarProgress()
    with reporter as progress:
        keys = signing_keys(arguments, progress.say)
        try:
            fitted = fit(options, progress.plan, progress.epoch, progress.say)
        except KeyboardInterrupt:
            work = options.out.with_name(options.out.name + ".work")
            progress.say(f"stopped; what was learnt so far is in {work}; the same command goes on")
            return EXIT_INTERRUPTED
    sign_file(options.out, keys)
    manifest = fitted.bundle.manifest.model_dump(mode="json")
    report = None
    if arguments.report is not None:
        from trainer.report import write_report

        report = write_report(fitted, arguments.report)
    if as_json:
        tell("bundle", path=str(options.out), bundle_id=manifest["bundle_id"], manifest=manifest)
        return EXIT_OK
    if report is not None:
        print(f"report: {report}")
    _print_bundle(manifest, options.out)
    return EXIT_OK


def _extend(arguments: argparse.Namespace) -> int:
    from trainer.data import open_data_set
    from trainer.extend import extend

    keys = signing_keys(arguments, lambda line: print(line, file=sys.stderr))
    n_good = len(open_data_set(arguments.data).train_good)
    with tqdm(total=n_good, unit="part", dynamic_ncols=True, file=sys.stderr) as bar:
        bundle = extend(
            arguments.bundle, arguments.data, arguments.out, arguments.false_reject_rate, arguments.skip_bad,
            bar.update, lambda line: bar.write(line, file=sys.stderr),
        )  # fmt: skip
    sign_file(arguments.out, keys)
    _print_bundle(bundle.manifest.model_dump(mode="json"), arguments.out)
    return EXIT_OK


def _export(arguments: argparse.Namespace) -> int:
    from edge_app.bundle import bundle_bytes, read_bundle
    from trainer.coral import for_target
    from trainer.files import write_atomically

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    keys = signing_keys(arguments, say)
    bundle = for_target(read_bundle(arguments.bundle), arguments.target, say)
    write_atomically(arguments.out, bundle_bytes(bundle))
    sign_file(arguments.out, keys)
    print(f"{arguments.out}: {bundle.bundle_id}, for {arguments.target}")
    return EXIT_OK


def _check_coral(arguments: argparse.Namespace) -> int:
    from edge_app.bundle import read_bundle
    from trainer.edgetpu import check, table

    graph = arguments.model.read_bytes() if arguments.model.suffix == ".tflite" else read_bundle(arguments.model).model
    print(table(check(graph)))
    return EXIT_OK


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words as a dict."""
    pairs = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise DataError(f"--set {wrong[0]}: give NAME=VALUE, such as latent=32")
    return {name: value for name, _, value in pairs}


def _detectors(arguments: argparse.Namespace) -> int:
    with native_stderr_held():
        from trainer.detectors import DETECTORS

    for detector in DETECTORS.values():
        settings = "".join(f"  --set {name}={value}" for name, value in detector.settings.items())
        print(f"{detector.name:<20}{detector.summary}\n{'':<20}--size {detector.size}{settings}")
    return EXIT_OK


def _evaluate(arguments: argparse.Namespace) -> int:
    from edge_app.bundle import read_bundle
    from trainer.data import open_data_set
    from trainer.evaluate import evaluate

    data_set, bundle = open_data_set(arguments.data), read_bundle(arguments.bundle)
    with tqdm(total=len(data_set.test), unit="part", dynamic_ncols=True, file=sys.stderr) as bar:
        results = evaluate(bundle, data_set, bar.update)
        for note in results.notes:
            bar.write(note, file=sys.stderr)
    figures = dict(results.figures)
    if arguments.latent_search is not None:
        with native_stderr_held():
            import trainer.latent_search  # noqa: F401 - its import starts TensorFlow
            from trainer.evaluate import evaluate_search
        with tqdm(total=len(data_set.test), unit="search", dynamic_ncols=True, file=sys.stderr) as bar:
            figures["latent_search"] = evaluate_search(bundle, data_set, arguments.latent_search, bar.update)
    if arguments.json:
        print(json.dumps(figures, sort_keys=True))
    else:
        _print_figures(figures)
    return EXIT_OK


def _benchmark(arguments: argparse.Namespace) -> int:
    from trainer.benchmark import benchmark
    from trainer.benchmark_plan import BenchmarkOptions

    given = {key: value for key, value in vars(arguments).items() if key not in {"command", "handler"}}
    return benchmark(BenchmarkOptions(**given))


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
    rate = proof["flip_rate"]
    print(
        f"parity {proof['precision']}: {proof['label_flips']} of {proof['n_pictures']} verdicts flip"
        + (f" ({rate['low']:.1%} to {rate['high']:.1%})" if rate else "")
    )
    if coral := manifest["delegates"]["coral"]:
        how = "compiled" if coral["compiled"] else "predicted"
        print(f"Edge TPU: {coral['mapped_ops']} of {coral['ops']} operations ({how})")
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
    if found := figures.get("latent_search"):
        value = found["image_auroc"]
        print(f"by search, {found['steps']} steps   {value['value']:.4f}  ({value['low']:.4f} to {value['high']:.4f})")
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
