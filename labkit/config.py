"""Where and how labkit computes: mode, device, dtype and threads, read once from the environment."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from labkit.errors import LabkitError, suggest


@dataclass(frozen=True)
class Config:
    """Settings of one run.

    mode           "fast" or "full"
    device, dtype  of torch
    threads        of torch
    session        folder of a learner's work: answers, runs, models
    cache          folder of results that can be computed again
    """

    mode: str
    device: torch.device
    dtype: torch.dtype
    threads: int
    session: Path
    cache: Path

    @property
    def fast(self) -> bool:
        """True if a notebook should finish within a minute on two cores."""
        return self.mode == "fast"


@cache
def config() -> Config:
    """Read LABKIT_MODE (fast|full), LABKIT_DEVICE (cpu|cuda|...), LABKIT_DTYPE (float64|float32, of states made without
    a dtype) and LABKIT_THREADS once, and set torch's threads.

    LABKIT_SESSION and LABKIT_CACHE replace the folders ~/.local/share/labkit and ~/.cache/labkit.

    >>> config().dtype
    torch.float64
    """
    mode = os.environ.get("LABKIT_MODE", "fast")
    if mode not in ("fast", "full"):
        raise LabkitError(f"LABKIT_MODE is {mode!r}, expected 'fast' or 'full'{suggest(mode, ['fast', 'full'])}")
    device = _device(os.environ.get("LABKIT_DEVICE", "cpu"))
    if "LABKIT_THREADS" in os.environ:
        text = os.environ["LABKIT_THREADS"]
        if not text.isdigit() or int(text) < 1:
            raise LabkitError(f"LABKIT_THREADS is {text!r}, expected a positive whole number, such as 2")
        torch.set_num_threads(int(text))
    precision = os.environ.get("LABKIT_DTYPE", "float64")
    if precision not in ("float64", "float32"):
        close = suggest(precision, ["float64", "float32"])
        raise LabkitError(f"LABKIT_DTYPE is {precision!r}, expected 'float64' or 'float32'{close}")
    session = _folder("LABKIT_SESSION", "XDG_DATA_HOME", ".local/share")
    cache_ = _folder("LABKIT_CACHE", "XDG_CACHE_HOME", ".cache")
    return Config(mode, device, getattr(torch, precision), torch.get_num_threads(), session, cache_)


def _folder(own: str, general: str, usual: str) -> Path:
    """The folder named by labkit's own variable, or `labkit` in the general one of the desktop."""
    if os.environ.get(own):
        return Path(os.environ[own]).expanduser().absolute()
    return Path(os.environ.get(general) or Path.home() / usual) / "labkit"


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LabkitError(f"LABKIT_DEVICE is {name!r}, expected a torch device such as 'cpu' or 'cuda'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LabkitError("LABKIT_DEVICE asks for 'cuda', but torch finds no GPU; set LABKIT_DEVICE=cpu")
    return device


@cache
def compiler() -> bool:
    """True if numba is installed; without it torch does the same, several times slower on the CPU."""
    return importlib.util.find_spec("numba") is not None
