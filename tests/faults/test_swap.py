"""Faults 1, 2, 3, 5, 6, 8, 9, 10, 11 and 12: whatever happens to a model swap, `active` is a whole, verified bundle."""

import collections
import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from bundles import opened_store, remade, successor, written, wrong_score
from mutant_farm import mutated, unpacked

from edge_app.bundle import ModelBundle, bundle_bytes, read_bundle
from edge_app.errors import BundleError
from edge_app.manifest import MODEL
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.slot import StoreSlot
from edge_app.store import ModelStore

HERE = Path(__file__).resolve().parent
CHANGES = "fsync|rename|renameat|renameat2|symlink|symlinkat|unlink|unlinkat|mkdir|mkdirat|rmdir"
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(HERE.parent.parent)}
SWAP_MODEL = (sys.executable, "-m", "deploy.swap_model")


def untested(_folder: Path) -> None:
    """Stands for a self-test that passes, where the test is about something else."""


@dataclass
class Scene:
    """A store with an old bundle active and one before it, and a new bundle as a file."""

    models: Path
    oldest: ModelBundle
    old: ModelBundle
    new: ModelBundle
    new_file: Path

    def store(self, models: Path | None = None) -> ModelStore:
        return opened_store(models or self.models, self.old.manifest.product)

    def place(self) -> list[str]:
        return ["--models", str(self.models), "--product", self.old.manifest.product]

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.models, to, symlinks=True))

    def is_untouched(self) -> bool:
        store = self.store()
        return (store.active_id(), store.previous_id(), names(store)) == (
            self.old.bundle_id,
            self.oldest.bundle_id,
            {self.oldest.bundle_id, self.old.bundle_id, "active", "previous"},
        )


@pytest.fixture
def scene(tmp_path: Path, demo_bundle_path: Path) -> Scene:
    oldest = read_bundle(demo_bundle_path)
    bundles = (oldest, successor(oldest), successor(oldest, steps=2))
    scene = Scene(tmp_path / "models", *bundles, written(bundles[2], tmp_path / "new.bundle"))
    store = scene.store()
    for bundle in bundles[:2]:
        store.stage(written(bundle, tmp_path / "other.bundle"), prove=untested)
        store.activate(bundle.bundle_id)
    assert scene.is_untouched()
    return scene


def names(store: ModelStore) -> set[str]:
    return {path.name for path in store.folder.iterdir()} - {".swap.lock", "swap.log"}


def swap_model(arguments: Sequence[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SWAP_MODEL, *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def assert_refused(done: subprocess.CompletedProcess[str], pattern: str) -> None:
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert re.search(pattern, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


# --- rows 1 and 2: killed at any step; the disk gives errors ---------------------------------------------------------


@pytest.fixture(scope="session")
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    if subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    return found


class Swapper:
    """Whole swaps under strace: `swap` stages and activates the scene's new bundle in a store of its own."""

    def __init__(self, strace: str, scene: Scene, folder: Path) -> None:
        self._strace, self._scene, self._folder = strace, scene, folder
        command = [sys.executable, str(HERE / "swap_driver.py"), str(scene.new_file)]
        self._errors = open(folder / "errors", "w+", encoding="utf-8")
        self._driver = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def swap(self, inject: str = "") -> tuple[ModelStore, int, str]:
        """The store afterwards, the exit status and what was said on standard error."""
        store = self._scene.store(self._scene.copy(self._folder / (inject or "count")))
        self._errors.truncate(0)
        self._errors.seek(0)
        process = self._ask(str(store.folder.parent))
        options = ["-p", process, "-o", str(self.log), "-e", f"trace=/^({CHANGES})$"]
        options += ["-e", f"inject={inject}"] if inject else []
        with subprocess.Popen([self._strace, *options], stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            status = int(self._ask("go"))
        self._errors.seek(0)
        return store, status, self._errors.read()

    def steps(self) -> dict[str, int]:
        """How often a whole swap makes each of the calls that change the disk."""
        _store, status, said = self.swap()
        assert status == 0, said
        steps = dict(collections.Counter(re.findall(rf"^({CHANGES})\(", self.log.read_text(), re.MULTILINE)))
        assert steps["fsync"] >= 8, steps
        assert sum(count for call, count in steps.items() if call.startswith("rename")) == 3, steps
        assert sum(count for call, count in steps.items() if call.startswith("symlink")) == 2, steps
        return steps

    @property
    def log(self) -> Path:
        return self._folder / "strace.log"

    def _ask(self, line: str) -> str:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.write(line + "\n")
        self._driver.stdin.flush()
        return self._driver.stdout.readline().strip()

    def close(self) -> None:
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.close()
        self._driver.wait(10)
        self._driver.stdout.close()
        self._errors.close()


@pytest.fixture
def swapper(strace: str, scene: Scene, tmp_path: Path) -> Iterator[Swapper]:
    swapper = Swapper(strace, scene, tmp_path)
    yield swapper
    swapper.close()


def test_1_killed_at_any_step_leaves_a_whole_bundle_active(swapper: Swapper, scene: Scene) -> None:
    found = set()
    for call, count in swapper.steps().items():
        for number in range(1, count + 1):
            store, status, said = swapper.swap(f"{call}:signal=SIGKILL:when={number}")
            assert status == -signal.SIGKILL, (call, number, said)
            active = store.active_id()
            assert active in (scene.old.bundle_id, scene.new.bundle_id), (call, number)
            assert store.load(active).bundle_id == active
            found.add(active)

            store.stage(scene.new_file, prove=untested)
            store.activate(scene.new.bundle_id)
            whole = {scene.oldest.bundle_id, scene.old.bundle_id, scene.new.bundle_id, "active", "previous"}
            assert names(store) == whole, (call, number)
            now = (store.active_id(), store.previous_id())
            assert now == (scene.new.bundle_id, scene.old.bundle_id), (call, number)
    assert found == {scene.old.bundle_id, scene.new.bundle_id}, "it was killed before and after the flip"


@pytest.mark.parametrize(
    "step",
    ["rename:when=2", *(pytest.param(other, marks=pytest.mark.long) for other in ("fsync:when=1", "fsync:when=3"))],
)
def test_1_killed_command_leaves_a_whole_bundle_active(strace: str, scene: Scene, tmp_path: Path, step: str) -> None:
    store = scene.store()
    store.stage(scene.new_file, prove=untested)
    call, when = step.split(":")
    options = ["-o", str(tmp_path / "log"), "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:{when}"]
    command = [*SWAP_MODEL, "activate", *scene.place()]
    done = subprocess.run([strace, *options, *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done
    active = store.active_id()
    assert active is not None
    assert store.load(active).bundle_id in (scene.old.bundle_id, scene.new.bundle_id)
    again = swap_model(["activate", *scene.place()])
    assert again.returncode == 0, again.stderr
    assert (store.active_id(), store.previous_id()) == (scene.new.bundle_id, scene.old.bundle_id)


def test_2_disk_error_at_any_step_changes_nothing(swapper: Swapper, scene: Scene) -> None:
    errors = {"fsync": "EIO", "rename": "EIO", "symlink": "ENOSPC", "mkdir": "ENOSPC"}
    tried = 0
    for call, count in swapper.steps().items():
        for number in range(1, count + 1) if call in errors else ():
            store, status, said = swapper.swap(f"{call}:error={errors[call]}:when={number}")
            assert status == 4, (call, number, said)
            assert re.fullmatch(r".*(Input/output error|No space left on device).*check the disk\n", said), said
            now = (store.active_id(), store.previous_id())
            assert now == (scene.old.bundle_id, scene.oldest.bundle_id), (call, number)
            assert store.load(scene.old.bundle_id).bundle_id == scene.old.bundle_id
            untouched = {scene.oldest.bundle_id, scene.old.bundle_id, "active", "previous"}
            assert names(store) - {scene.new.bundle_id} == untouched, (call, number)
            tried += 1
    assert tried >= 12


# --- rows 3 and 5: no room, no right to write -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_3_full_disk(small_disk: Path, scene: Scene) -> None:
    scene.models = scene.copy(small_disk / "models")
    filler, store = small_disk / "filler", scene.store()
    bundle_pages = len(bundle_bytes(scene.new)) // 4096
    for free_pages in (0, 1, bundle_pages // 2, bundle_pages - 2):
        free_bytes = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(free_bytes - 4096 * free_pages))
        with pytest.raises(BundleError, match="No space left on device"):
            store.stage(scene.new_file, prove=untested)
        assert scene.is_untouched(), free_pages
        filler.unlink()

    free_bytes = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler.write_bytes(bytes(free_bytes))
    done = swap_model(["stage", str(scene.new_file), "--models", str(scene.models)])
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert scene.is_untouched()
    filler.unlink()
    store.stage(scene.new_file, prove=untested)
    store.activate(scene.new.bundle_id)


@pytest.mark.allow_warnings
def test_5_read_only_store(small_disk: Path, scene: Scene) -> None:
    scene.models = scene.copy(small_disk / "models")
    store = scene.store()
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    if subprocess.run(remount, capture_output=True).returncode != 0:
        pytest.skip("the small disk cannot be made read-only here")
    for change in (
        lambda: store.stage(scene.new_file, prove=untested),
        lambda: store.activate(scene.oldest.bundle_id),
        store.roll_back,
    ):
        with pytest.raises(BundleError, match=r"Read-only file system.*check the disk"):
            change()
    assert scene.is_untouched()
    slot = StoreSlot(store, poll_s=0.01)
    assert slot.inspector().bundle.bundle_id == scene.old.bundle_id, "the station judges all the same"
    slot.close()


# --- rows 6, 8, 9, 10 ------------------------------------------------------------------------------------------------


def test_6_flipped_byte_is_refused_before_the_model_is_parsed(scene: Scene, tmp_path: Path) -> None:
    whole, flipped_file = scene.new_file.read_bytes(), tmp_path / "flipped.bundle"
    parsed: list[Path] = []
    refused = 0
    offsets = range(0, len(whole), max(1, len(whole) // 300))
    for offset in offsets:
        flipped = bytearray(whole)
        flipped[offset] ^= 0x10
        flipped_file.write_bytes(flipped)
        try:
            staged = scene.store().stage(flipped_file, prove=parsed.append)
        except BundleError:
            refused += 1
            assert scene.is_untouched()
        else:  # a byte of the zip around the files, of no account
            assert (staged.manifest_bytes, dict(staged.files)) == (scene.new.manifest_bytes, dict(scene.new.files))
            shutil.rmtree(scene.store().folder / scene.new.bundle_id)
    assert refused > 0.9 * len(offsets)
    assert len(parsed) == len(offsets) - refused


def test_6_flipped_byte_of_an_installed_bundle_is_refused(scene: Scene) -> None:
    store = scene.store()
    store.stage(scene.new_file, prove=untested)
    for name in ["manifest.json", *scene.new.files]:
        path = store.folder / scene.new.bundle_id / name
        whole = path.read_bytes()
        for offset in range(0, len(whole), max(1, len(whole) // 20)):
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x10]) + whole[offset + 1 :])
            with pytest.raises(BundleError):
                store.activate(scene.new.bundle_id)
        path.write_bytes(whole)
    assert (store.active_id(), store.previous_id()) == (scene.old.bundle_id, scene.oldest.bundle_id)
    store.activate(scene.new.bundle_id)


def test_8_older_bundle_needs_the_override_and_leaves_its_trace(scene: Scene) -> None:
    older = [scene.oldest.bundle_id, *scene.place()]
    assert_refused(swap_model(["activate", *older]), "is older than one that was active .* --allow-downgrade")
    assert scene.is_untouched()
    done = swap_model(["activate", "--allow-downgrade", *older])
    assert done.returncode == 0, done.stderr
    assert scene.store().active_id() == scene.oldest.bundle_id
    entries = [json.loads(line) for line in (scene.store().folder / "swap.log").read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["activate", *["activate with --allow-downgrade"] * 2]
    assert [entry["result"].split(":")[0] for entry in entries] == [
        "refused",
        "begun",
        "taken at the next start of the station",
    ]
    assert all(entry["who"] and entry["to"] == scene.oldest.bundle_id for entry in entries)


def test_9_bundle_replaced_after_it_was_verified(scene: Scene) -> None:
    replaced = []

    def replace(folder: Path) -> None:
        written(wrong_score(scene.new), scene.new_file)
        replaced.append(read_bundle(folder).bundle_id)

    store = scene.store()
    store.activate(store.stage(scene.new_file, prove=replace).bundle_id)
    assert replaced == [scene.new.bundle_id], "the self-test saw the verified copy"
    assert store.load(store.active_id() or "").manifest_bytes == scene.new.manifest_bytes


def test_10_second_swap_is_refused_at_once(scene: Scene) -> None:
    store = scene.store()
    store.stage(scene.new_file, prove=untested)
    # This process stands for a live station that never answers, so the first swap waits.
    store.write_running(RunningReport.of_this_process(scene.old.bundle_id, scene.old.bundle_id))
    with subprocess.Popen([*SWAP_MODEL, "activate", *scene.place()], env=ENVIRONMENT) as first:
        while store.active_id() != scene.new.bundle_id:
            assert first.poll() is None
            time.sleep(0.01)
        started_s = time.monotonic()
        for command in (["stage", str(scene.new_file), *scene.place()], ["rollback", *scene.place()]):
            assert_refused(swap_model(command), "another model swap of .* is under way")
        assert time.monotonic() - started_s < 20, "they did not wait the 30 s that the first one waits"
        first.send_signal(signal.SIGINT)
        assert first.wait(10) == 130
    assert store.active_id() == scene.new.bundle_id
    done = swap_model(["rollback", "--wait", "0.1", *scene.place()])
    assert (done.returncode, store.active_id()) == (3, scene.old.bundle_id), done.stderr
    assert "has not answered within 0.1 s" in done.stdout


# --- rows 11 and 12: the model itself is bad -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def rubbish(demo_bundle_path: Path) -> ModelBundle:
    bundle = read_bundle(demo_bundle_path)
    return remade(bundle, {MODEL: bytes(range(256)) * 16}, sequence=bundle.manifest.sequence + 50)


def test_11_wrong_score_is_refused(scene: Scene, tmp_path: Path) -> None:
    wrong = written(wrong_score(scene.new), tmp_path / "wrong.bundle")
    done = swap_model(["stage", str(wrong), "--models", str(scene.models)])
    assert_refused(done, r"golden self-test gives a wrong result, golden/.*: expected .*, found ")
    assert scene.is_untouched()


def test_11_rubbish_with_the_right_hashes_is_refused(scene: Scene, rubbish: ModelBundle, tmp_path: Path) -> None:
    done = swap_model(["stage", str(written(rubbish, tmp_path / "rubbish.bundle")), "--models", str(scene.models)])
    assert_refused(done, f"{rubbish.bundle_id}: the model cannot be loaded")
    assert scene.is_untouched()


def in_worker(act: Callable[[psutil.Process], None]) -> threading.Thread:
    """Do something to the self-test's process as soon as it is there."""

    def wait_and_act() -> None:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "edge_app.selftest" in child.cmdline():
                        return act(child)
            time.sleep(0.005)

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("act", "limit_s", "pattern"),
    [
        (psutil.Process.suspend, 0.5, r"did not end within 0\.5 s"),
        (lambda worker: worker.send_signal(signal.SIGSEGV), 30, r"crashes the self-test \(SIGSEGV\)"),
        (lambda worker: worker.send_signal(signal.SIGABRT), 30, r"crashes the self-test \(SIGABRT\)"),
    ],
    ids=["stopped", "segfault", "abort"],
)
def test_11_self_test_that_hangs_or_crashes_refuses_the_bundle(
    scene: Scene, act: Callable[[psutil.Process], None], limit_s: float, pattern: str
) -> None:
    before = set(psutil.Process().children())  # of other tests, such as a pool that is kept
    thread = in_worker(act)
    with pytest.raises(BundleError, match=f"{scene.new.bundle_id}: .*{pattern}.*the bundle is refused"):
        scene.store().stage(scene.new_file, prove=functools.partial(prove, limit_s=limit_s))
    thread.join()
    assert scene.is_untouched()
    assert set(psutil.Process().children()) <= before


@pytest.mark.allow_warnings
@pytest.mark.parametrize("fault", ["rubbish", "hang"])
def test_11_live_station_goes_back_and_the_command_says_so(
    scene: Scene, rubbish: ModelBundle, tmp_path: Path, fault: str
) -> None:
    store, bad = scene.store(), rubbish if fault == "rubbish" else scene.new
    # A process may last ten times its limit where it waits for the processor.
    limit_s = 0.005 if fault == "hang" else 30
    store.stage(written(bad, tmp_path / "bad.bundle"), prove=untested)
    slot = StoreSlot(store, poll_s=0.01, prove=functools.partial(prove, limit_s=limit_s))
    try:
        if fault == "hang":
            done = swap_model(["activate", bad.bundle_id, *scene.place()])
            assert done.returncode == 1, done.stderr
            assert f"rolled back, the station judges with {scene.old.bundle_id}" in done.stdout
        else:
            assert_refused(swap_model(["activate", bad.bundle_id, *scene.place()]), "the model cannot be loaded")
            store.activate(bad.bundle_id)  # a careless hand, past the command
            while not slot.notice:
                time.sleep(0.01)
        assert f"model {bad.bundle_id} cannot be used; back on {scene.old.bundle_id}" in slot.notice
        assert slot.inspector().bundle.bundle_id == scene.old.bundle_id == store.active_id()
    finally:
        slot.close()


def test_12_mutated_models_never_get_through(scene: Scene, tmp_path: Path) -> None:
    count = 200
    farms = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", HERE / "mutant_farm.py", scene.new_file, tmp_path, str(low), str(high)],
            env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([ENVIRONMENT["PYTHONPATH"], str(HERE.parent)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for low, high in [(0, count // 2), (count // 2, count)]
    ]
    found: dict[int, str] = {}
    for farm in farms:
        found |= {row["seed"]: row["outcome"] for row in map(json.loads, farm.communicate()[0].splitlines())}
        assert farm.returncode == 0, "a mutant took more down than its own process"
    assert len(found) == count
    # A mutant passes only when every golden sample still gives its score and verdict.
    assert set(found.values()) <= {"passed", "refused", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGALRM"}
    assert sum(outcome != "passed" for outcome in found.values()) > count / 2

    crashing = [seed for seed, outcome in found.items() if outcome not in ("passed", "refused")]
    refused = [seed for seed, outcome in found.items() if outcome == "refused"]
    for seed in [*crashing[:2], *refused[:2]]:
        mutant = remade(scene.new, {MODEL: mutated(scene.new.model, seed)}, sequence=1000 + seed)
        folder = unpacked(mutant, tmp_path / mutant.bundle_id)
        with pytest.raises(BundleError, match=r"^[^\n]*the bundle is refused[^\n]*$"):
            prove(folder)
