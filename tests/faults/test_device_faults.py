"""A device that is missing, goes or hangs: it is said, and the CPU judges in its place only where it may."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundles import golden_frame, opened_store, successor, written
from commands import command
from delegate_library import build, choose
from waiting import until

from edge_app import worker_process
from edge_app.bundle import ModelBundle, read_bundle
from edge_app.devices import DeviceChoice
from edge_app.domain import Inspection, Reason, Verdict
from edge_app.errors import DeviceError
from edge_app.inspector import Inspector
from edge_app.records_schema import open_to_read
from edge_app.slot import StoreSlot
from edge_app.worker_device import TRIES, FellBack
from edge_app.workers import RemoteModel, WorkerPool

Open = Callable[..., WorkerPool]


@pytest.fixture(scope="module")
def bundle(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture
def open_pool() -> Iterator[Open]:
    pools = []

    def open_one(choice: DeviceChoice, size: int = 1) -> WorkerPool:
        pools.append(WorkerPool(size, hang_after_s=2.0, choice=choice))
        return pools[-1]

    yield open_one
    for pool in pools:
        pool.close()


def judge(model: RemoteModel) -> Inspection:
    return model.submit(golden_frame(model.bundle, model.bundle.manifest.golden[0].file)).result(timeout=60)


def assert_judges(model: RemoteModel, device: str) -> None:
    """The verdict and score are the CPU's own, whatever judges, and the inspection says what does."""
    frame = golden_frame(model.bundle, model.bundle.manifest.golden[0].file)
    found = judge(model)
    assert (found.device, found.score) == (device, Inspector(model.bundle).inspect(frame).score)
    assert model.device == device


@pytest.mark.allow_warnings
@pytest.mark.parametrize("order", ["fail", "abort", "hang"])
def test_36_a_device_that_goes_while_running(
    open_pool: Open, library: Path, bundle: ModelBundle, tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it costs is NO VERDICT; where the CPU may, it judges then, after its golden samples."""
    told: list[FellBack] = []
    pool = open_pool(choose(library, fall_back=True, orders=tmp_path / "orders"))
    pool.device.on_fall_back(told.append)
    model = pool.load(bundle)
    assert_judges(model, "coral:0")
    assert pool.device.fell_back is None
    monkeypatch.setattr("edge_app.worker_process.DEVICE_LOAD_LIMIT_S", 4.0)
    (tmp_path / "orders").write_text(order)
    struck = judge(model)
    assert struck.verdict is Verdict.NO_VERDICT
    assert struck.device == "coral:0"
    assert struck.reason is (Reason.DEVICE_FAILED if order == "fail" else Reason.MODEL_FAILED)
    until(lambda: model.device == "cpu" and None not in pool.status().pids)
    assert_judges(model, "cpu")
    assert told == [pool.device.fell_back]
    assert str(told[0]).startswith("the CPU judges in place of coral:0 until the program is started again: ")
    why = {
        "fail": "coral:0 does not judge",
        "abort": "ended by signal 6, and 2 times",
        "hang": "did not answer for 4.0 s",
    }
    assert why[order] in told[0].why
    assert pool.status().given_up == ""


@pytest.mark.allow_warnings
def test_36_a_device_that_comes_back_is_used_on(
    open_pool: Open, library: Path, bundle: ModelBundle, tmp_path: Path
) -> None:
    pool = open_pool(choose(library, fall_back=True, orders=tmp_path / "orders", calls=tmp_path / "calls"))
    model = pool.load(bundle)
    (pid,) = pool.status().pids
    (tmp_path / "orders").write_text("abort")
    assert judge(model).verdict is Verdict.NO_VERDICT
    (tmp_path / "orders").unlink()
    until(lambda: pool.status().pids not in ((pid,), (None,)))
    assert_judges(model, "coral:0")
    assert pool.device.fell_back is None


@pytest.mark.allow_warnings
def test_36_where_the_cpu_may_not_judge_nothing_is_judged(
    open_pool: Open, library: Path, bundle: ModelBundle, tmp_path: Path
) -> None:
    pool = open_pool(choose(library, orders=tmp_path / "orders"))
    model = pool.load(bundle)
    (tmp_path / "orders").write_text("fail")
    assert judge(model).reason is Reason.DEVICE_FAILED
    until(lambda: pool.status().given_up != "")
    assert "coral:0" in pool.status().given_up
    assert "after 5 restarts" in pool.status().given_up
    assert judge(model).verdict is Verdict.NO_VERDICT
    assert pool.device.fell_back is None
    # Somebody has seen to it, and presses Start.
    (tmp_path / "orders").unlink()
    pool.begin_anew()
    until(lambda: None not in pool.status().pids)
    assert_judges(model, "coral:0")


@pytest.mark.allow_warnings
@pytest.mark.parametrize(
    "fault",
    ["hang", "silent", *(pytest.param(slow, marks=pytest.mark.long) for slow in ("hang_prepare", "abort"))],
)
def test_36_a_device_that_fails_at_the_start(
    open_pool: Open, library: Path, bundle: ModelBundle, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_app.worker_process.DEVICE_LOAD_LIMIT_S", 4.0)
    pool = open_pool(choose(library, fall_back=True, fault=fault), size=2)
    model = pool.load(bundle)
    assert_judges(model, "cpu")
    assert pool.device.fell_back is not None
    assert pool.device.fell_back.device == "coral:0"


@pytest.mark.allow_warnings
@pytest.mark.parametrize(("fault", "why"), [("abort", "ended by signal 6 while demo-"), ("told", "no such device on")])
def test_36_a_device_that_fails_at_the_start_and_no_leave_to_fall_back(
    open_pool: Open, library: Path, bundle: ModelBundle, fault: str, why: str
) -> None:
    pool = open_pool(choose(library, fault=fault))
    with pytest.raises(DeviceError, match=why) as error:
        pool.load(bundle)
    assert str(error.value).endswith("; fall_back_to_cpu = true in station.toml would let the CPU judge in its place")


@pytest.mark.allow_warnings
def test_36_a_model_put_in_that_the_device_does_not_judge_as_the_cpu_goes_out_again(
    open_pool: Open, library: Path, bundle: ModelBundle, tmp_path: Path
) -> None:
    pool, later = open_pool(choose(library, orders=tmp_path / "orders")), successor(bundle)
    store = opened_store(tmp_path / "models", bundle.manifest.product)
    for number, one in enumerate((bundle, later)):
        store.stage(written(one, tmp_path / f"{number}.bundle"), prove=lambda folder: None)
    store.activate(bundle.bundle_id)
    slot = StoreSlot(store, poll_s=0.01, prove=lambda folder: None, make=pool.load)
    try:
        (tmp_path / "orders").write_text("lie")
        store.activate(later.bundle_id)
        until(lambda: slot.notice != "")
        assert f"back on {bundle.bundle_id}: coral:0 does not judge {later.bundle_id} as the CPU does" in slot.notice
        assert store.active_id() == bundle.bundle_id
        (tmp_path / "orders").unlink()
        found = slot.inspector().inspect(golden_frame(bundle, bundle.manifest.golden[0].file))
        assert (found.bundle_id, found.device, found.verdict) == (bundle.bundle_id, "coral:0", Verdict.GOOD)
    finally:
        slot.close()


def test_a_device_that_hangs_leaves_time_for_the_cpu_before_systemd_gives_up() -> None:
    unit = (Path(__file__).parents[2] / "deploy" / "kensa.service").read_text()
    found = re.search(r"^TimeoutStartSec=(\d+)$", unit, re.MULTILINE)
    assert found is not None
    assert TRIES * worker_process.DEVICE_LOAD_LIMIT_S + worker_process.LOAD_LIMIT_S < float(found[1])


SETTINGS = """
source = "synthetic:"
bundle = "{bundle}"
records_dir = "{records}"
device = "coral"
delegate_library = "{library}"
fall_back_to_cpu = {fall_back}
headless = true
models.allow_development_keys = true
"""


@pytest.mark.parametrize("what", ["missing", "works"])
def test_36_the_whole_station(what: str, library: Path, demo_bundle_path: Path, tmp_path: Path) -> None:
    place = {"missing": tmp_path / "missing.so", "works": library}[what]
    settings, records = tmp_path / "station.toml", tmp_path / "records"

    def run(fall_back: str) -> tuple[int, str]:
        text = SETTINGS.format(bundle=demo_bundle_path, records=records, library=place, fall_back=fall_back)
        settings.write_text(text)
        done = command("edge_app.cli", "run", "--config", settings, "--parts", "3")
        return done.returncode, done.stderr

    if what != "works":
        code, said = run("false")
        assert code == 4
        assert said.splitlines()[-1].startswith(f"edge-app: coral:0: the library {place} cannot be loaded (")
        assert said.splitlines()[-1].endswith("would let the CPU judge in its place")
        assert not records.exists()
    code, said = run("true")
    assert code == 0, said
    device = "coral:0" if what == "works" else "cpu"
    with contextlib.closing(open_to_read(records)) as connection:
        assert {row[0] for row in connection.execute("SELECT device FROM parts")} == {device}
        audited = [row[0] for row in connection.execute("SELECT text FROM audit WHERE kind = 'device'")]
    told = f"the CPU judges in place of coral:0 until the program is started again: coral:0: the library {place}"
    assert [text.startswith(told) for text in audited] == ([] if what == "works" else [True])
    assert (told in said) == (what != "works"), "the log says so too"
