"""Whether files of one system list its atoms in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from labkit.errors import LabkitError

Residue = tuple[str, str, str]


@dataclass(frozen=True)
class AtomLabels:
    """What a file calls its atoms (n); None for what it does not say.

    source    the file, for messages
    numbers   atomic numbers, 0 where there is none; `sure` unless they follow from masses or names
    names     of the atoms in their residues
    residues  (chain or segment, number, name) of each atom
    """

    source: str
    numbers: Sequence[int] | None = None
    sure: bool = True
    names: Sequence[str] | None = None
    residues: Sequence[Residue] | None = None

    def __len__(self) -> int:
        return len(next(x for x in (self.numbers, self.names, self.residues) if x is not None))

    def atom(self, k: int) -> str:
        """Atom k in words."""
        from ase.data import chemical_symbols

        name = self.names[k] if self.names else ""
        if not name and self.numbers:
            name = chemical_symbols[self.numbers[k]]
        return f"{name} of {self.residues[k][2]} {self.residues[k][1]}" if self.residues else name


def check_order(first: AtomLabels, other: AtomLabels) -> None:
    """Raise LabkitError, naming files and atoms, where two files have the same atoms in another order, or other atoms.

    Names and residues are compared by what both files use: those that only one of them has are another convention
    (HB2 and HB3, HB1 and HB2), those that both have at other places are another order.

    >>> check_order(AtomLabels("a.prmtop", numbers=[6, 1]), AtomLabels("b.xyz", numbers=[6, 1]))
    """
    if len(first) != len(other):
        raise LabkitError(
            f"{first.source} has {len(first)} atoms, {other.source} has {len(other)}; give files of one system"
        )
    for k in (_elements(first, other), _names(first, other), _residues(first, other)):
        if k is not None:
            raise LabkitError(
                f"{first.source} and {other.source} have their atoms in another order: atom {k} is {first.atom(k)} in "
                f"the first and {other.atom(k)} in the second; write one of them again in the order of the other"
            )
    if first.numbers and other.numbers and first.sure and other.sure:
        for k, (a, b) in enumerate(zip(first.numbers, other.numbers, strict=True)):
            if a and b and a != b:
                raise LabkitError(
                    f"{first.source} and {other.source} have other atoms: atom {k} is {first.atom(k)} in the first "
                    f"and {other.atom(k)} in the second; give files of one system"
                )


def _elements(first: AtomLabels, other: AtomLabels) -> int | None:
    if not (first.numbers and other.numbers):
        return None
    return _permuted(
        (k, a, b) for k, (a, b) in enumerate(zip(first.numbers, other.numbers, strict=True)) if a and b and a != b
    )


def _names(first: AtomLabels, other: AtomLabels) -> int | None:
    """By residues of the first, or else of the other."""
    if not (first.names and other.names):
        return None
    residues = first.residues or other.residues or [("", "", "")] * len(first)
    differing = [k for k, (a, b) in enumerate(zip(first.names, other.names, strict=True)) if a != b]
    for _, atoms in groupby(differing, key=residues.__getitem__):
        found = _permuted((k, first.names[k], other.names[k]) for k in atoms)
        if found is not None:
            return found
    return None


def _residues(first: AtomLabels, other: AtomLabels) -> int | None:
    if not (first.residues and other.residues):
        return None
    starts = [k for k in range(len(first)) if k == 0 or first.residues[k] != first.residues[k - 1]]
    names = [(k, first.residues[k][2], other.residues[k][2]) for k in starts]
    swapped = _permuted((k, a, b) for k, a, b in names if a != b)
    if swapped is not None:
        return swapped
    found = (_scattered(first, other), _scattered(other, first))
    return min((k for k in found if k is not None), default=None)


def _permuted(differing: Iterable[tuple[int, object, object]]) -> int | None:
    """Of (place, label here, label there) the first place of those that hold the same labels in another order."""
    left = list(differing)
    while left:
        here, there = {a for _, a, _ in left}, {b for _, _, b in left}
        kept = [row for row in left if row[1] in there and row[2] in here]
        if len(kept) == len(left):
            return left[0][0]
        left = kept
    return None


def _scattered(labels: AtomLabels, other: AtomLabels) -> int | None:
    """An atom that lies apart from its residue, which the other file does not have as one residue.

    A residue whose number comes again with the same names is another one, whose number has run over.
    """
    starts = [k for k in range(len(labels)) if k == 0 or labels.residues[k] != labels.residues[k - 1]]
    runs: dict[Residue, list[range]] = {}
    for start, end in zip(starts, [*starts[1:], len(labels)], strict=True):
        runs.setdefault(labels.residues[start], []).append(range(start, end))
    names = labels.names or other.names or [""] * len(labels)
    for parts in runs.values():
        for one, following in pairwise(parts):
            if other.residues[one[0]] != other.residues[following[0]] and any(_cut(r, other) for r in (one, following)):
                here = {names[k] for k in one}
                if here.isdisjoint(names[k] for k in following):
                    return min(one, following, key=len)[0]
    return None


def _cut(run: range, other: AtomLabels) -> bool:
    """Whether a residue of the other file begins before these atoms or goes on after them."""
    return any(0 < k < len(other) and other.residues[k - 1] == other.residues[k] for k in (run.start, run.stop))
