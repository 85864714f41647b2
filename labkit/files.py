"""Files that are complete or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labkit
from labkit.errors import LabkitError
from labkit.leftovers import remove_leftovers, temporary_beside

try:
    import fcntl
except ImportError:  # Windows: two processes that change a file at the same time are not kept apart
    fcntl = None

_UMASK = os.umask(0)  # read once: it belongs to the process, and jobs run in threads
os.umask(_UMASK)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it is renamed to `path`, on failure removed.

    Raises LabkitError if the folder is missing or read-only, or the disk is full; the old file then stays.

    >>> with atomic_path("/tmp/labkit-doctest.txt") as p:
    ...     _ = p.write_text("whole")
    >>> Path("/tmp/labkit-doctest.txt").read_text()
    'whole'
    """
    path = Path(path)
    remove_leftovers(path.parent, path.name)
    try:
        with temporary_beside(path) as temporary:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_UMASK)  # they are made private; a saved model is an ordinary file
            os.replace(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error


def atomic_tensors(path: str | os.PathLike[str], tensors: dict[str, Any], header: dict[str, str] | None = None) -> None:
    """Write tensors and a header as safetensors, completely or not at all."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    kept: dict[str, Any] = {}
    used = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        kept[name] = plain.clone() if memory in used else plain  # safetensors refuses tensors that share memory
        used.add(memory)
    with atomic_path(path) as temporary:
        try:
            save_file(kept, temporary, header)
        except SafetensorError as error:  # which also reports errors of the disk
            raise OSError(str(error)) from error


def write_model(path: str | os.PathLike[str], form: str, units: str, tensors: dict[str, Any], **header: Any) -> None:
    """Write a model's tensors under a header with its format, labkit's version, units, `header` and digest, atomically.

    Values in `header` that are not text are written as JSON; `read_tensors` is the inverse.
    """
    plain = {"format": form, "labkit": labkit.__version__, "units": units}
    plain |= {name: x if isinstance(x, str) else json.dumps(x) for name, x in header.items()}
    check_finite(path, tensors, "fit it again; it was not written")
    atomic_tensors(path, tensors, sealed(plain, tensors))


#: What code raises that is given a setting, a shape or a type which nothing that labkit writes has.
ODD_CONTENT = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def whole_content(path: Path, advice: str = "write it again") -> Iterator[None]:
    """Report content of a file that cannot be used, by any error within the block, as a LabkitError naming the file."""
    try:
        yield
    except LabkitError as error:
        if str(path) in str(error):
            raise
        raise LabkitError(f"{path}: {error}") from error
    except ODD_CONTENT as error:
        what = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise LabkitError(
            f"{path}: its content is missing in part, damaged, or not what labkit writes ({type(error).__name__}: "
            f"{what:.200}); {advice}"
        ) from error


def expect_tensor(name: str, tensor: Any, *shape: int | None, whole: bool = False) -> Any:
    """The tensor, if it has this shape (None: any length) and holds finite numbers, or whole ones from 0; else
    LabkitError."""
    import torch

    if tensor is None:
        raise LabkitError(f"{name} is missing")
    sizes = tuple(tensor.shape)
    if len(sizes) != len(shape) or any(n not in (None, m) for n, m in zip(shape, sizes, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise LabkitError(f"{name} has the shape {sizes}, expected ({wanted})")
    kinds = (torch.int64,) if whole else (torch.float64, torch.float32)
    if tensor.dtype not in kinds:
        raise LabkitError(f"{name} is of {tensor.dtype}, expected {' or '.join(map(str, kinds))}")
    if not bool((tensor >= 0).all() if whole else torch.isfinite(tensor).all()):
        raise LabkitError(f"{name} holds {'negative numbers' if whole else 'numbers that are not finite'}")
    return tensor


def sealed(header: dict[str, str], tensors: dict[str, Any]) -> dict[str, str]:
    """A header with the shapes of its tensors and the digest of both, which `read_tensors` checks."""
    whole = {**header, "shapes": json.dumps(shapes(tensors))}
    return {**whole, "digest": tensors_digest(whole, tensors)}


def shapes(tensors: dict[str, Any]) -> dict[str, list[Any]]:
    """Dtype and shape of each tensor, by name."""
    return {name: [str(t.dtype), *t.shape] for name, t in sorted(tensors.items())}


def check_finite(path: str | os.PathLike[str], tensors: dict[str, Any], advice: str) -> None:
    """Raise LabkitError, naming the tensor, for numbers that are not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            count = int((~tensor.isfinite()).sum())
            raise LabkitError(f"{path}: {count} of {tensor.numel()} numbers of {name} are not finite; {advice}")


def tensors_digest(header: dict[str, str], tensors: dict[str, Any]) -> str:
    """sha256 of a header and its tensors: if the header was changed, the file is not the fitted model."""
    import torch

    found = hashlib.sha256()
    for key in sorted(set(header) - {"digest"}):
        found.update(f"{key}={header[key]}\n".encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def read_tensors(
    path: Path, form: str, what: str, device: Any, *, finite: bool = True
) -> tuple[dict[str, str], dict[str, Any]]:
    """Header and tensors of a file of the format `form` with the right digest; `what` names it in errors."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise LabkitError(f"{path}: there is no such file; expected a {what} written by model.save(...)")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = file.metadata() or {}
            # cloned into aligned memory: products of tensors at odd addresses differ in the last bit
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except OSError as error:
        raise LabkitError(f"{path}: cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise LabkitError(
            f"{path}: not a complete safetensors file ({error}); it may be truncated: save the model again"
        ) from error
    _check_version(path, header, form, what)
    if header.get("format") != form:
        raise LabkitError(
            f"{path}: format is {header.get('format')!r}, expected {form!r}; this is not a {what} of labkit"
        )
    known = header.get("shapes")  # models of earlier versions have none
    if header.get("digest") != tensors_digest(header, tensors) or known not in (None, json.dumps(shapes(tensors))):
        raise LabkitError(
            f"{path}: settings and tensors do not match (the hyperparameters were changed after the fit, or the file "
            "is damaged); write it again"
        )
    if finite:
        check_finite(path, tensors, f"it is no {what} that can be used: fit it again")
    return header, tensors


def _check_version(path: Path, header: dict[str, str], form: str, what: str) -> None:
    """Raise LabkitError for the same kind of file in another version of its format."""
    found, known = (re.fullmatch(r"(.*)[ .](\d+)", x) for x in (header.get("format", ""), form))
    if found and known and found[1] == known[1] and found[2] != known[2]:
        raise LabkitError(
            f"{path}: format is {header['format']!r}, expected {form!r}: a {what} of another version, written by "
            f"labkit {header.get('labkit', '(unknown)')}; this is {labkit.__version__}: use that one, or make it again"
        )


def session_folder(folder: Path, what: str) -> None:
    """Make a folder of the session for `what`, as in "runs", and remove what killed writers left in it.

    Raises LabkitError if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    except OSError as error:
        raise LabkitError(
            f"{folder}: {what} cannot be kept here ({error.strerror}); set LABKIT_SESSION to another folder"
        ) from error


def atomic_write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write `content` to `path` so that the file is either the old one or the complete new one."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def lock(path: str | os.PathLike[str], *, wait: bool = True) -> Any:
    """Lock `path` against other processes until the returned file, `.<name>.lock` next to it, is closed.

    Waits while another process holds it; with wait=False raises LabkitError. Raises OSError if it cannot be written.

    >>> with lock("/tmp/labkit-doctest.txt"):
    ...     lock("/tmp/labkit-doctest.txt", wait=False)
    Traceback (most recent call last):
    labkit.errors.LabkitError: /tmp/labkit-doctest.txt: another process is using it; wait, or choose another path
    """
    path = Path(path)
    file = path.with_name(f".{path.name}.lock").open("a")
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        file.close()
        raise LabkitError(f"{path}: another process is using it; wait, or choose another path") from error
    except OSError:
        pass  # some network file systems have no locks
    return file


def _explain(path: Path, error: OSError) -> LabkitError:
    return LabkitError(
        f"{path}: could not be written ({error.strerror or error}); nothing was changed. "
        "Choose a folder that exists, is writable and has free space."
    )
