"""Where and how labkit computes: mode, device, dtype and threads, read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import torch

from labkit.errors import LabkitError, suggest


@dataclass(frozen=True)
class Config:
    """Settings of one run: `mode` ("fast" or "full"), torch `device`, `dtype`, `threads`."""

    mode: str
    device: torch.device
    dtype: torch.dtype
    threads: int

    @property
    def fast(self) -> bool:
        """True where a notebook should end within a minute on two cores."""
        return self.mode == "fast"


@cache
def config() -> Config:
    """Read LABKIT_MODE (fast|full), LABKIT_DEVICE (cpu|cuda|...) and LABKIT_THREADS once, and set torch's threads.

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
            raise LabkitError(f"LABKIT_THREADS is {text!r}, expected a whole number from 1, such as 2")
        torch.set_num_threads(int(text))
    return Config(mode, device, torch.float64, torch.get_num_threads())


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LabkitError(f"LABKIT_DEVICE is {name!r}, expected a torch device such as 'cpu' or 'cuda'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LabkitError("LABKIT_DEVICE asks for 'cuda', but torch finds no GPU; set LABKIT_DEVICE=cpu")
    return device
