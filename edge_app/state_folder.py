"""Where this user's programs keep what they write."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edge_app.errors import ConfigError


def state_folder() -> Path:
    """Where this user's programs keep what they write, after the XDG base directory specification."""
    stated = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(stated) if os.path.isabs(stated) else Path.home() / ".local" / "state"
    except RuntimeError:
        raise ConfigError("there is no home folder to write records to; say where with --records DIR") from None
    return base / "kensa"


def usual_records(products: Iterable[str]) -> Path:
    """Where the verdicts on these products are written, unless the settings say otherwise."""
    return state_folder() / "+".join(sorted(set(products)))
