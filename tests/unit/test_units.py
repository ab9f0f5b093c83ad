"""What systemd makes of the units: it takes them, and finds little that a service could do to the computer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_MOST_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")


def _analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)


def _exposure(unit: Path) -> float:
    found = _analyze("security", "--offline=yes", "--no-pager", str(unit))
    if "unrecognized option" in found.stderr:
        pytest.skip("this systemd-analyze does not look at files")
    line = next((line for line in found.stdout.splitlines() if "Overall exposure level" in line), "")
    if not line:
        pytest.skip(f"systemd-analyze does not work here: {found.stderr.strip()}")
    return float(line.rpartition(":")[2].split()[0])


@pytest.mark.parametrize("name", ["kensa.service", "kensa-screen.service"])
def test_a_unit_is_exposed_by_two_at_most(name: str) -> None:
    assert _exposure(_DEPLOY / name) <= _MOST_EXPOSURE


def test_a_unit_that_is_open_is_found_out(tmp_path: Path) -> None:
    text = (_DEPLOY / "kensa.service").read_text(encoding="utf-8")
    (tmp_path / "kensa.service").write_text(text.replace("CapabilityBoundingSet=\n", "").replace("User=kensa\n", ""))
    assert _exposure(tmp_path / "kensa.service") > _MOST_EXPOSURE


def test_the_screen_and_the_kiosk_are_ones_that_systemd_takes(tmp_path: Path) -> None:
    screen = (_DEPLOY / "kensa-screen.service").read_text(encoding="utf-8").replace("/usr/bin/cage", sys.executable)
    station = (_DEPLOY / "kensa.service").read_text(encoding="utf-8")
    (tmp_path / "kensa-screen.service").write_text(screen)
    (tmp_path / "seatd.service").write_text(f"[Service]\nExecStart={sys.executable}\n")
    (tmp_path / "kensa.service").write_text(station.replace("/opt/kensa/current/bin/edge-app", sys.executable))
    (tmp_path / "kensa.service.d").mkdir()
    shutil.copy(_DEPLOY / "kensa-kiosk.conf", tmp_path / "kensa.service.d" / "kiosk.conf")
    for name in ("kensa-screen.service", "kensa.service"):
        found = _analyze("verify", "--man=no", str(tmp_path / name))
        if "Failed to" in found.stderr and "kensa" not in found.stderr:
            pytest.skip("systemd-analyze does not work here")
        assert "kensa" not in found.stderr, found.stderr
