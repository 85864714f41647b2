"""What all sides share: options, a clock of CPU time, frames from files, errors, and a result.

Runs in each peer's own environment, so only numpy, torch and ase are imported.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import ase.io
import numpy as np
import torch

RECOMMENDED = "recommended"  # a size: the model and the training that a peer's own documentation recommends


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of train.xyz, valid.xyz and test.xyz")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds of one thread from the process's start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="medium", help="of the model: see the side")
    parser.add_argument("--rate", type=float, default=None, help="the largest learning rate")
    parser.add_argument("--dynamics", type=float, default=0.0, help="CPU seconds of each dynamics that is timed")
    parser.add_argument("--out", type=Path, required=True, help="a JSON file for the result")
    found = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(found.seed)
    return found


def spent() -> float:
    """CPU seconds since the process started, imports and ended child processes included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def memory() -> float:
    """The largest memory so far, MiB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def frames(folder: Path, name: str) -> list:
    return ase.io.read(folder / f"{name}.xyz", ":")


def atom_energies(known: list) -> dict[int, float]:
    """Energies of atoms by least squares, by atomic number."""
    kinds = sorted({int(z) for a in known for z in a.numbers})
    counts = np.array([[np.sum(a.numbers == z) for z in kinds] for a in known], float)
    energies = np.array([a.get_potential_energy() for a in known])
    return dict(zip(kinds, np.linalg.lstsq(counts, energies, rcond=None)[0].tolist()))


def force_scale(known: list) -> float:
    return float(np.sqrt(np.mean(np.concatenate([a.get_forces() for a in known]) ** 2)))


def report(given: argparse.Namespace, predicted: list, test: list, **more) -> None:
    """Errors of (energy, forces) of each test frame."""
    de = np.array([e - a.get_potential_energy() for (e, _), a in zip(predicted, test)])
    df = np.concatenate([f - a.get_forces() for (_, f), a in zip(predicted, test)])
    n = np.array([len(a) for a in test])
    found = {
        "force MAE": 1e3 * float(np.abs(df).mean()),
        "force RMSE": 1e3 * float(np.sqrt((df**2).mean())),
        "energy MAE": 1e3 * float(np.abs(de / n).mean()),
        **more,
    }
    given.out.write_text(json.dumps(found))
    print(json.dumps(found), flush=True)
