"""Files as labkit writes them, with odd content and a valid digest."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from labkit.files import tensors_digest

DEEP = "[" * 100_000 + "]" * 100_000
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 160, 161, 10**6, 10**11, 2**63, 2**64, 10**400, -(10**30), 0.0, 0.5, -2.5,
    1e-320, 1e308, -1e308, float("nan"), float("inf"), -float("inf"), "", "x", "H", "1", "1e3",
    "\u0000", "\ud800", "é" * 300,
    [], [[]], [1, 2], ["H", 1], {}, {"a": 1}, {"": {}}, [None], [[1, [2, [3]]]], ["x"] * 50, [0] * 1000,
)  # fmt: skip
DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


def changed(value: Any, chance: random.Random) -> Any:
    """The same JSON with one to three parts replaced, removed, repeated or added."""
    holder = [json.loads(json.dumps(value))]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        owner, key = holder, 0
        while isinstance(owner[key], (dict, list)) and owner[key] and chance.random() < 0.8:
            owner, key = (
                owner[key],
                chance.choice(list(owner[key]) if isinstance(owner[key], dict) else range(len(owner[key]))),
            )
        how = chance.random()
        if how < 0.65 or owner is holder:
            owner[key] = chance.choice(VALUES)
        elif how < 0.85:
            del owner[key]
        elif isinstance(owner, dict):
            owner[chance.choice(("", "x", "n_max", "name", "kind"))] = chance.choice(VALUES)
        else:
            owner.append(owner[key])
    return holder[0]


def changed_tensor(tensor: torch.Tensor, chance: random.Random) -> torch.Tensor:
    """Of another kind, shape or size, or with a few other numbers."""
    tensor, how = tensor.clone(), chance.randrange(7)
    if how == 0:
        return tensor.to(chance.choice(DTYPES))
    if how == 1:
        return tensor[:-1] if tensor.ndim else tensor[None]
    if how == 2:
        return tensor.flatten()
    if how == 3:
        return tensor[..., None]
    if how == 4:
        return torch.cat([tensor, tensor]) if tensor.ndim else tensor
    if how == 5:
        return tensor.reshape(-1)[:0]
    if tensor.numel():
        flat, odd = tensor.reshape(-1), (-1, 2**40, -(2**62), 3) if not tensor.is_floating_point() else (
            float("nan"), float("inf"), -1.0, 1e30, 0.0
        )  # fmt: skip
        value = chance.choice(odd)
        flat[chance.randrange(len(flat))] = bool(value) if tensor.dtype == torch.bool else value
    return tensor


def rewritten(source: Path, target: Path, seed: int, *, digest: bool = True) -> None:
    """A copy of a safetensors file of labkit's with odd content, and a digest that fits it."""
    chance = random.Random(seed)
    with safe_open(source, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    names = sorted(set(header) - {"digest", "format"})
    for _ in range(chance.choice((1, 1, 2))):
        if tensors and chance.random() < 0.5:
            name, how = chance.choice(sorted(tensors)), chance.random()
            if how < 0.15:
                del tensors[name]
            elif how < 0.25:
                tensors[chance.choice(("x", "weights.9", "terms.0.points_99", "aux.", "system.x", "a.b.c"))] = tensors[
                    name
                ]
            else:
                tensors[name] = changed_tensor(tensors[name], chance)
        else:
            name = chance.choice(names)
            how = chance.random()
            if how < 0.1:
                header.pop(name, None)
            elif how < 0.2:
                header[name] = chance.choice((DEEP, "", "{", "1" * 5000, "NaN", '"x"', "é", "null"))
            else:
                try:
                    plain = json.loads(header[name])
                except (KeyError, ValueError, RecursionError):
                    plain = header.get(name, "")
                header[name] = json.dumps(changed(plain, chance))
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    header = {name: text.encode("utf-8", "replace").decode() for name, text in header.items()}
    if digest:
        header["digest"] = tensors_digest(header, tensors)
    save_file(tensors, target, header)
