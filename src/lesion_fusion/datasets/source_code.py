"""Digests of this package's code, without comments and docstrings. Without Kedro: served models import it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import lesion_fusion
from lesion_fusion.datasets.files import text_digest

_PACKAGE = lesion_fusion.__name__
_ROOT = Path(lesion_fusion.__file__).parent
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_digest(module: str) -> str:
    """Return a digest of a module of this package and of all of the package that it imports."""
    return text_digest(*(f"{name}:{digest}" for name, digest in code_digests(module).items()))


@cache
def code_digests(module: str) -> dict[str, str]:
    """Return the digest of every file of this package that `module` imports, itself included, by name in order.

    The templates that a module fills lie beside it and begin with its name; they are part of what it makes.
    """
    files = _files(module)
    templates = {template for file in files for template in file.parent.glob(f"{file.stem}*.j2")}
    digests = {file: _read(file)[0] for file in files} | {file: text_digest(file.read_text()) for file in templates}
    return {file.relative_to(_ROOT).as_posix(): digests[file][:16] for file in sorted(digests)}


@cache
def libraries(module: str) -> frozenset[str]:
    """Return the names of the other packages that `module`, and all of this package that it imports, import."""
    return frozenset(name.partition(".")[0] for file in _files(module) for name in _read(file)[1]) - {_PACKAGE}


@cache
def _files(module: str) -> frozenset[Path]:
    waiting: list[str] = [module]
    seen: set[Path] = set()
    while waiting:
        path = _path_of(waiting.pop())
        if path is not None and path not in seen:
            seen.add(path)
            waiting += _read(path)[1]
    return frozenset(seen)


def _path_of(module: str) -> Path | None:
    if module != _PACKAGE and not module.startswith(f"{_PACKAGE}."):
        return None
    base = _ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """Return the digest of a file's statements, and the modules that it imports anywhere, functions included.

    What only a type checker imports does not count.
    """
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return text_digest(ast.dump(tree)), frozenset(imported)
