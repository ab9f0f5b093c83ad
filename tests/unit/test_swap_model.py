"""The command `swap-model`, on a station that does not run."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import opened_store, successor, written

from deploy.swap_model import main
from edge_app import __version__
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.child import SWAP_NICE

Told = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bundles(demo_bundle_path: Path, tmp_path: Path) -> list[ModelBundle]:
    """Two, as bundles and as files 0.bundle and 1.bundle; neither staged."""
    first = read_bundle(demo_bundle_path)
    both = [first, successor(first)]
    for number, bundle in enumerate(both):
        written(bundle, tmp_path / f"{number}.bundle")
    return both


@pytest.fixture
def told(tmp_path: Path, bundles: list[ModelBundle], capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs a command on this test's store; gives exit code, standard output and standard error."""

    def tell(*arguments: str, product: bool = True, trusts: bool = True) -> tuple[int, str, str]:
        if trusts:
            opened_store(tmp_path / "models", bundles[0].manifest.product)
        place = ["--models", str(tmp_path / "models")]
        code = main([*arguments, *place, *(["--product", bundles[0].manifest.product] if product else [])])
        said = capsys.readouterr()
        return code, said.out, said.err

    return tell


def test_stage_activate_rollback_status(told: Told, bundles: list[ModelBundle], tmp_path: Path) -> None:
    first, second = (bundle.bundle_id for bundle in bundles)
    for number in (0, 1):
        code, out, err = told("stage", str(tmp_path / f"{number}.bundle"), product=False)
        assert (code, err) == (0, "")
        assert out.startswith(f"{bundles[number].bundle_id} (signed by line 6f70d7ea) is installed and has passed")
    assert told("activate", first) == (0, f"{first}: taken at the next start of the station\n", "")
    assert told("activate")[1].startswith(f"{second}: "), "without an id, the newest"
    assert told("activate") == (0, f"{second} is the active bundle already\n", "")
    code, out, _ = told("status", "--json")
    product = bundles[0].manifest.product
    expected = {"product": product, "active": second, "previous": first, "installed": [first, second]}
    assert (code, json.loads(out)) == (0, {**expected, "running": None, "station": None})
    assert told("rollback") == (0, f"{first}: taken at the next start of the station\n", "")
    code, out, _ = told("status")
    assert code == 0
    assert f"active    {first}\n" in out
    code, out, err = told("rollback")
    assert (code, out) == (4, "")
    assert "no previous bundle to go back to" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stage", "nowhere.bundle"], "cannot be read"),
        (["activate"], "no bundle was ever staged here; begin with swap-model stage"),
        (["rollback"], "no bundle was ever staged here; begin with swap-model stage"),
    ],
)
def test_refusals_are_one_line(told: Told, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, out, err = told(*arguments, trusts=False)
    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert err.startswith("swap-model: ")
    assert message in err
    assert not (tmp_path / "models").exists()


def test_unknown_bundle_is_refused_and_logged(told: Told, bundles: list[ModelBundle], tmp_path: Path) -> None:
    told("stage", str(tmp_path / "0.bundle"))
    code, _, err = told("activate", "nothing-99-00")
    assert code == 4
    assert "nothing-99-00 is not installed" in err
    log = (tmp_path / "models" / bundles[0].manifest.product / "swap.log").read_text().splitlines()
    assert json.loads(log[-1])["result"].startswith("refused: nothing-99-00 is not installed")


def test_the_place_comes_from_station_toml(
    bundles: list[ModelBundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(f'product = "{bundles[0].manifest.product}"\nmodels_dir = "store"\n')
    opened_store(tmp_path / "store", bundles[0].manifest.product)
    assert main(["stage", str(tmp_path / "0.bundle"), "--config", str(config)]) == 0
    assert (tmp_path / "store" / bundles[0].manifest.product / bundles[0].bundle_id).is_dir()
    config.write_text("")
    assert main(["status", "--config", str(config)]) == 4
    assert "--models DIR" in capsys.readouterr().err
    assert main(["status", "--models", str(tmp_path)]) == 4
    assert "--product NAME" in capsys.readouterr().err


def test_the_command_gives_way_before_it_imports_what_is_heavy() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["swap-model"]
    module, _, name = script.partition(":")
    program = (
        f"import os, sys\nfrom {module} import {name}\nheavy = 'numpy' in sys.modules\nsys.argv = ['', '--version']\n"
        f"try:\n    {name}()\nexcept SystemExit:\n    print(heavy, os.nice(0))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"swap-model {__version__}", f"False {SWAP_NICE}"]
