"""Places of results: files and folders on a disk, or below a URL that fsspec knows; written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from kedro.io import AbstractDataset
from kedro.io.core import get_protocol_and_path

from lesion_fusion.datasets.files import path_digest, replacing, text_digest
from lesion_fusion.errors import UserError

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")


class UnusableStoreError(UserError):
    """A store that can't be reached or written to."""


@dataclass(frozen=True)
class Place:
    """A file or folder by its local path or URL; can be sent to another process, for it holds no connection."""

    address: str

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> Place:
        return Place(f"{self.address.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> str:
        """Name of the folder that it is in."""
        return self.address.rstrip("/").rpartition("/")[0].rpartition("/")[2]

    @property
    def path(self) -> Path | None:
        """The local path; None for a place that is not on a disk of this machine."""
        protocol, path = get_protocol_and_path(self.address)
        return Path(path) if protocol == "file" else None

    def exists(self) -> bool:
        """Return whether there is such a file or folder."""
        if self.path:
            return self.path.exists()
        files, path = self._elsewhere()
        return files.exists(path)

    def is_folder(self) -> bool:
        """Return whether there is such a folder."""
        if self.path:
            return self.path.is_dir()
        files, path = self._elsewhere()
        return files.isdir(path)

    def names(self) -> list[str]:
        """Return the names of all files below a folder, relative to it, in order; none where it is not there."""
        if self.path:
            return sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())
        return sorted(self._found())

    def read_bytes(self) -> bytes:
        """Return a file's content; raises FileNotFoundError."""
        if self.path:
            return self.path.read_bytes()
        files, path = self._elsewhere()
        return files.cat_file(path)

    def write_bytes(self, content: bytes) -> None:
        """Write a file, whole or not at all."""
        if self.path:
            with replacing(self.path) as draft:
                draft.write_bytes(content)
        else:
            files, path = self._elsewhere()
            files.pipe_file(path, content)

    def remove(self) -> None:
        """Remove the file or folder, where there is one."""
        if self.path and not self.path.is_dir():
            self.path.unlink(missing_ok=True)
        elif self.path:
            shutil.rmtree(self.path)
        else:
            files, path = self._elsewhere()
            with suppress(FileNotFoundError):
                files.rm(path, recursive=True)

    def local(self) -> Path:
        """Return a local path of the file or folder: its own, or that of a copy; raises FileNotFoundError.

        Copies are kept in the user's folder of caches, one version of each, and fetched anew when the original changes.
        """
        if self.path:
            return self.path
        found = self._found()
        if not found:
            raise FileNotFoundError(self.address)
        copy = _cache() / text_digest(self.address)[:32] / text_digest(repr(found))[:32] / self.name
        if not copy.exists():
            files, path = self._elsewhere()
            with replacing(copy) as draft:
                for name in found:
                    (draft / name).parent.mkdir(parents=True, exist_ok=True)
                    files.get_file(f"{path}/{name}".rstrip("/"), str(draft / name))
            for other in copy.parents[1].iterdir():
                if other != copy.parent:
                    shutil.rmtree(other, ignore_errors=True)
        return copy

    @contextmanager
    def writing(self, last: str = "") -> Iterator[Path]:
        """Yield a local path to write to; what is written takes this place once the block ends without an error.

        On a disk a file or folder is replaced in one step. Elsewhere a file is written in one step; a folder is
        complete once its file `last` exists, which is deleted first and written last.
        """
        if self.path:
            with replacing(self.path) as draft:
                yield draft
            return
        with tempfile.TemporaryDirectory() as workshop:
            draft = Path(workshop) / self.name
            yield draft
            self._put(draft, last)

    def digest(self) -> str:
        """Return a digest that changes with the content; "" where nothing is there."""
        if self.path:
            return path_digest(self.path) if self.path.exists() else ""
        found = self._found()
        return text_digest(repr(found)) if found else ""

    def check(self) -> None:
        """Raise UnusableStoreError where nothing can be written beside this place; a disk is not checked."""
        if self.path:
            return
        trial = Place(f"{self}.trial")
        try:
            trial.write_bytes(b"")
            trial.remove()
        # Every file system has errors of its own.
        except Exception as error:
            reason = f"{type(error).__name__} {error}".splitlines()[0]
            raise UnusableStoreError(
                f"Results can't be written to {self}: {reason}. The environment variable LESION_FUSION_STORE names the "
                "store. Its bucket must exist, and credentials must be set."
            ) from error

    def _put(self, draft: Path, last: str) -> None:
        files, path = self._elsewhere()
        if draft.is_file():
            files.put_file(str(draft), path)
            return
        (self / last).remove()
        self.remove()
        for name in sorted(Place(str(draft)).names(), key=lambda name: (name == last, name)):
            files.put_file(str(draft / name), f"{path}/{name}")

    def _found(self) -> dict[str, Any]:
        """Return what the store says of each file below a folder, by its name there, or of the file, named ""."""
        files, path = self._elsewhere()
        found = files.find(path, detail=True)
        return {name[len(path) + 1 :]: sorted((found[name] or files.info(name)).items()) for name in sorted(found)}

    def _elsewhere(self) -> tuple[Any, str]:
        """Return file system and path. Opened anew: fsspec keeps one per process and thread."""
        protocol, path = get_protocol_and_path(self.address.rstrip("/"))
        # Another process may have written since a folder was listed.
        return fsspec.filesystem(protocol, use_listings_cache=False), path


def _cache() -> Path:
    return Path(os.environ.get("LESION_FUSION_CACHE") or Path.home() / ".cache" / "lesion-fusion")


def place_of(dataset: object) -> Place | None:
    """Return where a dataset keeps its file or folder; None for one that keeps none."""
    described = dataset._describe() if isinstance(dataset, AbstractDataset) else {}
    path, protocol = described.get("filepath"), described.get("protocol", "file")
    if path is None:
        return None
    return Place(str(path) if protocol == "file" else f"{protocol}://{path}")


class StoredDataset(AbstractDataset[Saved, Loaded]):
    """A dataset that is kept in a file or folder of a `Place`."""

    def __init__(self, *, filepath: str) -> None:
        self._place = Place(filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._place)}

    def _exists(self) -> bool:
        return self._place.exists()
