"""The process that runs models, with faults: what a part's label asks for, or the environment, happens to it.

A part labelled "signal 9" gets the process that signal, "abort" aborts it, "exit" ends it, "raise" is an unexpected
error, "sleep 0.5" takes so many seconds, "work 0.5" so many of a core. FAULTY_LOAD="<bundle_id> <one of these>" is for
loading a bundle, FAULTY_EVERY for every part, golden samples too; while the file FAULTY_GOLDEN is there, golden samples
fail.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from edge_app import worker_child
from edge_app.bundle import ModelBundle
from edge_app.domain import Frame, Inspection
from edge_app.errors import BundleError
from edge_app.inspector import Inspector


def suffer(fault: str) -> None:
    what, _, how = fault.partition(" ")
    if what == "signal":
        os.kill(os.getpid(), int(how))
    elif what == "abort":
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "raise":
        raise ArithmeticError("on purpose")
    elif what == "sleep":
        time.sleep(float(how))
    elif what == "work":
        end_s = time.process_time() + float(how)
        while time.process_time() < end_s:
            pass


class FaultyInspector(Inspector):
    def inspect(self, frame: Frame, *rest: Any) -> Inspection:
        suffer(frame.label)
        suffer(os.environ.get("FAULTY_EVERY", ""))
        return super().inspect(frame, *rest)


def faulty_ready_inspector(bundle: ModelBundle, *how: Any) -> Inspector:
    bundle_id, _, fault = os.environ.get("FAULTY_LOAD", "").partition(" ")
    if bundle.bundle_id == bundle_id:
        suffer(fault)
    if Path(os.environ.get("FAULTY_GOLDEN", "/nowhere")).exists():
        raise BundleError("the golden samples fail on purpose")
    return ready_inspector(bundle, *how)


ready_inspector = worker_child.ready_inspector
worker_child.ready_inspector = faulty_ready_inspector
sys.modules["edge_app.inspector"].Inspector = FaultyInspector

if __name__ == "__main__":
    sys.exit(worker_child.main(sys.argv[1:]))
