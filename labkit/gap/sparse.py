"""Terms with their sparse points, from settings and training frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ase
import torch
from torch import Tensor, nn

from labkit.base import NO_PROGRESS, Progress, State, find_neighbours
from labkit.base.frames import batches
from labkit.errors import LabkitError, Stopped, suggest
from labkit.gap.config import GapConfig, Soap
from labkit.gap.distance_2b_term import Distance2bTerm
from labkit.gap.lexer import as_real
from labkit.gap.soap_term import SoapTerm
from labkit.gap.terms import n_sparse_of_kinds
from labkit.regression.selection import METHODS, select


def make_terms(config: GapConfig, species: Sequence[int]) -> nn.ModuleList:
    """Terms without sparse points, in the order of `config.descriptors`, for these atomic numbers."""
    kinds = list(species)
    for d in config.descriptors:
        unseen = sorted(set(kinds) - set(d.species or kinds)) if isinstance(d, Soap) else []
        if unseen:
            symbol = ase.data.chemical_symbols[unseen[0]]
            raise LabkitError(
                f"soap around Z={d.centre} lists the species {list(d.species)}, but the frames contain {symbol}; "
                f"add {unseen[0]} to species_Z, or leave Z and species_Z out"
            )
    return nn.ModuleList(
        SoapTerm(d, kinds) if isinstance(d, Soap) else Distance2bTerm(d, kinds) for d in config.descriptors
    )


def choose_points(
    terms: nn.ModuleList,
    frames: Sequence[ase.Atoms],
    config: GapConfig,
    progress: Progress = NO_PROGRESS,
    kinds: Sequence[str] = (),
) -> list[str]:
    """Set every term's sparse points from the training frames; return notes for the user.

    `kinds` are the frames' config types, which config_type_n_sparse refers to.

    The number of points is clipped to that of the environments, as in gap_fit.
    """
    notes: list[str] = []
    for term in terms:
        if isinstance(term, SoapTerm):
            _choose_environments(term, frames, config, notes, progress, kinds)
        else:
            _choose_distances(term, frames)
            notes += _unseen_pairs(term)
    if not sum(term.columns for term in terms):
        raise LabkitError("no sparse point could be chosen: no frame has an environment within reach of a descriptor")
    return notes


def _choose_environments(
    term: SoapTerm,
    frames: Sequence[ase.Atoms],
    config: GapConfig,
    notes: list[str],
    progress: Progress,
    kinds: Sequence[str],
) -> None:
    soap = term.soap
    if soap.sparse_method not in METHODS:
        raise LabkitError(
            f"sparse_method is {soap.sparse_method!r}, which only gap_fit has; labkit's own fit has "
            f"{', '.join(METHODS)}{suggest(soap.sparse_method, METHODS)}"
        )
    wanted = n_sparse_of_kinds(soap)
    places = {kind: place for place, kind in enumerate(wanted)}
    numbers = [places.get(kind, places.get("default", -1)) for kind in kinds] if wanted else []
    seen: dict[int, list[Tensor]] = {z: [] for z in term.centres}
    owners: dict[int, list[Tensor]] = {z: [] for z in term.centres}
    for batch in batches(map(len, frames)):
        if progress.should_stop():
            raise Stopped("stopped while choosing sparse points")
        state = State.from_atoms([frames[k] for k in batch])
        near = find_neighbours(state.system, state.positions, state.cell, term.cutoff)
        power = term.descriptor(state.system, state.positions, state.cell, near)
        for z in term.centres:
            if z in state.system.of_species:
                mine = state.system.of_species[z]
                seen[z].append(power[mine])
                if wanted:
                    owners[z].append(torch.tensor([numbers[k] for k in batch])[state.system.index[mine].cpu()])
    for z, parts in seen.items():
        if not parts:
            continue
        every, symbol = torch.cat(parts), ase.data.chemical_symbols[z]
        different, occurrences = _different(every)
        features = every[different]
        if len(features) < len(every):
            notes.append(
                f"{len(every) - len(features)} of {len(every)} environments of {symbol} are duplicates, left out"
            )
        if wanted:
            owner = torch.cat(owners[z])[different.cpu()]
            chosen = _of_kinds(features, owner, wanted, soap, abs(config.seed), occurrences)
            if len(chosen) < soap.n_sparse:
                notes.append(
                    f"n_sparse clipped from {soap.n_sparse} to {len(chosen)} for {symbol}: the training frames of "
                    "some kinds have no more environments"
                )
            term.set_points(z, features[chosen])
            continue
        count = min(soap.n_sparse, len(features))
        if count < soap.n_sparse:
            notes.append(
                f"n_sparse clipped from {soap.n_sparse} to {count} for {symbol}: "
                "the training frames have no more environments"
            )
        chosen = _chosen(features, count, soap, abs(config.seed), occurrences)
        term.set_points(z, features[chosen])


def _of_kinds(
    features: Tensor, owner: Tensor, wanted: Mapping[str, int], soap: Soap, seed: int, occurrences: Tensor
) -> Tensor:
    """Rows of `features` (n, F): as many of each kind of frame as are wanted; `owner` (n,) is the kind's place."""
    chosen = []
    for place, count in enumerate(wanted.values()):
        mine = torch.nonzero(owner == place).flatten().to(features.device)
        if count and len(mine):
            rows = _chosen(features[mine], min(count, len(mine)), soap, seed, occurrences[mine])
            chosen.append(mine[rows])
    return torch.cat(chosen) if chosen else torch.zeros(0, dtype=torch.int64, device=features.device)


def _chosen(features: Tensor, count: int, soap: Soap, seed: int, occurrences: Tensor) -> Tensor:
    """Which `count` rows of `features` (n, F) are sparse points; all, in order, if there are no more."""
    if count == len(features):
        return torch.arange(count, device=features.device)
    return select(features, count, soap.sparse_method, seed, zeta=soap.zeta, weights=occurrences)


def _different(features: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of unique rows, and how often each occurs.

    Equal rows have equal projections on any direction, so also on a random one.
    """
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(features.shape[1], generator=generator, dtype=torch.float64).to(features)
    value, order = torch.sort(features @ direction)
    new = torch.cat([torch.ones(1, dtype=torch.bool, device=value.device), value.diff() > 1e-9])
    rows, place = order[new].sort()
    return rows, torch.bincount(new.cumsum(0) - 1)[place]


def _unseen_pairs(term: Distance2bTerm) -> list[str]:
    return [
        f"no {'-'.join(ase.data.chemical_symbols[z] for z in pair)} pair within {term.cutoff:g} Å in the training "
        "frames: it gets no energy"
        for pair in term.pairs
        if not len(term.points(pair))
    ]


def _choose_distances(term: Distance2bTerm, frames: Sequence[ase.Atoms]) -> None:
    ends = dict.fromkeys(term.pairs, (torch.inf, 0.0))
    for batch in batches(map(len, frames)):
        state = State.from_atoms([frames[k] for k in batch])
        near = find_neighbours(state.system, state.positions, state.cell, term.cutoff)
        vectors = near.vectors(state.positions, state.cell)
        for pair in term.pairs:
            _, r = term.distances(state.system, near, vectors, pair)
            if len(r):
                ends[pair] = (min(ends[pair][0], float(r.min())), max(ends[pair][1], float(r.max())))
    for pair, (start, end) in ends.items():
        if start < term.cutoff:
            points = torch.linspace(start, term.cutoff, term.two_body.n_sparse).to(vectors)
            scale = as_real(term.two_body.other.get("theta_fac", "1")) or 1.0
            term.set_points(pair, points, width=max(end - start, 0.1) * scale)
