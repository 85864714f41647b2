"""Parameters by atom types in the files of CHARMM (.prm) and AMBER (.frcmod), as sections of a TorchMD file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

SIGMA = 2 / 2 ** (1 / 6)  # σ of Rmin/2
Key = tuple[str, ...]

# sections of CHARMM by their first four letters; None: nothing of it is a parameter
_CHARMM = {
    "ATOM": "masses", "BOND": "bonds", "ANGL": "angles", "THET": "angles", "DIHE": "dihedrals", "PHI": "dihedrals",
    "IMPR": "impropers", "IMPH": "impropers", "NONB": "lj", "NBON": "lj", "NBFI": "NBFIX", "CMAP": "CMAP",
    "THOL": "NBTHOLE", "HBON": None, "END": None, "RETU": None,
}  # fmt: skip
_AMBER = {
    "MASS": "masses", "BOND": "bonds", "ANGL": "angles", "DIHE": "dihedrals", "IMPR": "impropers", "NONB": "lj",
    "LJED": "LJEDIT", "CMAP": "CMAP", "HBON": "HBOND",
}  # fmt: skip
_WIDTH = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}


@dataclass
class ParameterFile:
    """Sections as in TorchMD's YAML: k0 kcal/mol, Å, degrees; and what TorchMD does not read of such a file.

    left_out   rows of (what, atom types)
    continues  types of the dihedral whose last row announced another cosine (AMBER), or None
    """

    path: Path
    sections: dict[str, dict[Key, Any]] = field(default_factory=dict)
    left_out: list[tuple[str, Key]] = field(default_factory=list)
    continues: Key | None = None

    def put(self, section: str, key: Key, entry: Any) -> None:
        """Store an entry in place of an earlier one of the same types, in either direction: the later one counts."""
        rows = self.sections.setdefault(section, {})
        rows.pop(key[::-1] if section in ("bonds", "angles", "dihedrals") else key, None)
        rows[key] = entry

    def add_cosine(self, key: Key, term: dict[str, float], scales: dict[str, float], *, begins: bool) -> None:
        """Add a cosine to a dihedral, in place of one with the same period; `begins`: in place of them all."""
        rows = self.sections.setdefault("dihedrals", {})
        key = key[::-1] if key[::-1] in rows else key
        if begins or key not in rows:
            rows[key] = {"terms": [], **scales}
        rows[key]["terms"] = [t for t in rows[key]["terms"] if t["per"] != term["per"]] + [term]

    def omitted(self, types: set[str]) -> str:
        """What TorchMD leaves out of the file that concerns atoms of these types, in words; "" for nothing."""
        names = [what for what, key in self.left_out if types >= set(key)]
        counts = [f"{names.count(name)} of {name}" if name != "CMAP" else name for name in dict.fromkeys(names)]
        return ", ".join(counts)


def read_parameters(path: Path) -> ParameterFile:
    """The parameters of a .prm or .frcmod file; raises LabkitError, naming file and line, for what is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LabkitError(f"{path}: cannot be read: {error.strerror}") from error
    charmm = path.suffix.lower() != ".frcmod"
    found = ParameterFile(path)
    for number, section, text in (_charmm_lines if charmm else _amber_lines)(lines, found):
        try:
            (_charmm_row if charmm else _amber_row)(found, section, text)
        except (ValueError, IndexError) as error:
            raise LabkitError(f"{path}: line {number}: {text.strip()!r:.80} is no row of {section}") from error
    if not found.sections:
        raise LabkitError(
            f"{path}: holds no parameters; expected sections of {'CHARMM' if charmm else 'AMBER'}, such as "
            f"{'BONDS' if charmm else 'BOND'}"
        )
    return found


def _charmm_lines(lines: list[str], found: ParameterFile) -> Iterator[tuple[int, str, str]]:
    section, number, scale = None, 0, 1.0
    while number < len(lines):
        number += 1
        text = lines[number - 1].split("!")[0].strip()
        if not text or text.startswith("*"):
            continue
        words = text.split()
        head = words[0][:4].upper()
        if head in _CHARMM and (len(words) == 1 or head in ("NONB", "NBON", "HBON", "THOL", "NBFI", "CMAP")):
            section = _CHARMM[head]
            while text.endswith("-") and number < len(lines):  # continued
                number += 1
                text = text[:-1] + " " + lines[number - 1].split("!")[0].strip()
            factor = re.search(r"\be14fac\s+(\S+)", text, re.IGNORECASE)
            scale = float(factor[1]) if factor else scale
        elif section or head == "MASS":
            yield number, "masses" if head == "MASS" else section, text
    for entry in found.sections.get("dihedrals", {}).values():
        entry["scee"] = 1 / scale if scale else float("inf")


def _charmm_row(found: ParameterFile, section: str, text: str) -> None:
    words = text.split()
    width = _WIDTH.get(section, 0)
    key, rest = tuple(words[:width]), words[width:]
    if section == "masses":
        found.put(section, (words[2],), float(words[3]))
    elif section == "bonds":
        found.put(section, key, {"k0": float(rest[0]), "req": float(rest[1])})
    elif section == "angles":
        found.put(section, key, {"k0": float(rest[0]), "theta0": float(rest[1])})
        if len(rest) > 3 and float(rest[2]):
            found.left_out.append(("the Urey-Bradley terms", key))
    elif section == "dihedrals":
        term = {"phi_k": float(rest[0]), "per": float(rest[1]), "phase": float(rest[2])}
        found.add_cosine(key, term, {"scnb": 1.0, "scee": 1.0}, begins=False)
    elif section == "impropers":  # k, 0, psi0 or, with a period, k, n, phase
        values = [float(word) for word in rest[:3]]
        period, phase = (0.0, values[1]) if len(values) == 2 else (values[1], values[2])
        for order in (key[::-1], key):  # the same angle
            found.put(section, order, {"phi_k": values[0], "per": period, "phase": phase})
    elif section == "lj":
        near = [words[5], words[6]] if len(words) > 6 else [words[2], words[3]]
        names, given = ("epsilon", "sigma", "epsilon14", "sigma14"), [words[2], words[3], *near]
        values = {name: float(x) * (SIGMA if name.startswith("sigma") else 1.0) for name, x in zip(names, given)}
        found.put(section, (words[0],), values)
    elif section == "NBFIX":
        found.left_out.append(("the NBFIX pairs", (words[0], words[1])))
    elif section == "CMAP" and len(words) == 9:  # the types of two dihedrals and a size; rows of a map have numbers
        found.left_out.append(("CMAP", tuple(words[:8])))


def _amber_lines(lines: list[str], found: ParameterFile) -> Iterator[tuple[int, str, str]]:
    section = None
    for number, line in enumerate(lines, 1):
        head = line[:4].upper()
        if head in _AMBER and "-" not in line[:6]:
            section = _AMBER[head]
        elif section and line.strip():
            yield number, section, line


def _amber_row(found: ParameterFile, section: str, text: str) -> None:
    width = _WIDTH.get(section, 0)
    if width:
        match = re.match("-".join(["(..?)"] * width) + r"(?=\s)", text)
        if match is None and (section != "dihedrals" or found.continues is None):
            raise ValueError
        key = found.continues if match is None else tuple(name.strip() for name in match.groups())
        rest = text[0 if match is None else match.end() :].split()
    else:
        key, rest = (text.split()[0],), text.split()[1:]
    if section == "masses":
        found.put(section, key, float(rest[0]))
    elif section in ("bonds", "angles"):
        found.put(section, key, {"k0": float(rest[0]), ("req" if width == 2 else "theta0"): float(rest[1])})
    elif section == "dihedrals":
        period = float(rest[3])
        term = {"phi_k": float(rest[1]) / float(rest[0]), "per": abs(period), "phase": float(rest[2])}
        scales = {"scnb": _tagged("SCNB", text, 2.0), "scee": _tagged("SCEE", text, 1.2)}
        found.add_cosine(key, term, scales, begins=found.continues is None)
        found.continues = key if period < 0 else None
    elif section == "impropers":
        found.put(section, key, {"phi_k": float(rest[0]), "per": float(rest[2]), "phase": float(rest[1])})
    elif section == "lj":
        sigma, epsilon = float(rest[0]) * SIGMA, float(rest[1])
        found.put(section, key, {"sigma": sigma, "epsilon": epsilon, "sigma14": sigma, "epsilon14": epsilon})
    elif section == "LJEDIT":
        found.left_out.append(("the LJEDIT pairs", (key[0], rest[0])))
    elif section == "CMAP" and "CMAP" not in dict(found.left_out):
        found.left_out.append(("CMAP", ()))


def _tagged(name: str, text: str, default: float) -> float:
    found = re.search(rf"{name}\s*=\s*([-+.\dEe]+)", text, re.IGNORECASE)
    return float(found[1]) if found else default
