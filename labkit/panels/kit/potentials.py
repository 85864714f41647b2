"""The line of a script that gives a potential, and the file that it reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from labkit.base import Potential
from labkit.engine.description import describe
from labkit.errors import LabkitError
from labkit.forcefield import ForceField
from labkit.forcefield.examples import chain, peptide
from labkit.gap import GapModel
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.script import Script

FILE = "potential.safetensors"
#: Force fields of examples: number of atoms, how a script makes it, and what makes it here.
EXAMPLES: dict[str, tuple[int, Callable[[], Potential]]] = {
    "peptide().forcefield": (22, lambda: peptide().forcefield),
    "chain()[1]": (4, lambda: chain()[1]),
}


def add_potential(script: Script, potential: Potential, name: str = "potential") -> None:
    """Define `name`: a GAP from its file, a force field of labkit's examples by its function, or the user's own."""
    if isinstance(potential, GapModel):
        script.use("labkit.gap", "GapModel")
        script.add(f'{name} = GapModel.load("{FILE}")  # under Download')
    elif example := _example(potential):
        script.use("labkit.forcefield.examples", example.partition("(")[0])
        script.add(f"{name} = {example}")
    else:
        script.add(f"{name} = {name}  # your own")


def potential_files(potential: Potential) -> dict[str, bytes]:
    """The file that `add_potential` reads, if it does."""
    if not isinstance(potential, GapModel):
        return {}
    return {FILE: file_bytes(lambda path: potential.save(path, uncertainty=False), FILE)}


def sees_stresses(potential: Potential) -> bool:
    """Whether a potential may be trusted with a pressure: False for one that contains a GAP fitted without stresses."""
    gaps = [part for part in potential.modules() if isinstance(part, GapModel)]
    return all(part.metadata.get("stresses", part.config.sigma_virial is not None) for part in gaps)


def _example(potential: Potential) -> str:
    """How a script makes the same force field, if it is that of an example."""
    if not isinstance(potential, ForceField):
        return ""
    sizes = (text for text, (atoms, _) in EXAMPLES.items() if atoms == potential.n_atoms)
    return next((text for text in sizes if describe(potential) == _known(text)), "")


@cache
def _known(text: str) -> str:
    try:
        return describe(EXAMPLES[text][1]())
    except LabkitError:  # OpenMM is not installed
        return ""
