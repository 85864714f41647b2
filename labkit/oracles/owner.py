"""Which process computes a frame, and whether it is known to be dead."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def owner() -> str:
    """This process: boot and process namespace of its machine, number, and when it was started."""
    return f"{_machine()}|{os.getpid()}|{_started(os.getpid())}"


def is_gone(other: str) -> bool:
    """True where the process is known to have ended; False where it lives, or runs on another machine.

    Numbers of processes are used again: one that was started at another time is another process.
    """
    machine, pid, started = other.split("|")
    return bool(_machine()) and machine == _machine() and _started(int(pid)) != started


@cache
def _machine() -> str:
    """Empty where the system does not tell (no /proc): then nobody is known to be dead."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Clock ticks since boot; empty for a process that has ended, also one that nobody has waited for."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]
