"""Files written whole or not at all, and digests of them. Without Kedro: served models import it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
