"""Takes from this process, for good, what parsing a model does not need: network, other programs, changes of files.

A seccomp filter, which needs no privileges: what is forbidden fails with EPERM. Reading files, memory and threads stay.
It is inherited by whatever the process might start.

Numbers of the system calls: Linux' arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; the
filter's instructions: include/uapi/linux/filter.h and seccomp.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _DENY, _UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38  # EPERM, ENOSYS
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_CLONE3, _CLONE_THREAD = 435, 0x10000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# By machine: its AUDIT_ARCH; what is forbidden; the flags' argument of the calls that open a file; the number of clone.
_COMMON = {424, 425, 434, 437, 438}  # pidfd_send_signal, io_uring_setup, pidfd_open, openat2, pidfd_getfd
_X86_64 = {
    41, 42, 43, 44, 46, 49, 50, 53, 288, 307,  # socket, connect, accept, sendto, sendmsg, bind, listen, socketpair, ...
    57, 58, 59, 322,  # fork, vfork, execve, execveat
    62, 101, 310, 311,  # kill, ptrace, process_vm_readv, process_vm_writev
    76, 82, 83, 84, 85, 86, 87, 88, 90, 92, 94, 133,  # truncate, rename, mkdir, rmdir, creat, link, unlink, ...
    258, 259, 260, 263, 264, 265, 266, 268, 316,  # the same of a folder
    155, 161, 165, 166, 272, 308,  # pivot_root, chroot, mount, umount2, unshare, setns
}  # fmt: skip
_AARCH64 = {
    198, 199, 200, 201, 202, 203, 206, 211, 242, 269,
    221, 281,
    129, 117, 270, 271,
    33, 34, 35, 36, 37, 38, 45, 53, 54, 276,
    39, 40, 41, 51, 97, 268,
}  # fmt: skip
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64 | _COMMON, {2: 1, 257: 2}, 56),
    "aarch64": (0xC00000B7, _AARCH64 | _COMMON, {56: 2}, 220),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine() -> str:
    """Forbid it, from now on and for ever.

    Returns:
        "", or why it could not be done.
    """
    if platform.machine() not in _MACHINES:
        return f"no filter is known for {platform.machine()}"
    code = _filter(*_MACHINES[platform.machine()])
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), nothing, nothing, nothing) != 0:
        return os.strerror(ctypes.get_errno())
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program), nothing, nothing) != 0:
        return os.strerror(ctypes.get_errno())
    return ""


def _filter(architecture: int, forbidden: Iterable[int], opens: dict[int, int], clone: int) -> bytes:
    """Eight bytes an instruction; a jump counts the instructions that it skips, if it holds and if not."""
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    # The x32 calls of x86-64 have this bit set.
    steps += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _DENY)]
    for number in sorted(forbidden):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    for number, argument in opens.items():
        steps += [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
            (_ANY_BIT, 0, 1, _WRITES),
            (_RETURN, 0, 0, _DENY),
            (_RETURN, 0, 0, _ALLOW),
        ]
    # A thread is made, a process is not. What hides its flags in memory "is not there": then the libraries call clone.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _UNKNOWN), (_EQUAL, 0, 3, clone)]
    steps += [(_LOAD, 0, 0, _ARGUMENTS), (_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _DENY)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
