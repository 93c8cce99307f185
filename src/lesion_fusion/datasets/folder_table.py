"""A cohort without a table: images sorted into one folder per class."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, NoReturn

import pandas as pd
from kedro.io import DatasetError

from lesion_fusion.datasets.store import StoredDataset


class FolderTableDataset(StoredDataset[NoReturn, pd.DataFrame]):
    """Loads a table of the images in a folder of folders, all cells as text; read only.

    Columns: `folder`; `name`, that of the image without its suffix; `image`, its file; `masks`, the files called as the
    image with `mask` (a pattern) after its name, joined by &. Masks in the folders `unmasked`, whose images show no
    lesion, are left out: they are black. A mask whose image is not there is a row of its own, without an image.
    """

    def __init__(
        self, *, filepath: str, suffix: str = ".png", mask: str = "_mask*", unmasked: tuple[str, ...] = ()
    ) -> None:
        super().__init__(filepath=filepath)
        self._suffix = suffix
        self._mask = mask
        self._unmasked = tuple(unmasked)

    def load(self) -> pd.DataFrame:
        """Return the table, one row per image, by folder and name; raises DatasetError where there is no image."""
        rows = []
        for folder, names in self._folders().items():
            pictures = [name for name in names if not any(self._is_mask_of(name, other) for other in names)]
            for name in pictures:
                orphan = fnmatchcase(name, f"*{self._mask}")
                masks = [name] if orphan else [mask for mask in names if self._is_mask_of(mask, name)]
                files = "&".join(f"{mask}{self._suffix}" for mask in masks if orphan or folder not in self._unmasked)
                image = "" if orphan else f"{name}{self._suffix}"
                rows.append({"folder": folder, "name": name, "image": image, "masks": files})
        if not rows:
            raise DatasetError(
                f"{self._place} holds no folder of images ending in {self._suffix!r}. Put the collection there as "
                "downloaded, a folder per class."
            )
        table = pd.DataFrame(rows, dtype="str")
        table.attrs["file"] = self._place.name
        return table

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: published files are never written."""
        raise DatasetError(f"The files in {self._place} are read only.")

    def content_digest(self) -> str:
        """Return a digest of the names and contents of the files."""
        return self._place.digest()

    def _folders(self) -> dict[str, list[str]]:
        """Return the names of the files of each folder, without their suffix."""
        folders: dict[str, list[str]] = {}
        for file in self._place.names():
            folder, _, name = file.rpartition("/")
            if folder and name.endswith(self._suffix):
                folders.setdefault(folder, []).append(name.removesuffix(self._suffix))
        return folders

    def _is_mask_of(self, mask: str, image: str) -> bool:
        return mask.startswith(image) and fnmatchcase(mask[len(image) :], self._mask)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "suffix": self._suffix, "mask": self._mask, "unmasked": self._unmasked}

    def _exists(self) -> bool:
        return self._place.is_folder()
