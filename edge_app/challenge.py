"""The golden-sample challenge: kept parts with a known result, judged by what judges the line's parts now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge_app.domain import utc_now
from edge_app.errors import BundleError, DataError
from edge_app.inspector import GoldenJudge, check_golden
from edge_app.records import Records

KIND = "challenge"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What became of one.

    Attributes:
        utc: when it ended.
        bundle_id: what judged.
        samples: how many golden samples there are.
        failed: one sentence for each that was judged otherwise than expected.
    """

    utc: datetime
    bundle_id: str
    samples: int
    failed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every sample gave its expected result; there is at least one."""
        return self.samples > 0 and not self.failed


def challenge(judge: GoldenJudge, records: Records | None, who: str) -> Challenge:
    """Have the golden samples judged between the line's parts, and write down what came of it.

    Args:
        judge: what judges the line's parts.
        records: their log keeps it; None for nobody.
        who: asked for it.

    Raises:
        BundleError: a golden sample is not a picture.
        RecordsError: it could not be written down.
    """
    try:
        results = check_golden(judge)
    except DataError as error:
        raise BundleError(f"{judge.bundle.bundle_id}: a golden sample is not a picture: {error}") from error
    failed = tuple(result.detail for result in results if not result.passed)
    done = Challenge(utc_now(), judge.bundle.bundle_id, len(results), failed)
    if records is not None:
        details = {
            "utc": done.utc.isoformat(timespec="milliseconds"),
            "bundle": done.bundle_id,
            "samples": done.samples,
            "failed": list(failed),
        }
        passed = f"{done.samples - len(failed)} of {done.samples} golden samples gave their expected result"
        records.audit(KIND, who, passed, details)
    return done


def last_challenge(records: Records) -> Challenge | None:
    """The last one in the log; None where there is none.

    Raises:
        RecordsError: the log cannot be read.
    """
    found = records.last_audited(KIND)
    if found is None:
        return None
    return Challenge(
        datetime.fromisoformat(found["utc"]), found["bundle"], int(found["samples"]), tuple(found["failed"])
    )
