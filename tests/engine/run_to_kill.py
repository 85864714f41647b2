"""A run in a process of its own, which a test kills: folder, steps."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from labkit.engine import simulate
from tests.engine.observers_of_all_kinds import every_observer
from tests.engine.toys import LennardJones, Thermal, fluid


class Show:
    """Prints the step, so that the test knows when the run goes."""

    def update(self, step, total, **metrics):
        print(step, flush=True)

    def should_stop(self):
        return False


def main(folder: Path, steps: int) -> None:
    torch.set_num_threads(1)
    observers, path = every_observer(folder), folder / "run.checkpoint"
    arguments = dict(observers=observers, progress=Show(), checkpoint=path, checkpoint_every=30)
    end = simulate(fluid(), LennardJones(), Thermal(), steps, 5.0, **arguments)
    numbers = {name: tensor for o in observers if hasattr(o, "numbers") for name, tensor in o.numbers().items()}
    final = {"positions": end.positions, "velocities": end.velocities, "forces": end.forces, **numbers}
    save_file({name: tensor.contiguous() for name, tensor in final.items()}, folder / "final.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
