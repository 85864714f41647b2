import json

import pytest

from labkit import doctor
from labkit.cli import main
from labkit.doctor.check import Check


@pytest.fixture
def checks(monkeypatch):
    """Let the doctor find what a test says."""

    def use(*found):
        monkeypatch.setattr(doctor, "examine", lambda: iter(found))

    return use


def test_a_broken_check_is_a_finding_and_the_rest_goes_on(monkeypatch):
    from labkit.doctor import installation

    def broken():
        raise OSError("disk on fire")

    monkeypatch.setattr(installation, "memory", broken)
    found = {check.name: check for check in doctor.examine()}
    assert found["memory"].status == "fail" and "disk on fire" in found["memory"].found
    assert "self-test" in found


def test_only_a_failure_of_something_required_fails(checks):
    checks(Check("torch", "ok", "2.13.0"), Check("chromium", "note", "not found", "install it"))
    assert main(["doctor"]) == 0
    checks(Check("torch", "fail", "not installed", "install it"))
    assert main(["doctor"]) == 1


def test_lines_say_how_to_mend(checks, capsys):
    checks(Check("torch", "fail", "not installed", "pip install torch"))
    main(["doctor"])
    assert capsys.readouterr().out.split() == ["fail", "torch", "not", "installed", "->", "pip", "install", "torch"]


def test_json(checks, capsys):
    checks(Check("torch", "fail", "not installed", "pip install torch"))
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["checks"] == [
        {"name": "torch", "status": "fail", "found": "not installed", "mend": "pip install torch"}
    ]
