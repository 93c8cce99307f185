"""Write a file or a folder whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
