"""Find pseudopotential files, unpacking those that Debian ships compressed."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from labkit.oracles.errors import MissingProgram

LARGEST = 200_000_000  # bytes
FOLDERS = (
    "/usr/share/espresso/pseudo",
    "/usr/share/doc/quantum-espresso/examples/CPV/EXX-wf-example",
    "/usr/share/doc/quantum-espresso/examples",
)


def pseudopotential(name: str) -> bytes:
    """Return the content of the pseudopotential file `name`.

    Searched in the folders of ESPRESSO_PSEUDO and LABKIT_PSEUDO, then where Debian's quantum-espresso-data puts
    them, plain or gzipped.
    """
    own = [os.environ[key] for key in ("LABKIT_PSEUDO", "ESPRESSO_PSEUDO") if key in os.environ]
    for folder in map(Path, [*own, *FOLDERS]):
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return _content(candidate)
    raise MissingProgram(
        f"pseudopotential {name} not found in {', '.join([*own, *FOLDERS[:2]])}; install quantum-espresso-data (with "
        "its documentation), or set LABKIT_PSEUDO to a folder that has the file"
    )


def _content(path: Path) -> bytes:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            content = file.read(LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise MissingProgram(f"{path}: is damaged ({error}); install it again") from error
    if len(content) > LARGEST:
        raise MissingProgram(f"{path}: holds more than {LARGEST // 10**6} MB, as no pseudopotential does")
    return content
