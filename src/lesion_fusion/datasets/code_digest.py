"""What a module's code is, with all of this package that it imports, as one digest."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lesion_fusion

_PACKAGE = lesion_fusion.__name__
_ROOT = Path(lesion_fusion.__file__).parent


def code_digest(module: str) -> str:
    """Return a digest of a module of this package and of all of the package that it imports."""
    return _digest(*(f"{path.name}:{digest}" for path, digest in sorted(_sources(module))))


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
    return frozenset((path, _digest(path.read_text())) for path in seen)


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


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
