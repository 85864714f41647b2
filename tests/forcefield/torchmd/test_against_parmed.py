"""Random .prm and .frcmod files against ParmEd, by which TorchMD reads them (run where ParmEd is installed)."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.forcefield.torchmd.parameter_files import read_parameters

parmed = pytest.importorskip("parmed")

CHARMM, AMBER = ["C", "CA", "CT1", "HGA2", "N2P1"], ["c", "c3", "ca", "N", "N*"]
NUMBERS = st.integers(1, 9999).map(lambda k: k / 100)
PERIODS = st.integers(1, 6)


def rows(types, width, *values, least=1):
    return st.lists(st.tuples(st.tuples(*[st.sampled_from(types)] * width), *values), min_size=least, max_size=6)


def same(path, found):
    sections, key = read_parameters(path).sections, tuple
    assert {key(k): (e["k0"], e["req"]) for k, e in both(sections.get("bonds", {}))} == {
        key(k): (t.k, t.req) for k, t in found.bond_types.items()
    }
    assert {k: (e["k0"], e["theta0"]) for k, e in both(sections.get("angles", {}))} == {
        k: (t.k, t.theteq) for k, t in found.angle_types.items()
    }
    mine = {k: (sorted((t["per"], t["phi_k"], t["phase"]) for t in e["terms"]), e["scnb"], e["scee"])
            for k, e in both(sections.get("dihedrals", {}))}  # fmt: skip
    theirs = {k: (sorted((t.per, t.phi_k, t.phase) for t in ts), ts[0].scnb, ts[0].scee)
              for k, ts in found.dihedral_types.items()}  # fmt: skip
    assert mine.keys() == theirs.keys()
    for k, (terms, scnb, scee) in mine.items():
        assert (scnb, scee) == pytest.approx(theirs[k][1:]), k
        assert [x for term in terms for x in term] == pytest.approx([x for term in theirs[k][0] for x in term]), k
    for (name,), entry in sections.get("lj", {}).items():
        kind = found.atom_types[name]
        own = [kind.sigma, abs(kind.epsilon), kind.sigma_14, abs(kind.epsilon_14)]
        assert [entry["sigma"], abs(entry["epsilon"]), entry["sigma14"], abs(entry["epsilon14"])] == pytest.approx(own)
    assert {k: m for (k,), m in sections.get("masses", {}).items()} == {k: t.mass for k, t in found.atom_types.items()}


def both(section):
    return [(k, e) for key, e in section.items() for k in {key, key[::-1]}]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bonds=rows(CHARMM, 2, NUMBERS, NUMBERS), angles=rows(CHARMM, 3, NUMBERS, NUMBERS),
    dihedrals=rows(CHARMM, 4, NUMBERS, PERIODS, st.sampled_from([0.0, 180.0])),
    near=st.booleans(), scale=st.sampled_from([1.0, 0.5, 0.83]), cut=st.booleans(),
)  # fmt: skip
def test_charmm(bonds, angles, dihedrals, near, scale, cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("prm") / "random.prm"
    lines = ["* random", "*", "", "ATOMS", *(f"MASS -1 {t} {10.0 + k} ! a type" for k, t in enumerate(CHARMM))]
    lines += ["", "BONDS", "! V = Kb (b - b0)**2", *(f"{' '.join(t)}  {k} {r} ! said" for t, k, r in bonds)]
    lines += ["", "ANGLES", *(f"{' '.join(t)}  {k} {a} 5.0 2.5" for t, k, a in angles)]
    lines += ["", "DIHEDRALS", *(f"{' '.join(t)}  {k} {n} {p}" for t, k, n, p in dihedrals)]
    lines += ["", "NONBONDED nbxmod  5 atom cdiel fshift vatom vdistance vfswitch" + (" -" if cut else "")]
    lines[-1:] = [lines[-1], f"cutnb 14.0 eps 1.0 e14fac {scale} wmin 1.5"] if cut else [f"{lines[-1]} e14fac {scale}"]
    lines += [f"{t} 0.0 -{0.1 + k} {1.5 + k}" + (" 0.0 -0.01 1.2" if near else "") for k, t in enumerate(CHARMM)]
    path.write_text("\n".join([*lines, "", "END", ""]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(path, parmed.charmm.CharmmParameterSet(str(path)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bonds=rows(AMBER, 2, NUMBERS, NUMBERS), angles=rows(AMBER, 3, NUMBERS, NUMBERS),
    dihedrals=rows(AMBER, 4, NUMBERS, st.lists(PERIODS, min_size=1, max_size=3, unique=True), st.booleans()),
)  # fmt: skip
def test_amber(bonds, angles, dihedrals, tmp_path_factory):
    path = tmp_path_factory.mktemp("frcmod") / "random.frcmod"

    def name(types):
        return "-".join(t.ljust(2) for t in types)

    lines = ["random", "MASS", *(f"{t:<2} {10.0 + k}  0.5   a type" for k, t in enumerate(AMBER))]
    lines += ["", "BOND", *(f"{name(t)}  {k}  {r}   said" for t, k, r in bonds)]
    lines += ["", "ANGLE", *(f"{name(t)}  {k}  {a}" for t, k, a in angles), "", "DIHE"]
    for t, k, periods, tagged in dihedrals:
        tags = "  SCEE=1.1 SCNB=1.9" if tagged else ""
        for left, n in zip(range(len(periods) - 1, -1, -1), periods):
            lines.append(f"{name(t)}  2  {k}  180.0  {'-' if left else ''}{n}.{tags}")
    lines += ["", "NONBON", *(f"  {t:<2}  {1.5 + k}  {0.1 + k}" for k, t in enumerate(AMBER)), "", ""]
    path.write_text("\n".join(lines))
    same(path, parmed.amber.AmberParameterSet(str(path)))
