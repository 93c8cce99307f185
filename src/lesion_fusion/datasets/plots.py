"""Plots as PNG files that can be read back, for the report, MLflow and Kedro-Viz."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NewType

from lesion_fusion.datasets.store import StoredDataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Kedro-Viz knows a preview by the name of the type that `preview` returns.
ImagePreview = NewType("ImagePreview", str)
# The list of a folder's plots: with it the folder is complete.
NAMES = "plots.json"


def _preview(picture: bytes) -> ImagePreview:
    return ImagePreview(base64.b64encode(picture).decode())


class PlotDataset(StoredDataset["Figure", bytes]):
    """Saves a matplotlib figure as PNG and loads the file's bytes; previewed in Kedro-Viz."""

    def __init__(self, *, filepath: str, dpi: int = 150) -> None:
        super().__init__(filepath=filepath)
        self._dpi = dpi

    def load(self) -> bytes:
        """Return the PNG file's bytes."""
        return self._place.read_bytes()

    def save(self, data: Figure) -> None:
        """Draw the figure into the file, whole or not at all."""
        with self._place.writing() as draft:
            data.savefig(draft, format="png", dpi=self._dpi)

    def preview(self) -> ImagePreview:
        """Return the picture as Kedro-Viz shows it."""
        return _preview(self.load())

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dpi": self._dpi}


class PlotsDataset(StoredDataset[Mapping[str, bytes], dict[str, bytes]]):
    """Saves PNG pictures by name as a folder, whole or not at all; a name may hold folders (`<model>/evaluation`)."""

    def load(self) -> dict[str, bytes]:
        """Return the pictures by name."""
        return {name: (self._place / f"{name}.png").read_bytes() for name in self._names()}

    def save(self, data: Mapping[str, bytes]) -> None:
        """Write the pictures in place of those that were there."""
        with self._place.writing(last=NAMES) as draft:
            draft.mkdir()
            (draft / NAMES).write_text(json.dumps(sorted(data), indent=0))
            for name, picture in data.items():
                file = draft / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(picture)

    def preview(self) -> ImagePreview:
        """Return the first picture as Kedro-Viz shows it."""
        first = self._names()[:1]
        return _preview((self._place / f"{first[0]}.png").read_bytes() if first else b"")

    def _names(self) -> list[str]:
        return list(json.loads((self._place / NAMES).read_bytes()))

    def _exists(self) -> bool:
        return (self._place / NAMES).exists()
