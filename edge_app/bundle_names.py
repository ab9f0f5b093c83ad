"""How the files of a bundle may be called."""

from __future__ import annotations

import re

from edge_app.errors import BundleError

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_SAFE_NAME = re.compile(r"\w[\w.\-]{0,63}(/\w[\w.\-]{0,63})?", re.UNICODE)


def check_name(name: str) -> None:
    """Refuse what is no plain name of a file, or of a file in one folder.

    Raises:
        BundleError: it could lead elsewhere.
    """
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise BundleError(f"entry {name!r} is not a plain file name")
