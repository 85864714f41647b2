"""MACE, trained by its own modules for a budget of CPU time: float32, EMA, a rate that ends at zero."""

import numpy as np
import torch
from _clock import frames, options, report, train
from e3nn import o3
from mace import data, modules, tools
from mace.tools import torch_geometric

SIZES = {"small": ("32x0e", 2), "medium": ("32x0e + 32x1o", 2), "large": ("64x0e + 64x1o", 2), "one": ("64x0e", 1)}
CUTOFF = 5.0


def main() -> None:
    given = options()
    torch.set_default_dtype(torch.float32)
    known, test = frames(given.data, "train"), frames(given.data, "test")
    numbers = tools.get_atomic_number_table_from_zs(z for a in known for z in a.numbers)
    counts = np.array([[np.sum(a.numbers == z) for z in numbers.zs] for a in known], float)
    energies = np.array([a.get_potential_energy() for a in known])
    e0 = np.linalg.lstsq(counts, energies, rcond=None)[0]
    scale = float(np.sqrt(np.mean(np.concatenate([a.get_forces() for a in known]) ** 2)))
    sets = {name: [as_data(a, numbers, e0) for a in part] for name, part in (("train", known), ("test", test))}
    hidden, layers = SIZES[given.size]
    irreps = o3.Irreps(hidden)
    neighbours = float(np.mean([d.edge_index.shape[1] / d.num_nodes for d in sets["train"]]))
    model = modules.ScaleShiftMACE(
        r_max=CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=3 if given.size == "large" else 2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=layers, num_elements=len(numbers), hidden_irreps=irreps, MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu, atomic_energies=np.zeros((1, len(numbers))), avg_num_neighbors=neighbours,
        atomic_numbers=numbers.zs, correlation=3, atomic_inter_scale=scale, atomic_inter_shift=0.0,
    )  # fmt: skip
    rate = given.rate or 1e-2
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, amsgrad=True)

    def loss_of(rows):
        b = torch_geometric.Batch.from_data_list([sets["train"][r] for r in rows])
        found = model(b.to_dict(), training=True)
        n = (b.ptr[1:] - b.ptr[:-1]).to(torch.float32)
        loss = (((found["energy"] - b.energy) / n) ** 2).mean() + ((found["forces"] - b.forces) ** 2).mean()
        return loss / scale**2

    done = train(given, model, optimiser, loss_of, len(known), batch=given.batch or 5, rate=rate, clip=10.0)
    predicted = []
    for k, d in enumerate(sets["test"]):
        found = model(torch_geometric.Batch.from_data_list([d]).to_dict())
        atoms = test[k]
        base = sum(e0[numbers.z_to_index(z)] for z in atoms.numbers)
        predicted.append((float(found["energy"]) + base, found["forces"].detach().numpy()))
    report(given, predicted, test, code="MACE", **done)


def as_data(atoms, numbers, e0):
    properties = {
        "energy": atoms.get_potential_energy() - sum(e0[numbers.z_to_index(z)] for z in atoms.numbers),
        "forces": atoms.get_forces(),
    }
    config = data.Configuration(
        atomic_numbers=atoms.numbers, positions=atoms.positions, cell=np.asarray(atoms.cell), pbc=tuple(atoms.pbc),
        properties=properties, property_weights={"energy": 1.0, "forces": 1.0},
    )  # fmt: skip
    return data.AtomicData.from_config(config, z_table=numbers, cutoff=CUTOFF)


if __name__ == "__main__":
    main()
