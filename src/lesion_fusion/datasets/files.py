"""Files written whole or not at all, and digests of files and of code. Without Kedro: served models import it."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import lesion_fusion

_PACKAGE = lesion_fusion.__name__
_ROOT = Path(lesion_fusion.__file__).parent


@dataclass(frozen=True)
class RowStream:
    """An array that is made row by row: its whole shape, its dtype, and its rows in order."""

    shape: tuple[int, ...]
    dtype: str
    rows: Iterable[np.ndarray]


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write to; it takes the place of `target` once the block ends without an error.

    `target` may be a file or a folder. Until then what stood there stays, and after an error nothing is left behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        draft = workshop / target.name
        yield draft
        if target.is_dir():
            target.rename(workshop / "replaced")
        os.replace(draft, target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def text_digest(*parts: str) -> str:
    """Return the SHA-256 digest of texts in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def path_digest(path: Path) -> str:
    """Return a SHA-256 digest of a file's content, or of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file.relative_to(path)).encode() if path.is_dir() else b"")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def code_digest(module: str) -> str:
    """Return a digest of a module of this package and of all of the package that it imports."""
    return text_digest(*(f"{path.name}:{digest}" for path, digest in sorted(_sources(module))))


@cache
def _sources(module: str) -> frozenset[tuple[Path, str]]:
    """Return path and digest of every file of this package that `module` imports, itself included."""
    waiting, seen = [module], set()
    while waiting:
        path = _path_of(waiting.pop())
        if path is None or path in seen:
            continue
        seen.add(path)
        # The templates that a module fills lie beside it and begin with its name; they are part of what it makes.
        seen |= set(path.parent.glob(f"{path.stem}*.j2"))
        waiting += _imported(path)
    return frozenset((path, text_digest(path.read_text())) for path in seen)


def _path_of(module: str) -> Path | None:
    if module != _PACKAGE and not module.startswith(f"{_PACKAGE}."):
        return None
    base = _ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, functions included."""
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
