"""rMD17's and MD17's files: their unit is known by the size of the energies, whatever the molecule."""

import numpy as np
import pytest
from ase.data import atomic_numbers
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit.datasets import DatasetWarning
from labkit.datasets.magnitudes import UNITS
from labkit.datasets.md17 import from_md17
from labkit.errors import LabkitError
from labkit.units import KCAL_PER_MOL

#: energies of atoms, Hartree: all electrons, not relativistic (Hartree-Fock limit, Koga et al. 1999)
ATOMS = {"H": -0.5, "C": -37.6886, "N": -54.4009, "O": -74.8094, "F": -99.4093, "S": -397.5049, "Br": -2572.4413}


def frames(names: str = "CCOHHHHHH", unit: float = KCAL_PER_MOL, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays as rMD17 has them: atoms' energies and a bit of binding, in a unit."""
    symbols = list(names)
    rng = np.random.default_rng(seed)
    total = sum(ATOMS[s] for s in symbols) * 27.2114 - 4.0 * len(symbols)
    return {
        "nuclear_charges": np.array([atomic_numbers[s] for s in symbols], np.uint8),
        "coords": rng.normal(scale=3, size=(5, len(symbols), 3)),
        "energies": (total + rng.normal(scale=0.3, size=5)) / unit,
        "forces": rng.normal(size=(5, len(symbols), 3)) / unit,
        "old_indices": np.arange(5),
    }


@settings(max_examples=50, deadline=None)
@given(
    st.text(st.sampled_from([s for s in ATOMS if len(s) == 1]), min_size=1, max_size=25), st.sampled_from(list(UNITS))
)
def test_the_unit_is_known_by_the_energies(names, unit) -> None:
    expected = frames(names, 1.0)
    arrays, note = from_md17(frames(names, UNITS[unit]), "x")
    np.testing.assert_allclose(arrays["energy"], expected["energies"], rtol=1e-12)
    np.testing.assert_allclose(arrays["forces"], expected["forces"], rtol=1e-12)
    assert ("are eV already" if unit == "eV" else f"were in {unit}") in note


def test_loaded_and_said(tmp_path) -> None:
    np.savez(tmp_path / "rmd17_ethanol.npz", **frames())
    with pytest.warns(
        DatasetWarning, match=r"rmd17_ethanol.npz: energies and forces were in kcal/mol and are converted"
    ):
        found = labkit.load(tmp_path / "rmd17_ethanol.npz")
    assert found.name == "rmd17_ethanol" and len(found) == 5 and found.species.tolist() == [1, 6, 8]
    np.testing.assert_allclose(found.forces.reshape(5, 9, 3), frames(unit=1.0)["forces"])


def test_the_names_of_md17_and_the_files_own_unit(tmp_path) -> None:
    new = frames(unit=1.0)
    old = {"z": new["nuclear_charges"], "R": new["coords"], "E": new["energies"][:, None], "F": new["forces"]}
    np.savez(tmp_path / "md17_x.npz", **old, e_unit="eV", r_unit="Ang", name="x")
    with pytest.warns(DatasetWarning, match="are eV already"):
        found = labkit.load(tmp_path / "md17_x.npz")
    np.testing.assert_allclose(found.energy, new["energies"])


def test_without_energies_it_is_their_unit() -> None:
    given = frames(unit=1.0)
    del given["energies"]
    arrays, note = from_md17(given, "x")
    np.testing.assert_allclose(arrays["forces"], given["forces"] * KCAL_PER_MOL)
    assert note.startswith("forces were in kcal/mol") and "energy" not in arrays


def test_nan_labels_name_the_frame(tmp_path) -> None:
    given = frames()
    given["forces"][2, 3, 1], given["energies"][4] = np.nan, np.inf
    np.savez(tmp_path / "a.npz", **given)
    with pytest.warns(DatasetWarning) as told:
        labkit.load(tmp_path / "a.npz")
    said = [str(w.message) for w in told]
    assert any("forces of frame 2: not finite" in x for x in said)
    assert any("energy of frame 4: not finite" in x for x in said)


@pytest.mark.filterwarnings("ignore::labkit.datasets.DatasetWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"energies": None, "forces": None}, "neither energies nor forces"),
        ({"coords": np.zeros((5, 27))}, r"coords has the shape \(5, 27\)"),
        ({"forces": np.zeros((5, 8, 3))}, "forces holds float64 of the shape"),
        ({"nuclear_charges": np.zeros(9, int)}, "frame 0, atom 0: atomic number 0"),
    ],
)
def test_odd_files(tmp_path, change, message) -> None:
    given = {key: x for key, x in (frames() | change).items() if x is not None}
    np.savez(tmp_path / "a.npz", **given)
    with pytest.raises(LabkitError, match=f"a.npz: .*{message}"):
        labkit.load(tmp_path / "a.npz")
