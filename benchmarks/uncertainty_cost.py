"""What an uncertainty costs: CPU time of each kind of spread over that of one evaluation, and of a committee.

The peer of a spread is the potential itself (energies and forces) at the same structures, with neighbours known; ratios
are evaluation / spread, so that a goal of "at most 2.5 times" is a ratio of at least 0.4. Training a committee of 4 is
compared with training one of its members. On two cores, 4 members take half of their CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from _bench import Row, compare, parser, report

from labkit.active import (
    CommitteeSpread,
    DropoutSpread,
    EvidentialSpread,
    GpVariance,
    LastLayer,
    MahalanobisDistance,
    MeanVarianceSpread,
    NearestEnvironments,
    ShallowSpread,
    Uncertainty,
)
from labkit.base import Committee, Potential, State
from labkit.datasets import Dataset, ice
from labkit.gap import Design, GapConfig, Soap
from labkit.neural import NeuralConfig, train, train_committee, untrained

CHEAP, FORCES, SCORING, TRAINING = 1 / 1.2, 1 / 2.5, 1 / 2.0, 1 / 2.3
CORES = 2


def cpu(work: Callable[[], object]) -> float:
    """CPU time of one call, of all threads, in seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ratio(
    name: str,
    work: Callable[[], object],
    one: Callable[[], object],
    runs: int,
    goal: float | None,
    per: int = 1,
    peer: str = "one evaluation",
) -> Row:
    """CPU times of both, alternating after one call of each; `per` divides that of the work."""
    work(), one()
    pairs = [(cpu(work) / per, cpu(one)) for _ in range(runs)]
    ours, theirs = zip(*pairs, strict=True)
    return compare(name, "ms", 1e3 * np.array(ours), 1e3 * np.array(theirs), peer, goal)


def kinds(data: Dataset, config: NeuralConfig) -> list[tuple[str, Potential, Uncertainty, float | None]]:
    """Each kind with its potential and goal; weights are untrained, which costs the same."""
    plain, head = untrained(data, config), lambda name: untrained(data, config.replace(head=name))
    shallow, dropout = untrained(data, config.replace(outputs=8)), head("dropout")
    noise, evidence = head("mean-variance"), head("evidential")
    soap = Soap(cutoff=4.0, n_max=6, l_max=4, n_sparse=100)
    gap = Design.build(data[:20], GapConfig(soap, sigma_virial=None)).solve()
    return [
        ("shallow ensemble of 8, energies", shallow, ShallowSpread(shallow, per_atom="energies"), CHEAP),
        ("shallow ensemble of 8, forces", shallow, ShallowSpread(shallow), FORCES),
        ("dropout, 8 draws, energies", dropout, DropoutSpread(dropout, per_atom="energies"), CHEAP),
        ("dropout, 8 draws, forces", dropout, DropoutSpread(dropout), FORCES),
        ("last layer, energies", plain, LastLayer(plain, data, per_atom="energies"), CHEAP),
        ("last layer, 8 directions, forces", plain, LastLayer(plain, data), FORCES),
        ("mean-variance", noise, MeanVarianceSpread(noise), CHEAP),
        ("evidential", evidence, EvidentialSpread(evidence), CHEAP),
        ("nearest environments", plain, NearestEnvironments(plain, data), CHEAP),
        ("Mahalanobis distance", plain, MahalanobisDistance(plain, data), CHEAP),
        ("GAP: variance of energies", gap, GpVariance(gap), CHEAP),
        ("GAP: variance of forces", gap, GpVariance(gap, per_atom="forces"), None),
        ("GAP: nearest environments", gap, NearestEnvironments(gap, data[:20]), CHEAP),
        ("GAP: Mahalanobis distance", gap, MahalanobisDistance(gap, data[:20]), CHEAP),
    ]


def rows(small: bool) -> list[Row]:
    torch.set_num_threads(1)
    data = ice("train", n=50)
    config = NeuralConfig(channels=8) if small else NeuralConfig()
    runs, steps = (3, 4) if small else (15, 100)
    cells = State.from_atoms(data.atoms[0] if small else data.atoms[0] * (2, 2, 2))
    found = []
    with torch.no_grad():
        for name, potential, uncertainty, goal in kinds(data, config):
            one = lambda p=potential: p.evaluate(cells)  # noqa: E731
            found.append(ratio(name, lambda u=uncertainty: u(cells), one, runs, goal))
        members = [untrained(data, config.replace(seed=k)) for k in range(4)]
        spread = CommitteeSpread(Committee(members, threads=CORES))
        one = lambda: members[0].evaluate(cells)  # noqa: E731
        name = "committee of 4, forces, CPU time of two cores"
        found.append(ratio(name, lambda: spread(cells), one, runs, SCORING, CORES))
    single = lambda: train(untrained(data, config), data, steps=steps)  # noqa: E731
    several = lambda: train_committee(data, config, members=4, steps=steps, threads=CORES)  # noqa: E731
    name = "training a committee of 4, CPU time of two cores"
    found.append(ratio(name, several, single, 1 if small else 5, TRAINING, CORES, "training one network"))
    return found


if __name__ == "__main__":
    arguments = parser(__doc__).parse_args()
    report(rows(arguments.small), arguments)
