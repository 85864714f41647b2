"""The registry of terms: how each is read from OpenMM, written for it and computed by a compiled kernel.

Each term registers its own functions, in its own file; importing `labkit.forcefield.terms` registers all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.term import Term

if TYPE_CHECKING:
    import openmm

    from labkit.forcefield.fast.compiled import Kernel

Named = Iterator[tuple[str, Term]]
Function = TypeVar("Function", bound=Callable[..., Any])


class UnknownForce(LabkitError):
    """An OpenMM force that a reader does not recognise; another reader may."""


@dataclass(frozen=True)
class Rule:
    """A function of one term, or of all terms of its kinds together."""

    make: Callable[..., Any]
    together: bool


READERS: dict[str, list[Callable[[Any, Any], Named]]] = {}  # by the name of the class of OpenMM's force
WRITERS: dict[type[Term], Rule] = {}
KERNELS: dict[type[Term], list[Rule]] = {}


def reads(force: str) -> Callable[[Function], Function]:
    """Register f(force, system) -> (name, term), ... for an OpenMM force of this class.

    It raises UnknownForce for any other force, such as a Custom force with another expression.
    """

    def register(function: Function) -> Function:
        READERS.setdefault(force, []).append(function)
        return function

    return register


def writes(*kinds: type[Term], together: bool = False) -> Callable[[Function], Function]:
    """Register f(openmm, term, periodic) -> OpenMM force, `periodic` if there is a box.

    With `together`, f(openmm, {name: term}, n_atoms, box) -> [force, ...] receives all terms of these kinds.
    """

    def register(function: Function) -> Function:
        WRITERS.update(dict.fromkeys(kinds, Rule(function, together)))
        return function

    return register


def kernel_of(*kinds: type[Term], together: bool = False) -> Callable[[Function], Function]:
    """Register f(term, real) -> Kernel, or None if it cannot compute the term; `real` is the precision of pairs.

    With `together`, f(terms, real) -> [kernel, ...] receives all terms of these kinds.
    """

    def register(function: Function) -> Function:
        for kind in kinds:
            KERNELS.setdefault(kind, []).append(Rule(function, together))
        return function

    return register


def read(force: openmm.Force, system: openmm.System) -> list[tuple[str, Term]]:
    """The terms of an OpenMM force, with their names, from the first reader that knows it; otherwise UnknownForce."""
    refusals: list[UnknownForce] = []
    for reader in READERS.get(type(force).__name__, ()):
        try:
            return list(reader(force, system))
        except UnknownForce as error:
            refusals.append(error)
    if refusals:
        raise max(refusals, key=lambda error: len(str(error)))  # the most detailed one
    raise unknown(force)


def unknown(force: openmm.Force, why: str = "") -> UnknownForce:
    """The error for a force without a term."""
    kind, otherwise = type(force).__name__, "write it as a Potential and add it, or remove the force from the System"
    if not hasattr(force, "getEnergyFunction"):
        return UnknownForce(f"{kind} has no term in labkit; {otherwise}")
    expression = force.getEnergyFunction()
    return UnknownForce(
        f"{kind} with the expression {expression!r} has no term in labkit{why and ': ' + why}; {otherwise}"
    )


def kernels_of(terms: Iterable[Term], real: type) -> list[Kernel]:
    """Compiled kernels of the terms that have one: shared ones, then those of pairs, then all others."""
    joint: dict[Callable[..., Any], list[Term]] = {}
    of_pairs, others = [], []
    for term in terms:
        for rule in KERNELS.get(term.kind, ()):
            if rule.together:
                joint.setdefault(rule.make, []).append(term)
            elif (kernel := rule.make(term, real)) is not None:
                (of_pairs if isinstance(term, PairTerm) else others).append(kernel)
    return [*(kernel for make, some in joint.items() for kernel in make(some, real)), *of_pairs, *others]
