"""Where numba keeps what it has compiled: in folders that only this user, or the administrator, can write to.

numba reads these files as pickles, which can run anything: whoever can write them can act as the user.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def choose() -> None:
    """Set NUMBA_CACHE_DIR to a folder of the user's own, unless what numba would use is one; before numba is imported.

    numba writes beside the sources where it can. Where others could do so too, the cache of labkit is used, and where
    that is not the user's either, a new folder for this process.
    """
    if os.name != "posix":
        return  # folders of a user are private on Windows
    given = os.environ.get(VARIABLE)
    if given and _made(Path(given)):
        return
    package = Path(__file__).parent
    if not given and os.access(package, os.W_OK) and is_private(_beside(package)) and _stays(package):
        return
    cache = os.environ.get("LABKIT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "labkit")
    folder = Path(cache).expanduser().absolute() / f"numba-{os.geteuid()}"
    if not _made(folder):
        import atexit  # seldom needed, and `import labkit` is quick
        import shutil
        import tempfile

        folder = Path(tempfile.mkdtemp(prefix="labkit-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = str(folder)
    if "numba" in sys.modules:  # it has read the variable already
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def is_private(paths: Iterable[Path]) -> bool:
    """Whether all that exists of these belongs to this user or the administrator, and nobody else can write to it."""
    for path in paths:
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        # a group of the user's own, with the same number, has no other members
        others = stat.S_IWOTH | (stat.S_IWGRP if found.st_gid != found.st_uid else 0)
        if found.st_uid not in (os.geteuid(), 0) or (found.st_mode & others and not stat.S_ISLNK(found.st_mode)):
            return False
    return True


def _stays(folder: Path) -> bool:
    """Whether nobody else can put another folder in the place of this one: in /tmp (sticky) they cannot."""
    for above in folder.resolve().parents:
        found = above.stat()
        if not is_private([above]) and not (found.st_uid in (os.geteuid(), 0) and found.st_mode & stat.S_ISVTX):
            return False
    return True


def _beside(package: Path) -> Iterable[Path]:
    """Folders of a package's sources, those of what Python compiled, and numba's files in them."""
    for folder, folders, _ in os.walk(package):
        folders[:] = [name for name in folders if name != "__pycache__"]
        compiled = Path(folder, "__pycache__")
        yield from (Path(folder), compiled)
        yield from (file for file in compiled.glob("*.nb[ic]"))


def _made(folder: Path) -> bool:
    """Whether there is such a folder now, with all that numba has put there, of this user's own."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        inside = [folder, *folder.glob("*"), *folder.glob("*/*.nb[ic]")]
        return os.access(folder, os.W_OK) and is_private(inside) and _stays(folder)
    except OSError:
        return False
