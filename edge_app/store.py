"""The model store of one product: which bundles are installed, which one is active, which one was before.

    <models_dir>/<product>/<bundle_id>/    an unpacked bundle, verified and self-tested before it got this name
    <models_dir>/<product>/active          symlink to the bundle in use
    <models_dir>/<product>/previous        symlink to the whole bundle that was active before
    <models_dir>/<product>/running.json    what the live station says
    <models_dir>/<product>/highest         the highest sequence that was ever active, where no link tells it any more
    <models_dir>/<product>/swap.log        who changed what, one JSON object a line
    <models_dir>/.trust/                   whose bundles are taken; see `edge_app.trust`

Every change is one rename, made durable before the next step, so a process killed anywhere leaves `active` on a whole
bundle, old or new. What it leaves behind besides is dropped by the next swap.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from edge_app.bundle import ModelBundle, read_bundle
from edge_app.bundle_names import MANIFEST, SIGNATURE
from edge_app.domain import utc_now
from edge_app.errors import BundleError
from edge_app.files import locked_folder, sync_folder, write_whole
from edge_app.log_file import append_line, who
from edge_app.running import RunningReport
from edge_app.selftest import prove
from edge_app.trust import FOLDER, TrustStore

ACTIVE, PREVIOUS, HIGHEST, STAGING = "active", "previous", "highest", ".staging-"


class ModelStore:
    """Installs, activates and rolls back bundles of one product.

    Every method that changes something raises BundleError, one line, where the disk or the bundle is at fault; the
    active bundle is then the same as before.

    Args:
        models_dir: holds a folder for each product; made when needed.
        product: the product's name, as in the manifest.
        trust: whose bundles are taken; None for the keys in the store itself.
    """

    def __init__(self, models_dir: Path, product: str, trust: TrustStore | None = None) -> None:
        self.product, self.trust = product, trust or TrustStore(models_dir / FOLDER)
        self.folder = models_dir / product
        self._swaps = 0

    def stage(self, bundle_file: Path, prove: Callable[[Path], None] = prove) -> ModelBundle:
        """Install a bundle: verify it, unpack the verified copy, test that, give it its name. Does not activate.

        Args:
            bundle_file: a bundle, as a file or a folder.
            prove: the self-test of an unpacked bundle; raises BundleError.

        Raises:
            BundleError: not signed by anybody whom the station believes, damaged, of another product, failed its
                self-test, disk full; nothing is left behind.
        """
        bundle = read_bundle(bundle_file, self.trust.trust())
        if bundle.manifest.product != self.product:
            raise BundleError(
                f"{bundle_file}: made for product {bundle.manifest.product}, this store is for {self.product}"
            )
        if not self.folder.is_dir():
            with self._disk("the model store cannot be made"):
                self.folder.mkdir(parents=True, exist_ok=True)
                sync_folder(self.folder.parent)
        with self.one_swap():
            self._sweep()
            if self._has(bundle):
                self._renew_signature(bundle)
                return bundle
            with self._disk("the bundle cannot be installed"):
                staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=self.folder))
                try:
                    unpacked = staging / bundle.bundle_id
                    _unpack(bundle, unpacked)
                    prove(unpacked)
                    target = self.folder / bundle.bundle_id
                    if target.exists():  # damaged: out of the way, to be swept with the rest
                        os.rename(target, staging / "damaged")
                    os.rename(unpacked, target)
                    try:
                        sync_folder(self.folder)
                    except OSError:
                        os.rename(target, unpacked)
                        raise
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
        return bundle

    def installed(self) -> list[str]:
        """The installed bundles' ids, oldest sequence first."""
        try:
            found = [path.name for path in self.folder.iterdir() if not path.is_symlink() and path.is_dir()]
        except FileNotFoundError:
            return []
        # <product>-<sequence>-<digest>; staging folders begin with a dot.
        return sorted((name for name in found if not name.startswith(".")), key=lambda name: (sequence_of(name), name))

    def active_id(self) -> str | None:
        """The bundle in use, by the link alone: it may be damaged. None where there is no link."""
        return self._linked(ACTIVE)

    def previous_id(self) -> str | None:
        """The bundle to go back to, by the link alone; None where there is none."""
        previous = self._linked(PREVIOUS)
        return None if previous == self.active_id() else previous

    def load(self, bundle_id: str) -> ModelBundle:
        """Read and verify an installed bundle.

        Raises:
            BundleError: not installed, damaged, not signed by anybody whom the station believes by now, or another
                bundle lies in its folder.
        """
        folder = self.folder / bundle_id
        if not folder.is_dir():
            raise BundleError(f"{bundle_id} is not installed in {self.folder}; stage it with swap-model")
        bundle = read_bundle(folder, self.trust.trust())
        if bundle.bundle_id != bundle_id:
            raise BundleError(f"{folder} holds {bundle.bundle_id}; stage {bundle_id} again with swap-model")
        return bundle

    def activate(self, bundle_id: str) -> None:
        """Make an installed bundle the active one; the one before, if whole, becomes `previous`."""
        with self.one_swap():
            self._sweep()
            self.load(bundle_id)
            with self._changing_links("the bundle cannot be activated"):
                for name in (ACTIVE, PREVIOUS):
                    self._fresh(name).unlink(missing_ok=True)
                old, older = self.active_id(), self._linked(PREVIOUS)
                kept = old if old is not None and old != bundle_id and self._is_whole(old) else older
                self._keep_highest(bundle_id, kept)
                if kept is not None and kept != older:
                    self._point(PREVIOUS, kept)
                try:
                    self._point(ACTIVE, bundle_id)
                except OSError:
                    self._restore(PREVIOUS, older)
                    raise

    def roll_back(self, failed: str | None = None, to: str | None = None) -> str:
        """Go back to `previous`; `previous` itself stays as it is.

        Args:
            failed: only when this is the active bundle still; someone may have activated another meanwhile.
            to: the bundle to go back to, where the caller knows a better one than `previous`.

        Returns:
            the active bundle's id.

        Raises:
            BundleError: there is none to go back to, or it is damaged.
        """
        with self._changing_links("the previous bundle cannot be activated"):
            active = self.active_id()
            if active is not None and failed is not None and active != failed:
                return active
            target = to or self.previous_id()
            if target is None:
                raise BundleError(f"{self.product} has no previous bundle to go back to; stage and activate one")
            self.load(target)
            if failed is None:  # one that could not be used was never really active
                self._keep_highest(target, self._linked(PREVIOUS))
            self._point(ACTIVE, target)
            return target

    def highest(self) -> int:
        """The highest sequence that was ever active; -1 before the first. A bundle below it is a downgrade."""
        try:
            noted = int((self.folder / HIGHEST).read_text(encoding="ascii"))
        except (OSError, ValueError):
            noted = -1
        return max(noted, *(sequence_of(self._linked(name) or "") for name in (ACTIVE, PREVIOUS)))

    @contextlib.contextmanager
    def one_swap(self) -> Iterator[None]:
        """Keep every other swap of this product out; may be nested in one ModelStore.

        Raises:
            BundleError: another process is swapping; refused at once.
        """
        if self._swaps == 0:
            with self._disk("the model store cannot be used"):
                self._lock = os.open(self.folder / ".swap.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                raise BundleError(f"another model swap of {self.product} is under way; wait until it is done") from None
        self._swaps += 1
        try:
            yield
        finally:
            self._swaps -= 1
            if self._swaps == 0:
                os.close(self._lock)

    def write_running(self, report: RunningReport) -> None:
        """Say what the live station runs.

        Raises:
            OSError: the disk is full or read-only.
        """
        fresh = self.folder / f".running-{report.pid}.json"
        fresh.write_text(json.dumps(asdict(report)), encoding="utf-8")
        os.rename(fresh, self.folder / "running.json")

    def read_running(self) -> RunningReport | None:
        """What the live station says; None where no living process stands behind it."""
        try:
            report = RunningReport(**json.loads((self.folder / "running.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return report if report.alive else None

    def forget_running(self) -> None:
        """The live station ends."""
        with contextlib.suppress(OSError):
            (self.folder / "running.json").unlink()

    def log(self, what: str, from_id: str | None, to_id: str | None, result: str) -> None:
        """Append one line to the audit log, on the disk before this returns.

        Raises:
            BundleError: it cannot be written.
        """
        entry = {
            "time": utc_now().isoformat(timespec="milliseconds"),
            "who": who(),
            "what": what,
            "from": from_id,
            "to": to_id,
            "result": result,
        }
        try:
            append_line(self.folder / "swap.log", entry)
        except OSError as error:
            raise BundleError(f"{self.folder}/swap.log cannot be written ({error.strerror}); check the disk") from error

    def _linked(self, name: str) -> str | None:
        try:
            return os.readlink(self.folder / name)
        except OSError:
            return None

    def _is_whole(self, bundle_id: str) -> bool:
        try:
            self.load(bundle_id)
        except BundleError:
            return False
        return True

    def _keep_highest(self, active: str, previous: str | None) -> None:
        """Note the highest sequence, where these two, linked from now on, will not tell it any more."""
        highest = self.highest()
        if highest > max(sequence_of(active), sequence_of(previous or "")) and highest >= 0:
            text = f"{highest}\n".encode()
            with contextlib.suppress(FileNotFoundError):
                if (self.folder / HIGHEST).read_bytes() == text:
                    return
            write_whole(self.folder / HIGHEST, text)

    def _has(self, bundle: ModelBundle) -> bool:
        """Whether its folder is whole, whoever signed what lies there."""
        try:
            found = read_bundle(self.folder / bundle.bundle_id)
        except BundleError:
            return False
        return found.manifest_bytes == bundle.manifest_bytes

    def _renew_signature(self, bundle: ModelBundle) -> None:
        """The same bundle came with other signatures: these count from now on, also where the key before is revoked."""
        path, new = self.folder / bundle.bundle_id / SIGNATURE, bundle.files.get(SIGNATURE)
        old = path.read_bytes() if path.exists() else None
        if new is not None and new != old:
            with self._disk("the bundle's signature cannot be exchanged"):
                write_whole(path, new)
                sync_folder(path.parent)

    def _point(self, name: str, bundle_id: str) -> None:
        before = self._linked(name)
        try:
            self._replace_link(name, bundle_id)
            sync_folder(self.folder)
        except OSError:
            self._restore(name, before)  # what is not known to be on the disk has not happened
            raise

    def _restore(self, name: str, before: str | None) -> None:
        with contextlib.suppress(OSError):
            self._fresh(name).unlink(missing_ok=True)
            if before is None:
                (self.folder / name).unlink(missing_ok=True)
            elif self._linked(name) != before:
                self._replace_link(name, before)

    def _replace_link(self, name: str, bundle_id: str) -> None:
        fresh = self._fresh(name)
        fresh.unlink(missing_ok=True)
        os.symlink(bundle_id, fresh)
        os.rename(fresh, self.folder / name)

    def _fresh(self, name: str) -> Path:
        return self.folder / f".{name}.new"

    def _sweep(self) -> None:
        for leftover in self.folder.glob(f"{STAGING}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextlib.contextmanager
    def _changing_links(self, failing: str) -> Iterator[None]:
        # Held for milliseconds, also by a station that goes back by itself while a swap waits for its answer.
        with self._disk(failing), locked_folder(self.folder):
            yield

    @contextlib.contextmanager
    def _disk(self, failing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self.folder.is_dir():
                raise BundleError(
                    f"{self.folder}: no bundle was ever staged here; begin with swap-model stage"
                ) from error
            raise BundleError(
                f"{self.folder}: {failing} ({error.strerror or error}); nothing was changed, check the disk"
            ) from error


def sequence_of(bundle_id: str) -> int:
    """A bundle's place in history, from its id; -1 where the id is none."""
    parts = bundle_id.rsplit("-", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else -1


def _unpack(bundle: ModelBundle, folder: Path) -> None:
    folders = {folder}
    folder.mkdir()
    for name, data in [(MANIFEST, bundle.manifest_bytes), *bundle.files.items()]:
        path = folder / name
        if path.parent not in folders:
            path.parent.mkdir()
            folders.add(path.parent)
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for path in folders:
        sync_folder(path)
