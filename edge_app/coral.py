"""Coral's Edge TPUs, as the kernel shows them; nothing here opens one.

Their ids: a USB Accelerator is 1a6e:089a until its library has loaded its firmware, then 18d1:9302; on PCIe and M.2 it
is 1ac1:089a, and with its driver /dev/apex_0 and so on. The library names them "usb:0", "pci:0" and, of all, ":0".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import DeviceError

USB, PCI, DEV = Path("/sys/bus/usb/devices"), Path("/sys/bus/pci/devices"), Path("/dev")
_USB_IDS = {("1a6e", "089a"): "before its firmware is loaded", ("18d1", "9302"): ""}
_PCI_IDS = {("0x1ac1", "0x089a")}
# What coral_device may be.
NAMES = r"(?:(?:usb|pci):)?\d{1,2}|serial:[\w\-]+"


@dataclass(frozen=True, slots=True)
class EdgeTpu:
    """One Edge TPU.

    Attributes:
        bus: usb or pci.
        place: on the bus, as the kernel names it.
        serial: "" where it tells none.
        note: "" or what is to be known of it.
    """

    bus: str
    place: str
    serial: str = ""
    note: str = ""


def edge_tpus(usb: Path = USB, pci: Path = PCI, dev: Path = DEV) -> list[EdgeTpu]:
    """All Edge TPUs of this computer, by bus and place."""
    found = []
    for folder in sorted(usb.glob("*")):
        ids = _text(folder / "idVendor"), _text(folder / "idProduct")
        if ids in _USB_IDS:
            found.append(EdgeTpu("usb", folder.name, _text(folder / "serial"), _USB_IDS[ids]))
    has_driver = any(dev.glob("apex_*"))
    for folder in sorted(pci.glob("*")):
        if (_text(folder / "vendor"), _text(folder / "device")) in _PCI_IDS:
            found.append(EdgeTpu("pci", folder.name, note="" if has_driver else "without its driver, gasket-dkms"))
    return found


def library_name(coral: str, usb: Path = USB) -> str:
    """What libedgetpu calls the chosen one.

    A serial number is looked up among those on USB; that the library counts them in the order of their places is from
    its documents, and was not tried.

    Raises:
        DeviceError: no Edge TPU has that serial number.
    """
    if not coral.startswith("serial:"):
        return f":{coral}" if re.fullmatch(r"\d+", coral) else coral
    serials = [one.serial for one in edge_tpus(usb, Path("/nowhere"), Path("/nowhere"))]
    wanted = coral.removeprefix("serial:")
    if wanted not in serials:
        told = ", ".join(serial for serial in serials if serial) or "none tells one"
        raise DeviceError(f"coral: no Edge TPU on USB has the serial number {wanted} ({told}); correct coral_device")
    return f"usb:{serials.index(wanted)}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")[:64].strip()
    except OSError:
        return ""
