"""Which process computes a frame, and whether it is known to be dead."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def owner() -> str:
    """This process: boot and process namespace of its machine, process id, and start time."""
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}"


def has_ended(other: str) -> bool:
    """True if the process is known to have ended; False if it is alive, or runs on another machine.

    Process ids are reused: a process with another start time is another process.
    """
    machine, pid, started = other.split("|")
    return bool(_machine()) and machine == _machine() and _started(int(pid)) != started


@cache
def _machine() -> str:
    """The machine's boot and process namespace; empty without /proc: then no process is known to have ended."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time in clock ticks since boot; empty for a process that has ended, including a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]
