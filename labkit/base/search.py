"""Searching for all pairs within a cutoff: small systems by brute force, all at once, others by cells (vesin)."""

from __future__ import annotations

import math

import ase
import torch
from torch import Tensor

from labkit.base.cell_search import pairs_of
from labkit.base.lattice import lattices_of
from labkit.base.neighbours import Neighbours
from labkit.base.system import System
from labkit.errors import LabkitError

#: n² times the images of a system up to which brute force, on all such systems at once, is faster
DENSE = {"cpu": 8192, "cuda": 2**20}
AT_ONCE = {"cpu": 2**16, "cuda": 2**22}  # pairs that brute force examines at once
#: Largest number of atoms of an open system whose list holds all pairs and so never changes.
FIXED = 32


def find_neighbours(
    system: System, positions: Tensor, cell: Tensor, cutoff: float, *, fixed: bool = False
) -> Neighbours:
    """All pairs, images included, nearer than `cutoff` [Å]; the cell may be smaller than the cutoff.

    fixed   all pairs of open systems of at most FIXED atoms, whatever their distance

    >>> from ase.build import bulk
    >>> from labkit.base import State
    >>> state = State.from_atoms(bulk("Cu"))
    >>> len(find_neighbours(state.system, state.positions, state.cell, 3.0).i)
    12
    """
    positions, cell = positions.detach().double(), cell.detach().double()
    _check_finite(system, positions)
    cell, numbers = _reduced(cell, system.pbc)
    groups, others = _groups(system, cell, float(cutoff), fixed)
    parts = [_brute_force(system, positions, cell, *group) for group in groups]
    parts += _by_cells(system, positions, cell, float(cutoff), others)
    i, j, shift, index = (torch.cat(part) for part in zip(*parts, strict=True))
    found = Neighbours(i, j, shift if numbers is None else (shift[:, :, None] * numbers[index]).sum(1), index)
    return found if len(groups) == 1 and not others else ordered(found, system.numbers)


def _reduced(cell: Tensor, pbc: Tensor) -> tuple[Tensor, Tensor | None]:
    """Short cells (S, 3, 3) of the same lattices, of which few images count, and their vectors in the given ones.

    Raises LabkitError, naming the frame, for a periodic cell without a volume.
    """
    if not bool(pbc.any()):
        return cell, None
    found = lattices_of(cell.cpu().numpy(), pbc.cpu().numpy())
    numbers = torch.from_numpy(found.numbers).to(cell)
    if bool((numbers == torch.diag_embed(pbc.to(cell.dtype))).all()):
        return cell, None
    rows = torch.where(pbc[:, :, None], torch.from_numpy(found.rows).to(cell), cell)
    return rows, numbers.long()


def ordered(pairs: Neighbours, numbers: Tensor) -> Neighbours:
    """The pairs sorted by i, then by the species of j, and otherwise in their present order."""
    order = torch.argsort(pairs.i * (int(numbers.max()) + 1) + numbers[pairs.j], stable=True)
    return Neighbours(*(part[order] for part in (pairs.i, pairs.j, pairs.shift, pairs.index)))


def is_fixed(system: System) -> Tensor:
    """Which systems (S,) have lists of all pairs; on the CPU."""
    return (~system.pbc.any(1).cpu()) & (system.counts.cpu() <= FIXED)


def _groups(system: System, cell: Tensor, cutoff: float, fixed: bool) -> tuple[list[tuple], list[int]]:
    """Systems for brute force, those of one size and as many images together, and all others."""
    counts, pbc, cells = system.counts.cpu(), system.pbc.cpu(), cell.cpu()
    open_, never = ~pbc.any(1), is_fixed(system) if fixed else torch.zeros(len(pbc), dtype=torch.bool)
    images = torch.zeros(len(pbc), 3, dtype=torch.int64)
    if not bool(open_.all()):
        complete, _ = _complete(cells, pbc)
        heights = 1 / torch.linalg.inv(complete).norm(dim=1)
        images = torch.where(pbc, (cutoff / heights).clamp(max=1e6).floor().long() + 1, 0)
    work = counts.double() ** 2 * (2 * images + 1).double().prod(1)  # too many for whole numbers, if the cutoff is odd
    found: dict[tuple, list[int]] = {}
    others = []
    most = DENSE.get(cell.device.type, 0)
    for s, (n, shape, small, all_) in enumerate(
        zip(counts.tolist(), images.tolist(), (work <= most).tolist(), never.tolist(), strict=True)
    ):
        if small or all_:
            found.setdefault((n, *shape, math.inf if all_ else cutoff), []).append(s)
        else:
            others.append(s)
    return [(torch.tensor(systems), key[0], key[1:4], key[4]) for key, systems in found.items()], others


def _brute_force(
    system: System, positions: Tensor, cell: Tensor, systems: Tensor, n: int, images: tuple[int, ...], cutoff: float
) -> tuple[Tensor, ...]:
    """i, j, shift and index of all pairs of systems of n atoms, examined in the images -images to images."""
    device = positions.device
    atoms = system.atoms_of(systems).view(len(systems), n)
    systems = systems.to(device)
    ranges = [torch.arange(-m, m + 1, device=device) for m in images]
    shifts = torch.cartesian_prod(*ranges)
    home = len(shifts) // 2  # of no shift
    size, parts = max(1, AT_ONCE.get(device.type, 2**16) // max(1, n * n * len(shifts))), []
    for low in range(0, len(systems), size):
        which, rows = systems[low : low + size], atoms[low : low + size]
        r, box = positions[rows], cell[which]
        by_species = torch.argsort(system.numbers[rows], dim=1, stable=True)  # so that pairs are found in order
        if len(shifts) > 1:
            box = torch.where(system.pbc[which][:, :, None], box, 0.0)
            moved = torch.where(system.pbc[which][:, None], torch.floor(r @ torch.linalg.pinv(box) + 1e-12).long(), 0)
            r = r - moved.double() @ box
        other, square = torch.gather(r, 1, by_species[..., None].expand(-1, -1, 3)), 0.0
        for x, image in zip(range(3), (shifts.double() @ box).unbind(-1), strict=True):
            away = other[:, None, :, None, x] - r[:, :, None, None, x]
            square = square + (away + image[:, None, None] if len(shifts) > 1 else away).square()
        square[..., home].scatter_(2, torch.argsort(by_species, dim=1)[..., None], math.inf)  # no atom with itself
        g, a, b, k = torch.nonzero(square < cutoff * cutoff, as_tuple=True)
        apart = square.view(-1)[((g * n + a) * n + b) * len(shifts) + k]
        b = by_species[g, b]
        _check_apart(apart, which[g], a, b)
        shift = shifts[k]
        if len(shifts) > 1:
            shift = shift - moved[g, b] + moved[g, a]
        first = rows[g, 0]
        parts.append((first + a, first + b, shift, which[g]))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def _by_cells(
    system: System, positions: Tensor, cell: Tensor, cutoff: float, systems: list[int]
) -> list[tuple[Tensor, ...]]:
    """The same with cells, in float64 on the CPU, one system per call."""
    if not systems:
        return []
    device, where = positions.device, positions.cpu()
    cells, periodic = _complete(cell.cpu(), system.pbc.cpu())
    found = [pairs_of(where[system.offsets[s] : system.offsets[s + 1]], cells[s], periodic[s], cutoff) for s in systems]
    i, j, shift, d = (torch.cat(part) for part in zip(*found, strict=True))
    counts = torch.tensor([len(one[0]) for one in found])
    which = torch.repeat_interleave(torch.tensor(systems), counts)
    _check_apart(d.square(), which, i, j)
    start = torch.tensor(system.offsets)[which]
    return [tuple(part.to(device) for part in (i + start, j + start, shift, which))]


def _check_apart(squares: Tensor, systems: Tensor, i: Tensor, j: Tensor) -> None:
    if len(squares) and float(squares.min()) < 1e-12:
        pair = int(squares.argmin())
        raise LabkitError(
            f"frame {int(systems[pair])}: atoms {int(i[pair])} and {int(j[pair])} are at the same place; move one"
        )


def _check_finite(system: System, positions: Tensor) -> None:
    lost = torch.nonzero(~torch.isfinite(positions).all(1))
    if len(lost):
        atom = int(lost[0])
        frame = int(system.index[atom])
        raise LabkitError(
            f"frame {frame}, atom {atom - system.offsets[frame]}: position {positions[atom].tolist()} is not finite; "
            "in dynamics the timestep is too large or the potential has a hole"
        )


def _complete(cells: Tensor, pbc: Tensor) -> tuple[Tensor, Tensor]:
    """Give non-periodic systems and directions some lattice vector: vesin needs a cell with a volume."""
    if bool((torch.linalg.det(cells).abs() > 1e-6).all()):
        return cells, pbc
    periodic = torch.where(pbc[:, :, None], cells, 0.0)  # a vector of an open direction may lie in a plane of others
    full = [torch.as_tensor(ase.cell.Cell(cell.numpy()).complete().array.copy()) for cell in periodic]
    return torch.stack(full), pbc
