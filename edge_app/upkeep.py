"""What a station does beside the line, on its own thread: pictures within limits, changed keys in the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_app.errors import BundleError, RecordsError
from edge_app.records import Records
from edge_app.trust import TrustStore

EVERY_S = 10.0
# Between two steps while there is more to do: the line comes first.
_PAUSE_S = 0.1

_log = logging.getLogger(__name__)


class Upkeep:
    """Tidies a record again and again until it is closed.

    Args:
        records: whose pictures.
        on_failure: told in one sentence when the record cannot be written.
        every_s: from one look to the next.
        also: done at each look, first.
    """

    def __init__(
        self,
        records: Records,
        on_failure: Callable[[str], None],
        every_s: float = EVERY_S,
        also: Callable[[], object] = lambda: None,
    ) -> None:
        self._records, self._on_failure, self._every_s, self._also = records, on_failure, every_s, also
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the step in hand. May be called twice."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = self._every_s
            try:
                self._also()
                if self._records.tidy().more:
                    pause_s = _PAUSE_S
            except RecordsError as error:
                self._on_failure(str(error))
            except Exception:  # noqa: BLE001 - the top of this thread; the next look may go better
                _log.exception("the record could not be tidied")


def audit_keys(records: Records, trust: TrustStore) -> None:
    """Write down which keys the station trusts, where that is not what was written last; who did it is in `keys.log`.

    Raises:
        RecordsError: it cannot be written down.
    """
    try:
        known = trust.known()
    except BundleError as error:
        now, said = {"trouble": str(error)}, str(error)
    else:
        now = {f"{row.key.name} {row.key.keyid}": row.state for row in known}
        said = "the station's trusted keys have changed"
    if (records.last_audited("keys") or {}) != now:
        records.audit("keys", "station", said, now)
