"""What all sides share: a clock of CPU time, a schedule that ends within it, frames from files, and a result.

Runs in each peer's own environment, so only numpy, torch and ase are imported.
"""

import argparse
import json
import time
from pathlib import Path

import ase.io
import numpy as np
import torch

LOOK, UNTIMED = 25, 5  # steps whose time decides how many there are, the first ones excepted


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of train.xyz, valid.xyz and test.xyz")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds of one thread from the process's start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="medium", help="small, medium or large")
    parser.add_argument("--rate", type=float, default=None, help="the largest learning rate")
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--out", type=Path, required=True, help="a JSON file for the result")
    found = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(found.seed)
    return found


def spent() -> float:
    """CPU seconds since the process started, imports included."""
    return time.process_time()


def frames(folder: Path, name: str) -> list:
    return ase.io.read(folder / f"{name}.xyz", ":")


def rate_of(step: int, steps: int, warmup: int = 100, cooling: float = 0.4) -> float:
    """Warm-up, constant, and a straight line to zero over the last part."""
    return min(1.0, (step + 1) / warmup, (steps - step) / max(1.0, cooling * steps))


def orders(count: int, batch: int, seed: int):
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count)
        for k in range(0, count - batch + 1, batch):
            yield order[k : k + batch]


def train(given: argparse.Namespace, model, optimiser, loss_of, count: int, *, batch: int, rate: float, clip: float):
    """Train within the budget, and leave the model with its averaged weights; the steps, CPU seconds and throughput.

    loss_of  rows of a batch of the `count` training frames -> their loss

    The first steps are timed; as many follow as the rest of the budget has time for.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in weights]
    order, total = orders(count, batch, given.seed), 10**9

    def step(k: int) -> None:
        for group in optimiser.param_groups:
            group["lr"] = rate * rate_of(k, total)
        loss = loss_of(next(order))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, clip)
        optimiser.step()
        torch._foreach_lerp_(average, [p.detach() for p in weights], 1 - min(0.99, (1 + k) / (10 + k)))

    for k in range(UNTIMED):
        step(k)
    began = spent()
    for k in range(UNTIMED, LOOK):
        step(k)
    total = LOOK + max(1, int((given.budget - spent()) / ((spent() - began) / (LOOK - UNTIMED))))
    began = spent()
    for k in range(LOOK, total):
        step(k)
    end = spent()
    with torch.no_grad():
        for p, w in zip(weights, average):
            p.copy_(w)
    throughput = (total - LOOK) * batch / (end - began)
    return {"steps": total, "cpu": end, "frames_per_second": throughput, "batch": batch, "rate": rate}


def report(given: argparse.Namespace, predicted: list, test: list, **more) -> None:
    """Errors of (energy, forces) of each test frame."""
    de = np.array([e - a.get_potential_energy() for (e, _), a in zip(predicted, test)])
    df = np.concatenate([f - a.get_forces() for (_, f), a in zip(predicted, test)])
    n = np.array([len(a) for a in test])
    found = {
        "force MAE": 1e3 * float(np.abs(df).mean()),
        "force RMSE": 1e3 * float(np.sqrt((df**2).mean())),
        "energy MAE": 1e3 * float(np.abs(de / n).mean()),
        **{k: str(v) if isinstance(v, Path) else v for k, v in vars(given).items()},
        **more,
    }
    given.out.write_text(json.dumps(found))
    print(json.dumps(found), flush=True)
