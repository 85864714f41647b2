"""What an exported model (TorchScript) would do, from its code and before any of it runs."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from labkit.errors import LabkitError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LARGEST = 4_000_000  # characters of code
#: operators that take text, none of them the name of a file
TEXT = _words("""
    Float Int add any bin capitalize center chr conv1d conv2d conv3d count device div div_ divide divide_ einsum
    endswith eq expandtabs fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn
    fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftn find format ge
    gelu gelu_ get gt hex index index_reduce index_reduce_ join keys le len linalg_cond linalg_eigh
    linalg_eigvalsh linalg_lstsq linalg_matrix_norm linalg_norm linalg_qr linalg_svd linalg_svdvals list lower
    lt meshgrid nanquantile ne oct ord pad pad_sequence pop quantile remove replace scatter scatter_
    scatter_reduce scatter_reduce_ searchsorted segment_reduce setdefault slice sort sorted split startswith
    stft str strip upper warn
""")
#: operators whose names begin with an underscore and that compute, as other operators do
OWN = _words("""
    __and__ __contains__ __derive_index __getitem__ __iand__ __ilshift__ __ior__ __irshift__ __is__ __isnot__
    __ixor__ __lshift__ __not__ __or__ __range_length __rshift__ __xor__ _convolution _convolution_mode
    _log_softmax _native_multi_head_attention _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned
    _pack_padded_sequence _pad_packed_sequence _set_item _shape_as_tensor _softmax _unwrap_optional _weight_norm
    _weight_norm_interface
""")
PRIM = _words("""
    NumToTensor RaiseException TupleIndex TupleUnpack Uninitialized abs data device dtype index is_cpu is_cuda
    is_mps is_nested is_quantized is_sparse is_xla itemsize layout max min rangelist requires_grad tolist type
    unchecked_cast unchecked_unwrap_optional
""")
#: of values that can reach beyond the arithmetic of tensors
STRANGE = ("StorageType", "RRefType", "FutureType", "StreamObjType", "PyObjectType", "CapsuleType")
ROOTS = ("torch", "ops", "__torch__", "CONSTANTS")
REFUSED_NAMES = ("fork", "awaitable", "exec", "eval", "open", "__import__", "print")


def inspect(path: Path, where: str) -> list[str]:
    """The operators that an exported model uses, sorted; nothing of it is run.

    Raises LabkitError for a file that is not TorchScript, for operators of files, for those that are unknown or
    belong to extensions of torch, and for code that cannot be read with certainty.
    """
    used: set[str] = set()
    for name, code in _sources(path, where):
        try:
            tree = ast.parse(code)
            _check_text(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
            raise _refusal(path, where, f"its code {name} cannot be read ({str(error)[:80]})") from error
        for operator, reason in _operators(tree):
            if reason:
                raise _refusal(path, where, f"it uses {operator}, {reason}")
            used.add(operator)
    return sorted(used)


def _sources(path: Path, where: str) -> Iterator[tuple[str, str]]:
    """Name and text of each piece of code, found by the reader that torch loads models with."""
    try:
        archive = torch._C.PyTorchFileReader(str(path))
        names = archive.get_all_records()
        records = {name: archive.get_record(name) for name in names if name.endswith((".py", ".pkl"))}
    except RuntimeError as error:
        raise LabkitError(
            f"{where}: {path} is not an exported model: {str(error).splitlines()[0]}; write it with torch.jit.save (a "
            "state dict or a model saved by torch.save is not enough)"
        ) from error
    if "constants.pkl" not in names or "model.json" in names or len(set(names)) < len(names):
        raise LabkitError(
            f"{where}: {path} is not an exported model: it has no code of TorchScript; write it with torch.jit.save (a "
            "state dict or a model saved by torch.save is not enough)"
        )
    if sum(map(len, records.values())) > 50 * LARGEST:
        raise _refusal(path, where, "its code is too long to be read")
    for name, data in records.items():
        if b"torch.classes" in data:
            raise _refusal(path, where, "it uses classes of an extension of torch (torch.classes)")
        if name.endswith(".py"):
            if len(data) > LARGEST:
                raise _refusal(path, where, "its code is too long to be read")
            try:
                yield name, data.decode("ascii")
            except UnicodeDecodeError as error:
                raise _refusal(path, where, f"its code {name} holds other characters than ASCII") from error


def _check_text(code: str) -> None:
    """Raise ValueError for text that Python and torch may understand differently: other quotes, control characters."""
    if any(not (32 <= ord(c) < 127 or c == "\n") for c in code):
        raise ValueError("a control character")
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.STRING and (token.string[0] not in "'\"" or token.string[:3] in ("'''", '"""')):
            raise ValueError(f"text of an unusual kind, {token.string[:20]}")
        if token.type == tokenize.COMMENT:
            raise ValueError("a comment")


def _operators(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each operator or name in question, and why it is refused, or ""."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _attribute(node, id(node) in inner)
        elif isinstance(node, ast.Name):
            if node.id in ROOTS and id(node) not in inner:
                yield node.id, "by another name"
            elif node.id in REFUSED_NAMES:
                yield node.id, "which no model needs"
            elif node.id == "getattr":
                call = called.get(id(node))
                name = call.args[1] if call is not None and len(call.args) > 1 else None
                if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
                    yield "getattr", "of a name that is not written out"
                elif _is_operator(name.value):
                    yield f"torch.{name.value}", _reason(name.value)


def _attribute(node: ast.Attribute, continues: bool) -> Iterator[tuple[str, str]]:
    parts, root = [node.attr], node.value
    while isinstance(root, ast.Attribute):
        parts.append(root.attr)
        root = root.value
    parts.reverse()
    name = root.id if isinstance(root, ast.Name) else ""
    if name in ("__torch__", "CONSTANTS"):
        return  # code and numbers of the file itself, which are inspected, too
    if name == "torch":
        yield f"torch.{'.'.join(parts)}", _reason(parts[0]) if len(parts) == 1 else "which is unknown"
    elif name == "ops":
        if continues and len(parts) == 1:
            return  # the namespace of an operator
        space, operator = (parts[0], parts[-1]) if len(parts) == 2 else ("", "")
        if space == "prim":
            yield f"prim.{operator}", "" if operator in PRIM else "which is unknown"
        else:
            yield f"ops.{'.'.join(parts)}", _reason(operator) if space == "aten" else "which is unknown"
    elif _is_operator(node.attr):  # a method of a tensor, or a part of the model with such a name
        yield f"torch.{node.attr}", _reason(node.attr)


@cache
def _is_operator(name: str) -> bool:
    return bool(torch._C._jit_get_schemas_for_operator(f"aten::{name}"))


@cache
def _reason(name: str) -> str:
    """Why an operator of torch is refused, or ""."""
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    if name in ("save", "from_file"):
        return "which writes or reads files"
    if not schemas or (name.startswith("_") and name not in OWN):
        return "which is unknown"
    if name in TEXT or name in OWN:
        return ""
    kinds = {_kind(part.type) for schema in schemas for part in [*schema.arguments, *schema.returns]}
    if "StringType" in kinds:
        return "which takes text that could name a file"
    return "which reaches beyond tensors" if kinds & set(STRANGE) else ""


def _kind(type_: torch._C.JitType) -> str:
    while type_.kind() in ("OptionalType", "ListType"):
        type_ = type_.getElementType()
    return type_.kind()


def _refusal(path: Path, where: str, why: str) -> LabkitError:
    return LabkitError(
        f"{where}: {path} was not run: {why}. A model needs arithmetic only; export it without, or, if you trust who "
        "made it, ask for it by name (trusted=True, or labkit hooks check --trust)"
    )
