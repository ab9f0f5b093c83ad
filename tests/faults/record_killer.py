"""Writes records in child processes and kills them in mid-write; ends with a traceback when anything is lost.

python tests/faults/record_killer.py BUNDLE FOLDER ROUNDS
"""

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from edge_app.bundle import read_bundle
from edge_app.domain import Frame, Inspection, utc_now
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture, read_picture
from edge_app.records import DATABASE, Records

bundle, folder, rounds = read_bundle(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
pictures = [decode_picture(bundle.files[sample.file]) for sample in bundle.manifest.golden]


def judged() -> list[Inspection]:
    # In a process of its own: the interpreter's threads would not survive the forks below.
    inspector = Inspector(bundle)
    return [inspector.inspect(Frame(picture, 0, 0.0, utc_now())) for picture in pictures]


def write_for_ever(acknowledge: int) -> None:
    inspections = judged()
    records = Records(folder)
    while True:
        for picture, inspection in zip(pictures, inspections, strict=True):
            part_id = records.append(
                inspection,
                picture,
                manifest=bundle.manifest,
                source="test",
                captured_monotonic_s=0.0,
                decided_utc=utc_now(),
                latency_ms=0.0,
            )
            os.write(acknowledge, f"{part_id} {inspection.verdict.value}\n".encode())


chance = random.Random(5)
acknowledged: dict[int, str] = {}
for _ in range(rounds):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        write_for_ever(write_end)
    os.close(write_end)
    said = os.read(read_end, 65536)  # the first row is there
    time.sleep(chance.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read_end, 65536):
        said += more
    os.close(read_end)
    for line in said.decode().splitlines():
        number, verdict = line.split(" ", 1)
        assert int(number) not in acknowledged, f"number {number} was given twice"
        acknowledged[int(number)] = verdict

    connection = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = {row[0]: row[1:] for row in connection.execute("SELECT part_id, verdict, picture FROM parts")}
    connection.close()
    for number, verdict in acknowledged.items():
        assert rows[number][0] == verdict
    for verdict, picture in rows.values():
        assert (picture is None) == (verdict == "GOOD")
        if picture is not None:
            read_picture(folder / picture)

assert not list(folder.glob("*damaged*"))
print(f"{len(acknowledged)} rows acknowledged")
