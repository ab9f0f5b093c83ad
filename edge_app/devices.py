"""Which device a station is told to run its models on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

DeviceKind = Literal["cpu", "gpu", "coral", "delegate"]
GpuPrecision = Literal["float32", "float16"]

EDGE_TPU_LIBRARY = "libedgetpu.so.1"


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """What the settings ask for.

    Attributes:
        kind: `delegate` is any other accelerator that TFLite reaches through a library.
        gpu_precision: what the GPU computes in.
        library: path or name of the delegate's library; "" for the kind's own.
        options: of the delegate, by name.
        coral: which Edge TPU, as its library names them: "usb:1", "pci:0", "0"; "serial:..." for a USB one by its
            number; "" for the first.
        fall_back: the CPU may judge in its place when it cannot.
    """

    kind: DeviceKind = "cpu"
    gpu_precision: GpuPrecision = "float32"
    library: str = ""
    options: tuple[tuple[str, str], ...] = ()
    coral: str = ""
    fall_back: bool = False

    @property
    def is_cpu(self) -> bool:
        """Nothing but the CPU is asked for."""
        return self.kind == "cpu"

    @property
    def shared(self) -> bool:
        """Whether several processes may have the device at once. An Edge TPU belongs to one."""
        return self.kind != "coral"

    def on_cpu(self) -> DeviceChoice:
        """The same station, on its CPU."""
        return replace(self, kind="cpu")

    def __str__(self) -> str:
        """The device's name in messages and, once it runs, in records."""
        if self.kind == "coral":
            return f"coral:{self.coral or 0}"
        if self.kind == "delegate":
            return f"delegate:{self.library.rpartition('/')[2].partition('.')[0].removeprefix('lib')}"
        return self.kind


CPU = DeviceChoice()
