"""A training for a test to kill: arguments are the checkpoint, where the finished weights go, and the averaging."""

import sys

from labkit.datasets import ice
from labkit.neural import train, untrained


def main(checkpoint: str, result: str, averaging: str) -> None:
    frames = ice("train", n=50)
    head = "dropout" if averaging == "swa" else "plain"
    potential = untrained(frames, channels=8, cutoff=3.0, n_radial=6, head=head)
    settings = {"steps": 60, "batch": 4, "snapshots": 3, "averaging": averaging}
    trained = train(
        potential, frames[:16], frames[16:20], replay=frames[20:30], checkpoint=checkpoint, save_every=0.0, **settings
    )
    for k, snapshot in enumerate(trained.snapshots):
        snapshot.save(f"{result}.{k}")
    potential.save(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
