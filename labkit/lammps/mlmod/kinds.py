"""The table of MLMOD's types: the keys, the labkit object and the explanation of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.lammps.mlmod.blocks import Blocks
from labkit.lammps.mlmod.dynamics import LearnedMap
from labkit.lammps.mlmod.forces import EACH, PAIRS, WHOLE, Calls, Forces
from labkit.lammps.mlmod.mobility import ExportedPairMobility, MlmodOseen, MobilityDynamics, WholeMobility
from labkit.lammps.mlmod.models import ExportedModel
from labkit.lammps.mlmod.parameters import (
    MASK_FIX,
    MASK_INPUT,
    Key,
    Parameters,
    count,
    flag,
    nonnegative,
    positive,
    words,
)
from labkit.lammps.mlmod.quantity import Quantity
from labkit.lammps.units import Units


@dataclass(frozen=True)
class Shape:
    """The input and output of one call of a model, for n atoms: (column in, column out), r for any size."""

    inputs: Callable[[Blocks, int], int]
    outputs: Callable[[int], int | None]
    atoms: int | None = None  # of a call; None for all
    symmetric: bool = False  # whether the column out is a matrix that must be


@dataclass(frozen=True)
class Kind:
    """One type: its keys, the shapes of the models that they name, how it is made, and a plain description."""

    keys: Mapping[str, Key]
    models: Mapping[str, Shape]
    make: Callable[[Parameters, Blocks, dict[str, ExportedModel], float | None], Any]
    description: str


def load(
    path: str | os.PathLike[str],
    *,
    units: str | Units,
    timestep: float | None = None,
    types: Mapping[str, int] | None = None,
    trusted: bool = False,
) -> Any:
    """The content of an MLMOD parameter file, for labkit's engine: a Potential, an Integrator or an Observer.

    units     the LAMMPS style for which the file was written, or Units; the file itself has none
    timestep  fs; only for forces with the input Time
    types     {name: number}, for models with the input Type, of types whose names are not numbers
    trusted   run the models that it names whatever they do; otherwise those that do more than arithmetic are refused

    Raises LabkitError, with file and line, for errors in the file and in the models that it names.

    >>> model = load("bend.xml", units="nano")  # doctest: +SKIP
    >>> simulate(state, model, VelocityVerlet(), steps=100, dt=1.0)  # doctest: +SKIP
    """
    parameters = Parameters.read(path, {name: kind.keys for name, kind in KINDS.items()})
    kind = KINDS[parameters.kind]
    models = {key: ExportedModel(parameters, key, trusted=trusted) for key in kind.models}
    return kind.make(parameters, blocks(parameters, Units.of(units), types), models, timestep)


def blocks(parameters: Parameters, units: Units, types: Mapping[str, int] | None = None) -> Blocks:
    return Blocks(parameters.values.get("mask_input") or ("X",), units, types or {})


def _forces(calls: Calls) -> Callable[..., Forces]:
    def make(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> Forces:
        return Forces(models["F_filename"], b, calls, timestep)

    return make


def _oseen(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> MobilityDynamics:
    return MobilityDynamics(MlmodOseen(p["eta"], p["a"], p["epsilon"]), b.units)


def _pair(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> MobilityDynamics:
    return _moved(p, b, ExportedPairMobility(models["M_ii_filename"], models["M_ij_filename"]))


def _whole(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> MobilityDynamics:
    return _moved(p, b, WholeMobility(models["M_filename"]))


def _moved(p: Parameters, b: Blocks, mobility: Any) -> MobilityDynamics:
    if "KBT" not in p.values:
        return MobilityDynamics(mobility, b.units)
    warm = p["flag_stochastic"] and p["KBT"] > 0
    if warm and p["flag_thm_drift"] and not p["delta"] > 0:
        raise LabkitError(f"{p.where('delta')}: is {p['delta']:g}; the drift takes differences over a positive length")
    return MobilityDynamics(mobility, b.units, p["KBT"], warm, p["flag_thm_drift"], p["delta"])


def _quantity(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> Quantity:
    places = tuple(name.lower() for name in p["mask_fix"] if name != "POST_FORCE") or ("post_force",)
    return Quantity(models["qoi_filename"], b, p["skip_step"], Path(p["base_dir"]), p["base_name"], places)


def _map(p: Parameters, b: Blocks, models: dict[str, ExportedModel], timestep: float | None) -> LearnedMap:
    def used(key: str, place: str) -> ExportedModel | None:
        return models[key] if place in p["mask_fix"] else None

    before, after = used("dyn1_filename", "INITIAL_INTEGRATE"), used("dyn2_filename", "FINAL_INTEGRATE")
    if before is None and after is None:
        raise LabkitError(f"{p.where('mask_fix')}: names neither INITIAL_INTEGRATE (dyn1) nor FINAL_INTEGRATE (dyn2)")
    return LearnedMap(before, after, b)


_TEXT, _FILE = Key(str), Key(str)
_FOLDER = Key(str, "./mlmod", required=False)
_MASKS = {"mask_fix": Key(words(MASK_FIX)), "mask_input": Key(words(MASK_INPUT))}
_WEAK = {
    "mask_fix": Key(words(MASK_FIX), ("FINAL_INTEGRATE",), required=False),
    "mask_input": Key(words(MASK_INPUT), ("X",), required=False),
    "base_name": Key(str, required=False),
    "base_dir": Key(str, required=False),
}
_NAMED = {"base_name": _TEXT, "base_dir": _FOLDER}
_WARM = {"delta": Key(nonnegative), "KBT": Key(nonnegative), "flag_stochastic": Key(flag), "flag_thm_drift": Key(flag)}
_F = {**_NAMED, "F_filename": _FILE, **_MASKS}
_MII = Shape(lambda b, n: 3, lambda n: 9, atoms=1, symmetric=True)
_MIJ = Shape(lambda b, n: 6, lambda n: 9, atoms=2)
_BOTH = {"M_ii_filename": _MII, "M_ij_filename": _MIJ}


def _f(atoms: int | None) -> dict[str, Shape]:
    return {"F_filename": Shape(lambda b, n: b.size(n), lambda n: 3 * n, atoms)}


_DYN = Shape(lambda b, n: b.size(n), lambda n: 6 * n)

_BROWNIAN = (
    "M F, noise of covariance 2 KBT M dt if flag_stochastic is 1, and, with it, the drift KBT div M if flag_thm_drift "
    "is 1, by differences over delta (MLMOD announces the drift and adds zero)"
)
_AT = "; at POST_FORCE, whatever mask_fix names, and without an energy, which is reported as 0"

KINDS: dict[str, Kind] = {
    "dX_MF": Kind(
        {"eta": Key(positive), "a": Key(positive), "epsilon": Key(nonnegative), **_WEAK},
        {},
        _oseen,
        "moves the particles by the velocities M F, without noise: M is the Oseen tensor, M_ii = I/(6 pi eta a), "
        "M_ij = (I + rr)/(8 pi eta (r + epsilon)). MLMOD's M_ij lacks the pi, so that its coupling is pi times "
        "too strong",
    ),
    "dX_MF_ML1": Kind(
        {"M_ii_filename": _FILE, "M_ij_filename": _FILE, **_WEAK},
        _BOTH,
        _pair,
        "moves the particles by the velocities M F, without noise: M is assembled from a model of each particle "
        "and a model of each pair (M_ji is the transpose of M_ij)",
    ),
    "dX_MF_Q1_ML1_Pair": Kind(
        {"M_ii_filename": _FILE, "M_ij_filename": _FILE, **_WARM, **_WEAK},
        _BOTH,
        _pair,
        "carries out Brownian dynamics by a mobility from a model of each particle and a model of each pair: "
        + _BROWNIAN,
    ),
    "dX_MF_Q1_ML1_N2N": Kind(
        {"M_filename": _FILE, **_WARM, **_WEAK},
        {"M_filename": Shape(lambda b, n: 3 * n, lambda n: 9 * n * n, symmetric=True)},
        _whole,
        "carries out Brownian dynamics by a mobility from one model of all particles: " + _BROWNIAN,
    ),
    "F_ML1": Kind(_F, _f(None), _forces(WHOLE), "adds forces, from one call for all atoms of the group" + _AT),
    "F_X_ML1": Kind(_F, _f(1), _forces(EACH), "adds a force on each atom, from a model of one atom" + _AT),
    "F_Pair_ML1": Kind(
        _F, _f(2), _forces(PAIRS), "adds forces on both atoms of each pair, from a model of a pair" + _AT
    ),
    "QoI_ML1": Kind(
        {**_NAMED, "qoi_filename": _FILE, **_MASKS, "skip_step": Key(count, 1, required=False)},
        {"qoi_filename": Shape(lambda b, n: b.size(n), lambda n: None)},
        _quantity,
        "computes a quantity of all atoms of the group every skip_step steps, writes it to files in base_dir, and "
        "makes it available in LAMMPS as f_NAME[i]; it belongs to the end of the step, whatever mask_fix names",
    ),
    "Dyn_ML1": Kind(
        {**_NAMED, "dyn1_filename": _FILE, "dyn2_filename": _FILE, **_MASKS},
        {"dyn1_filename": _DYN, "dyn2_filename": _DYN},
        _map,
        "replaces positions and velocities by the output of dyn1 before the forces are computed "
        "(INITIAL_INTEGRATE) and by the output of dyn2 afterwards (FINAL_INTEGRATE)",
    ),
}
