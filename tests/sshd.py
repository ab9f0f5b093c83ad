"""Stations that are reached over real ssh, on this computer: each has its sshd, its model store and its settings."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bundles import LINE_KEY

from edge_app.store import ModelStore

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
_ROOT = Path(__file__).resolve().parents[1]


def absent() -> str:
    """Why there can be no sshd here; "" where there can."""
    if SSHD is None or shutil.which("ssh") is None:
        return "no OpenSSH server and client here"
    return "" if os.geteuid() == 0 else "sshd needs root for its privilege separation"


class SshStation:
    """One of them. A context manager that ends all its processes.

    Args:
        folder: its own, not there yet.
        number: 0, 1, ...; gives its name.
        product: whose models it has.
    """

    def __init__(self, folder: Path, number: int, product: str) -> None:
        self.name, self.folder = f"line-{number}", folder
        folder.mkdir()
        self.port = _free_port()
        self.store = ModelStore(folder / "models", product)
        self.store.trust.add(LINE_KEY.public)
        self.config, self._authorized = folder / "station.toml", folder / "authorized_keys"
        self.config.write_text(
            f'product = "{product}"\nmodels_dir = "models"\nrecords_dir = "records"\ncontrol = "c"\nworkers = 1\n'
            f'headless = true\nsource = "synthetic:?seed={number}&interval_ms=400"\n'
        )
        self.program = f"env PYTHONPATH={_ROOT} {sys.executable} -m deploy.swap_model"
        self._sshd: subprocess.Popen[bytes] | None = None
        self._station: subprocess.Popen[bytes] | None = None
        _make_key(folder / "host")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {self._authorized}\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        )

    def toml(self, identity: Path, known_hosts: Path, canary: bool = False) -> str:
        """Its table for stations.toml."""
        return (
            f'[[station]]\nname = "{self.name}"\nhost = "127.0.0.1"\nport = {self.port}\nidentity = "{identity}"\n'
            f'known_hosts = "{known_hosts}"\ncommand = "{self.program}"\nconfig = "{self.config}"\n'
            f"canary = {str(canary).lower()}\n\n"
        )

    def known_host(self) -> str:
        """Its line for known_hosts."""
        kind, key, *_ = (self.folder / "host.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def let_in(self, public_key: str) -> None:
        """Whose key opens the door."""
        self._authorized.write_text(public_key)

    def open(self) -> None:
        """Start its sshd."""
        assert SSHD is not None
        Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline_s, (self.folder / "sshd.log").read_text()
                time.sleep(0.05)

    def cut_off(self) -> None:
        """Kill its sshd, and all connections with it."""
        if self._sshd is not None:
            ours = {self._sshd.pid}
            # A connection's processes have sessions of their own.
            for _ in range(3):
                ours |= {pid for pid, parent in _parents().items() if parent in ours}
            for pid in ours:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._sshd.wait()
            self._sshd = None

    def run(self) -> None:
        """Start the station itself, and wait until it judges."""
        log = (self.folder / "station.log").open("ab")
        with log:
            self._station = subprocess.Popen(
                [sys.executable, "-m", "edge_app.cli", "run", "--config", str(self.config)],
                stdout=log, stderr=log, cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )  # fmt: skip
        deadline_s = time.monotonic() + 60
        while self.store.read_running() is None:
            assert self._station.poll() is None, (self.folder / "station.log").read_text()
            assert time.monotonic() < deadline_s, "it never judged"
            time.sleep(0.1)

    def __enter__(self) -> "SshStation":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._station is not None:
            self._station.send_signal(signal.SIGTERM)
            try:
                self._station.wait(30)
            except subprocess.TimeoutExpired:
                self._station.kill()
                self._station.wait()
        self.cut_off()


def make_login(folder: Path) -> Path:
    """A key to log in with; beside it lies NAME.pub."""
    return _make_key(folder / "login")


def _make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _parents() -> dict[int, int]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found
