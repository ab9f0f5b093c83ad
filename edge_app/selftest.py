"""The golden self-test in a throwaway process: where a model is parsed for the first time, and may crash or hang.

`prove` starts `python -m edge_app.selftest FOLDER SECONDS` and reads the one JSON object it prints. The process has
limits of time, memory and files, no network, and may neither start a program nor change a file (`edge_app.sandbox`). An
operator that no detector needs is refused before the interpreter sees the graph (`edge_app.graph_ops`). It gives way to
the line; what it waits for the processor is not held against the model.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge_app.child import SWAP_NICE, give_way
from edge_app.errors import BundleError, KensaError
from edge_app.process_stat import stat_of
from edge_app.sandbox import confine

LIMIT_S = 30.0
# With what it waits for the processor it may last so many times its limit, and no longer.
MOST_LIMITS = 10
_LOOK_S = 0.1
# Address space for the model, on top of what the program itself has mapped (0.3 to 0.5 GiB).
MODEL_BYTES = 2**30
_log = logging.getLogger(__name__)

_ADVICE = "the bundle is refused; ask for another one"


def prove(folder: Path, limit_s: float = LIMIT_S) -> None:
    """Run the golden samples of an unpacked bundle, apart from this process.

    Args:
        folder: the unpacked bundle.
        limit_s: seconds that the process may run, or wait for anything but the processor.

    Raises:
        BundleError: a wrong score, a crash, a hang or a damaged bundle; one line that says which.
    """
    command = [sys.executable, "-P", "-m", "edge_app.selftest", str(folder.resolve()), str(limit_s)]
    # Only what is named here reaches the process; one arena and one thread keep its address space small.
    environment = {
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise BundleError(f"the self-test cannot be started ({error.strerror or error}); try again") from error
    with process:
        printed = _output_of(process, limit_s)
    code = process.returncode
    if printed is None or code in (-signal.SIGALRM, -signal.SIGXCPU):
        raise BundleError(_hung(folder, limit_s))
    try:
        said = json.loads(printed)
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("unconfined"):
        _log.info("the self-test could not be kept from network and files here: %s", said["unconfined"])
    if code == 0 and isinstance(said, dict) and said.get("passed") is True:
        return
    if isinstance(said, dict) and "message" in said:
        raise BundleError(f"{' '.join(str(said['message']).split())}; {_ADVICE}")  # TFLite's own may have many lines
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    raise BundleError(f"{folder.name}: the model crashes the self-test ({cause}); {_ADVICE}")


def _output_of(process: subprocess.Popen[bytes], limit_s: float) -> bytes | None:
    """What it printed until its end; None where it had to be killed for its time."""
    looked_s, used_s, counted_s = time.monotonic(), 0.0, 0.0
    most_s = looked_s + MOST_LIMITS * limit_s
    try:
        while counted_s <= limit_s + 1 and looked_s <= most_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=_LOOK_S)[0]
            before_s, before_used_s = looked_s, used_s
            looked_s, now = time.monotonic(), stat_of(process.pid)
            used_s = used_s if now is None else now.used_s
            waits = now is not None and now.state == "R"
            counted_s += used_s - before_used_s if waits else looked_s - before_s
        return None
    finally:
        process.kill()


def run(folder: Path) -> dict[str, object]:
    """The test itself, in the process that calls it: `passed`, and a `message` where it is False."""
    from edge_app.bundle import read_bundle
    from edge_app.graph_ops import check_operators
    from edge_app.slot import ready_inspector

    resource.setrlimit(resource.RLIMIT_AS, (_mapped_bytes() + MODEL_BYTES,) * 2)
    try:
        bundle = read_bundle(folder)
        check_operators(bundle)
        ready_inspector(bundle)
    except KensaError as error:
        return {"passed": False, "message": str(error)}
    except Exception as error:  # noqa: BLE001 - the top of this process
        return {"passed": False, "message": f"{folder.name}: the self-test fails ({type(error).__name__}: {error})"}
    return {"passed": True}


def main(argv: list[str]) -> int:
    """Limit this process, test one folder, print the result."""
    folder, limit_s = Path(argv[0]), float(argv[1])
    give_way(SWAP_NICE)  # the station judges parts meanwhile
    # Who stops a whole station stops this process too; that must not look like a model that crashes.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The process ends itself: also when whoever started it is gone.
    signal.setitimer(signal.ITIMER_REAL, MOST_LIMITS * limit_s)
    cpu_s = math.ceil(limit_s)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    unconfined = confine()
    said = run(folder) | {"unconfined": unconfined}
    print(json.dumps(said))
    return 0 if said["passed"] else 1


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _hung(folder: Path, limit_s: float) -> str:
    return f"{folder.name}: the self-test did not end within {limit_s:g} s; {_ADVICE}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
