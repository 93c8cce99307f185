"""Networks in a `.keras` file of the store: saved as a model, loaded as a file, as to import keras takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lesion_fusion.datasets.store import StoredDataset

if TYPE_CHECKING:
    from lesion_fusion.imaging.keras_backend import keras


class KerasFileDataset(StoredDataset["keras.Model", Path]):
    """Saves a model whole or not at all; loads the path of its file on this machine."""

    def load(self) -> Path:
        """Return where the file lies; elsewhere stored ones are fetched."""
        return self._place.local()

    def save(self, data: keras.Model) -> None:
        """Write the model, architecture and weights."""
        with self._place.writing() as draft:
            data.save(draft)
