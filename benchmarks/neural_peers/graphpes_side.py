"""graph-pes's PaiNN, trained for a budget of CPU time.

Tuned: EMA, a rate that ends at zero, mean squares. Recommended, as in its defaults: 32 channels, 3 layers, Adam at
1e-3, batch 4, no schedule, loss of root mean squares of energies per atom and of forces. Both in float32, with its
scales fitted before, and energies of atoms by least squares taken out in float64.
Dynamics: its ASE calculator, which keeps neighbours within a skin of 1 Å; replicas as one batch with the pairs of the
first step.
"""

import numpy as np
import torch
from _clock import RECOMMENDED, atom_energies, force_scale, frames, options, report
from _dynamics import speeds, verlet, with_ase
from _training import mean_loss, train, train_as_recommended
from graph_pes import AtomicGraph
from graph_pes.atomic_graph import to_batch
from graph_pes.models import PaiNN

SIZES = {"small": 32, "medium": 64, RECOMMENDED: 32}  # channels
CUTOFF = 5.0


def main() -> None:
    given = options()
    recommended = given.size == RECOMMENDED
    known, test = frames(given.data, "train"), frames(given.data, "test")
    e0, scale = atom_energies(known), force_scale(known)
    graphs = [graph(a, e0) for a in known]
    model = PaiNN(channels=SIZES[given.size], cutoff=CUTOFF)
    model.pre_fit_all_components(graphs)
    rate = given.rate or 1e-3
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)

    def loss_on(chosen: list):
        b = to_batch(chosen)
        found = model.predict(b, ["energy", "forces"])
        n = b.ptr[1:] - b.ptr[:-1]
        of_energies = (((found["energy"] - b.properties["energy"]) / n) ** 2).mean()
        of_forces = ((found["forces"] - b.properties["forces"]) ** 2).mean()
        if recommended:
            return of_energies.sqrt() + of_forces.sqrt()
        return (of_energies + of_forces) / scale**2

    def loss_of(rows):
        return loss_on([graphs[r] for r in rows])

    if recommended:
        valid = [graph(a, e0) for a in frames(given.data, "valid")]
        done = train_as_recommended(
            given, model, optimiser, loss_of, len(known),
            lambda: mean_loss(loss_on, valid, 4),
            batch=4, rate=rate, clip=None,
        )  # fmt: skip
    else:
        done = train(given, model, optimiser, loss_of, len(known), batch=5, rate=rate, clip=10.0)
    model.eval()
    predicted = []
    for atoms in test:
        found = model.predict(graph(atoms, e0), ["energy", "forces"])
        base = sum(e0[int(z)] for z in atoms.numbers)
        predicted.append((found["energy"].item() + base, found["forces"].detach().numpy()))

    def many(atoms, replicas):
        b = to_batch([AtomicGraph.from_ase(atoms, CUTOFF)] * replicas)

        def forces_of(r):
            moved = b._replace(R=torch.as_tensor(r.reshape(-1, 3), dtype=torch.float32))
            return model.predict(moved, ["forces"])["forces"].detach().numpy().reshape(r.shape).astype(float)

        return verlet(atoms, replicas, forces_of)

    def single(atoms):
        return with_ase(atoms, model.ase_calculator())

    report(given, predicted, test, **done, **speeds(given, test, {"ASE": single}, many))


def graph(atoms, e0) -> AtomicGraph:
    found = AtomicGraph.from_ase(atoms, CUTOFF)
    energy = atoms.get_potential_energy() - sum(e0[int(z)] for z in atoms.numbers)
    labels = {"energy": torch.tensor(energy, dtype=torch.float32)}
    return found._replace(properties={**labels, "forces": torch.tensor(np.array(atoms.get_forces())).float()})


if __name__ == "__main__":
    main()
