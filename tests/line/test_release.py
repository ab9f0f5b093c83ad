"""The edge's wheel, as a station gets it: installed below another root, it judges drawn pictures alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands import command

_ROOT = Path(__file__).resolve().parents[2]


def _build(project: Path, out: Path) -> Path:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=project, env=environment, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return next(out.glob("*.whl"))


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_wheel_is_the_same_twice_holds_no_trainer_and_judges(tmp_path: Path) -> None:
    wheel = _build(_ROOT, tmp_path / "one")
    assert wheel.read_bytes() == _build(_ROOT, tmp_path / "two").read_bytes()
    names = zipfile.ZipFile(wheel).namelist()
    assert "edge_app/demo.bundle" in names
    assert not [name for name in names if name.startswith("trainer/")]
    trainer = zipfile.ZipFile(_build(_ROOT / "trainer", tmp_path / "three")).namelist()
    assert {"trainer/cli.py", "trainer/templates/report.html"} <= set(trainer)
    assert not [name for name in trainer if name.startswith(("edge_app/", "deploy/"))]

    pictures, root = tmp_path / "pictures", tmp_path / "root"
    assert command("trainer.cli", "draw-line", pictures, "--good", 5, "--test", 6).returncode == 0
    install = ["sh", str(_ROOT / "deploy" / "install.sh"), "--wheel", str(wheel), "--root", str(root)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = subprocess.run([*install, "--dry-run"], capture_output=True, text=True, timeout=60, check=True)
    assert "would: " not in again.stdout

    current = root / "opt" / "kensa" / "current"
    alone = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    absent = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ['trainer', 'tensorflow', 'keras'])))"
    subprocess.run([str(current / "bin" / "python"), "-c", absent], env=alone, cwd=tmp_path, check=True, timeout=60)
    scan = subprocess.run(
        [str(current / "bin" / "edge-app"), "scan", str(pictures / "test"), "--bundle",
         str(_ROOT / "models" / "demo.bundle"), "--out", str(tmp_path / "out")],
        env=alone, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert scan.returncode in (0, 1), scan.stderr
    rows = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 7
    assert not [row for row in rows if "NO VERDICT" in row]
