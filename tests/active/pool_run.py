"""A process that runs learn() in a folder: pool_run.py FOLDER LOG PAUSE; prints when it begins and ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from active.pool_systems import Recorded, labelled, learner, pool

from labkit.active import GpVariance
from labkit.active.pool import learn
from labkit.active.selection import MaximumVariance


def run(folder, log, pause, **others):
    oracle = Recorded(Path(log), float(pause), fail=(8, 20, 33), unconverged=(9, 41))
    settings = dict(start=8, batch=6, validation=2, test=labelled(10, 0.5), retries={"failed": 1}, folder=folder)
    return learn(pool(), learner(), GpVariance, MaximumVariance(), oracle, 40, **settings | others)


if __name__ == "__main__":
    print("ready", flush=True)
    print(run(*sys.argv[1:]), flush=True)
