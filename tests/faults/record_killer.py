"""Writes records in child processes and kills them in mid-write; ends with a traceback when anything is lost.

python tests/faults/record_killer.py BUNDLE FOLDER ROUNDS
"""

import hashlib
import os
import pickle
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from edge_app.bundle import read_bundle
from edge_app.domain import Frame, Inspection, utc_now
from edge_app.inspector import Inspector
from edge_app.pictures import decode_picture
from edge_app.record_pictures import PICTURES
from edge_app.records import DATABASE, JudgedPart, Records
from edge_app.retention import Limits

bundle, folder, rounds = read_bundle(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
pictures = [decode_picture(bundle.files[sample.file]) for sample in bundle.manifest.golden]
# So little that pictures go all the while, and some of the kills hit that.
limits = Limits(least_free_mib=0, most_pictures_mib=0.5)


def judged() -> list[Inspection]:
    # In a process of its own: the interpreter's threads would not survive the forks below.
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        inspector = Inspector(bundle)
        with os.fdopen(write_end, "wb") as file:
            pickle.dump([inspector.inspect(Frame(picture, 0, 0.0, utc_now())) for picture in pictures], file)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        found: list[Inspection] = pickle.load(file)
    os.waitpid(child, 0)
    return found


def write_for_ever(acknowledge: int) -> None:
    records = Records(folder, keep_good_share=0.5, limits=limits)
    while True:
        # Given all at once: a GOOD part whose picture is not kept is committed together with the one before it.
        left = [
            JudgedPart(inspection, picture, bundle.manifest, "test", 0.0, utc_now(), 0.0)
            for picture, inspection in zip(pictures, inspections, strict=True)
            for _ in range(2)
        ]
        while left:
            for part_id in records.append(left):
                os.write(acknowledge, f"{part_id} {left.pop(0).inspection.verdict.value}\n".encode())
        records.audit("recipe", "test", f"after part {part_id}")
        os.write(acknowledge, f"{part_id} audited\n".encode())
        records.tidy()


def check_pictures(connection: sqlite3.Connection) -> set[str]:
    """Every picture that a row claims is there and whole; gives the names of all of them and of the heatmaps."""
    names = set()
    for picture, sha256, heatmap in connection.execute(
        "SELECT picture, picture_sha256, heatmap FROM parts WHERE picture IS NOT NULL AND picture_removed_utc IS NULL"
    ):
        assert hashlib.sha256((folder / picture).read_bytes()).hexdigest() == sha256
        assert heatmap is None or (folder / heatmap).stat().st_size > 0
        names |= {picture, heatmap} - {None}
    return names


inspections = judged()
chance = random.Random(5)
acknowledged: dict[int, str] = {}
audited: set[str] = set()
for _ in range(rounds):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        write_for_ever(write_end)
    os.close(write_end)
    said, wanted = b"", chance.randint(1, 12)
    while said.count(b"\n") < wanted:
        more = os.read(read_end, 65536)
        assert more, "the writer ended by itself"
        said += more
    time.sleep(chance.uniform(0.0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read_end, 65536):
        said += more
    os.close(read_end)
    for line in said.decode().splitlines():
        number, verdict = line.split(" ", 1)
        if verdict == "audited":
            audited.add(f"after part {number}")
            continue
        assert int(number) not in acknowledged, f"number {number} was given twice"
        acknowledged[int(number)] = verdict

    connection = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = dict(connection.execute("SELECT part_id, verdict FROM parts"))
    assert all(rows[number] == verdict for number, verdict in acknowledged.items())
    assert audited <= {row[0] for row in connection.execute("SELECT text FROM audit")}
    check_pictures(connection)
    connection.close()

# A last start makes up for the last kill: no file without a row, no entry out of the chain.
records = Records(folder)
assert records.notice == ""
assert records.verify_audit() is None
records.close()
connection = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
claimed = check_pictures(connection)
(removed,) = connection.execute("SELECT count(*) FROM parts WHERE picture_removed_utc IS NOT NULL").fetchone()
connection.close()
assert claimed == {path.relative_to(folder).as_posix() for path in (folder / PICTURES).glob("*/*")}
assert not list(folder.glob("*damaged*"))
print(f"{len(acknowledged)} rows and {len(audited)} entries acknowledged, {removed} pictures removed")
