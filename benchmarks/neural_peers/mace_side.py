"""MACE, trained by its own modules for a budget of CPU time.

Tuned: float32, EMA, a rate that ends at zero. Recommended, as in its README and defaults: 128x0e + 128x1o, l to 3,
float64, Adam with amsgrad at 1e-2, batch 10, loss 1 (energy per atom) and 100 (forces), plateau, EMA 0.99.
Dynamics: its ASE calculator, in float32 (recommended: float64), the faster of plain and compile_mode="default";
replicas as one batch with the pairs of the first step.
"""

import numpy as np
import torch
from _clock import RECOMMENDED, atom_energies, force_scale, frames, options, report
from _dynamics import speeds, verlet, with_ase
from _training import mean_loss, train, train_as_recommended
from e3nn import o3
from mace import data, modules, tools
from mace.calculators import MACECalculator
from mace.tools import torch_geometric

#: hidden features, layers and largest degree of the spherical harmonics
SIZES = {
    "small": ("32x0e", 2, 2),
    "one": ("64x0e", 1, 2),
    "medium": ("32x0e + 32x1o", 2, 2),
    RECOMMENDED: ("128x0e + 128x1o", 2, 3),
}
CUTOFF = 5.0


def main() -> None:
    given = options()
    recommended = given.size == RECOMMENDED
    torch.set_default_dtype(torch.float64 if recommended else torch.float32)
    known, test = frames(given.data, "train"), frames(given.data, "test")
    numbers = tools.get_atomic_number_table_from_zs(z for a in known for z in a.numbers)
    e0, scale = atom_energies(known), force_scale(known)
    inputs = [as_data(a, numbers, e0) for a in known]
    hidden, layers, degree = SIZES[given.size]
    model = modules.ScaleShiftMACE(
        r_max=CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=degree,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=layers, num_elements=len(numbers), hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu, atomic_energies=np.zeros((1, len(numbers))),
        avg_num_neighbors=float(np.mean([d.edge_index.shape[1] / d.num_nodes for d in inputs])),
        atomic_numbers=numbers.zs, correlation=3, atomic_inter_scale=scale, atomic_inter_shift=0.0,
    )  # fmt: skip
    rate = given.rate or 1e-2
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, amsgrad=True, weight_decay=5e-7 * recommended)
    of_energies, of_forces = (1.0, 100.0) if recommended else (1 / scale**2, 1 / scale**2)

    def loss_on(chosen: list, training: bool = True):
        b = torch_geometric.Batch.from_data_list(chosen)
        found = model(b.to_dict(), training=training)
        energies = ((found["energy"] - b.energy) / (b.ptr[1:] - b.ptr[:-1])) ** 2
        return of_energies * energies.mean() + of_forces * ((found["forces"] - b.forces) ** 2).mean()

    def loss_of(rows):
        return loss_on([inputs[r] for r in rows])

    if recommended:
        valid = [as_data(a, numbers, e0) for a in frames(given.data, "valid")]
        done = train_as_recommended(
            given, model, optimiser, loss_of, len(known),
            lambda: mean_loss(lambda part: loss_on(part, False), valid, 10),
            batch=10, rate=rate, clip=10.0, plateau={"factor": 0.8, "patience": 50}, decay=0.99,
        )  # fmt: skip
    else:
        done = train(given, model, optimiser, loss_of, len(known), batch=5, rate=rate, clip=10.0)
    predicted = []
    for atoms in test:
        found = model(torch_geometric.Batch.from_data_list([as_data(atoms, numbers, e0)]).to_dict())
        base = sum(e0[int(z)] for z in atoms.numbers)
        predicted.append((float(found["energy"]) + base, found["forces"].detach().numpy()))
    kind = "float64" if recommended else "float32"

    def single(atoms):
        return with_ase(atoms, MACECalculator(models=[model], device="cpu", default_dtype=kind))

    def compiled(atoms):
        calculator = MACECalculator(models=[model], device="cpu", default_dtype=kind, compile_mode="default")
        return with_ase(atoms, calculator)

    def many(atoms, replicas):
        b = torch_geometric.Batch.from_data_list([as_data(atoms, numbers, None)] * replicas).to_dict()

        def forces_of(r):
            b["positions"] = torch.as_tensor(r.reshape(-1, 3), dtype=torch.get_default_dtype())
            return model(b)["forces"].detach().numpy().reshape(r.shape).astype(float)

        return verlet(atoms, replicas, forces_of)

    report(given, predicted, test, **done, **speeds(given, test, {"ASE": single, "compiled, ASE": compiled}, many))


def as_data(atoms, numbers, e0):
    properties = {}
    if e0 is not None:
        base = sum(e0[int(z)] for z in atoms.numbers)
        properties = {"energy": atoms.get_potential_energy() - base, "forces": atoms.get_forces()}
    config = data.Configuration(
        atomic_numbers=atoms.numbers, positions=atoms.positions, cell=np.asarray(atoms.cell), pbc=tuple(atoms.pbc),
        properties=properties, property_weights={"energy": 1.0, "forces": 1.0},
    )  # fmt: skip
    return data.AtomicData.from_config(config, z_table=numbers, cutoff=CUTOFF)


if __name__ == "__main__":
    main()
