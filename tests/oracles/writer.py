"""A process that labels frames and says which it has: writer.py STORE LOG FRAMES PAUSE [HANG]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracles.counted import NUMBERS, Counted, coppers

from labkit.oracles import LabelStore, structure_hash


def main(store, log, frames, pause, *hang):
    oracle = Counted(Path(log), float(pause), hang=tuple(map(int, hang)))
    print("ready", flush=True)
    sys.stdin.readline()  # all processes begin together
    for atoms in oracle.label(coppers(int(frames)), LabelStore(store)):
        print(NUMBERS[structure_hash(atoms)], repr(float(atoms.get_potential_energy())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
