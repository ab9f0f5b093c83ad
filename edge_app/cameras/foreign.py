"""Camera libraries that come with the system and not from PyPI."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from edge_app.errors import CameraError

SYSTEM_PYTHON = Path("/usr/bin/python3")
SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")


def import_foreign(name: str, packages: str) -> ModuleType:
    """Import a module of the system's own Python, where this Python is of the same version.

    Its folder then stands at the end of `sys.path`, so nothing that is installed here is replaced. For a process that
    does nothing else, such as a camera's.

    Args:
        name: of the module.
        packages: Debian's packages that bring it, for the message.

    Raises:
        CameraError: it is not there; the message says what to install.
    """
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    theirs = SYSTEM_PYTHON.resolve().name
    try:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            if theirs != ours or str(SYSTEM_PACKAGES) in sys.path:
                raise
        sys.path.append(str(SYSTEM_PACKAGES))
        return importlib.import_module(name)
    except ImportError as error:
        hint = "" if theirs == ours else f", and run this program with the system's Python ({theirs}; this is {ours})"
        raise CameraError(
            f"cameras of this kind need {name} ({error}); install it with: sudo apt install {packages}{hint}"
        ) from error
