"""A screen with something on it, for pictures of it and for looking at its widgets: the drawn line, really judged."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PyQt5.QtCore import QEventLoop, QTimer

from edge_app.bundle import build_bundle, bundle_bytes, content_of, read_bundle
from edge_app.domain import Verdict
from edge_app.roles import Roles
from edge_app.run import StationBuilder
from edge_app.states import PartResult
from edge_app.store import ModelStore
from edge_app.tally import Tally
from edge_app.trust import ANYONE
from edge_app.ui.bridge import StationBridge
from edge_app.ui.languages import Languages
from edge_app.ui.theme import Themes
from edge_app.watchdog import Watchdog

_SOURCE = "synthetic:?seed=7&interval_ms=20"
_TIMEOUT_MS = 120_000


class Sample:
    """A bridge whose station has judged parts, and now rests.

    Attributes:
        bridge: with the record of all parts; everybody may change everything.
        roles: without a PIN, for a sheet that asks for one.
        last: the last part of each verdict that came.
        ng: the last NG parts, the newest first.
    """

    def __init__(self, bridge: StationBridge, roles: Roles) -> None:
        self.bridge, self.roles = bridge, roles
        self.last: dict[Verdict, PartResult] = {}
        self.ng: list[PartResult] = []
        bridge.part_shown.connect(self._take)
        bridge.ng_found.connect(self._take_ng)

    def _take(self, result: PartResult) -> None:
        self.last[result.inspection.verdict] = result

    def _take_ng(self, results: list[PartResult]) -> None:
        self.ng = [*reversed(results), *self.ng]
        self.last[Verdict.NG] = self.ng[0]


@contextlib.contextmanager
def sample(bundle: Path, parts: int) -> Iterator[Sample]:
    """Judge so many drawn parts, then rest; the record is gone afterwards. There must be an application.

    Args:
        bundle: a bundle file.
        parts: how many.

    Raises:
        KensaError: the bundle cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="kensa-") as name, _state_in(Path(name)):
        arguments = _arguments(Path(name), bundle, parts)
        builder = StationBuilder(arguments, Tally(), Watchdog())
        with contextlib.closing(builder):
            bridge = StationBridge(builder.stations, languages=Languages(), themes=Themes(), recipes=builder.recipes)
            try:
                made, loop = Sample(bridge, Roles(Path(name) / "roles.json")), QEventLoop()
                bridge.status_changed.connect(lambda status: loop.quit() if status.judged >= parts else None)
                bridge.start()
                QTimer.singleShot(_TIMEOUT_MS, loop.quit)
                loop.exec_()
                settle(200)
                yield made
            finally:
                bridge.close()
                if bridge.languages is not None:
                    bridge.languages.close()


def _arguments(folder: Path, bundle: Path, parts: int) -> argparse.Namespace:
    """A station of this bundle in a model store, with a recipe kept for it and one for another product."""
    content = read_bundle(bundle)
    product = content.manifest.product
    store = ModelStore(folder / "models", product, ANYONE)
    store.activate(store.stage(bundle).bundle_id)
    config = folder / "station.toml"
    config.write_text(
        f'product = "{product}"\nmodels_dir = "models"\nsource = "{_SOURCE}"\nrecords_dir = "records"\n'
        "keep_good_share = 1.0\nworkers = 1\n[models]\nallow_development_keys = true\nallow_unsigned = true\n"
    )
    # A second product with the same model, as two variants of a part may have.
    other = f"{product}-b"
    twin = folder / f"{other}.bundle"
    twin.write_bytes(bundle_bytes(build_bundle({**content_of(content), "product": other}, content.files)))
    (folder / "recipes").mkdir()
    (folder / "recipes" / f"{product}.toml").write_text(f'product = "{product}"\n')
    (folder / "recipes" / f"{other}.toml").write_text(f'product = "{other}"\nbundle = "{twin.name}"\n')
    return argparse.Namespace(
        config=config, parts=parts, source=None, bundle=None, records=None, control=None, headless=False
    )


@contextlib.contextmanager
def _state_in(folder: Path) -> Iterator[None]:
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before


def settle(time_ms: int) -> None:
    """Let the screen live for so long."""
    loop = QEventLoop()
    QTimer.singleShot(time_ms, loop.quit)
    loop.exec_()
