"""pw.x and ph.x recompute shipped labels; what is missing is said with the command that installs it."""

import shutil
import threading
import time

import numpy as np
import pytest
from ase import Atoms

from labkit.datasets import ice
from labkit.errors import LabkitError, Stopped
from labkit.oracles import Espresso, MissingProgram
from labkit.oracles.program import run
from labkit.oracles.pseudopotentials import pseudopotential
from labkit.oracles.response import parse_response
from tools.ice import check


def present(response=False):
    try:
        Espresso(response=response).require()
        return True
    except MissingProgram:
        return False


needs_espresso = pytest.mark.skipif(not present(), reason="pw.x (Debian: quantum-espresso) is not installed")

PH = """
          Dielectric constant in cartesian axis

          (       1.757128127       0.029696670       0.001579417 )
          (       0.029696801       1.712600852      -0.001037127 )
          (       0.001579166      -0.001037346       1.752023633 )

          Effective charges (d Force / dE) in cartesian axis

           atom      1   O
      Ex  (       -1.04941       -0.13224       -0.00919 )
      Ey  (       -0.25107       -0.91199       -0.03770 )
      Ez  (        0.00339       -0.05780       -1.24136 )
           atom      2   H
      Ex  (        0.74008       -0.22344       -0.19676 )
      Ey  (       -0.18989        0.37208        0.11393 )
      Ez  (       -0.19367        0.12097        0.32673 )
"""


@needs_espresso
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_recomputed_labels_are_the_shipped_ones(tmp_path):
    (deviation,) = check(ice("valid")[42], Espresso(), tmp_path)
    assert deviation.within_tolerance
    assert deviation.energy < 0.02 and deviation.forces < 0.2 and deviation.stress < 0.002


@needs_espresso
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_recomputed_response_is_the_shipped_one(tmp_path):
    (deviation,) = check(ice("minimum"), Espresso(response=True), tmp_path)
    assert deviation.within_tolerance and deviation.polarizability < 0.005 and deviation.born_charges < 0.005


@needs_espresso
def test_stop_ends_pw_within_a_second():
    stop, raised = threading.Event(), []

    def work():
        try:
            Espresso().compute(ice("minimum").atoms[0], stop.is_set)
        except Stopped as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(1.0)
    stop.set()
    began = time.monotonic()
    thread.join(20)
    assert raised and time.monotonic() - began < 2


def test_response_is_parsed():
    dielectric, born = parse_response(PH, 2)
    shipped = ice("train", 1)
    np.testing.assert_array_equal(dielectric, shipped.info[0]["dielectric"])
    np.testing.assert_array_equal(born, shipped.born_charges[:2])
    with pytest.raises(LabkitError, match="6 of 9 rows"):
        parse_response(PH, 3)
    with pytest.raises(LabkitError, match="Dielectric"):
        parse_response("", 1)


def test_missing_program_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgram, match=r"pw\.x is not on PATH.*apt-get install quantum-espresso"):
        Espresso().require()


def test_missing_pseudopotential_is_named(tmp_path, monkeypatch):
    with pytest.raises(MissingProgram, match="Xx.UPF not found.*LABKIT_PSEUDO"):
        pseudopotential("Xx.UPF")
    (tmp_path / "Xx.UPF").write_text("content")
    monkeypatch.setenv("LABKIT_PSEUDO", str(tmp_path))
    assert pseudopotential("Xx.UPF") == b"content"


def test_element_without_pseudopotential():
    with pytest.raises(LabkitError, match="no pseudopotential for Cu"):
        Espresso().compute(Atoms("CuH", cell=[5, 5, 5], positions=[[0, 0, 0], [0, 0, 1.5]]))


def test_failing_program_says_its_last_words(tmp_path):
    python = shutil.which("python3")
    with pytest.raises(LabkitError, match=r"python3 failed \(exit 7\): too many plane waves"):
        run([python, "-c", "print('too many plane waves'); raise SystemExit(7)"], tmp_path, "log", lambda: False)


def test_different_settings_have_different_names():
    assert len({Espresso().name, Espresso(ecutwfc=80).name, Espresso(response=True).name}) == 3
