"""Tiny exported models and parameter files of MLMOD's, written into a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


class PairBlock(nn.Module):
    """Like Oseen's: (I + r̂ r̂ᵀ)/r times c."""

    def __init__(self, c: float):
        super().__init__()
        self.c = c

    def forward(self, x: Tensor) -> Tensor:
        r = x[0:3] - x[3:6]
        d = torch.sqrt((r * r).sum())
        return (self.c * (torch.eye(3) + (r / d) @ (r / d).T) / d).reshape(9, 1)


class OwnBlock(nn.Module):
    """c I (1 + g z²): depends on where the particle is."""

    def __init__(self, c: float, g: float):
        super().__init__()
        self.c, self.g = c, g

    def forward(self, x: Tensor) -> Tensor:
        return (self.c * torch.eye(3) * (1.0 + self.g * x[2, 0] * x[2, 0])).reshape(9, 1)


class Wall(nn.Module):
    """M = c I (1 + g z_i²) for each of all particles, and h z_1 z_2 between the first two, along x."""

    def __init__(self, c: float, g: float, h: float):
        super().__init__()
        self.c, self.g, self.h = c, g, h

    def forward(self, x: Tensor) -> Tensor:
        z = x.reshape(-1, 3)[:, 2]
        own = torch.diag((self.c * (1.0 + self.g * z * z)).repeat_interleave(3))
        mask = torch.zeros_like(own)
        mask[0, 3] = 1.0
        mask[3, 0] = 1.0
        return (own + self.h * z[0] * z[1] * mask).reshape(-1, 1)


class Spring(nn.Module):
    """F_i = -k (x_i - x_j) = -F_j from X of a pair."""

    def __init__(self, k: float):
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        f = -self.k * (x[0:3] - x[3:6])
        return torch.cat([f, -f])


class Branched(nn.Module):
    """Cannot be batched: what it does depends on a number."""

    def forward(self, x: Tensor) -> Tensor:
        if bool(x[0, 0] > 0.0):
            return 2.0 * x[0:3]
        return -x[0:3]


class Times(nn.Module):
    """c times the input, as it is, or a part of it."""

    def __init__(self, c: float, first: int = 0, last: int = -1):
        super().__init__()
        self.c, self.first, self.last = c, first, last

    def forward(self, x: Tensor) -> Tensor:
        return self.c * (x if self.last < 0 else x[self.first : self.last])


class Flow(nn.Module):
    """[X; V] -> [X + t V; V - s X] of n atoms."""

    def __init__(self, t: float, s: float):
        super().__init__()
        self.t, self.s = t, s

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0] // 2
        return torch.cat([x[:n] + self.t * x[n:], x[n:] - self.s * x[:n]])


class Table(nn.Module):
    """The sum of X and V over atoms, as a table (3, 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1, 3).sum(1).T


def export(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), str(path))
    return path


def parameters(folder: Path, kind: str, name: str = "parameters.xml", **values: object) -> Path:
    """A parameter file; modules among the values are exported beside it."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<MLMOD>", f'<model_data type="{kind}">']
    for key, value in values.items():
        text = export(value, folder / f"{key}.pt").name if isinstance(value, nn.Module) else value
        lines.append(f'  <{key} value="{text}"/>')
    path = folder / name
    path.write_text("\n".join([*lines, "</model_data>", "</MLMOD>", ""]))
    return path
