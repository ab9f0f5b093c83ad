"""Picture files to RGB arrays, strictly: what is not a whole, plain 8-bit picture is refused with a reason.

OpenCV has been seen to fill what a truncated file lacks with other pixels. Pillow raises where a file ends early, and a
second decoding finds what else was made up. For most JPEGs one decoding does: libjpeg itself knows of every piece of
coded data that is missing or damaged, and simplejpeg raises on its warnings; the pixels are the same.
"""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import warnings
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, ImageChops, ImageFile, ImageOps, UnidentifiedImageError

from edge_app.domain import UInt8Array
from edge_app.errors import DataError
from edge_app.wholeness import check_png, padded_jpeg

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 512 * 2**20
# The caps above are ours and raise; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None
# What it logs, it also raises, and that comes back as the reason.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

# By content, whatever the file is called. The rest of Pillow's readers stay shut: one of them starts Ghostscript.
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_PLAIN_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
# Pillow opens 16-bit colour as plain RGB and drops the lower bytes; only the raw mode of its decoder tells.
_DEEP_RAW_MODE = re.compile(r";(12|16|32|64)[BLNSF]")
_EXIF_ORIENTATION = 0x0112


def read_picture(path: Path | str | bytes) -> UInt8Array:
    """Read one picture file.

    Args:
        path: the file; bytes where its name is not UTF-8.

    Returns:
        uint8 (H, W, 3), RGB. EXIF rotation applied; grey, palette and CMYK converted; an alpha channel dropped; of
        a camera's multi-picture JPEG (MPO) the main picture.

    Raises:
        DataError: not a file, empty, truncated, not a picture, animated, more than 8 bits a channel or too large.
    """
    try:
        # Not blocking: a FIFO among the files must not hold up a scan.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise DataError("not a plain file")
            if found.st_size > MAX_FILE_BYTES:
                raise DataError(f"larger than {MAX_FILE_BYTES >> 20} MiB; make it smaller")
            with open(descriptor, "rb", closefd=False) as file:
                # No more than there is: as many bytes as are asked for are reserved beforehand.
                data = file.read(found.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise DataError("needs more memory than there is; make it smaller") from error
    return decode_picture(data)


def decode_picture(data: bytes) -> UInt8Array:
    """Decode one picture held in memory; see `read_picture`."""
    if not data:
        raise DataError("the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; the pixels are what counts
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_header(image)
                if (pixels := _undoubted_jpeg(image, data)) is not None:
                    return pixels
                image.verify()  # PNG: all checksums, to the end of the file
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                image.load()
                _check_whole(image, data)
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError("not a picture file that is read here (BMP, JPEG, PNG, TIFF, WebP)") from error
    except MemoryError as error:
        raise DataError("needs more memory than there is; make it smaller") from error
    except Exception as error:  # a foreign parser on foreign bytes raises whatever it stumbles on
        raise DataError(f"damaged picture ({error})") from error


def _check_header(image: ImageFile.ImageFile) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"{image.width} x {image.height} is more than {MAX_PIXELS // 10**6} million pixels")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise DataError("holds more than one picture; split it")
    raw_modes = [str(tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]) for tile in image.tile]
    if image.mode not in _PLAIN_MODES or any(_DEEP_RAW_MODE.search(mode) for mode in raw_modes):
        raise DataError(
            f"pixel format {raw_modes[0] if raw_modes else image.mode} is not 8 bits a channel; save it as 8 bit"
        )


def _undoubted_jpeg(image: ImageFile.ImageFile, data: bytes) -> UInt8Array | None:
    """A JPEG's pixels, uint8 (H, W, 3) RGB; None for what is in doubt, and for kinds that take more than this."""
    # Of a progressive one whole scans may be missing, and libjpeg does not warn of that.
    if image.format != "JPEG" or image.mode not in ("L", "RGB") or "progressive" in image.info:
        return None
    if image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9):
        return None
    try:
        pixels: UInt8Array = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError:
        return None
    return pixels if pixels.shape == (image.height, image.width, 3) else None


def _check_whole(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse a decoded picture of which the decoder made up a part."""
    if image.format == "PNG":
        check_png(data)
    elif image.format in ("JPEG", "MPO"):
        with Image.open(io.BytesIO(padded_jpeg(data)), formats=("JPEG",)) as again:
            if ImageChops.difference(image, again).getbbox(alpha_only=False):
                raise DataError("truncated picture (its data ends early)")
    if image.mode in ("P", "PA"):
        colours = len(image.palette.palette) // len(image.palette.mode) if image.palette else 0
        highest = image.getextrema()
        if (highest[0] if isinstance(highest[0], tuple) else highest)[1] >= colours:
            raise DataError(f"damaged picture (its palette has only {colours} colours)")


def is_picture_name(path: Path) -> bool:
    """Whether the file's ending is one that is read."""
    return path.suffix.lower() in SUFFIXES
