"""torchmd-net's TensorNet, trained for a budget of CPU time: float32, EMA, a rate that ends at zero."""

import numpy as np
import torch
from _clock import frames, options, report, train
from torchmdnet.models.model import create_model

SIZES = {"small": (32, 1, 16), "medium": (64, 1, 16), "large": (128, 2, 32)}


def main() -> None:
    given = options()
    known, test = frames(given.data, "train"), frames(given.data, "test")
    if any(a.pbc.any() for a in known):
        raise SystemExit("torchmd-net needs cells of at least twice the cutoff, and one cell for a model: not run here")
    channels, layers, radial = SIZES[given.size]
    kinds = sorted({int(z) for a in known for z in a.numbers})
    counts = np.array([[np.sum(a.numbers == z) for z in kinds] for a in known], float)
    e0 = dict(zip(kinds, np.linalg.lstsq(counts, np.array([a.get_potential_energy() for a in known]), rcond=None)[0]))
    scale = float(np.sqrt(np.mean(np.concatenate([a.get_forces() for a in known]) ** 2)))
    model = create_model(
        dict(
            model="tensornet", precision=32, embedding_dimension=channels, num_layers=layers, num_rbf=radial,
            rbf_type="expnorm", trainable_rbf=False, activation="silu", cutoff_lower=0.0, cutoff_upper=5.0, max_z=100,
            max_num_neighbors=64, equivariance_invariance_group="O(3)", prior_model=None, atom_filter=-1,
            derivative=True, output_model="Scalar", reduce_op="sum", check_errors=False, static_shapes=False,
        ),
        mean=torch.tensor(0.0), std=torch.tensor(scale),
    )  # fmt: skip
    parts = {name: [tensors(a, e0) for a in part] for name, part in (("train", known), ("test", test))}
    rate = given.rate or 1e-3
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)

    def loss_of(rows):
        chosen = [parts["train"][r] for r in rows]
        z, r, e, f = (torch.cat([row[x] for row in chosen]) for x in range(4))
        n = torch.tensor([len(row[0]) for row in chosen])
        energy, forces = model(z, r, batch=torch.repeat_interleave(torch.arange(len(chosen)), n))
        loss = (((energy.squeeze(1) - e) / n) ** 2).mean() + ((forces - f) ** 2).mean()
        return loss / scale**2

    done = train(given, model, optimiser, loss_of, len(known), batch=given.batch or 8, rate=rate, clip=40.0)
    predicted = []
    for atoms, (z, r, _, _) in zip(test, parts["test"]):
        energy, forces = model(z, r)
        predicted.append((energy.item() + sum(e0[int(k)] for k in atoms.numbers), forces.detach().numpy()))
    report(given, predicted, test, code="torchmd-net", **done)


def tensors(atoms, e0):
    energy = atoms.get_potential_energy() - sum(e0[int(z)] for z in atoms.numbers)
    return (
        torch.tensor(atoms.numbers, dtype=torch.long), torch.tensor(atoms.positions, dtype=torch.float32),
        torch.tensor([energy], dtype=torch.float32), torch.tensor(atoms.get_forces(), dtype=torch.float32),
    )  # fmt: skip


if __name__ == "__main__":
    main()
