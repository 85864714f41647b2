"""The line of a script that gives a potential, and the file that it reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from labkit.base import Potential, State
from labkit.engine.description import describe
from labkit.errors import LabkitError
from labkit.forcefield import ForceField
from labkit.forcefield.examples import chain, peptide
from labkit.gap import GapModel
from labkit.neural import NeuralPotential
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.script import Script

FILE, START = "potential.safetensors", "start.safetensors"
#: Force fields of examples: number of atoms, how a script makes it, and what makes it here.
EXAMPLES: dict[str, tuple[int, Callable[[], Potential]]] = {
    "peptide().forcefield": (22, lambda: peptide().forcefield),
    "chain()[1]": (4, lambda: chain()[1]),
}


def add_potential(script: Script, potential: Potential) -> None:
    """Define `potential`: a trained one from its file, a force field of the examples by its function, or one's own."""
    if isinstance(potential, GapModel):
        script.use("labkit.gap", "GapModel")
        script.add(f'potential = GapModel.load("{FILE}")  # under Download')
    elif isinstance(potential, NeuralPotential):
        script.use("labkit.neural", "NeuralPotential")
        script.add(f'potential = NeuralPotential.load("{FILE}")  # under Download')
    elif example := _example(potential):
        script.use("labkit.forcefield.examples", example.partition("(")[0])
        script.add(f"potential = {example}")
    else:
        script.own("potential", f"potential, a {type(potential).__name__}")


def potential_files(potential: Potential) -> dict[str, bytes]:
    """The file that `add_potential` reads, if it does."""
    if isinstance(potential, NeuralPotential):
        return {FILE: file_bytes(potential.save, FILE)}
    if not isinstance(potential, GapModel):
        return {}
    return {FILE: file_bytes(lambda path: potential.save(path, uncertainty=False), FILE)}


def start_script(potential: Potential, module: str, name: str) -> Script:
    """A script that reads the `state` from which the last run started, and its `potential`, and imports a name."""
    script = Script("# the last run")
    script.use("labkit.base", "State")
    script.add(f'state = State.load("{START}")  # under Download')
    script.use(module, name)
    add_potential(script, potential)
    return script


def start_files(state: State, potential: Potential) -> dict[str, bytes]:
    """The files that `start_script` reads."""
    return {START: file_bytes(state.save, START)} | potential_files(potential)


def sees_stresses(potential: Potential) -> bool:
    """Whether a potential may be trusted with a pressure: False if a part of it was fitted without stresses."""
    nets = [part for part in potential.modules() if isinstance(part, NeuralPotential)]
    if not all(part.metadata.get("training", {}).get("weights", {}).get("stress", 1.0) > 0 for part in nets):
        return False
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
