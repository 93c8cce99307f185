"""Score a collection: its table and folders as requests, each row answered whatever is wrong with others."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from lesion_fusion.cohort.layout import Layout, read_layout
from lesion_fusion.cohort.readers import BREAST_LESIONS_USG_COLUMNS, BUS_BRA_COLUMNS, READERS, Reader
from lesion_fusion.cohort.record import canonical_cell, is_plain_file_name
from lesion_fusion.cohort.schema import COLUMN, MAY_PREDICT, NOT_APPLICABLE, predictor_columns, split_cell
from lesion_fusion.imaging.case_files import Files, fitted_mask_file, image_file
from lesion_fusion.imaging.png import ImageDefect
from lesion_fusion.imaging.references import file_and_part
from lesion_fusion.serving.schema import CASE, IMAGE, MASK

PUBLISHED = {"breast_lesions_usg": BREAST_LESIONS_USG_COLUMNS, "bus_bra": BUS_BRA_COLUMNS}

# Cases asked at once: a network answers a few in little more time than one, and little is asked again after a fault.
TOGETHER = 16

Ask = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Row:
    """One case of a table as a request; or, where its files are not as the table says, the `fault`."""

    case_id: str
    cells: dict[str, object]
    fault: str = ""


def reader_of(layout: str | Layout) -> tuple[Reader, dict[str, str]]:
    """Return what reads a table in a layout, one of `PUBLISHED` or a clinic's own, and column of `cases` by heading."""
    if isinstance(layout, str):
        return READERS[layout], dict(PUBLISHED[layout])
    # A heading that several columns are read from is that of the first: case_id, where it is the patient's too.
    named = {heading: name for name in reversed(layout.columns) for heading in layout.columns[name].headings}
    named |= dict.fromkeys(layout.columns[CASE].headings, CASE)
    return partial(read_layout, layout=layout), named


def read_rows(
    table: pd.DataFrame,
    layout: str | Layout,
    fields: Collection[str],
    images: Files | None,
    masks: Files | None,
    start: int = 0,
) -> Iterator[Row]:
    """Yield the rows of a table in a layout (see `reader_of`): those of the `fields` of a request that it gives.

    The first is row `start`. Any column but the case's identifier may be lacking: the outcome of a case that is scored
    is not known yet.
    """
    read, named = reader_of(layout)
    lacking = [heading for heading, column in named.items() if heading not in table and column != CASE]
    cases = read(table.assign(**dict.fromkeys(lacking)))
    for case in cases.iloc[start:].to_dict("records"):
        cells = {name: case[name] for name in predictor_columns(MAY_PREDICT) if name in case and name in fields}
        fault = ""
        for field, column, files in ((IMAGE, "image_file", images), (MASK, "tumor_mask_file", masks)):
            cell = canonical_cell(case.get(column), COLUMN[column])
            if fault or files is None or field not in fields or cell is None or cell == NOT_APPLICABLE:
                continue
            # An outline says nothing without its image.
            if field == MASK and IMAGE not in cells:
                continue
            names = (cell,) if field == IMAGE else split_cell(cell)
            absent = [
                name for name in names if not is_plain_file_name(name) or file_and_part(name, files)[0] not in files
            ]
            if absent:
                fault = f"field {field}: there is no file {', '.join(absent)}; put it there, or correct its name"
                continue
            try:
                if field == IMAGE:
                    content = image_file(cell, files)
                else:
                    content = fitted_mask_file(names, files, str(case["image_file"]), images or {})
            except (OSError, ImageDefect) as error:
                fault = f"field {field}: {error}"
                continue
            cells[field] = base64.b64encode(content).decode()
        yield Row(str(case[CASE]), cells, fault)


def score(rows: list[Row], ask: Ask) -> list[dict[str, object]]:
    """Return an answer per row: case_id and what the model says (see `serving.answer`), or `refused` and the reason."""
    answers = iter(_answers([row for row in rows if not row.fault], ask))
    return [{CASE: row.case_id} | (_refused(row.fault) if row.fault else next(answers)) for row in rows]


def _answers(rows: list[Row], ask: Ask) -> list[dict[str, object]]:
    if not rows:
        return []
    try:
        answers = ask(pd.DataFrame([row.cells for row in rows], dtype=object)).to_dict("records")
    except MlflowException as error:
        if len(rows) == 1:
            return [_refused(re.sub(r"(^|\n)Row 0, ", r"\1", error.message))]
        return [answer for row in rows for answer in _answers([row], ask)]
    return [{str(name): value for name, value in answer.items()} | {"refused": False} for answer in answers]


def _refused(reason: str) -> dict[str, object]:
    return {"abstained": True, "refused": True, "reason": reason.replace("\n", " ")}


class Journal:
    """The answers so far, in a file beside the one to be written, so that an interrupted scoring goes on from them.

    `made_of` says what is scored by what: answers of anything else are dropped.
    """

    def __init__(self, out: Path, made_of: str) -> None:
        self._path = out.with_name(f".{out.name}.partial")
        self.answers: list[dict[str, object]] = []
        with suppress(OSError, ValueError):
            first, *lines = self._path.read_text().splitlines()
            # The last line may have been cut by what interrupted it.
            for line in lines if json.loads(first) == made_of else []:
                self.answers.append(json.loads(line))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write("w", [made_of, *self.answers])

    def add(self, answers: Sequence[Mapping[str, object]]) -> None:
        """Keep further answers."""
        self._write("a", answers)
        self.answers += [dict(answer) for answer in answers]

    def remove(self) -> None:
        """Remove the file: the scores are written."""
        self._path.unlink(missing_ok=True)

    def _write(self, mode: str, lines: Sequence[object]) -> None:
        with self._path.open(mode) as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def whole_answers(
    answers: Sequence[Mapping[str, object]], outcomes: Sequence[object], classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (n, 2) and labels (n,) of the cases with a known outcome that were answered from all parts.

    Fields of the record may be missing, as they were in training.
    """
    parts = max((str(answer.get("parts", "")) for answer in answers), key=len, default="")
    kept = [
        (answer, outcome)
        for answer, outcome in zip(answers, outcomes, strict=True)
        if outcome in classes and answer.get("parts") == parts and not answer["refused"]
    ]
    probabilities = np.array([[answer[f"p_{name}"] for name in classes] for answer, _ in kept], dtype="float64")
    return probabilities.reshape(-1, len(classes)), np.array([classes.index(str(one)) for _, one in kept], dtype=int)


def counts(answers: list[Mapping[str, object]]) -> tuple[int, int, int]:
    """Return how many cases were answered, how many the model abstained from, how many were refused."""
    refused = sum(bool(answer["refused"]) for answer in answers)
    abstained = sum(bool(answer["abstained"]) for answer in answers) - refused
    return len(answers) - abstained - refused, abstained, refused
