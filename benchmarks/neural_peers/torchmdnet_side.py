"""torchmd-net's TensorNet, trained for a budget of CPU time.

Tuned: float32, EMA, a rate that ends at zero. Recommended, as in its examples/TensorNet-rMD17.yaml: 128 channels, two
layers, 4.5 Å, AdamW at 1e-3, batch 8, 500 steps of warm-up, plateau, loss on total energies and forces in kcal/mol.
Dynamics: its adapter for TorchMD (External), which takes replicas as one batch, in a loop of velocity Verlet; for one
molecule also compiled as its ASE calculator does (static shapes, torch.compile), and the faster counts.
"""

import numpy as np
import torch
from _clock import RECOMMENDED, atom_energies, force_scale, frames, options, report
from _dynamics import speeds, verlet
from _training import mean_loss, train, train_as_recommended
from torchmdnet.calculators import External
from torchmdnet.models.model import create_model

#: channels, layers, radial functions and cutoff
SIZES = {
    "small": (32, 1, 16, 5.0),
    "medium": (64, 1, 16, 5.0),
    "large": (128, 2, 32, 5.0),
    RECOMMENDED: (128, 2, 32, 4.5),
}
KCAL = 23.0609  # kcal/mol in eV


def main() -> None:
    given = options()
    recommended = given.size == RECOMMENDED
    known, test = frames(given.data, "train"), frames(given.data, "test")
    if any(a.pbc.any() for a in known):
        raise SystemExit("torchmd-net needs cells of at least twice the cutoff, and one cell for a model: not run here")
    channels, layers, radial, cutoff = SIZES[given.size]
    e0, scale = atom_energies(known), force_scale(known)
    parts = [tensors(a, e0) for a in known]
    if recommended:  # "standardize"
        scale = float(torch.cat([part[2] for part in parts]).std())
    settings = dict(
        model="tensornet", precision=32, embedding_dimension=channels, num_layers=layers, num_rbf=radial,
        rbf_type="expnorm", trainable_rbf=False, activation="silu", cutoff_lower=0.0, cutoff_upper=cutoff, max_z=100,
        max_num_neighbors=64, equivariance_invariance_group="O(3)", prior_model=None, atom_filter=-1,
        output_model="Scalar", reduce_op="sum", check_errors=False,
    )  # fmt: skip
    scales = {"mean": torch.tensor(0.0), "std": torch.tensor(scale)}
    model = create_model({**settings, "derivative": True, "static_shapes": False}, **scales)
    rate = given.rate or 1e-3
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)

    def loss_on(chosen: list):
        z, r, e, f = (torch.cat([row[x] for row in chosen]) for x in range(4))
        n = torch.tensor([len(row[0]) for row in chosen])
        energy, forces = model(z, r, batch=torch.repeat_interleave(torch.arange(len(chosen)), n))
        of_forces = ((forces - f) ** 2).mean()
        if recommended:
            return 0.5 * KCAL**2 * (((energy.squeeze(1) - e) ** 2).mean() + of_forces)
        return ((((energy.squeeze(1) - e) / n) ** 2).mean() + of_forces) / scale**2

    def loss_of(rows):
        return loss_on([parts[r] for r in rows])

    if recommended:
        valid = [tensors(a, e0) for a in frames(given.data, "valid")]
        done = train_as_recommended(
            given, model, optimiser, loss_of, len(known),
            lambda: mean_loss(loss_on, valid, 64),
            batch=8, rate=rate, clip=40.0, warmup=500, plateau={"factor": 0.8, "patience": 25, "min_lr": 1e-8},
        )  # fmt: skip
    else:
        done = train(given, model, optimiser, loss_of, len(known), batch=8, rate=rate, clip=40.0)
    predicted = []
    for atoms in test:
        z, r, _, _ = tensors(atoms, e0)
        energy, forces = model(z, r)
        predicted.append((energy.item() + sum(e0[int(k)] for k in atoms.numbers), forces.detach().numpy()))

    def many(atoms, replicas):
        external = External(model, torch.tensor(atoms.numbers, dtype=torch.long).repeat(replicas, 1))

        def forces_of(r):
            return external.calculate(torch.as_tensor(r))[1].numpy().astype(np.float64)

        return verlet(atoms, replicas, forces_of)

    def compiled(atoms):
        alone = create_model({**settings, "derivative": False, "static_shapes": True}, **scales)
        alone.load_state_dict(model.state_dict())
        alone.requires_grad_(False)
        z, batch = torch.tensor(atoms.numbers, dtype=torch.long), torch.zeros(len(atoms), dtype=torch.long)
        with torch.no_grad():
            alone(z, torch.tensor(atoms.positions, dtype=torch.float32), batch=batch)  # sizes are found here
        faster = torch.compile(alone, backend="inductor", dynamic=False, fullgraph=True, mode="reduce-overhead")

        def forces_of(r):
            moved = torch.tensor(r[0], dtype=torch.float32, requires_grad=True)
            faster(z, moved, batch=batch)[0].backward()
            return -moved.grad.numpy().astype(np.float64)[None]

        return verlet(atoms, 1, forces_of)

    report(
        given,
        predicted,
        test,
        **done,
        **speeds(given, test, {"External": lambda atoms: many(atoms, 1), "compiled": compiled}, many),
    )


def tensors(atoms, e0):
    energy = atoms.get_potential_energy() - sum(e0[int(z)] for z in atoms.numbers)
    return (
        torch.tensor(atoms.numbers, dtype=torch.long), torch.tensor(atoms.positions, dtype=torch.float32),
        torch.tensor([energy], dtype=torch.float32), torch.tensor(atoms.get_forces(), dtype=torch.float32),
    )  # fmt: skip


if __name__ == "__main__":
    main()
