"""A piece in LAMMPS: its atoms, forces, integrators and averages over a block."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from labkit.oracles.lammps.library import lammps
from tools.colloids.settings import WCA, Piece, Solvent

SOLVENT, COLLOID = 1, 2


def begin(settings: Solvent, piece: Piece) -> Any:
    """LAMMPS with a piece at time 0, pulled and in its steady state; its total momentum is zero."""
    edges = lengths(settings, piece)
    lmp = lammps("units lj\natom_style atomic\nboundary p p p\nlattice none 1.0")
    lmp.command(f"region box block 0 {edges[0]} 0 {edges[1]} 0 {edges[2]}")
    lmp.commands_string(f"create_box 2 box\nmass {SOLVENT} 1.0\nmass {COLLOID} {settings.mass!r}")
    centres, molecules = places(settings, piece)
    x = np.concatenate([centres, molecules])
    kinds = [COLLOID] * len(centres) + [SOLVENT] * len(molecules)
    lmp.create_atoms(len(x), list(range(1, len(x) + 1)), kinds, x.ravel().tolist())
    forces(lmp, settings, 0)
    if len(centres):
        lmp.command("fix held colloids setforce 0 0 0")
    lmp.command("minimize 0 1e-3 200 1000")
    if len(centres):
        lmp.commands_string("unfix held\nvelocity colloids set 0 0 0")
    # scaled after the momentum is taken out, so that the system has none
    lmp.command(f"velocity solvent create {settings.temperature} {settings.seed + 71} mom yes rot no dist gaussian")
    drive(lmp, settings, piece)
    lmp.command(f"run {round(settings.equilibration / settings.timestep)}")
    lmp.command("reset_timestep 0")
    average(lmp, settings, piece)
    return lmp


def resume(settings: Solvent, piece: Piece, restart: Path, done: int) -> Any:
    """The same from a restart file, `done` blocks later; other random numbers than those before."""
    lmp = lammps(f'read_restart "{restart}"')
    forces(lmp, settings, done)
    drive(lmp, settings, piece)
    average(lmp, settings, piece)
    return lmp


def lengths(settings: Solvent, piece: Piece) -> tuple[float, float, float]:
    """Edges of the box; that of the viscosity is slim and tall, for a long wave."""
    return (settings.box / 2, settings.box / 2, 2 * settings.box) if not piece.colloids else (settings.box,) * 3


def places(settings: Solvent, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the colloids, around the middle along x, and the solvent on a grid around them."""
    edges = np.array(lengths(settings, piece))
    shifts = {0: [], 1: [0.0], 2: [-piece.distance / 2, piece.distance / 2]}[piece.colloids]
    centres = np.array([edges / 2 + (shift, 0, 0) for shift in shifts]).reshape(-1, 3)
    count = molecules(settings, piece)
    spacing = settings.density ** (-1 / 3)
    while True:
        ticks = [(np.arange(n := max(math.floor(edge / spacing), 1)) + 0.5) * edge / n for edge in edges]
        grid = np.stack(np.meshgrid(*ticks, indexing="ij"), -1).reshape(-1, 3)
        for centre in centres:
            grid = grid[np.linalg.norm(grid - centre, axis=1) > settings.radius + 0.4]
        if len(grid) >= count:
            chosen = np.random.default_rng(settings.seed).choice(len(grid), count, replace=False)
            return centres, grid[np.sort(chosen)]
        spacing *= 0.99


def molecules(settings: Solvent, piece: Piece) -> int:
    """The number of solvent particles for its density in the volume outside the colloids."""
    free = math.prod(lengths(settings, piece)) - piece.colloids * 4 / 3 * math.pi * settings.radius**3
    return round(settings.density * free)


def forces(lmp: Any, settings: Solvent, done: int) -> None:
    """Groups and interactions. Two colloids do not interact: their distance is fixed."""
    t, seed = settings.temperature, settings.seed + 1000 * done + 17
    lmp.commands_string(f"""
        group solvent type {SOLVENT}
        group colloids type {COLLOID}
        pair_style hybrid/overlay lj/cut {WCA} lj/expand {WCA} dpd/tstat {t} {t} {settings.reach} {seed}
        pair_coeff 1 1 lj/cut 1 1
        pair_coeff 1 1 dpd/tstat {settings.friction}
        pair_coeff 1 2 lj/expand 1 1 {settings.radius - 0.5}
        pair_coeff 2 2 none
        comm_modify vel yes
        neighbor 0.3 multi
        neigh_modify delay 0 every 2 check yes
        timestep {settings.timestep}
    """)


def drive(lmp: Any, settings: Solvent, piece: Piece) -> None:
    """Pull the colloids, and all mass back: the counter-force acts on all mass equally, like gravity.

    A body force on all mass, colloids of the fluid's density included, is a pressure gradient, which does not change
    the force on each colloid: this is the problem that the periodic tensor solves, without mean flow.
    """
    lmp.command("fix move solvent nve")
    if not piece.colloids:
        lmp.command(f"fix push solvent accelerate/cos {settings.acceleration}")
        return
    weight = piece.colloids * piece.force / (molecules(settings, piece) + piece.colloids * settings.mass)
    for group, f in ("solvent", -weight), ("colloids", piece.force - weight * settings.mass):
        lmp.command(f"fix push_{group} {group} addforce {f!r} {f!r} {f!r}")
    # two colloids are one body that does not rotate: equal velocities, constant distance vector
    lmp.command("fix carry colloids " + ("rigid single torque 1 off off off" if piece.colloids == 2 else "nve"))


def average(lmp: Any, settings: Solvent, piece: Piece) -> None:
    """Define the averages that `measure` reads after each block."""
    values = "c_thermo_temp"
    if not piece.colloids:
        lmp.command("compute wave solvent viscosity/cos")
        values = "c_wave c_wave[7]"
    lmp.command(f"fix mean all ave/time 10 {settings.steps // 10} {settings.steps} {values}")
    group = "colloids" if piece.colloids else "solvent"
    for i in "xyz":
        lmp.command(f"variable at_{i} equal xcm({group},{i})")
        lmp.command(f"variable drift_{i} equal vcm(all,{i})")
        lmp.command(f"variable pull_{i} equal fcm(all,{i})")


def vector(lmp: Any, name: str) -> np.ndarray:
    """One of "at" (centre of the colloids, unwrapped), "drift" (mean velocity of all), "pull" (total force)."""
    return np.array([lmp.extract_variable(f"{name}_{i}") for i in "xyz"])


def mean(lmp: Any, piece: Piece) -> tuple[float, float]:
    """Mean temperature over the last block, and mean amplitude of the cosine in the solvent's velocity (or 0)."""
    if piece.colloids:
        return float(lmp.extract_fix("mean", 0, 0)), 0.0
    return float(lmp.extract_fix("mean", 0, 1, 0)), float(lmp.extract_fix("mean", 0, 1, 1))
