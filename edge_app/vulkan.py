"""The GPUs that Vulkan sees, asked of its loader itself: neither the runtime nor NumPy tells their names."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass

LOADER = "libvulkan.so.1"
# VkPhysicalDeviceType, after the Vulkan specification.
_TYPES = ("other", "integrated", "discrete", "virtual", "software")
_BEST_FIRST = ("discrete", "integrated", "virtual", "other", "software")
_INSTANCE_INFO, _MAX_NAME = 1, 256


@dataclass(frozen=True, slots=True)
class VulkanDevice:
    """One device.

    Attributes:
        kind: discrete, integrated, virtual, software or other; software is the CPU in disguise.
        api: the Vulkan version that its driver speaks.
    """

    name: str
    kind: str
    api: str


class _InstanceInfo(ctypes.Structure):
    """VkInstanceCreateInfo."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.c_void_p),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    )


class _Properties(ctypes.Structure):
    """The beginning of VkPhysicalDeviceProperties, and room for the rest, which is 824 bytes in all."""

    _fields_ = (
        ("api_version", ctypes.c_uint32),
        ("driver_version", ctypes.c_uint32),
        ("vendor", ctypes.c_uint32),
        ("device", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("name", ctypes.c_char * _MAX_NAME),
        ("rest", ctypes.c_char * 2048),
    )


def vulkan_devices() -> list[VulkanDevice] | None:
    """All devices, the best first; None where there is no loader. It loads their drivers into this process."""
    try:
        vulkan = ctypes.CDLL(LOADER)
    except OSError:
        return None
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(_InstanceInfo(type=_INSTANCE_INFO)), None, ctypes.byref(instance)) != 0:
        return []
    try:
        count = ctypes.c_uint32()
        if vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None) != 0:
            return []
        handles = (ctypes.c_void_p * count.value)()
        vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles)
        return sorted(
            (_described(vulkan, handle) for handle in handles if handle),
            key=lambda device: _BEST_FIRST.index(device.kind),
        )
    finally:
        vulkan.vkDestroyInstance(instance, None)


def gpu_name() -> str:
    """The name of the one device; of several, all, since the runtime does not say which one it took."""
    names = [re.sub(r"\s*\(.*\)$", "", device.name) for device in vulkan_devices() or ()]
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}" if names else "unnamed"


def _described(vulkan: ctypes.CDLL, handle: int) -> VulkanDevice:
    found = _Properties()
    vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(handle), ctypes.byref(found))
    kind = _TYPES[found.type] if found.type < len(_TYPES) else "other"
    api = f"{found.api_version >> 22 & 0x7F}.{found.api_version >> 12 & 0x3FF}"
    return VulkanDevice(found.name.decode("utf-8", "replace"), kind, api)
