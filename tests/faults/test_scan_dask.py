"""A scan on a real Dask cluster, its worker processes killed under way; folders over file:// and a real HTTP server."""

import contextlib
import functools
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from bundles import written

from edge_app import scan_workers
from edge_app.batch import processes, scan
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.cli import main
from edge_app.errors import DataError
from edge_app.scan_folder import RemoteFolder, open_folder

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def top(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """parts/ with 240 parts, every ninth NG, one unreadable; m.bundle; whole/ as a scan of one process leaves it."""
    top = tmp_path_factory.mktemp("dask")
    good, ng = (next(s.file for s in bundle.manifest.golden if s.verdict == verdict) for verdict in ("GOOD", "NG"))
    for number in range(240):
        inner = top / "parts" / f"lot-{number % 3}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number:03}.png").write_bytes(bundle.files[ng if number % 9 == 4 else good])
    (top / "parts" / "lot-1" / "cut.png").write_bytes(bundle.files[good][:3000])
    written(bundle, top / "m.bundle")
    scan(top / "parts", bundle, top / "whole")
    return top


def _scan(top: Path, folder: str, out: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge_app.cli", "scan", folder, "--bundle", str(top / "m.bundle"), "--out", str(out),
         "--engine", "dask", *words],
        env=ENVIRONMENT | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors


def _same(out: Path, whole: Path) -> bool:
    heatmaps = [{path.name: path.read_bytes() for path in (one / "heatmaps").iterdir()} for one in (out, whole)]
    return heatmaps[0] == heatmaps[1] and _table(out) == _table(whole)


def _table(out: Path) -> bytes:
    table = out / "results.csv"
    return table.read_bytes() if table.exists() else b""


def _until_lines(process: subprocess.Popen[str], out: Path, lines: int) -> None:
    while process.poll() is None and _table(out).count(b"\n") < lines:
        time.sleep(0.005)
    assert process.poll() is None


def test_workers_killed_under_way_cost_no_row(top: Path, tmp_path: Path) -> None:
    process = _scan(top, f"file://{top / 'parts'}", tmp_path / "out", "--workers", "2")
    _until_lines(process, tmp_path / "out", 20)
    # A worker is the one that has a judging process below it; its nanny starts another.
    below = [p for p in psutil.Process(process.pid).children(recursive=True) if "scan_worker" in " ".join(p.cmdline())]
    assert below
    os.kill(below[0].ppid(), signal.SIGKILL)
    os.kill(below[-1].pid, signal.SIGKILL)
    _ended(process)
    assert _same(tmp_path / "out", top / "whole")
    assert not (tmp_path / "out" / "parts").exists()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_killed_scan_goes_on_with_what_was_done_ahead(top: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = _scan(top, str(top / "parts"), out, "--workers", "2")
    _until_lines(process, out, 20)
    process.kill()
    process.communicate()
    rows = _table(out).decode().splitlines(keepends=True)
    # Another machine's part file, as the killed scan would have left it: taken over, not judged again.
    whole = (top / "whole" / "results.csv").read_text().splitlines(keepends=True)
    assert len(rows) < 200
    told = whole[230].replace(",GOOD,", ",NO VERDICT,", 1)
    (out / "parts").mkdir(exist_ok=True)
    (out / "parts" / "of-before.csv").write_text(whole[0] + told)
    _ended(_scan(top, str(top / "parts"), out, "--workers", "2"))
    assert _table(out).decode() == "".join([*whole[:230], told, *whole[231:]])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ctrl_c_stops_it_and_it_goes_on(top: Path, tmp_path: Path) -> None:
    process = _scan(top, str(top / "parts"), tmp_path / "out", "--workers", "2")
    _until_lines(process, tmp_path / "out", 20)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all processes of the command
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "the same command again goes on" in errors
    assert "Traceback" not in errors
    assert _table(tmp_path / "out").count(b"\n") < 242
    _ended(_scan(top, str(top / "parts"), tmp_path / "out", "--workers", "2"))
    assert _same(tmp_path / "out", top / "whole")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_picture_that_kills_its_process_gets_the_row_that_one_machine_gives_it(
    top: Path, tmp_path: Path, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, faulty = tmp_path / "parts", (str(ROOT / "tests" / "faulty_scan_worker.py"),)
    folder.mkdir()
    for number, path in enumerate(sorted((top / "parts" / "lot-1").iterdir())):
        os.link(path, folder / f"{number:02}{' poison' * (number in (7, 40))}.png")
    monkeypatch.setattr(scan_workers, "CHILD", faulty)
    scan(folder, bundle, tmp_path / "whole", engine=processes(2))
    assert _table(tmp_path / "whole").count(b"twice; look at this file") == 2
    # What Dask itself offers for code that its workers load when they start.
    (tmp_path / "faulty.py").write_text(f"from edge_app import scan_workers\nscan_workers.CHILD = {faulty!r}\n")
    process = _scan(top, str(folder), tmp_path / "out", "--workers", "2",
                    DASK_DISTRIBUTED__WORKER__PRELOAD=str([str(tmp_path / "faulty.py")]))  # fmt: skip
    _ended(process)
    assert _same(tmp_path / "out", tmp_path / "whole")


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_cluster_that_is_there_reads_from_a_server(top: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as ending:
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard"],
            env=ENVIRONMENT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ending.callback(scheduler.communicate)
        ending.callback(scheduler.kill)
        assert scheduler.stderr is not None
        address = next(found[0] for line in scheduler.stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "2", "--no-nanny",
             "--no-dashboard"],
            env=ENVIRONMENT, stderr=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip
        ending.callback(worker.wait)
        ending.callback(worker.kill)
        folder = ending.enter_context(_served(top / "parts"))
        _ended(_scan(top, folder, tmp_path / "out", "--scheduler", address))
    assert _same(tmp_path / "out", top / "whole")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_cluster_that_is_not_there_is_said(top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = _scan(top, str(top / "parts"), tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 4
    assert "no Dask cluster with a worker answers" in errors
    words = ["scan", str(top / "parts"), "--bundle", str(top / "m.bundle"), "--out", str(tmp_path / "out")]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:9"]) == 4
    assert "add --engine dask" in capsys.readouterr().err


def test_addresses_are_walked_as_folders_are(top: Path, tmp_path: Path) -> None:
    import fsspec

    parts = top / "parts"
    files = fsspec.filesystem("memory")
    for path in sorted(parts.rglob("*.png")):
        files.pipe(f"/kensa-test/{path.relative_to(parts)}", path.read_bytes())
    wanted = list(open_folder(parts).entries(tmp_path))
    for address in (f"file://{parts}", "memory://kensa-test"):
        folder = open_folder(address)
        assert isinstance(folder, RemoteFolder)
        assert list(folder.entries(tmp_path)) == wanted
        assert folder.read(wanted[0].path).ndim == 3
        with pytest.raises(DataError, match="cannot be read"):
            folder.read("absent.png")
    with pytest.raises(DataError, match="no such folder"):
        open_folder("memory://nowhere/at/all")
    with pytest.raises(DataError, match="cannot be opened"):
        open_folder("nosuchprotocol://x")
