"""OpenMM's XML force fields: Python code in them runs only in OpenMM's own files and in those that the user names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

SCRIPTS = ("Script", "InitializationScript")  # OpenMM executes their text
EVALUATED = "useDispersionCorrection"  # OpenMM evaluates the value of this attribute
LITERALS = ("True", "False", "0", "1")


def open_forcefield(*files: str | Path, scripts: Collection[str | Path] = ()) -> Any:
    """OpenMM's app.ForceField of XML files: paths, or names of files that come with OpenMM.

    scripts  files whose Python code may run; that of the files that come with OpenMM always may

    Raises LabkitError, naming the file, before anything of it runs: for Python code in any other file, or in one that
    it includes, and for what is no XML, or XML that expands itself.
    """
    from openmm import app

    own = [Path(folder).resolve() for folder in app.forcefield._getDataDirectories()]
    trusted = {Path(name).resolve() for name in scripts}
    found = [_resolved(str(file), own) for file in files]
    seen: set[Path] = set()
    for path in found:
        _check(path, own, trusted, seen)
    return app.ForceField(*map(str, found))


def _resolved(name: str, own: list[Path]) -> Path:
    """As OpenMM looks a file up: a path, or else a name in its folders."""
    for path in (Path(name), *(folder / name for folder in own)):
        if path.is_file():
            return path.resolve()
    raise LabkitError(f"{name}: there is no such file, and none of this name comes with OpenMM; give its path")


def _check(path: Path, own: list[Path], trusted: set[Path], seen: set[Path]) -> None:
    if path in seen or any(folder in path.parents for folder in own):
        return
    seen.add(path)
    root = _root(path)
    if path not in trusted:
        for what, code in _code(root):
            raise LabkitError(
                f"{path}: {what} holds Python code, {code!r:.60}, which OpenMM would run and which may do anything "
                f"that you may do; read it, and if you trust it name the file: scripts=[{str(path)!r}]"
            )
    for include in root.findall("Include"):
        name = include.attrib.get("file", "")
        joined = path.parent / name
        _check(joined.resolve() if joined.is_file() else _resolved(name, own), own, trusted, seen)


def _code(root: Any) -> Iterator[tuple[str, str]]:
    """Where OpenMM would run Python code, and the code."""
    for element in root.iter():
        name = str(element.tag).rsplit("}", 1)[-1]
        if name in SCRIPTS:
            yield f"<{name}>", (element.text or "").strip()
        value = element.attrib.get(EVALUATED)
        if value is not None and value.strip() not in LITERALS:
            yield f"<{name} {EVALUATED}>", value


def _root(path: Path) -> Any:
    try:
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException
    except ImportError as error:
        raise LabkitError(
            'defusedxml, which reads XML safely, is not installed; run: pip install "labkit[forcefield]"'
        ) from error
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, DefusedXmlException, UnicodeDecodeError, LookupError, ValueError) as error:
        raise LabkitError(f"{path}: not XML that is safe to read ({error or type(error).__name__})") from error
