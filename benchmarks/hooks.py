"""labkit inside LAMMPS: what batches of pairs save, and what calls through Python cost.

1. A mobility of 400 particles from an exported model of one pair (79,800 pairs): all in a few calls, against one call a
   pair. The single calls are timed over 4,000 pairs and counted for all.
2. A Lennard-Jones fluid of 4,000 atoms, by labkit's compiled potential through `fix external`, against LAMMPS's own
   pair style: time of a step. No goal: LAMMPS is faster, the ratio shows by how much.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from _bench import Row, compare, parser, report, seconds
from torch import Tensor, nn

from labkit.forcefield import ForceField, LennardJones
from labkit.lammps import Host, Units, lammps
from labkit.lammps.mlmod import KINDS, Parameters
from labkit.lammps.mlmod.models import ExportedModel

PARTICLES, TIMED = 400, 4000
FLUID = """units lj
atom_modify map yes
lattice fcc 0.8442
region box block 0 {side} 0 {side} 0 {side}
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
{pair}
neighbor 0.3 bin
timestep 0.005
fix 1 all nve"""


class PairNetwork(nn.Module):
    """Two layers of 32 for one pair, column in and column out, as MLMOD needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 32), nn.Linear(32, 32), nn.Linear(32, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x.T))))).T


def pairs(folder: Path, runs: int, particles: int, timed: int) -> Row:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(PairNetwork()), str(folder / "pair.pt"))
    file = folder / "mobility.xml"
    file.write_text(
        '<MLMOD><model_data type="dX_MF_ML1"><M_ii_filename value="pair.pt"/><M_ij_filename value="pair.pt"/>'
        "</model_data></MLMOD>"
    )
    model = ExportedModel(Parameters.read(file, {name: kind.keys for name, kind in KINDS.items()}), "M_ij_filename")
    places = torch.rand(particles, 3, generator=torch.Generator().manual_seed(1)) * 50
    i, j = torch.triu_indices(particles, particles, 1)
    rows = torch.cat([places[i], places[j]], 1)
    model(rows, 9)  # choose how to call it, and let TorchScript optimise
    with torch.no_grad():
        for row in rows[:20]:
            model.single(row, 9)

    def one_by_one() -> None:
        with torch.no_grad():
            for row in rows[:timed]:
                model.single(row, 9)

    ours, theirs = [], []
    for _ in range(runs):
        ours.append(seconds(lambda: model(rows, 9)))
        theirs.append(seconds(one_by_one) * len(rows) / timed)
    return compare(f"{len(rows)} pair blocks", "s", ours, theirs, "one call a pair", goal=100)


def fluid(runs: int, steps: int, side: int = 10) -> Row:
    native = lammps(FLUID.format(side=side, pair="pair_style lj/cut 2.5\npair_coeff 1 1 1.0 1.0"))
    hooked = lammps(FLUID.format(side=side, pair="pair_style zero 2.5\npair_coeff * *"))
    count = int(hooked.get_natoms())
    model = ForceField({"lj": LennardJones([1.0] * count, [1.0] * count, cutoff=2.5)}, count)
    model.skin = 0.3
    with Host(hooked, units=Units.lj(1.0, 1.0, 1.0)) as host:
        host.potential(model)
        host.run(5)  # compiles
        native.command("run 5")
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(seconds(lambda: host.run(steps)) / steps * 1e3)
            theirs.append(seconds(lambda: native.command(f"run {steps}")) / steps * 1e3)
        energies = [lmp.get_thermo("pe") for lmp in (native, hooked)]
    print(f"pe of both after {5 + runs * steps} steps: {energies[0]:.6f}, {energies[1]:.6f}")
    return compare(f"{count} atoms, a step", "ms", ours, theirs, "pair_style lj/cut")


def main() -> None:
    arguments = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.small:
            rows = [pairs(Path(folder), 1, 20, 50), fluid(1, 5, side=4)]
        else:
            rows = [pairs(Path(folder), 5, PARTICLES, TIMED), fluid(5, 50 if arguments.full else 20)]
    report(rows, arguments)


if __name__ == "__main__":
    main()
