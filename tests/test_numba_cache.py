"""What numba reads is of the user's own: files of others there could run anything."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit
from labkit.numba_cache import is_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@given(st.integers(0, 0o777), st.sampled_from(["folder", "file"]), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_private_is_what_nobody_else_can_write(tmp_path_factory, mode, kind, mine, own_group) -> None:
    place = tmp_path_factory.mktemp("a") / "x"
    place.mkdir() if kind == "folder" else place.touch()
    place.chmod(mode)
    found, me = place.lstat(), os.geteuid()
    with pytest.MonkeyPatch.context() as patch:
        user, group = me if mine else 54321, (me if mine else 54321) if own_group else 4242
        others = os.stat_result((found.st_mode, *found[1:4], user, group, *found[6:]))
        patch.setattr(Path, "lstat", lambda self: others)
        expected = mine and not mode & 0o002 and (own_group or not mode & 0o020)
        assert is_private([place]) is expected
    place.chmod(0o700)


def test_what_is_not_there_is_private_and_a_link_is_its_owners(tmp_path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert is_private([tmp_path / "gone", tmp_path / "link"])


def cache_of(package: Path, home: Path, **variables: str) -> Path | None:
    """Where numba keeps files when labkit is imported from this place, by another process."""
    code = "import labkit, numba; print(labkit.__file__); print(numba.config.CACHE_DIR)"
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LABKIT_CACHE")}
    place = {**kept, "HOME": str(home), "PYTHONPATH": str(package.parent), **variables}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=place, capture_output=True, text=True, timeout=120)
    file, _, folder = done.stdout.strip().partition("\n")
    assert Path(file).parent == package, done.stderr
    return Path(folder) if folder else None


@pytest.fixture
def package(tmp_path):
    """A copy of the few files that an import needs."""
    pytest.importorskip("numba")
    copy = tmp_path / "site" / "labkit"
    copy.mkdir(parents=True)
    for name in ("__init__.py", "numba_cache.py"):
        shutil.copy(Path(labkit.__file__).parent / name, copy)
    return copy


def test_beside_the_sources_where_these_are_the_users(package, tmp_path) -> None:
    assert cache_of(package, tmp_path) is None  # numba's own choice


@pytest.mark.parametrize("shared", ["package", "compiled", "file"])
def test_in_a_folder_of_the_user_where_others_can_write_to_the_sources(shared, package, tmp_path) -> None:
    compiled = package / "__pycache__"
    compiled.mkdir(exist_ok=True)
    (compiled / "kernels.f-1.nbi").write_text("planted")
    {"package": package, "compiled": compiled, "file": compiled / "kernels.f-1.nbi"}[shared].chmod(0o777)
    found = cache_of(package, tmp_path)
    assert found == tmp_path / ".cache" / "labkit" / f"numba-{os.geteuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700


def test_a_shared_folder_that_is_asked_for_is_not_used(package, tmp_path) -> None:
    (tmp_path / "ours").mkdir()
    assert cache_of(package, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "ours")) == tmp_path / "ours"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    found = cache_of(package, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "shared"))
    assert found == tmp_path / ".cache" / "labkit" / f"numba-{os.geteuid()}"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o1777)  # labkit's cache of a whole class: numba's is a part of it, and private
    found = cache_of(package, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "shared"), LABKIT_CACHE=str(tmp_path / "cache"))
    assert found.parent == tmp_path / "cache" and stat.S_IMODE(found.stat().st_mode) == 0o700
    (tmp_path / "cache").chmod(0o777)  # others can put another folder in its place
    other = cache_of(package, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "shared"), LABKIT_CACHE=str(tmp_path / "cache"))
    assert other.parent != tmp_path / "cache" and not other.exists()  # of that process alone
