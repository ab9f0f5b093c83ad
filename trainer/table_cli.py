"""The commands `trainer fit-table` and `trainer evaluate-table`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from trainer.quiet import native_stderr_held
from trainer.signatures import KEY_ARGUMENTS, add_key_arguments, sign_file, signing_keys

_OK, _INTERRUPTED = 0, 130
DETECTOR_CHOICES = ("table_ae", "dense_ae")


def add_commands(commands: Any) -> None:
    """Add both to the trainer's subparsers."""
    fit = commands.add_parser("fit-table", help="a CSV file of good rows in, one bundle out")
    fit.add_argument("data", type=Path, metavar="CSV", help="UTF-8, with a header line")
    fit.add_argument("--out", type=Path, required=True, metavar="X.bundle")
    fit.add_argument("--label", metavar="COLUMN", help="says what a row is; without it every row is a good one")
    fit.add_argument("--good", metavar="VALUE", help="of the label on normal rows")
    fit.add_argument("--detector", choices=DETECTOR_CHOICES, default="table_ae")
    fit.add_argument("--ignore", default="", metavar="COL,COL", help="columns that are no inputs")
    fit.add_argument("--delimiter", metavar="CHAR", help="between fields (default: found out)")
    fit.add_argument("--epochs", type=int, metavar="N", help="at most (default: table_ae 100, dense_ae 16)")
    fit.add_argument("--folds", type=int, default=3, help="good rows are scored by models that did not see them")
    fit.add_argument("--false-reject-rate", type=float, default=0.01, metavar="RATE")
    fit.add_argument("--precision", choices=("auto", "int8", "int16x8", "float16", "float32"), default="auto",
                     help="auto: the cheapest that keeps the float model's verdicts")  # fmt: skip
    fit.add_argument("--seed", type=int, default=0)
    fit.add_argument("--product", help="default: the file's name")
    fit.add_argument("--test-share", type=float, default=0.2, metavar="SHARE", help="of the normal rows, held out")
    fit.add_argument("--report", type=Path, metavar="DIR", help="write report.html here")
    add_key_arguments(fit)
    fit.set_defaults(handler=_fit_table)

    evaluate = commands.add_parser(
        "evaluate-table", help="AUROC, average precision and right verdicts on labelled rows"
    )
    evaluate.add_argument("bundle", type=Path)
    evaluate.add_argument("data", type=Path, metavar="CSV", help="with the label's column")
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(handler=_evaluate_table)


def _fit_table(arguments: argparse.Namespace) -> int:
    # What can be refused at once is refused before TensorFlow takes its seconds to load.
    from trainer.table_data import Options, survey

    keys = signing_keys(arguments, lambda line: print(line, file=sys.stderr))
    not_options = {"command", "handler", "report", *KEY_ARGUMENTS}
    given = {key: value for key, value in vars(arguments).items() if key not in not_options}
    given["ignore"] = tuple(name.strip() for name in arguments.ignore.split(",") if name.strip())
    if given["delimiter"] == "\\t":
        given["delimiter"] = "\t"
    options = Options(**given)
    data = survey(options)
    with native_stderr_held():
        from trainer.table_fit import fit_table

    with tqdm(unit="epoch", dynamic_ncols=True, file=sys.stderr) as bar:

        def on_epochs(run: str, epochs: int, loss: float) -> None:
            bar.set_description(run, refresh=False)
            bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
            bar.update(epochs)

        try:
            fitted = fit_table(options, data, bar.reset, on_epochs, lambda line: bar.write(line, file=sys.stderr))
        except KeyboardInterrupt:
            work = options.out.with_name(options.out.name + ".work")
            bar.write(f"stopped; finished models are in {work}; the same command goes on", file=sys.stderr)
            return _INTERRUPTED
    sign_file(options.out, keys)
    if arguments.report is not None:
        from trainer.table_report import write_report

        print(f"report: {write_report(fitted, arguments.report)}")
    _print_bundle(fitted.bundle.manifest.model_dump(mode="json"), options.out)
    return _OK


def _evaluate_table(arguments: argparse.Namespace) -> int:
    from edge_app.bundle import read
    from edge_app.table_bundle import TableBundle
    from edge_app.table_rows import file_bytes

    bundle = read(arguments.bundle, TableBundle)
    from trainer.table_evaluate import evaluate_table

    with tqdm(total=file_bytes(arguments.data), unit="B", unit_scale=True, dynamic_ncols=True, file=sys.stderr) as bar:
        results = evaluate_table(bundle, arguments.data, lambda done: bar.update(done - bar.n))
    if arguments.json:
        print(json.dumps(results.figures, sort_keys=True))
    else:
        _print_figures(results.figures)
    return _OK


def _print_bundle(manifest: dict[str, Any], path: Path) -> None:
    thresholds, proof, table = manifest["thresholds"], manifest["parity"], manifest["table"]
    print(f"{path}: {manifest['bundle_id']}, {path.stat().st_size / 1e6:.2f} MB")
    print(f"{len(table['columns'])} columns, {manifest['input']['width']} inputs")
    for column in table["left_out"]:
        detail = f" ({column['detail']})" if column["detail"] else ""
        print(f"left out: {column['name'] or 'column ' + str(column['position'] + 1)}: {column['why']}{detail}")
    print(
        f"threshold {thresholds['image']:.6g} ({thresholds['rule']}, {thresholds['n_good']} good rows,"
        f" false-reject rate {thresholds['false_reject_rate']:.3g}, bound {thresholds['false_reject_bound']:.3g})"
    )
    print(f"ships {proof['precision']}: {proof['label_flips']} of {proof['n_pictures']} verdicts flip")
    if manifest.get("evaluation"):
        _print_figures(manifest["evaluation"])


def _print_figures(figures: dict[str, Any]) -> None:
    print(
        f"{figures['n_normal']} normal and {figures['n_anomalous']} anomalous rows, {figures['no_verdict']} NO VERDICT"
    )
    for key, label in (
        ("image_auroc", "AUROC"),
        ("average_precision", "average precision"),
        ("normal_called_good", "normal called good"),
        ("anomalous_called_ng", "anomalous called ng"),
    ):
        if figures.get(key):
            value = figures[key]
            print(f"{label:<22}{value['value']:.4f}  ({value['low']:.4f} to {value['high']:.4f})")
