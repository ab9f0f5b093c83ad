"""install.sh says what it would do, changes nothing when asked to, and is clean shell."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_INSTALL = _ROOT / "deploy" / "install.sh"


def _install(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(_INSTALL), *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("0.9.0", "0.10.0"):
        (folder / f"kensa-{version}-py3-none-any.whl").write_bytes(version.encode())
    return folder


def test_a_dry_run_says_everything_and_changes_nothing(tmp_path: Path, wheels: Path) -> None:
    root = tmp_path / "root"
    first = _install("--dry-run", "--root", root, "--wheels", wheels, "--kiosk")
    assert first.returncode == 0, first.stderr
    assert not root.exists()
    would = [line for line in first.stdout.splitlines() if line.startswith("would: ")]
    told = "\n".join(would)
    for word in (
        "python3 -m venv", "--no-index", "kensa-0.10.0-py3-none-any.whl", "self-test", "kensa.service", "sysusers.d",
        "tmpfiles.d", "60-kensa.rules", "journald.conf.d", "kiosk.conf", "kensa-screen.service", "current",
        "usr/local/bin/swap-model", "station.toml",
    ):  # fmt: skip
        assert word in told, word
    assert "nothing was changed" in first.stdout
    second = _install("--dry-run", "--root", root, "--wheels", wheels, "--kiosk")
    assert second.stdout == first.stdout


def test_a_dry_run_of_the_whole_system_needs_no_rights(wheels: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("no Debian")
    with tempfile.TemporaryDirectory() as folder:
        seen = shutil.copytree(wheels, Path(folder) / "wheels")
        scripts = shutil.copytree(_INSTALL.parent, Path(folder) / "deploy")
        Path(folder).chmod(0o755)
        words = ["sh", str(scripts / "install.sh"), "--dry-run", "--wheels", str(seen)]
        if os.geteuid() == 0:
            words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
        found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    assert "would: install -D -m 0644" in found.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wheel", "/nowhere.whl"], "there is no such wheel"),
        (["--wheels", "/nowhere"], "there is no such folder"),
        (["--checkout", "/tmp"], "no checkout"),
        (["--purge"], "goes with uninstall"),
        (["rollback"], "no program before this one"),
        (["--wheel"], "what?"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    found = _install(*words, "--dry-run", "--root", tmp_path / "root") if words != ["--wheel"] else _install(*words)
    assert found.returncode == 1
    assert message in found.stderr
    assert found.stderr.count("\n") == 1


def test_an_unknown_word_is_wrong_usage() -> None:
    assert _install("--wheell").returncode == 2


def test_the_help_names_every_option() -> None:
    told = _install("--help").stdout
    for word in (
        "rollback",
        "uninstall",
        "--purge",
        "--wheel FILE",
        "--checkout",
        "--wheels",
        "--kiosk",
        "--dry-run",
        "--root",
    ):
        assert word in told


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
def test_the_shell_is_clean() -> None:
    scripts = [*(_ROOT / "deploy").glob("*.sh"), *(_ROOT / "tests" / "box").glob("*.sh")]
    found = subprocess.run(["shellcheck", "-x", *map(str, scripts)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
