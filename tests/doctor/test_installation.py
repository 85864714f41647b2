import os
import sys
from importlib import metadata

import pytest

from labkit.config import config
from labkit.doctor import installation
from labkit.panels.structure import nglview_frontend


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_python_and_its_packages_are_fine():
    assert next(installation.python()).status == "ok"
    found = by_name(installation.packages())
    assert found["torch"].found == metadata.version("torch")
    assert {"numpy", "ase", "jupyterlab", "quippy-ase"} <= found.keys()
    assert not [check for check in found.values() if check.status == "fail"]


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    check = next(installation.python())
    assert check.status == "fail" and check.found == "3.9.18" and ">=3.11" in check.mend


@pytest.mark.parametrize(("extra", "status"), [("", "fail"), ('; extra == "lab"', "note")])
def test_a_missing_package_tells_how_to_install_it(monkeypatch, extra, status):
    monkeypatch.setattr(metadata, "requires", lambda name: [f"no-such-package-x>=1{extra}"])
    (check,) = installation.packages()
    assert check.status == status and "not installed" in check.found and "pip install" in check.mend


def test_a_version_out_of_range_fails_and_an_untested_one_is_noted(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=99", "ase>=3"])
    monkeypatch.setattr(installation, "_pins", lambda: {"ase": "3.0.1"})
    found = by_name(installation.packages())
    assert found["numpy"].status == "fail" and ">=99" in found["numpy"].found
    assert found["ase"].status == "note" and "tested with 3.0.1" in found["ase"].found


def test_a_wrong_device_is_a_sentence(monkeypatch):
    monkeypatch.setenv("LABKIT_DEVICE", "toaster")
    config.cache_clear()
    try:
        (check,) = installation.compute()
    finally:
        config.cache_clear()
    assert check.status == "fail" and "toaster" in check.found


def test_memory_of_a_container_counts(monkeypatch):
    monkeypatch.setattr(installation, "_container_free", lambda: 0.7)
    (check,) = installation.memory()
    assert check.status == "note" and check.found == "0.7 GB available" and check.mend


def test_nglview_front_end_matches_after_the_mend():
    (check,) = installation.nglview()
    assert (check.status, check.found) == ("ok", nglview_frontend.shipped_version())


def test_nglview_front_end_that_differs_fails(monkeypatch):
    assert next(installation.nglview()).status == "ok"  # nglview's classes are made with the version that is there
    monkeypatch.setattr(sys.modules["nglview._frontend"], "__frontend_version__", "kept")
    monkeypatch.setattr(nglview_frontend, "shipped_version", lambda: "0.0.1")
    (check,) = installation.nglview()
    assert check.status == "fail" and "0.0.1" in check.found


def test_missing_nglview_front_end_fails(monkeypatch):
    monkeypatch.setattr(nglview_frontend, "shipped_version", lambda: None)
    (check,) = installation.nglview()
    assert check.status == "fail" and "--force-reinstall nglview" in check.mend


def test_gap_fit_beside_this_python_is_found_without_activation(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (check,) = installation.gap_fit()
    assert check.status == "ok" and os.path.dirname(sys.executable) in check.found


def test_gap_fit_that_does_not_start_is_noted(monkeypatch, tmp_path):
    program = tmp_path / "gap_fit"
    program.write_text("#!/bin/sh\necho 'libgfortran.so.5: cannot open shared object file' >&2; exit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr(installation, "environment", lambda: {"PATH": str(tmp_path)})
    (check,) = installation.gap_fit()
    assert check.status == "note" and "libgfortran.so.5" in check.found and "quippy-ase" in check.mend


def test_chromium_by_name_or_by_variable(monkeypatch, tmp_path):
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    monkeypatch.delenv("LABKIT_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installation.find_chromium() == str(browser)
    monkeypatch.setenv("PATH", "/nowhere")
    (check,) = installation.chromium()
    assert check.status == "note" and "LABKIT_CHROMIUM" in check.mend
    monkeypatch.setenv("LABKIT_CHROMIUM", str(browser))
    assert installation.find_chromium() == str(browser)
