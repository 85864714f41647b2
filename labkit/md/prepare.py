"""From the settings of a run to its state, potential and integrator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State, System, Vocabulary, bonds_of
from labkit.engine import Langevin, VelocityVerlet
from labkit.errors import LabkitError
from labkit.forcefield import ForceField, from_torchmd_yaml, import_openmm, torchmd_masses
from labkit.forcefield.openmm.box import reduced
from labkit.forcefield.openmm.prmtop import open_prmtop
from labkit.forcefield.structure.kinds import kind
from labkit.forcefield.structure.labels import check_order
from labkit.forcefield.torchmd.file import OTHERS, TorchmdFile
from labkit.forcefield.torchmd.reader import DEFAULT, EXCLUSIONS, TERMS
from labkit.forcefield.torchmd.selection import ALL, select
from labkit.md.atoms import Topology, read_box, read_topology
from labkit.md.external import External, found_file
from labkit.md.frames import StartFrames, read_frames, read_npz
from labkit.md.settings import RunSettings
from labkit.md.terms import terms_of, topology_notes

#: Kinds of files that have a topology and no positions.
TOPOLOGIES = (".psf", ".prmtop", ".parm7")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that is ready to start: all replicas at their first positions and at rest.

    notes  sentences for the user on what of the files is not used
    """

    state: State
    potential: Potential
    integrator: Integrator
    notes: tuple[str, ...] = ()


def prepare(settings: RunSettings, folder: Path = Path(), *, trust: bool = False) -> Prepared:
    """Read the files named in the settings, relative to the working folder or else to `folder`.

    trust  run the Python module that the key `external` may name

    Raises LabkitError, naming key and file, for files that cannot be read or do not fit together, and for a module
    that is not trusted.
    """
    topology, frames, external, notes = _structure(settings, folder)
    start, note = frames.for_replicas(settings.replicas)
    notes = [*notes, note] if note else notes
    box = None if start.boxes is None else start.boxes[0]
    device, dtype = _device(settings.device), torch.float64 if settings.precision == "double" else torch.float32
    parts: list[Potential] = []
    masses = torch.tensor(topology.masses, dtype=torch.float64)
    if settings.forcefield is not None:
        file = found_file(settings.forcefield, folder)
        amber = kind(file) in (".prmtop", ".parm7")
        forcefield, masses = (_amber if amber else _torchmd)(settings, file, topology, box, masses)
        omitted = "" if amber else TorchmdFile(file).omitted(topology.types)
        notes += [f"{file}: left out, as in TorchMD: {omitted}"] if omitted else []
        notes += [] if amber else topology_notes(topology, TorchmdFile(file), settings.forceterms)
        parts.append(forcefield.repeat(settings.replicas) if settings.replicas > 1 else forcefield)
    if external is not None:
        parts.append(external.load(folder, topology.numbers, settings.replicas, device, trust=trust))
    light = torch.nonzero(masses <= 0).flatten().tolist()
    if light:
        raise LabkitError(
            f"atom {light[0]} (type {topology.types[light[0]]}) has no mass; give the YAML force field a section masses"
        )
    potential = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    state = _state(settings, topology, masses, start, dtype, device)
    return Prepared(state, potential.to(device, dtype), _integrator(settings), tuple(notes))


def _structure(settings: RunSettings, folder: Path) -> tuple[Topology, StartFrames, External | None, list[str]]:
    """Topology and frames of the files, and the external potential with the embeddings that an npz file gives it."""
    external, frames, notes = settings.external, None, []
    files = settings.topology or settings.structure
    if files is None:
        topology, frames, numbers = read_npz(found_file(settings.npz_file, folder))
        if external is not None and external.embeddings is None:
            external = replace(external, embeddings=numbers)
    else:
        paths = [found_file(name, folder) for name in files]
        topology = read_topology(next((path for path in paths if kind(path) in TOPOLOGIES), paths[0]))
    files = settings.coordinates or settings.structure
    if files is not None:
        paths = [found_file(name, folder) for name in files]
        paths = [path for path in paths if kind(path) not in TOPOLOGIES] or paths
        most = settings.replicas + 1  # one more tells that there are more
        frames = read_frames(paths, len(topology.types), most, boxes=settings.extended_system is None)
    if settings.extended_system is not None:
        box = read_box(found_file(settings.extended_system, folder))
        frames = replace(frames, boxes=None if box is None else box[None].repeat(len(frames.positions), 0))
    elif frames.boxes is None and topology.box is not None:
        frames = replace(frames, boxes=topology.box[None].repeat(len(frames.positions), 0))
        lengths = ", ".join(f"{length:g}" for length in np.linalg.norm(topology.box, axis=1))
        notes.append(f"the box is that of the topology, of {lengths} Å: the coordinates have none")
    for labels in frames.labels if topology.labels else ():
        check_order(topology.labels, labels)
    return topology, frames, external, notes


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
        terms=terms if settings.forceterms else terms_of(sections, topology.charges),
        charges=topology.charges,
        cutoff=settings.cutoff,
        switch=settings.switch_dist,
        reaction_field=settings.rfa,
        exclusions=EXCLUSIONS if settings.exclusions is None else settings.exclusions,
        only_terms_exclude=True,
        periodic=box is not None,
    )
    if "masses" in sections:  # those of the topology, where it has some, as in TorchMD
        others = file.suffix.lower() in OTHERS
        own = masses if topology.weighed or others else torch.zeros_like(masses)
        if others:
            given = [sections["masses"].get((name,), 0.0) for name in topology.types]
            masses = torch.where(own > 0, own, torch.tensor(given, dtype=masses.dtype))
        elif bool((own <= 0).any()):
            masses = torch.where(own > 0, own, torchmd_masses(file, topology.types).to(masses))
    return forcefield, masses


def _amber(
    settings: RunSettings, file: Path, topology: Topology, box: np.ndarray | None, masses: Tensor
) -> tuple[ForceField, Tensor]:
    import openmm
    from openmm import app, unit

    for name in settings.forceterms or ():
        if name in TERMS and name not in ALL:
            raise LabkitError(f"forceterms: unknown term {name!r}; an AMBER prmtop has no such term")
    nm = unit.nanometer
    how: dict[str, Any] = {"nonbondedMethod": app.NoCutoff}
    if settings.cutoff is not None:
        method = app.CutoffNonPeriodic if box is None else app.CutoffPeriodic
        how = {"nonbondedMethod": method, "nonbondedCutoff": 0.1 * settings.cutoff * nm}
    vectors = None if box is None else [openmm.Vec3(*row) for row in 0.1 * reduced(box)] * nm
    try:
        system = open_prmtop(file, periodicBoxVectors=vectors).createSystem(
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
    for term in imported.forcefield.terms.values():
        if "periodic" in term.SETTINGS:
            term.periodic = box is not None  # the walls may cut molecules, as in TorchMD
    if len(imported.masses) != len(topology.types):
        raise LabkitError(f"forcefield: {file} has {len(imported.masses)} atoms, topology {len(topology.types)}")
    own = read_topology(file)
    if topology.labels is not None and own.labels is not None:
        check_order(own.labels, topology.labels)
    return select(imported.forcefield, settings.forceterms, settings.exclusions, own.impropers), imported.masses


def _state(
    settings: RunSettings, topology: Topology, masses: Tensor, start: StartFrames, dtype: torch.dtype,
    device: torch.device,
) -> State:  # fmt: skip
    r, n = settings.replicas, len(topology.types)
    vocabulary = Vocabulary(tuple(dict.fromkeys(topology.types)))
    types = torch.tensor([vocabulary.places[name] for name in topology.types], device=device)
    bonds = bonds_of(topology.bonds, n).to(device) if topology.bonds else None
    copies = n * torch.arange(r, device=device)[:, None, None]
    system = System(
        numbers=torch.tensor(topology.numbers, device=device).repeat(r),
        masses=masses.to(device, dtype).repeat(r),
        index=torch.arange(r, device=device).repeat_interleave(n),
        pbc=torch.full((r, 3), start.boxes is not None, device=device),
        types=types.repeat(r),
        vocabulary=vocabulary,
        bonds=None if bonds is None else (bonds + copies).reshape(-1, 2),
    )
    positions = torch.as_tensor(start.positions, dtype=dtype, device=device).reshape(-1, 3)
    boxes = np.zeros((r, 3, 3)) if start.boxes is None else start.boxes
    cell = torch.as_tensor(boxes, dtype=dtype, device=device)
    return State(system, positions, cell, torch.zeros_like(positions), seed=settings.seed)
