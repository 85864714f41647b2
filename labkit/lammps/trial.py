"""`python -m labkit.lammps.trial FILE.xml ATOMS confined|trusted`: run the models that a parameter file names.

For `labkit hooks check`. Prints what they take and return, one line for each, and then "confined: ..." with what this
process could not do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from labkit.errors import LabkitError
from labkit.lammps.confinement import confine
from labkit.lammps.mlmod.kinds import KINDS, Shape, blocks
from labkit.lammps.mlmod.models import ExportedModel
from labkit.lammps.mlmod.parameters import Parameters
from labkit.lammps.mlmod.symmetry import symmetric
from labkit.lammps.units import Units

#: numbers of atoms with which a model of a whole group is tried, if none is given
TRIED = (*range(1, 65), 100, 128, 200, 256, 400, 512, 1000)


def main(path: Path, atoms: int | None, trusted: bool) -> None:
    parameters = Parameters.read(path, {name: kind.keys for name, kind in KINDS.items()})
    kind = KINDS[parameters.kind]
    made = blocks(parameters, Units(1.0, 1.0, 1.0, 1.0))
    torch.set_num_threads(1)  # a thread that runs already would not be confined
    refused = [] if trusted else confine([path, *(parameters.file(key) for key in kind.models)])
    models = {key: ExportedModel(parameters, key, trusted=trusted) for key in kind.models}
    for key, shape in kind.models.items():
        sys.stdout.write(f"  {key}, {models[key].path}: {tried(models[key], shape, made, atoms)}\n")
    kind.make(parameters, made, models, None)  # errors that only appear when the parts are combined
    sys.stdout.write(f"confined: {' or '.join(refused)}\n")


def tried(model: ExportedModel, shape: Shape, made: object, atoms: int | None) -> str:
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


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]) or None, sys.argv[3] == "trusted")
    except LabkitError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        sys.exit(2)
