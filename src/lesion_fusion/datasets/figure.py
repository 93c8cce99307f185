"""Figures as PNG files that can be read back, for the report and for MLflow."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview

from lesion_fusion.datasets.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureDataset(AbstractDataset["Figure", bytes]):
    """Saves a matplotlib figure as PNG and loads the file's bytes; previewed in Kedro-Viz."""

    def __init__(self, *, filepath: str, dpi: int = 150, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(filepath)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> bytes:
        """Return the PNG file's bytes."""
        return self._path.read_bytes()

    def save(self, data: Figure) -> None:
        """Draw the figure into the file, whole or not at all."""
        with replacing(self._path) as draft:
            data.savefig(draft, format="png", dpi=self._dpi)

    def preview(self) -> ImagePreview:
        """Return the picture as Kedro-Viz shows it."""
        return ImagePreview(base64.b64encode(self.load()).decode())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "dpi": self._dpi}

    def _exists(self) -> bool:
        return self._path.is_file()
