"""A cohort in one file, `cohort.yml` of an environment: where its files lie, and what its table means."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from lesion_fusion.cohort.layout import Layout
from lesion_fusion.parameters import Parameters


class Table(Parameters):
    """The table's file (.xlsx, .csv or .parquet), from the project's folder; of a text, its encoding and separator."""

    file: str = Field(min_length=1)
    encoding: str | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=1)


class CohortFile(Layout):
    """Name, table, folders of the images and of the masks, and the layout of the table.

    `masks` is the folder of the images unless it is given. Title, description, source (where it is published) and
    limitations are for the report.
    """

    cohort: str
    table: Table
    images: str = Field(min_length=1)
    masks: str | None = None
    title: str | None = None
    description: str = ""
    source: str | None = None
    limitations: tuple[str, ...] = ()

    @field_validator("cohort")
    @classmethod
    def _a_folder_of_its_own(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError("results are stored in a folder of this name: use letters, digits, - and _")
        return name

    def added_to(self, key: str, found: dict[str, Any], env: str) -> dict[str, Any]:
        """Return the globals, parameters or catalog of the environment `env` with what this file says."""
        if key == "globals":
            return found | {"cohort": self.cohort}
        if key == "catalog":
            kinds = "lesion_fusion.datasets"
            images, masks = (
                {"type": f"{kinds}.file_folder.FileFolderDataset", "filepath": folder}
                for folder in (self.images, self.masks or self.images)
            )
            table = {"type": f"{kinds}.clinical_table.ClinicalTableDataset", "filepath": self.table.file}
            table |= self.table.model_dump(include={"encoding", "separator"})
            return found | {"raw_clinical_table": table, "raw_images": images, "raw_masks": masks}
        layout = self.model_dump(mode="json", include=set(Layout.model_fields))
        described = self.model_dump(mode="json", include={"title", "description", "source", "limitations"})
        described |= {"title": self.title or self.cohort, "patients": True}
        return found | {
            "ingestion": {**found.get("ingestion", {}), "layout": layout},
            "report": {
                **found.get("report", {}),
                "cohort": described,
                "command": f"kedro run --env {env} --pipeline reporting",
            },
        }
