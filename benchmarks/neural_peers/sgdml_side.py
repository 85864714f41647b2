"""sGDML, fitted to as many frames as `--size` says (molecules only); its CPU time is what the fit took.

Its kernel's width is chosen by the validation frames among four, in fits to 100 frames; all of it counts.
Dynamics: its predictor, with one process, in a loop of velocity Verlet; replicas as one batch.
"""

import numpy as np
from _clock import frames, memory, options, report, spent
from _dynamics import speeds, verlet
from sgdml.predict import GDMLPredict
from sgdml.train import GDMLTrain

WIDTHS, TRIED = (10, 20, 30, 50), 100
LARGEST = 20_000  # rows of the kernel matrix: 3.2 GB


def main() -> None:
    given = options()
    known, valid, test = (frames(given.data, name) for name in ("train", "valid", "test"))
    if any(a.pbc.any() for a in known):
        raise SystemExit("sGDML is for molecules: not run here")
    sets = [dataset(part) for part in (known, valid)]
    count = min(int(given.size), len(known))
    if 3 * len(known[0]) * count > LARGEST:
        raise SystemExit(f"sGDML: {count} frames are more than fit into the memory allowed here")
    trainer = GDMLTrain(max_processes=1)
    found = {}
    for width in WIDTHS:
        model = fitted(trainer, sets, min(TRIED, count), width, None)
        found[width] = np.abs(evaluated(model, valid)[1] - sets[1]["F"].reshape(len(valid), -1)).mean()
    width = min(found, key=found.get)
    model = fitted(trainer, sets, count, width, model["perms"])
    del trainer
    end, most = spent(), memory()
    energies, forces = evaluated(model, test)
    predicted = [(e, f.reshape(-1, 3)) for e, f in zip(energies, forces)]
    predictor = GDMLPredict(model, max_processes=1)

    def many(atoms, replicas):
        return verlet(atoms, replicas, lambda r: predictor.predict(r.reshape(replicas, -1))[1].reshape(r.shape))

    figures = {"steps": 0, "cpu": end, "frames_per_second": count / end, "memory": most, "width": width}
    report(given, predicted, test, **figures, **speeds(given, test, {"predictor": lambda atoms: many(atoms, 1)}, many))


def fitted(trainer, sets, count: int, width: int, perms):
    task = trainer.create_task(sets[0], count, sets[1], 1, width, perms=perms)
    return trainer.train(task)


def evaluated(model, part: list):
    predictor = GDMLPredict(model, max_processes=1)
    return predictor.predict(np.stack([a.positions.ravel() for a in part]))


def dataset(part: list) -> dict:
    energies = np.array([a.get_potential_energy() for a in part])
    return {
        "type": "d", "code_version": "", "name": np.array("frames"), "theory": np.array("given"),
        "z": part[0].numbers.astype(np.uint8), "R": np.stack([a.positions for a in part]),
        "E": energies, "F": np.stack([a.get_forces() for a in part]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
