"""From the settings of a run to its state, potential and integrator."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State, System, TorchmdPotential, Vocabulary, bonds_of
from labkit.engine import Langevin, VelocityVerlet
from labkit.errors import LabkitError, suggest
from labkit.forcefield import ForceField, from_torchmd_yaml, import_openmm, torchmd_masses
from labkit.forcefield.torchmd.file import TorchmdFile
from labkit.forcefield.torchmd.reader import DEFAULT, EXCLUSIONS, TERMS
from labkit.md.atoms import Topology, read_box, read_coordinates, read_topology
from labkit.md.settings import RunSettings

#: TorchMD's names of the terms that an AMBER file may have, and labkit's.
AMBER = {
    "bonds": "bonds",
    "angles": "angles",
    "dihedrals": "torsions",
    "impropers": "torsions",
    "1-4": "pairs14",
    "lj": "lennard_jones",
    "electrostatics": "coulomb",
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that is ready to start: all replicas at the same positions and at rest."""

    state: State
    potential: Potential
    integrator: Integrator


def prepare(settings: RunSettings, folder: Path = Path()) -> Prepared:
    """Read the files named in the settings, relative to the working folder or else to `folder`.

    Raises LabkitError, naming key and file, for files that cannot be read or do not fit together.
    """
    topology = read_topology(_found(settings.topology or settings.structure, folder))
    where, box = read_coordinates(_found(settings.coordinates or settings.structure, folder))
    if settings.extended_system is not None:
        box = read_box(_found(settings.extended_system, folder))
    if len(where) != len(topology.types):
        raise LabkitError(
            f"topology has {len(topology.types)} atoms, coordinates {len(where)}; give files of one system"
        )
    device, dtype = _device(settings.device), torch.float64 if settings.precision == "double" else torch.float32
    parts: list[Potential] = []
    masses = torch.tensor(topology.masses, dtype=torch.float64)
    if settings.forcefield is not None:
        file = _found(settings.forcefield, folder)
        amber = file.suffix.lower() in (".prmtop", ".parm7")
        forcefield, masses = (_amber if amber else _torchmd)(settings, file, topology, box, masses)
        parts.append(forcefield.repeat(settings.replicas) if settings.replicas > 1 else forcefield)
    if settings.external is not None:
        parts.append(_external(settings, folder, device))
    light = torch.nonzero(masses <= 0).flatten().tolist()
    if light:
        raise LabkitError(
            f"atom {light[0]} (type {topology.types[light[0]]}) has no mass; give the YAML force field a section masses"
        )
    potential = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    state = _state(settings, topology, masses, where, box, dtype, device)
    return Prepared(state, potential.to(device, dtype), _integrator(settings))


def _found(name: str, folder: Path) -> Path:
    given = Path(name).expanduser()
    return given if given.exists() or given.is_absolute() else folder / given


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LabkitError(f"device is {name!r}, expected a torch device, such as cpu or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LabkitError(f"device is {name!r}, but torch finds no GPU; write device: cpu")
    return device


def _integrator(settings: RunSettings) -> Integrator:
    if settings.langevin_temperature == 0:
        return VelocityVerlet()
    return Langevin(settings.langevin_temperature, settings.langevin_gamma * 1e-3)  # 1/ps to 1/fs


def _torchmd(
    settings: RunSettings, file: Path, topology: Topology, box: np.ndarray | None, masses: Tensor
) -> tuple[ForceField, Tensor]:
    sections = TorchmdFile(file).sections
    terms = settings.forceterms or DEFAULT
    forcefield = from_torchmd_yaml(
        file,
        topology.types,
        topology.bonds,
        angles=topology.angles,
        dihedrals=topology.dihedrals,
        impropers=topology.impropers,
        terms=terms if settings.forceterms else _terms_of(sections),
        charges=topology.charges,
        cutoff=settings.cutoff,
        switch=settings.switch_dist,
        reaction_field=settings.rfa,
        exclusions=EXCLUSIONS if settings.exclusions is None else settings.exclusions,
        only_terms_exclude=True,
        periodic=box is not None,
    )
    if "masses" in sections:  # the topology's own win, as in TorchMD
        own = masses if topology.weighed else torch.zeros_like(masses)
        masses = torch.where(own > 0, own, torchmd_masses(file, topology.types).to(own))
    return forcefield, masses


def _terms_of(sections: Collection[str]) -> list[str]:
    """All terms of a file without `forceterms`; 1-4 pairs have their factors with the dihedrals."""
    return [term for term in DEFAULT if term in sections or (term == "1-4" and "dihedrals" in sections)]


def _amber(
    settings: RunSettings, file: Path, topology: Topology, box: np.ndarray | None, masses: Tensor
) -> tuple[ForceField, Tensor]:
    import openmm
    from openmm import app, unit

    if settings.exclusions is not None:
        raise LabkitError(f"exclusions: {file} already defines which pairs are excluded; leave this key out")
    nm = unit.nanometer
    how: dict[str, Any] = {"nonbondedMethod": app.NoCutoff}
    if settings.cutoff is not None:
        method = app.CutoffNonPeriodic if box is None else app.CutoffPeriodic
        how = {"nonbondedMethod": method, "nonbondedCutoff": 0.1 * settings.cutoff * nm}
    vectors = None if box is None else [openmm.Vec3(*row) * nm for row in 0.1 * box]
    try:
        system = app.AmberPrmtopFile(str(file), periodicBoxVectors=vectors).createSystem(
            constraints=None, rigidWater=False, removeCMMotion=False, **how
        )
    except Exception as error:
        raise LabkitError(f"forcefield: {file}: OpenMM cannot use it ({type(error).__name__}: {error})") from error
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setUseDispersionCorrection(False)  # TorchMD has none
            force.setReactionFieldDielectric(78.5 if settings.rfa else 1.0)
            if settings.switch_dist is not None:
                force.setUseSwitchingFunction(True)
                force.setSwitchingDistance(0.1 * settings.switch_dist)
    imported = import_openmm(system)
    if len(imported.masses) != len(topology.types):
        raise LabkitError(f"forcefield: {file} has {len(imported.masses)} atoms, topology {len(topology.types)}")
    return _chosen(imported.forcefield, settings.forceterms), imported.masses


def _chosen(forcefield: ForceField, terms: tuple[str, ...] | None) -> ForceField:
    """The requested terms among those of an AMBER file."""
    if terms is None:
        return forcefield
    for name in terms:
        if name not in AMBER:
            known = f"; known: {', '.join(AMBER)}"
            extra = "; an AMBER prmtop has no such term" if name in TERMS else suggest(name, AMBER) or known
            raise LabkitError(f"forceterms: unknown term {name!r}{extra}")
    if ("dihedrals" in terms) != ("impropers" in terms):
        raise LabkitError(
            "forceterms: an AMBER prmtop has dihedrals and impropers in one list; ask for both or neither"
        )
    wanted = {AMBER[name] for name in terms}
    return ForceField({n: t for n, t in forcefield.terms.items() if n in wanted}, forcefield.n_atoms)


def _external(settings: RunSettings, folder: Path, device: torch.device) -> Potential:
    external = settings.external
    file = None if external.file is None else _found(external.file, folder)
    if external.module == "labkit":
        from labkit.gap import GapModel

        if file is None or not file.is_file():
            raise LabkitError(f"external: file: {file or 'none given'}: there is no such model")
        return GapModel.load(file)
    sys.path.insert(0, str(folder.resolve()))  # a module next to the run file
    try:
        module = importlib.import_module(external.module)
    except ImportError as error:
        raise LabkitError(f"external: module {external.module!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(str(folder.resolve()))
    if not hasattr(module, "External"):
        raise LabkitError(f"external: module {external.module!r} has no class External(file, embeddings, device)")
    numbers = None
    if external.embeddings is not None:
        numbers = torch.tensor(external.embeddings, device=device).repeat(settings.replicas, 1)
    return TorchmdPotential(module.External(None if file is None else str(file), numbers, device))


def _state(
    settings: RunSettings, topology: Topology, masses: Tensor, where: np.ndarray, box: np.ndarray | None,
    dtype: torch.dtype, device: torch.device,
) -> State:  # fmt: skip
    r, n = settings.replicas, len(topology.types)
    if not np.isfinite(where).all():
        raise LabkitError(f"coordinates: atom {int(np.argwhere(~np.isfinite(where))[0, 0])} has no finite position")
    vocabulary = Vocabulary(tuple(dict.fromkeys(topology.types)))
    types = torch.tensor([vocabulary.places[name] for name in topology.types], device=device)
    bonds = bonds_of(topology.bonds, n).to(device) if topology.bonds else None
    copies = n * torch.arange(r, device=device)[:, None, None]
    system = System(
        numbers=torch.tensor(topology.numbers, device=device).repeat(r),
        masses=masses.to(device, dtype).repeat(r),
        index=torch.arange(r, device=device).repeat_interleave(len(where)),
        pbc=torch.full((r, 3), box is not None, device=device),
        types=types.repeat(r),
        vocabulary=vocabulary,
        bonds=None if bonds is None else (bonds + copies).reshape(-1, 2),
    )
    positions = torch.as_tensor(where, dtype=dtype, device=device).repeat(r, 1)
    cell = torch.as_tensor(np.zeros((3, 3)) if box is None else box, dtype=dtype, device=device).repeat(r, 1, 1)
    return State(system, positions, cell, torch.zeros_like(positions), seed=settings.seed)
