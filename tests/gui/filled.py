"""Records full of parts, for the pages that look back."""

import random
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from edge_app.bundle import ModelBundle
from edge_app.domain import Box, Frame, Inspection, Region, UInt8Array, Verdict, utc_now
from edge_app.inspector import Inspector
from edge_app.records import DATABASE, JudgedPart, Records


class Filler:
    """Appends parts as a station would, but at any time and with any score.

    Args:
        bundle: what judges the two pictures, once.
        good: a picture that it calls GOOD.
        bad: a picture that it calls NG.
    """

    def __init__(self, bundle: ModelBundle, good: UInt8Array, bad: UInt8Array) -> None:
        self._bundle, self._pictures = bundle, {Verdict.GOOD: good, Verdict.NG: bad, Verdict.NO_VERDICT: good * 0}
        inspector = Inspector(bundle)
        self._found = {
            verdict: inspector.inspect(Frame(picture, 0, 0.0, utc_now(), ""))
            for verdict, picture in self._pictures.items()
        }

    @property
    def threshold(self) -> float:
        return self._found[Verdict.GOOD].threshold

    def add(
        self,
        records: Records,
        verdict: Verdict,
        *,
        closeness: float | None = None,
        before: timedelta = timedelta(),
        serial: str = "",
        picture: bool = True,
        regions: tuple[Region, ...] | None = None,
        label: str = "",
        bundle_id: str | None = None,
    ) -> int:
        """One part, decided so long before now; its score is so much, as a share, below the threshold."""
        found: Inspection = replace(self._found[verdict], label=label)
        if closeness is not None:
            found = replace(found, score=found.threshold * (1 - closeness))
        if bundle_id is not None:
            found = replace(found, bundle_id=bundle_id)
        if regions is not None:
            found = replace(found, regions=regions)
        image, decided_utc = self._pictures[verdict] if picture else None, utc_now() - before
        part = JudgedPart(found, image, self._bundle.manifest, "hand-fed:", 0.0, decided_utc, 12.0, serial=serial)
        (part_id,) = records.append([part])
        return part_id

    def hours_of_work(self, records: Records, hours: int = 96, seed: int = 3) -> None:
        """Hours of a line that goes wrong from the 38th to the 30th before now, with defects that sit in one corner."""
        chance = random.Random(seed)
        height, width = self._pictures[Verdict.NG].shape[:2]
        for hour in range(hours, 0, -1):
            for number in range(12):
                before = timedelta(hours=hour, minutes=-5 * number)
                share = 0.35 if 30 < hour < 38 else 0.08
                verdict = Verdict.NG if chance.random() < share else Verdict.GOOD
                verdict = Verdict.NO_VERDICT if chance.random() < 0.01 else verdict
                x = min(width - 20, max(0, round(chance.gauss(0.7 * width, 0.1 * width))))
                y = min(height - 20, max(0, round(chance.gauss(0.3 * height, 0.12 * height))))
                regions = (Region(Box(x, y, 12, 9), 80.0, 0.5),) if verdict is Verdict.NG else None
                self.add(
                    records, verdict, before=before, serial=f"SN-{hour:03d}-{number:02d}",
                    picture=verdict is not Verdict.GOOD or hour < 3,
                    closeness=chance.uniform(0.02, 0.9) if verdict is Verdict.GOOD else None, regions=regions,
                )  # fmt: skip


def multiply(folder: Path, count: int) -> None:
    """Fill a closed record with copies of its parts, up to so many, a second apart."""
    connection = sqlite3.connect(folder / DATABASE)
    names = [
        row[1] for row in connection.execute("PRAGMA table_info(parts)") if row[1] not in ("part_id", "decided_utc")
    ]
    (have,) = connection.execute("SELECT count(*) FROM parts").fetchone()
    columns = ", ".join(names)
    with connection:
        connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count - have})"
            f" INSERT INTO parts (decided_utc, {columns})"
            f" SELECT strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', 'now', '-' || i || ' seconds'), {columns}"
            f" FROM n JOIN parts ON part_id = 1 + i % {have}"
        )
    connection.close()
