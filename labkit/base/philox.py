"""Philox4x32-10: random words that are a function of a counter and a key, so that no state has to be kept or shared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral

import torch
from torch import Tensor

from labkit.errors import LabkitError

WORD = 0xFFFFFFFF
ROUNDS = 10
#: multipliers and key increments
M0, M1, W0, W1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
#: numbers beyond the fourth of an atom come from the stream `stream + STREAMS`, and so on
STREAMS = 8
_SEEDS = 0x5EED  # the stream from which one seed becomes many


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> list[Tensor]:
    """Four random words of 32 bits from a counter of four words and a key of two, all in tensors of int64.

    Salmon, Moraes, Dror and Shaw, Proc. SC11, 16 (2011).

    >>> zero = torch.zeros(1, dtype=torch.int64)
    >>> [f"{int(word):08x}" for word in philox([zero] * 4, [zero] * 2)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # a product of two words fits into 64 bits, of which the highest is the sign in int64
        p, q = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (q >> 32 & WORD) ^ c1 ^ k0, q & WORD, (p >> 32 & WORD) ^ c3 ^ k1, p & WORD
        k0, k1 = k0 + W0 & WORD, k1 + W1 & WORD
    return [c0, c1, c2, c3]


def halves(values: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and the upper word of int64."""
    return values & WORD, values >> 32 & WORD


def seeds_for(systems: int, seed: int | Sequence[int] | Tensor, *, equal: bool = False) -> Tensor:
    """One seed for each system, (S,) int64: those given, or different ones derived from a single one.

    The first derived seed is the given one: a single system has the same noise as the first of a batch. Raises
    LabkitError for a wrong number of seeds and, without `equal`, for systems with the same seed, which would have the
    same noise.

    >>> seeds_for(2, 7).tolist()[0], len(set(seeds_for(1000, 7).tolist()))
    (7, 1000)
    """
    many = [seed] if isinstance(seed, Integral) else list(seed.tolist() if hasattr(seed, "tolist") else seed)
    for found in many:
        if not (isinstance(found, Integral) and -(2**63) <= found < 2**63):
            raise LabkitError(f"seed is {found!r}; expected a whole number of at most 63 bits")
    given = torch.tensor([int(found) for found in many], dtype=torch.int64)
    if isinstance(seed, Integral):
        return _derived(systems, int(seed)).clone()
    if len(given) != systems:
        raise LabkitError(f"{len(given)} seeds were given for {systems} systems; give one, or one for each system")
    if not equal:
        refuse_equal(given)
    return given


@lru_cache(maxsize=64)  # each batch of a prediction asks for the same
def _derived(systems: int, seed: int) -> Tensor:
    place = torch.arange(systems)
    key = halves(torch.tensor([seed], dtype=torch.int64))
    low, high, _, _ = philox([place, *(torch.full_like(place, v) for v in (_SEEDS, 0, 0))], key)
    return torch.where(place == 0, seed, (high & 0x7FFFFFFF) << 32 | low)


def refuse_equal(seeds: Tensor) -> None:
    """Raise LabkitError, naming them, if two systems have the same seed."""
    if len(seeds) < 2:
        return
    ordered, place = torch.sort(seeds, stable=True)
    same = torch.nonzero(ordered[1:] == ordered[:-1]).flatten()
    if len(same):
        first, second = place[same[0]], place[same[0] + 1]
        raise LabkitError(
            f"systems {int(first)} and {int(second)} have the same seed, {int(seeds[first])}, and would have the same "
            "noise; give one number as seed=, from which different seeds are derived, or allow it with equal_seeds=True"
        )
