"""The all-atom data of chignolin (data/chignolin): free energy of folding, and forces on beads, in implicit solvent.

    python tools/chignolin.py choose --out FOLDER     30 ns with each force field; folded population, map of forces
    python tools/chignolin.py settle --out FOLDER --forcefield NAME   choose one of them
    python tools/chignolin.py run --out FOLDER        umbrellas and unbiased runs, until complete
    python tools/chignolin.py status --out FOLDER     nanoseconds, and the folding free energy of both series
    python tools/chignolin.py pack --out FOLDER       complete blocks, and what is needed to resume, into data/chignolin
    python tools/chignolin.py unpack --out FOLDER     and back, on another machine

Each piece is one batch with one checkpoint, run block by block in turn: `folded` and `extended`, 16 windows along the
fraction of native CA contacts with exchange between them, that start from the native structure and from a stretched
chain; `free`, one unbiased run from each. Everything resumes bit for bit after an interruption.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from labkit.base import Observer, Potential, State
from labkit.datasets.ice import data_folder
from labkit.engine import Langevin, ReplicaExchange, maxwell_boltzmann, simulate
from labkit.files import atomic_path, atomic_write
from labkit.folding import NativeContacts, Umbrella, beads_at, optimal_force_map
from labkit.folding.chignolin import FORCEFIELDS, FRICTION, STEP, Protein, chignolin
from labkit.folding.frames import Frames, read_frames

WINDOWS = 16
PIECES = ("folded", "extended", "free")


@dataclass(frozen=True)
class Settings:
    """Settings of the simulations; `target` in ns per window, or per unbiased run."""

    forcefield: str
    temperature: float = 350.0
    low: float = 0.05
    high: float = 0.95
    stiffness: float = 16.0
    exchange: int = 250
    frame: int = 2500
    block: int = 25_000
    target: float = 20.0
    free: float = 50.0
    seed: int = 1

    @staticmethod
    def load(path: Path) -> Settings:
        return Settings(**json.loads(path.read_text()))

    def nanoseconds(self, steps: int) -> float:
        return steps * STEP * 1e-6


@dataclass(frozen=True, eq=False)
class Piece:
    """A batch that is continued from one checkpoint."""

    name: str
    state: State
    potential: Potential
    integrator: object
    umbrella: Umbrella | None
    constraints: object


def piece(settings: Settings, protein: Protein, name: str) -> Piece:
    """A piece with its initial state, potential and dynamics."""
    starts = {"folded": [protein.native] * WINDOWS, "extended": [protein.extended] * WINDOWS}
    starts["free"] = [protein.native, protein.extended]
    starts["choose"] = [protein.extended] * (WINDOWS // 2) + [protein.native] * (WINDOWS // 2)
    chosen = [state.to_atoms()[0] for state in starts[name]]
    forcefield, constraints = protein.replicas(len(chosen))
    state = State.from_atoms(chosen, seed=settings.seed + sorted(starts).index(name))
    state = maxwell_boltzmann(state, settings.temperature, constraints=constraints)
    langevin = Langevin(settings.temperature, FRICTION, constraints=constraints)
    if name == "free":
        return Piece(name, state, forcefield, langevin, None, constraints)
    contacts = NativeContacts(protein.reference)
    umbrella = Umbrella(contacts, protein.ca, np.linspace(settings.low, settings.high, WINDOWS), settings.stiffness)
    exchange = ReplicaExchange(langevin, settings.exchange, hamiltonians=True)
    return Piece(name, state, forcefield + umbrella, exchange, umbrella, constraints)


def advance(settings: Settings, made: Piece, protein: Protein, folder: Path, blocks: int, maps: tuple) -> None:
    """Continue to this many blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = Frames(folder / "frames.bin", settings.frame, protein.beads, maps, made.umbrella)
    simulate(
        made.state, made.potential, made.integrator, blocks * settings.block, STEP,
        observers=[frames], checkpoint=folder / "checkpoint", checkpoint_every=settings.block // 5,
    )  # fmt: skip


def blocks_of(settings: Settings, folder: Path, replicas: int) -> int:
    """Complete blocks in the frames of a piece."""
    path = folder / "frames.bin"
    if not path.is_file():
        return 0
    return (len(read_frames(path)) // replicas - 1) * settings.frame // settings.block


class RawForces(Observer):
    """Forces of all atoms, without the bias, kept in memory: the data for the map of forces."""

    def __init__(self, every: int, umbrella: Umbrella) -> None:
        self.every, self.umbrella, self.kept = every, umbrella, []

    def __call__(self, state, evaluation) -> None:
        forces = evaluation.forces - self.umbrella.evaluate(state).forces
        self.kept.append(forces.view(state.system.n_systems, -1, 3).float())


def choose(options: argparse.Namespace) -> None:
    """2 ns in each window with each force field: the free energy of folding, and the maps of forces."""
    for name in [options.forcefield] if options.forcefield else FORCEFIELDS:
        settings, protein, folder = Settings(name), chignolin(name), options.out / "choose" / name
        n = protein.forcefield.n_atoms
        ca, cacb = beads_at(protein.ca, n), beads_at(protein.beads, n)
        if not (folder / "maps.npz").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            made = piece(settings, protein, "choose")
            first = RawForces(250, made.umbrella)  # 2 ps; 62,500 steps of 16 replicas are 4 ns
            simulate(made.state, made.potential, made.integrator, 62_500, STEP, observers=[first])
            forces = torch.cat(first.kept[len(first.kept) // 5 :]).double()
            maps = [optimal_force_map(forces, mapping, protein.constraints) for mapping in (ca, cacb)]
            with atomic_path(folder / "maps.npz") as path, open(path, "wb") as file:
                np.savez(file, ca=maps[0].numpy(), cacb=maps[1].numpy())
        maps = read_maps(folder / "maps.npz")
        made = piece(settings, protein, "choose")
        for block in range(blocks_of(settings, folder, WINDOWS), 20):
            advance(settings, made, protein, folder, block + 1, maps)
            print(name, f"{settings.nanoseconds((block + 1) * settings.block) * WINDOWS:.1f} ns", flush=True)
        print(name, free_energy(settings, protein, read_frames(folder / "frames.bin")), flush=True)


def read_maps(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    stored = np.load(path, allow_pickle=False)
    return torch.from_numpy(stored["ca"]), torch.from_numpy(stored["cacb"])


def run(options: argparse.Namespace) -> None:
    """Run each piece in turn, a block at a time, until all reach their target."""
    path = options.out / "settings.json"
    settings = Settings.load(path)
    protein, maps = chignolin(settings.forcefield), read_maps(options.out / "maps.npz")
    pieces = {name: piece(settings, protein, name) for name in PIECES}
    while True:
        left = {}
        for name, made in pieces.items():
            done = blocks_of(settings, options.out / name, made.state.system.n_systems)
            target = settings.free if name == "free" else settings.target
            if settings.nanoseconds(done * settings.block) < target:
                left[name] = done / target
        if not left:
            return
        name = min(left, key=left.get)
        done = blocks_of(settings, options.out / name, pieces[name].state.system.n_systems)
        began = time.perf_counter()
        while (options.out / "pause").exists():  # a benchmark is using the machine
            time.sleep(1.0)
        advance(settings, pieces[name], protein, options.out / name, done + 1, maps)
        total = settings.nanoseconds((done + 1) * settings.block)
        print(f"{name}: {total:.1f} ns each, {time.perf_counter() - began:.0f} s", flush=True)


def free_energy(settings: Settings, protein: Protein, frames: np.ndarray, skip: float = 0.2) -> str:
    """ΔG of folding from the frames of one series by MBAR; folded: a CA RMSD below 2.5 Å."""
    from labkit.folding.windows import folding_free_energy

    contacts = NativeContacts(protein.reference)
    centres = np.linspace(settings.low, settings.high, WINDOWS)
    kept = frames[frames["step"] >= skip * frames["step"].max()]
    found = folding_free_energy(kept, contacts, protein.reference, centres, settings.stiffness, settings.temperature)
    return str(found)


def status(options: argparse.Namespace) -> None:
    settings = Settings.load(options.out / "settings.json")
    protein = chignolin(settings.forcefield)
    for name in PIECES:
        path = options.out / name / "frames.bin"
        if not path.is_file():
            continue
        frames = read_frames(path)
        total = settings.nanoseconds(int(frames["step"].max()))
        print(f"{name}: {total:.1f} ns each", end="")
        print("" if name == "free" else f"; {free_energy(settings, protein, frames)}", flush=True)


def pack(options: argparse.Namespace) -> None:
    """Blocks of `--per` ns, each one file that is never changed again, and what is needed to resume elsewhere."""
    settings, target = Settings.load(options.out / "settings.json"), data_folder() / "chignolin"
    (target / "blocks").mkdir(parents=True, exist_ok=True)
    (target / "resume").mkdir(exist_ok=True)
    per = round(options.per / settings.nanoseconds(1))
    for name in ("settings.json", "maps.npz"):
        atomic_write(target / name, (options.out / name).read_bytes())
    for name in PIECES:
        if not (options.out / name / "checkpoint").is_file():
            continue
        checkpoint = (options.out / name / "checkpoint").read_bytes()  # before the frames, which may be ahead
        frames = read_frames(options.out / name / "frames.bin")
        complete = int(frames["step"].max()) // per
        number = np.maximum(frames["step"] - 1, 0) // per
        for block in range(complete):
            path = target / "blocks" / f"{name}_{block:03d}.npy.xz"
            if not path.exists():
                _write(path, frames[number == block])
                print(path.name, flush=True)
        _write(target / "resume" / f"{name}.npy.xz", frames[number >= complete])
        atomic_write(target / "resume" / f"{name}.checkpoint", checkpoint)


def unpack(options: argparse.Namespace) -> None:
    """Put the files of `pack` into an empty FOLDER, where `run` continues."""
    source = data_folder() / "chignolin"
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("settings.json", "maps.npz"):
        atomic_write(options.out / name, (source / name).read_bytes())
    for name in PIECES:
        checkpoint = source / "resume" / f"{name}.checkpoint"
        if checkpoint.is_file() and not (options.out / name).exists():
            (options.out / name).mkdir()
            blocks = [*sorted((source / "blocks").glob(f"{name}_*.npy.xz")), source / "resume" / f"{name}.npy.xz"]
            atomic_write(options.out / name / "frames.bin", b"".join(_read(path).tobytes() for path in blocks))
            atomic_write(options.out / name / "checkpoint", checkpoint.read_bytes())


def _write(path: Path, frames: np.ndarray) -> None:
    with atomic_path(path) as temporary, lzma.open(temporary, "wb") as file:
        np.save(file, frames, allow_pickle=False)


def _read(path: Path) -> np.ndarray:
    with lzma.open(path, "rb") as file:
        return np.load(file, allow_pickle=False)


def settle(options: argparse.Namespace) -> None:
    """Write settings.json for one of the force fields, with its maps."""
    settings = replace(Settings(options.forcefield), temperature=options.temperature)
    atomic_write(options.out / "settings.json", json.dumps(asdict(settings), indent=1) + "\n")
    stored = options.out / "choose" / options.forcefield / "maps.npz"
    with atomic_path(options.out / "maps.npz") as path:
        path.write_bytes(stored.read_bytes())


COMMANDS = {"choose": choose, "settle": settle, "run": run, "status": status, "pack": pack, "unpack": unpack}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*COMMANDS])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--forcefield", choices=[*FORCEFIELDS])
    parser.add_argument("--temperature", type=float, default=350.0, metavar="K")
    parser.add_argument("--per", type=float, default=1.0, metavar="NS", help="ns of a packed block (1)")
    options = parser.parse_args()
    COMMANDS[options.what](options)


if __name__ == "__main__":
    main()
