"""Self-tests of many mutated models, each in its own process. Started by test_swap.py; prints one JSON line a mutant.

The process is forked from one that has the libraries loaded but has parsed no model yet, so that a few hundred of them
take seconds. What runs in each is `edge_app.selftest.run`, with the limits of the real self-test.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
from pathlib import Path

from bundles import remade

import edge_app.slot  # noqa: F401 - loaded once, before the forks
from edge_app import selftest
from edge_app.bundle import MANIFEST, ModelBundle, read_bundle
from edge_app.manifest import MODEL

LIMIT_S = 5.0
_NASTY = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\x00\x00\x00\x00", b"\x00\x00\x01\x00")


def mutated(model: bytes, seed: int) -> bytes:
    """One of: cut off, bits flipped, a nasty 32-bit number, a block moved. Seeded."""
    rng = random.Random(seed)
    data = bytearray(model)

    def place() -> int:
        # The structure lies at both ends of the file, the weights between them.
        offset = int(2 ** rng.uniform(0, 12)) % len(data)
        return rng.choice((offset, len(data) - 1 - offset, rng.randrange(len(data))))

    kind = seed % 4
    if kind == 0:
        del data[place() :]
    elif kind == 1:
        for _ in range(rng.randint(1, 8)):
            data[place()] ^= 1 << rng.randrange(8)
    elif kind == 2:
        start = place() & ~3
        data[start : start + 4] = rng.choice(_NASTY)
    else:
        source, target, size = place(), place(), rng.randint(4, 64)
        data[target : target + size] = data[source : source + size]
    return bytes(data)


def unpacked(bundle: ModelBundle, folder: Path) -> Path:
    for name, data in [(MANIFEST, bundle.manifest_bytes), *bundle.files.items()]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def outcome(folder: Path) -> str:
    """What became of one self-test: "passed", "refused", or the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 2
        with contextlib.suppress(BaseException):
            signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = 0 if selftest.run(folder)["passed"] else 1
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "passed", 1: "refused"}.get(code) or (signal.Signals(-code).name if code < 0 else f"exit {code}")


def main() -> None:
    bundle = read_bundle(Path(sys.argv[1]))
    work, seeds = Path(sys.argv[2]), range(int(sys.argv[3]), int(sys.argv[4]))
    for seed in seeds:
        mutant = remade(bundle, {MODEL: mutated(bundle.model, seed)}, sequence=1000 + seed)
        folder = unpacked(mutant, work / mutant.bundle_id)
        print(json.dumps({"seed": seed, "outcome": outcome(folder)}), flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
