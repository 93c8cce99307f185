"""Plots as PNG files that can be read back, for the report, MLflow and Kedro-Viz."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType

from kedro.io import AbstractDataset

from lesion_fusion.datasets.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Kedro-Viz knows a preview by the name of the type that `preview` returns.
ImagePreview = NewType("ImagePreview", str)


def _preview(picture: bytes) -> ImagePreview:
    return ImagePreview(base64.b64encode(picture).decode())


class PlotDataset(AbstractDataset["Figure", bytes]):
    """Saves a matplotlib figure as PNG and loads the file's bytes; previewed in Kedro-Viz."""

    def __init__(self, *, filepath: str, dpi: int = 150) -> None:
        self._path = Path(filepath)
        self._dpi = dpi

    def load(self) -> bytes:
        """Return the PNG file's bytes."""
        return self._path.read_bytes()

    def save(self, data: Figure) -> None:
        """Draw the figure into the file, whole or not at all."""
        with replacing(self._path) as draft:
            data.savefig(draft, format="png", dpi=self._dpi)

    def preview(self) -> ImagePreview:
        """Return the picture as Kedro-Viz shows it."""
        return _preview(self.load())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "dpi": self._dpi}

    def _exists(self) -> bool:
        return self._path.is_file()


class PlotsDataset(AbstractDataset[Mapping[str, bytes], dict[str, bytes]]):
    """Saves PNG pictures by name as a folder, whole or not at all; a name may hold folders (`<model>/evaluation`)."""

    def __init__(self, *, filepath: str) -> None:
        self._path = Path(filepath)

    def load(self) -> dict[str, bytes]:
        """Return the pictures by name."""
        files = sorted(self._path.rglob("*.png"))
        return {file.relative_to(self._path).as_posix().removesuffix(".png"): file.read_bytes() for file in files}

    def save(self, data: Mapping[str, bytes]) -> None:
        """Write the pictures in place of those that were there."""
        with replacing(self._path) as draft:
            draft.mkdir()
            for name, picture in data.items():
                file = draft / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(picture)

    def preview(self) -> ImagePreview:
        """Return the first picture as Kedro-Viz shows it."""
        first = min(self._path.rglob("*.png"), default=None)
        return _preview(first.read_bytes() if first else b"")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}

    def _exists(self) -> bool:
        return self._path.is_dir()
