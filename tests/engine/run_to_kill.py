"""A run in a process of its own, which a test kills: folder, steps, whether mdtraj's formats are written too."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from observers_of_all_kinds import every_observer
from safetensors.torch import save_file
from toys import LennardJones, Thermal, fluid

from labkit.engine import simulate

torch.set_num_threads(1)
folder, steps = Path(sys.argv[1]), int(sys.argv[2])


class Show:
    def update(self, step, total, **metrics):
        print(step, flush=True)

    def should_stop(self):
        return False


observers = every_observer(folder)
end = simulate(
    fluid(2),
    LennardJones(),
    Thermal(),
    steps,
    5.0,
    observers=observers,
    progress=Show(),
    checkpoint=folder / "run.checkpoint",
    checkpoint_every=30,
)
numbers = {name: tensor for o in observers if hasattr(o, "numbers") for name, tensor in o.numbers().items()}
final = {"positions": end.positions, "velocities": end.velocities, "forces": end.forces, **numbers}
save_file({k: v.contiguous() for k, v in final.items()}, folder / "final.safetensors")
