"""`labkit hooks check FILE.xml`: is a parameter file of MLMOD valid, and what does it do?"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from labkit.errors import LabkitError
from labkit.lammps.mlmod.kinds import KINDS, Shape, blocks
from labkit.lammps.mlmod.models import ExportedModel
from labkit.lammps.mlmod.parameters import Parameters
from labkit.lammps.mlmod.symmetry import symmetric
from labkit.lammps.units import Units

#: numbers of atoms with which a model of a whole group is tried, if none is given
TRIED = (*range(1, 65), 100, 128, 200, 256, 400, 512, 1000)
PLACES = {
    "INITIAL_INTEGRATE": "before the forces of a step",
    "POST_FORCE": "when the forces of a step are known",
    "FINAL_INTEGRATE": "at the end of a step",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"], help="check a parameter file, try its models, explain it")
    parser.add_argument("file", type=Path, metavar="FILE.xml", help="a parameter file of MLMOD")
    parser.add_argument("--atoms", type=int, help="atoms of the group; by default models are tried with several")


def run(options: argparse.Namespace) -> int:
    """Explain the file; 0 if it is valid, otherwise LabkitError (exit code 2)."""
    if options.atoms is not None and options.atoms < 1:
        raise LabkitError(f"--atoms is {options.atoms}; expected a whole number from 1")
    parameters = Parameters.read(options.file, {name: kind.keys for name, kind in KINDS.items()})
    kind = KINDS[parameters.kind]
    print(f"{options.file}: type {parameters.kind}\n  It {kind.description}.")
    for name, value in parameters.values.items():
        if name not in kind.models and value is not None:
            shown = " ".join(value) if isinstance(value, tuple) else int(value) if isinstance(value, bool) else value
            line = parameters.lines.get(name)
            print(f"  {name} = {shown} ({f'line {line}' if line else 'not given'})")
    made = blocks(parameters, Units(1.0, 1.0, 1.0, 1.0))
    for place in parameters["mask_fix"]:
        print(f"  {place}: {PLACES[place]}")
    models = {key: ExportedModel(parameters, key) for key in kind.models}
    for key, shape in kind.models.items():
        print(f"  {key}, {models[key].path}: {_tried(models[key], shape, made, options.atoms)}")
    kind.make(parameters, made, models, None)  # errors that only appear when the parts are combined
    print("  It has no units: those of LAMMPS's units style are used. It is valid.")
    return 0


def _tried(model: ExportedModel, shape: Shape, made: object, atoms: int | None) -> str:
    """The input and output of a model, tried with random numbers; raises LabkitError if no size fits."""
    sizes = (shape.atoms,) if shape.atoms else (atoms,) if atoms else TRIED
    fitting, first = [], None
    for n in sizes:
        rows = torch.randn(3, shape.inputs(made, n), generator=torch.Generator().manual_seed(n))
        try:
            given = model.table(rows[0]) if shape.outputs(n) is None else model.single(rows[0], shape.outputs(n))
        except LabkitError as error:
            first = first or error
            continue
        fitting.append((n, rows, given))
        if len(fitting) == 2:
            break
    if not fitting:
        if len(sizes) > 1:
            raise LabkitError(f"{first} (tried with 1 to {sizes[-1]} atoms; give the number in the group: --atoms N)")
        raise first
    for _, _, given in fitting if shape.symmetric else ():
        try:
            symmetric(given.reshape(1, round(len(given) ** 0.5), -1))
        except LabkitError as error:
            raise LabkitError(f"{model.where}: {error}") from error
    n, rows, given = fitting[0]
    gives = f"({shape.outputs(n)}, 1)" if shape.outputs(n) is not None else tuple(given.shape)
    text = f"takes ({shape.inputs(made, n)}, 1), returns {gives}"
    if shape.atoms is None:
        return text + (f"; groups of {n} atoms" if len(fitting) == 1 else "; groups of any size")
    model(rows, shape.outputs(n))
    return text + ("; all at once" if model.batched else "; one call after another, since it takes no batches")
