"""A new model for many stations over real ssh: what fails stays as it was, and a second run completes it."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sshd
from bundles import content_of, remade, successor, written
from sshd import SshStation

from deploy.fleet_link import Link
from deploy.fleet_push import Journal, Push, Row, Soak, Step
from deploy.fleet_stations import FleetStation, read_stations
from deploy.swap_model import main
from edge_app.bundle import ModelBundle, read_bundle

pytestmark = pytest.mark.skipif(bool(sshd.absent()), reason=sshd.absent())
# The last four of a fleet get into trouble.
TROUBLED = 4


class Fleet:
    """Stations with the same model, the first of which run; `stations.toml` names them all."""

    def __init__(self, folder: Path, first: ModelBundle, count: int, running: int) -> None:
        self.folder, self.login = folder, sshd.make_login(folder)
        self.stations = [SshStation(folder / f"{n}", n, first.manifest.product) for n in range(count)]
        (folder / "known_hosts").write_text("".join(station.known_host() for station in self.stations))
        public = self.login.with_suffix(".pub").read_text()
        file = written(first, folder / "first.bundle")
        for number, station in enumerate(self.stations):
            station.let_in(public)
            station.store.stage(file, prove=lambda _: None)
            station.store.activate(first.bundle_id)
            if number < running:
                station.run()

    def listed(self) -> Path:
        """stations.toml."""
        path = self.folder / "stations.toml"
        tables = [one.toml(self.login, self.folder / "known_hosts", one is self.stations[0]) for one in self.stations]
        path.write_text("".join(tables))
        return path

    def active(self) -> list[str | None]:
        return [station.store.active_id() for station in self.stations]


@pytest.fixture
def first(demo_bundle_path: Path) -> ModelBundle:
    return read_bundle(demo_bundle_path)


# How many there are, and how many of them run.
@pytest.fixture(params=[(6, 2), pytest.param((8, 8), marks=pytest.mark.long)])
def fleet(request: pytest.FixtureRequest, tmp_path: Path, first: ModelBundle) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        made = Fleet(tmp_path, first, *request.param)
        for station in made.stations:
            stack.enter_context(station)
        yield made


def rejects_nearly_all(bundle: ModelBundle) -> ModelBundle:
    """A later bundle that is in order, and no good: its golden parts pass, and hardly another one does."""
    content = content_of(successor(bundle, 2))
    good = min(sample["score"] for sample in content["golden"])
    thresholds = {**content["thresholds"], "image": good * 1.0001}
    thresholds["pixel"] = min(thresholds["pixel"], thresholds["image"])
    return remade(successor(bundle, 2), thresholds=thresholds)


def pushed(fleet: Fleet, bundle: ModelBundle, seen: list[Row], on_row: object = None, **soak: float) -> dict[str, Row]:
    def tell(row: Row) -> None:
        seen.append(row)
        if callable(on_row):
            on_row(row)

    file = written(bundle, fleet.folder / "pushed.bundle")
    push = Push(
        read_bundle(file), file, Journal(fleet.folder / "journal.json"), Soak(**{"parts": 5, **soak}), Link(), tell
    )
    return push.run(read_stations(fleet.listed()), 1, 3, False)


def fill(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], check=True)


@pytest.mark.timeout(900)
def test_a_push_to_many_stations(fleet: Fleet, first: ModelBundle) -> None:
    seen: list[Row] = []
    count = len(fleet.stations)
    sound = count - TROUBLED
    # A model that rejects nearly everything never gets beyond the canary.
    bad = rejects_nearly_all(first)
    rows = pushed(fleet, bad, seen, parts=20)
    assert rows["line-0"].step is Step.ROLLED_BACK, rows["line-0"]
    assert "it rejects" in rows["line-0"].text
    assert [rows[f"line-{n}"].step for n in range(1, count)] == [Step.NOT_TRIED] * (count - 1)
    assert fleet.active() == [first.bundle_id] * count
    assert fleet.stations[0].store.read_running().bundle_id == first.bundle_id
    assert {row.station.name for row in seen if row.step is Step.COPYING} == {"line-0"}

    # A good one, and four stations in trouble.
    second = successor(first, 3)
    no_key, full, weak, gone = fleet.stations[sound:]
    no_key.let_in("")
    staging = full.folder / "models" / first.manifest.product
    keep = staging.rename(full.folder / "kept")
    staging.mkdir()
    fill(staging)
    subprocess.run(["cp", "-a", f"{keep}/active", str(staging)], check=True)
    usual, weak.program = weak.program, f"prlimit --as=600000000 {weak.program}"

    def cut(row: Row) -> None:
        if row.station.name == gone.name and row.step is Step.COPYING:
            gone.cut_off()

    try:
        rows = pushed(fleet, second, seen, cut)
    finally:
        subprocess.run(["umount", str(staging)], check=True)
        staging.rmdir()
        keep.rename(staging)
    told = {name: (row.step, row.text) for name, row in rows.items()}
    for number in range(sound):
        assert told[f"line-{number}"][0] in (Step.GOOD, Step.AT_NEXT_START), told
    assert told["line-0"][0] is Step.GOOD, told
    assert told[no_key.name][0] is Step.UNREACHABLE, told
    assert "Permission denied" in told[no_key.name][1]
    assert told[full.name][0] is Step.REFUSED, told
    assert "No space left" in told[full.name][1]
    assert told[weak.name][0] is Step.REFUSED, told
    assert told[gone.name][0] is Step.UNREACHABLE, told
    assert fleet.active() == [second.bundle_id] * sound + [first.bundle_id] * TROUBLED

    # All is put right: the second run does what is missing, and only that.
    no_key.let_in(fleet.login.with_suffix(".pub").read_text())
    weak.program = usual
    gone.open()
    seen.clear()
    rows = pushed(fleet, second, seen)
    assert rows["line-0"].step is Step.HAD_IT
    assert {row.step for row in rows.values()} <= {Step.HAD_IT, Step.GOOD, Step.AT_NEXT_START}, rows
    assert fleet.active() == [second.bundle_id] * count
    copied = {row.station.name for row in seen if row.step is Step.COPYING}
    assert copied == {no_key.name, full.name, weak.name, gone.name}


def test_the_commands_and_a_changed_host_key(
    tmp_path: Path, first: ModelBundle, capsys: pytest.CaptureFixture[str]
) -> None:
    login = sshd.make_login(tmp_path)
    with SshStation(tmp_path / "0", 0, first.manifest.product) as station:
        station.let_in(login.with_suffix(".pub").read_text())
        (tmp_path / "known_hosts").write_text(station.known_host())
        listed = tmp_path / "stations.toml"
        listed.write_text(station.toml(login, tmp_path / "known_hosts"))
        file = written(first, tmp_path / "x.bundle")
        assert main(["push", str(file), "--stations", str(listed), "--canary", "0", "--soak", "5s"]) == 0
        said = capsys.readouterr()
        assert "line-0   at its next start" in said.out
        assert "line-0: copying" in said.err
        assert main(["fleet", "status", "--stations", str(listed), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["line-0"]["active"] == first.bundle_id
        assert main(["fleet", "status", "--stations", str(listed)]) == 0
        assert first.bundle_id in capsys.readouterr().out

        # Another computer answers under the station's address.
        kind, key = (tmp_path / "login.pub").read_text().split()[:2]
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{station.port} {kind} {key}\n")
        assert main(["fleet", "status", "--stations", str(listed)]) == 1
        assert "cannot be reached" in capsys.readouterr().out
        assert main(["push", str(file), "--stations", str(listed), "--canary", "0"]) == 1
        assert "unreachable" in capsys.readouterr().out


def test_nothing_of_this_computer_is_lent() -> None:
    command = FleetStation(name="a", host="h").ssh("status")
    asked = ("ForwardAgent=no", "BatchMode=yes", "StrictHostKeyChecking=yes", "PasswordAuthentication=no")
    assert {f"-o{option}" for option in asked} <= set(command)
    assert command[command.index("--") + 1] == "h"
