"""What somebody chose at the screen, language and theme; it comes back at the next start. No verdict hangs on it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from edge_app.files import write_whole

Language = Literal["en", "ja"]
Theme = Literal["light", "dark"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """How the screen looks.

    Attributes:
        language: that it speaks.
        theme: that it wears.
    """

    language: Language = "en"
    theme: Theme = "light"


class ScreenSettings:
    """Keeps the look of one station's screen in a file.

    A file that cannot be read, or is none of ours, is told of in the log and replaced by what is usual at the next
    change: no station is to stand still for it. The same holds for a disk that takes nothing.

    Args:
        path: of the file; it is made when something is chosen.
        usual: where nothing was chosen yet.

    Attributes:
        look: the present one.
    """

    def __init__(self, path: Path, usual: Look | None = None) -> None:
        self._path = path
        self.look = usual or Look()
        try:
            content = json.loads(path.read_bytes())
            kept = Look(**content)
            if kept.language not in get_args(Language) or kept.theme not in get_args(Theme):
                raise ValueError(f"no such language or theme: {kept.language!r}, {kept.theme!r}")
            self.look = kept
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); the screen begins with what is usual", path, error)

    def choose(self, *, language: str | None = None, theme: str | None = None) -> None:
        """Keep another language, another theme, or both; None leaves it as it is."""
        given = {key: value for key, value in (("language", language), ("theme", theme)) if value is not None}
        self.look = replace(self.look, **given)  # type: ignore[arg-type]
        try:
            write_whole(self._path, json.dumps(asdict(self.look)).encode())
        except OSError as error:
            _log.warning("%s: cannot be kept (%s); make room on the disk", self._path, error.strerror or error)
