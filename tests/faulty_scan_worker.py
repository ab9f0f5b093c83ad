"""The process that judges for a scan, with faults: what a picture's name asks for happens to it.

A picture with "poison" in its name ends the process that judges it, every time; with "once" the first time only, which
a file FAULTY_NOTES/<name> notes.
"""

import os
import sys
from pathlib import Path

from edge_app import scan_worker
from edge_app.judging import Judge, Scored


class FaultyJudge(Judge):
    def __call__(self, path: str) -> Scored:
        name = Path(path).name
        note = Path(os.environ.get("FAULTY_NOTES", "/nowhere"), name)
        if "poison" in name:
            os.abort()
        if "once" in name and not note.exists():
            note.touch()
            os.abort()
        return super().__call__(path)


scan_worker.Judge = FaultyJudge

if __name__ == "__main__":
    if os.environ.get("FAULTY_START"):
        sys.exit(5)
    sys.exit(scan_worker.main(sys.argv[1:]))
