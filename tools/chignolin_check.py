"""Checks of the all-atom runs of chignolin: temperature, constraints, and mean forces under a bias on beads.

    python tools/chignolin_check.py --out FOLDER     with the settings and maps of forces that tools/chignolin.py uses

1. Kinetic temperature and potential energy at timesteps of 4, 2 and 1 fs. Velocities of BAOAB are colder by an error
   of dt², while the distribution of positions, which alone is used, has a much smaller one: energies must agree.
2. The largest relative error of a constraint.
3. E[B f | R]: configurations of the CA are held fixed, and mapped forces averaged with an umbrella, whose forces are
   excluded, as in the data, and without one. Errors are from the spread over 16 runs.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from chignolin import Settings, read_maps

from labkit.base import Observer, State
from labkit.engine import Langevin, hold, maxwell_boltzmann, simulate
from labkit.engine.kinetic import temperature
from labkit.folding import NativeContacts, Umbrella
from labkit.folding.chignolin import FRICTION, STEP, Protein, chignolin
from labkit.units import KB, KCAL_PER_MOL

RUNS = 16


class Averages(Observer):
    """Mean of a function of state and evaluation for each replica, from step `skip` onwards."""

    def __init__(self, every: int, skip: int, of) -> None:
        self.every, self.skip, self.of, self.sum, self.count = every, skip, of, 0.0, 0

    def __call__(self, state: State, evaluation) -> None:
        if state.loop_step > self.skip:
            self.sum, self.count = self.sum + self.of(state, evaluation), self.count + 1

    @property
    def mean(self) -> torch.Tensor:
        return self.sum / self.count


def batch(protein: Protein, state: State, kelvin: float, held: bool = False, seed: int = 0):
    """Replicas of one state with velocities, the force field and the dynamics."""
    forcefield, constraints = protein.replicas(RUNS)
    many = State.from_atoms(state.to_atoms() * RUNS, seed=seed)
    if held:
        atoms = torch.arange(RUNS)[:, None] * protein.forcefield.n_atoms + protein.ca
        many = hold(many, atoms.flatten())
    many = maxwell_boltzmann(many, kelvin, constraints=constraints, com_removed=False)
    return many, forcefield, Langevin(kelvin, FRICTION, constraints=constraints)


def timesteps(protein: Protein, kelvin: float, picoseconds: float) -> None:
    for step in (4.0, 2.0, 1.0):
        state, forcefield, dynamics = batch(protein, protein.native, kelvin)
        rigid = dynamics.constraints
        steps = round(picoseconds * 1000 / step)
        observed = [
            Averages(25, steps // 4, partial(_kelvin, rigid)),
            Averages(25, steps // 4, lambda s, e: e.energy),
        ]
        state = simulate(state, forcefield, dynamics, steps, step, observers=observed)
        a, b = rigid.atoms.unbind(1)
        length = (state.positions[b] - state.positions[a]).norm(dim=1)
        worst = float((length / rigid.distances - 1).abs().max())
        results = [f"{float(o.mean.mean()):.3f} ± {float(o.mean.std() / RUNS**0.5):.3f}" for o in observed]
        print(f"{step:g} fs: T {results[0]} K, U {results[1]} eV, constraints to {worst:.0e}", flush=True)


def _kelvin(constraints, state: State, evaluation) -> torch.Tensor:
    return temperature(state, constraints)


def mean_forces(protein: Protein, settings: Settings, maps: tuple, picoseconds: float) -> None:
    contacts, ca_map = NativeContacts(protein.reference), maps[0]
    middle = _pulled(protein, settings, contacts)
    for name, start in (("native", protein.native), ("middle", middle), ("extended", protein.extended)):
        steps, found = round(picoseconds * 1000 / STEP), {}
        for biased in (False, True):
            state, forcefield, dynamics = batch(protein, start, settings.temperature, held=True, seed=1 + biased)
            umbrella = Umbrella(contacts, protein.ca, [0.3] * RUNS, settings.stiffness)

            def mapped(state, evaluation, umbrella=umbrella, biased=biased):
                forces = evaluation.forces - (umbrella.evaluate(state).forces if biased else 0.0)
                return torch.einsum("mn,sna->sma", ca_map, forces.view(RUNS, -1, 3))

            observer = Averages(5, steps // 5, mapped)
            potential = forcefield + umbrella if biased else forcefield
            simulate(state, potential, dynamics, steps, STEP, observers=[observer])
            found[biased] = observer.mean / KCAL_PER_MOL
        difference = found[True].mean(0) - found[False].mean(0)
        error = ((found[True].var(0) + found[False].var(0)) / RUNS).sqrt()
        bias = umbrella.evaluate(state).forces.view(RUNS, -1, 3)[0, protein.ca] / KCAL_PER_MOL
        largest, square = (difference / error).abs().max(), (difference / error).square().mean()
        print(
            f"{name}, {picoseconds:g} ps x {RUNS}: mean force up to {float(found[False].mean(0).abs().max()):.1f}, "
            f"bias up to {float(bias.abs().max()):.1f}, error {float(error.mean()):.2f} kcal/mol/Å; "
            f"difference/error: mean square {float(square):.2f}, largest {float(largest):.1f}",
            flush=True,
        )


def _pulled(protein: Protein, settings: Settings, contacts: NativeContacts) -> State:
    """A half-folded state: 40 ps with an umbrella at Q = 0.5."""
    potential = protein.forcefield + Umbrella(contacts, protein.ca, [0.5], 40 * KB * 350 * 10)
    state = maxwell_boltzmann(protein.extended, settings.temperature, constraints=protein.constraints, seed=3)
    dynamics = Langevin(settings.temperature, FRICTION, constraints=protein.constraints)
    return simulate(state, potential, dynamics, 10_000, STEP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--ps", type=float, default=40.0, help="ps of each run (40)")
    options = parser.parse_args()
    settings = Settings.load(options.out / "settings.json")
    protein = chignolin(settings.forcefield)
    timesteps(protein, settings.temperature, options.ps)
    mean_forces(protein, settings, read_maps(options.out / "maps.npz"), options.ps)


if __name__ == "__main__":
    main()
