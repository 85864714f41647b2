"""A training for a test to kill: arguments are the checkpoint, and where the finished weights go."""

import sys

from labkit.datasets import ice
from labkit.neural import train, untrained


def main(checkpoint: str, result: str) -> None:
    frames = ice("train", n=50)
    potential = untrained(frames, channels=8, cutoff=3.0, n_radial=6)
    train(potential, frames[:16], frames[16:20], steps=60, batch=4, checkpoint=checkpoint, save_every=0.0)
    potential.save(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
