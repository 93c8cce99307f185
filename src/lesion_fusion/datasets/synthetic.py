"""The synthetic cohort as catalog entries: nothing is downloaded or stored, files are rendered when they are read.

raw_images:
  type: lesion_fusion.datasets.synthetic.SyntheticFilesDataset
  kind: images
  cohort: {cases: 240, seed: 1}
"""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from lesion_fusion.cohort.synthetic import Files, parse_cohort, published_table, render_images, render_masks
from lesion_fusion.datasets.files import text_digest
from lesion_fusion.datasets.source_code import code_digest

RENDERERS = {"images": render_images, "masks": render_masks}


Made = TypeVar("Made")


class _SyntheticDataset(AbstractDataset[NoReturn, Made]):
    """A part of the synthetic cohort; `cohort` holds parameters of `SyntheticCohort`, DatasetError lists wrong ones."""

    def __init__(self, kind: str, cohort: dict[str, Any] | None) -> None:
        self._kind = kind
        try:
            self._cohort = parse_cohort(cohort or {})
        except ValueError as error:
            raise DatasetError(str(error)) from None

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002 (Kedro's signature)
        """Refuse: the cohort is made from its parameters."""
        raise DatasetError("A synthetic cohort can't be saved to; it is made from its `cohort` parameters")

    def content_digest(self) -> str:
        """Return the SHA-256 of all that the content depends on: kind, parameters and the code that makes it."""
        content = json.dumps({"kind": self._kind, "cohort": self._cohort.model_dump()}, sort_keys=True)
        return text_digest(content, code_digest(parse_cohort.__module__))

    def _describe(self) -> dict[str, Any]:
        return {"kind": self._kind, "cohort": self._cohort.model_dump()}


class SyntheticTableDataset(_SyntheticDataset[pd.DataFrame]):
    """The synthetic record, as reading the published Excel sheet as text gives it."""

    def __init__(self, *, cohort: dict[str, Any] | None = None) -> None:
        super().__init__("table", cohort)

    def load(self) -> pd.DataFrame:
        """Return the published table, one row per image, text or NaN."""
        return published_table(self._cohort)


class SyntheticFilesDataset(_SyntheticDataset[Files]):
    """The synthetic PNG files of a `kind`, "images" or "masks", by name, each a function that returns its bytes."""

    def __init__(self, *, kind: str, cohort: dict[str, Any] | None = None) -> None:
        if kind not in RENDERERS:
            raise DatasetError(f"kind = {kind!r}: it must be one of {', '.join(RENDERERS)}")
        super().__init__(kind, cohort)

    def load(self) -> Files:
        """Return the files by name; nothing is rendered until a function is called."""
        return RENDERERS[self._kind](self._cohort)
