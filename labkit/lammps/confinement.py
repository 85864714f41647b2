"""A process that gives up, for good, what a model does not need: the network, other programs, and other files."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

# of Linux: the numbers of calls, and what refers to them
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT, _NEWEST = 444, 445, 446, 1
_READ, _ALL = 0b1101, (1 << 13) - 1  # execute (for libraries), read files, read folders; all of the first version
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
#: architecture: its number, and those of socket, connect, execve, execveat, ptrace and io_uring_setup
_MACHINES = {
    "x86_64": (0xC000003E, (41, 42, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 203, 221, 281, 117, 425)),
}


def confine(readable: Iterable[Path]) -> list[str]:
    """Give up all that this platform lets a process give up; returns what that is, as parts of a sentence.

    Afterwards only the files `readable` and those of Python and of the system can be read. On Linux only; elsewhere
    the list is empty.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES or struct.calcsize("P") != 8:
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        return []
    files = _refuse_files(libc, readable)
    calls = _refuse_calls(libc, *_MACHINES[machine])
    return files + calls


def _refuse_files(libc: ctypes.CDLL, readable: Iterable[Path]) -> list[str]:
    """By Landlock (Linux 5.13): no file can be written, and few can be read. Before Linux 6.2 any can be truncated."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_NEWEST))
    if version < 1:
        return []
    handled = _ALL | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)  # refer, truncate
    attributes = ctypes.create_string_buffer(struct.pack("<Q", handled))
    rules = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(8), ctypes.c_uint32(0))
    if rules < 0:
        return []
    system = ("/usr", "/lib", "/lib64", "/proc/cpuinfo", "/proc/meminfo", "/sys", "/etc/ld.so.cache", *_DEVICES)
    own = (sys.prefix, sys.base_prefix, sysconfig.get_paths()["stdlib"], str(Path(__file__).resolve().parents[1]))
    for path in {*system, *own, *map(str, readable)}:
        if not os.path.exists(path):
            continue
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = _READ if os.path.isdir(path) else 0b101 | (0b10 if path in _DEVICES else 0)
        rule = ctypes.create_string_buffer(struct.pack("<Qi", allowed, handle))
        failed = libc.syscall(_LANDLOCK_ADD, rules, ctypes.c_int(1), rule, ctypes.c_uint32(0))
        os.close(handle)
        if failed:
            return []
    failed = libc.syscall(_LANDLOCK_RESTRICT, rules, ctypes.c_uint32(0))
    os.close(rules)
    write = "write files" if version >= 3 else "write files (though empty them)"
    return [] if failed else [write, "read others than its own and those of Python and the system"]


def _refuse_calls(libc: ctypes.CDLL, architecture: int, calls: tuple[int, ...]) -> list[str]:
    """By a filter of system calls: those listed fail with "not permitted", in threads that start later, too."""
    load, equal, beyond, give = 0x20, 0x15, 0x35, 0x06
    refuse, allow = 0x00050001, 0x7FFF0000  # EPERM; go on
    lines = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, refuse), (load, 0, 0, 0)]
    lines += [(beyond, 0, 1, 0x40000000), (give, 0, 0, refuse)]  # the calls of x32
    for call in calls:
        lines += [(equal, 0, 1, call), (give, 0, 0, refuse)]
    lines += [(give, 0, 0, allow)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in lines))
    header = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(lines), ctypes.addressof(program)))
    if libc.prctl(_SET_SECCOMP, _FILTER, header, 0, 0):
        return []
    return ["use the network", "start other programs"]
