"""Pools of random frames, and every rule and wrapper; a new rule is a line in SELECTIONS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labkit.active.selection import SELECTIONS, NewEnvironments, Pool, Selection, Unlike, Within

#: spread, eV/Å, between which frames of these pools may be chosen
LOW, HIGH = 0.2, 0.9

RULES: dict[str, Selection] = {name: kind() for name, kind in SELECTIONS.items()} | {
    "new environments by distance": NewEnvironments(by="distance")
}
WRAPPED: dict[str, Selection] = {
    f"{kind}, {name}": wrap(rule)
    for kind, wrap in {
        "within": lambda rule: Within(rule, LOW, HIGH),
        "unlike": lambda rule: Unlike(rule, 0.3),
        "unlike within": lambda rule: Unlike(Within(rule, LOW, HIGH), 0.3),
        "within unlike": lambda rule: Within(Unlike(rule, 0.3), LOW, HIGH),
    }.items()
    for name, rule in RULES.items()
}


def random_pool(frames: int, seed: int, *, width: int = 4, known: int = 0) -> Pool:
    """Frames of 2 to 4 atoms of hydrogen and oxygen, without ties."""
    random = np.random.default_rng(seed)
    n_atoms = random.integers(2, 5, frames)
    atoms = [random.normal(size=(n, width)) for n in n_atoms]
    older = random.normal(size=(known, 3, width))
    return Pool(
        n_atoms=n_atoms,
        spread=random.random(frames),
        unit="eV/Å",
        spread_per_atom=[random.random(n) for n in n_atoms],
        members=random.normal(size=(4, frames)) * random.random(frames),
        member_forces=[random.normal(size=(4, n, 3)) for n in n_atoms],
        features=np.stack([x.mean(axis=0) for x in atoms]) if frames else np.empty((0, width)),
        atom_features=atoms,
        species=[random.choice([1, 8], n) for n in n_atoms],
        known=older.mean(axis=1) if known else None,
        known_atoms=older.reshape(-1, width) if known else None,
        known_species=random.choice([1, 8], 3 * known) if known else None,
    )


def without(pool: Pool, field: str) -> Pool:
    """The pool without a field."""
    return replace(pool, **{field: None})


def with_nan(pool: Pool, field: str, rows: list[int]) -> Pool:
    """The pool with NaN in a field of some frames."""
    value = getattr(pool, field)
    if isinstance(value, np.ndarray):
        value = value.copy()
        value[(..., rows) if field == "members" else rows] = np.nan
    else:
        value = [np.full(np.shape(x), np.nan) if k in rows else x for k, x in enumerate(value)]
    return replace(pool, **{field: value})
