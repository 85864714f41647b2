"""Trajectories as extended XYZ: text that ASE, OVITO and labkit's own data sets read, with full precision."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from labkit.base import Evaluation, State
from labkit.engine.observers.files import Growing
from labkit.engine.observers.trajectory import Trajectory, part


class ExtXyz(Trajectory):
    """Positions [Å], velocities [Å/fs], forces [eV/Å], cell, energy [eV], step, time [fs]; any batch in one file.

    Raises LabkitError when the file cannot be written.

    >>> writer = ExtXyz("run.extxyz", every=100)
    """

    mixed = True

    def frame(self, file: Growing, state: State, evaluation: Evaluation, s: int) -> None:
        system = state.system
        start, end = system.offsets[s : s + 2]
        names = [chemical_symbols[z] for z in system.numbers[start:end].tolist()]
        types = [system.vocabulary.names[t] for t in system.types[start:end].tolist()]
        columns = [part(state, state.positions, s), part(state, state.velocities, s)]
        kinds = "species:S:1:pos:R:3:velocities:R:3"
        if types != names:  # kinds of beads, or of atoms in a force field
            names = [f"{name} {kind}" for name, kind in zip(names, types, strict=True)]
            kinds = kinds.replace(":pos", ":types:S:1:pos") + ":masses:R:1"
            columns.append(part(state, system.masses[:, None], s))
        if evaluation.forces is not None:
            columns.append(part(state, evaluation.forces, s))
            kinds += ":forces:R:3"
        cell = " ".join(repr(x) for x in state.cell[s].flatten().tolist())
        repeats = " ".join("T" if p else "F" for p in system.pbc[s].tolist())
        lattice = f'Lattice="{cell}" ' if bool(system.pbc[s].any()) else ""
        comment = (
            f'{lattice}Properties={kinds} pbc="{repeats}" energy={float(evaluation.energy[s])!r} '
            f"step={state.loop_step} time_fs={self.time(state):.10g} system={s}"
        )
        table = np.concatenate(columns, 1).tolist()
        rows = "".join(f"{name} {' '.join(map(repr, row))}\n" for name, row in zip(names, table, strict=True))
        file.append(f"{end - start}\n{comment}\n{rows}".encode())
