"""The synthetic cohort as catalog entries: nothing is downloaded or stored, files are rendered when they are read.

raw_images:
  type: lesion_fusion.datasets.synthetic.SyntheticFilesDataset
  kind: images
  cohort: {cases: 240, seed: 1}
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset
from kedro.io.core import DatasetError

from lesion_fusion import __version__
from lesion_fusion.cohort.synthetic import (
    Files,
    SyntheticCohort,
    parse_cohort,
    published_table,
    render_images,
    render_masks,
)

RENDERERS = {"images": render_images, "masks": render_masks}


class SyntheticTableDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """The synthetic record, as reading the published Excel sheet as text gives it.

    `cohort` holds parameters of `SyntheticCohort`; DatasetError lists those that are wrong.
    """

    def __init__(self, *, cohort: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None) -> None:
        self._cohort = _parse(cohort)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Return the published table, one row per image, text or NaN."""
        return published_table(self._cohort)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: the cohort is made from its parameters."""
        raise DatasetError("A synthetic cohort can't be saved to; it is made from its `cohort` parameters")

    def content_digest(self) -> str:
        """Return the SHA-256 of all that the content depends on: the parameters and the package's version."""
        return _digest(self._cohort)

    def _describe(self) -> dict[str, Any]:
        return {"cohort": self._cohort.model_dump()}


class SyntheticFilesDataset(AbstractDataset[NoReturn, Files]):
    """The synthetic PNG files, by name, each a function without arguments that returns the file's bytes.

    `kind` is "images" or "masks"; `cohort` holds parameters of `SyntheticCohort`. DatasetError says what is wrong.
    """

    def __init__(
        self, *, kind: str, cohort: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        if kind not in RENDERERS:
            raise DatasetError(f"kind = {kind!r}: it must be one of {', '.join(RENDERERS)}")
        self._kind = kind
        self._cohort = _parse(cohort)
        self.metadata = metadata

    def load(self) -> Files:
        """Return the files by name; nothing is rendered until a function is called."""
        return RENDERERS[self._kind](self._cohort)

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: the cohort is made from its parameters."""
        raise DatasetError("A synthetic cohort can't be saved to; it is made from its `cohort` parameters")

    def content_digest(self) -> str:
        """Return the SHA-256 of all that the content depends on: kind, parameters and the package's version."""
        return _digest(self._cohort, self._kind)

    def _describe(self) -> dict[str, Any]:
        return {"kind": self._kind, "cohort": self._cohort.model_dump()}


def _parse(cohort: dict[str, Any] | None) -> SyntheticCohort:
    try:
        return parse_cohort(cohort or {})
    except ValueError as error:
        raise DatasetError(str(error)) from None


def _digest(cohort: SyntheticCohort, kind: str = "table") -> str:
    content = {"version": __version__, "kind": kind, "cohort": cohort.model_dump()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
