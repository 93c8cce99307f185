"""Digests of what stands on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path


def path_digest(path: Path) -> str:
    """Return a SHA-256 digest of a file's content, or of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file.relative_to(path)).encode() if path.is_dir() else b"")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
