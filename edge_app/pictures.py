"""Picture files to RGB arrays, strictly: what is not a whole, plain 8-bit picture is refused with a reason.

Pillow decodes, since it raises on a truncated file; OpenCV has been seen to fill the missing part with other pixels.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_app.domain import UInt8Array
from edge_app.errors import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 512 * 2**20
# The caps above are ours and raise; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None

_PLAIN_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def read_picture(path: Path | str | bytes) -> UInt8Array:
    """Read one picture file.

    Args:
        path: the file; bytes where its name is not UTF-8.

    Returns:
        uint8 (H, W, 3), RGB. EXIF rotation applied; grey, palette and CMYK converted; an alpha channel dropped.

    Raises:
        DataError: not a file, empty, truncated, not a picture, animated, more than 8 bits a channel or too large.
    """
    try:
        # Not blocking: a FIFO among the files must not hold up a scan.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise DataError(f"larger than {MAX_FILE_BYTES >> 20} MiB; make it smaller")
            data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from error
    return decode_picture(data)


def decode_picture(data: bytes) -> UInt8Array:
    """Decode one picture held in memory; see `read_picture`."""
    if not data:
        raise DataError("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; the pixels are what counts
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{image.width} x {image.height} is more than {MAX_PIXELS // 10**6} million pixels")
                if getattr(image, "n_frames", 1) > 1:
                    raise DataError("holds more than one picture; split it")
                if image.mode not in _PLAIN_MODES:
                    raise DataError(f"has pixel format {image.mode}, more than 8 bits a channel; save it as 8 bit")
                image.load()
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError("not a picture file") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError, OverflowError) as error:
        raise DataError(f"damaged picture ({error})") from error


def is_picture_name(path: Path) -> bool:
    """Whether the file's ending is one that is read."""
    return path.suffix.lower() in SUFFIXES
