"""The case on the page: what a reader gives, the request that it makes, and what the model answers."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image

from lesion_fusion.cohort.record import canonical_cell, parse_number
from lesion_fusion.cohort.schema import COLUMN, SEPARATOR, Kind
from lesion_fusion.imaging.png import GrayImage, decode_mask, decode_picture
from lesion_fusion.page.outline import Outline
from lesion_fusion.page.texts import text

if TYPE_CHECKING:
    import pandas as pd

    from lesion_fusion.serving.served_model import ServedModel

_LOG = logging.getLogger(__name__)
BIRADS = "birads"
# Of the synthetic cohort; another seed than that of a run, so that no model was trained on them.
_SAMPLES = {"cases": 12, "normal_cases": 0, "seed": 71}
SAMPLES = _SAMPLES["cases"]
# The longest side of the picture that the page shows; the model is given the image as it came.
SHOWN = 1600


@dataclass
class Case:
    """What a reader gave: image, outline, and record (canonical values; what is not known is not there).

    `coded` is the image as the model is given it, PNG in base64; `picture` as the page shows it, at most `SHOWN` pixels
    long, as a data address. Of a DICOM loop the image is its `frame`, from 1; `loop` is the file, empty for an image of
    one frame, and `others` has the outlines that were drawn on other frames.
    """

    name: str = ""
    image: GrayImage | None = None
    coded: str = ""
    picture: str = ""
    outline: Outline | None = None
    record: dict[str, float | str] = field(default_factory=dict)
    frame: int = 1
    frames: int = 1
    loop: bytes = b""
    others: Mapping[int, Outline] = field(default_factory=dict)
    is_sample: bool = False

    @classmethod
    def of_file(cls, content: bytes, name: str, frame: int = 1) -> Case:
        """Return a case of an image file, or of one frame of a DICOM loop; raises `ImageDefect` for one of no use."""
        decoded = decode_picture(content, name, str(frame) if frame > 1 else "")
        image, frames = decoded.gray, decoded.dicom.frames if decoded.dicom is not None else 1
        shown = Image.fromarray(image)
        coded = picture = _png(shown)
        if max(shown.size) > SHOWN:
            shown.thumbnail((SHOWN, SHOWN))
            picture = _png(shown)
        outline = Outline((image.shape[1], image.shape[0]))
        made = cls(name, image, coded, f"data:image/png;base64,{picture}", outline)
        return made if frames == 1 else replace(made, frame=frame, frames=frames, loop=content)

    def turned_to(self, other: Case) -> Case:
        """Return this case at `other`, one more frame of its loop: under the outline drawn there, if there is one."""
        drawn = {**self.others}
        if self.outline is not None and self.outline.points:
            drawn[self.frame] = self.outline
        outline = drawn.pop(other.frame, other.outline)
        return replace(other, outline=outline, record=self.record, others=drawn)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to ask the model about."""
        return self.image is None and not self.record

    def request(self, learned: str = "drawn") -> dict[str, object]:
        """Return the case as a row of a request to a model that `learned` under drawn or predicted outlines.

        Where it learned under drawn ones, a network's outline counts once the reader has corrected it or taken it over.
        """
        from lesion_fusion.imaging.outlines import encoded
        from lesion_fusion.serving.schema import IMAGE, MASK, SOURCE

        row: dict[str, object] = {**self.record}
        if self.image is not None:
            row[IMAGE] = self.coded
            outline = self.outline
            mask = None if outline is None or self.proposal(learned) is not None else outline.mask()
            if outline is not None and mask is not None and mask.any():
                row[MASK] = base64.b64encode(encoded(mask)).decode()
                row[SOURCE] = "predicted" if outline.by_machine and learned != "drawn" else "drawn"
        return row

    def proposal(self, learned: str) -> Outline | None:
        """Return the outline if it waits for the reader: a network's, for a model that `learned` under drawn ones."""
        waits = self.outline is not None and self.outline.source == "machine" and learned == "drawn"
        return self.outline if waits else None

    def set(self, name: str, value: object) -> None:
        """Note a value of the record; None, "" and no category are not known."""
        if isinstance(value, list):
            value = SEPARATOR.join(sorted(value))
        if value is None or value == "":
            self.record.pop(name, None)
        else:
            self.record[name] = float(value) if isinstance(value, int | float) else str(value)


@dataclass(frozen=True)
class Told:
    """The answer to a case and the reasons, as `kedro serve` gives them; or the `fault` in words."""

    answer: Mapping[str, Any] = field(default_factory=dict)
    why: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def ask(model: ServedModel, case: Case) -> Told:
    """Return the model's answer to a case, or what is wrong with the case; nothing where nothing is given."""
    from lesion_fusion.serving.served_model import BadRequest

    if case.empty:
        return Told()
    try:
        (answer,) = model.predict(None, _rows(model, case)).to_dict("records")
        return Told({str(name): value for name, value in answer.items()})
    except BadRequest as error:
        return Told(fault=re.sub(r"(^|\n)Row 0, ", r"\1", error.message))
    except Exception as error:
        # No trace: it might hold values of the case.
        _LOG.error("The model failed on a case: %s", type(error).__name__)
        return Told(fault=text("answer.failed"))


def explain(model: ServedModel, case: Case, told: Told) -> Told:
    """Return the answer to a case with why it is so; the answer alone where that can't be told."""
    try:
        return replace(told, why=model.explain(_rows(model, case))[0])
    except Exception as error:
        _LOG.error("The model can't tell why: %s", type(error).__name__)
        return replace(told, why={"fields": {}})


def propose(model: ServedModel, case: Case) -> Outline | None:
    """Return the outline that the model's networks draw; None where they find no lesion, fail, or are none."""
    if model.draw is None or case.image is None:
        return None
    try:
        (found,) = model.draw([case.image])
    except Exception as error:
        _LOG.error("The networks that draw outlines failed: %s", type(error).__name__)
        return None
    return Outline.traced(found.mask, "machine") if found.sees_lesion else None


def _rows(model: ServedModel, case: Case) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([case.request(model.domain.outlines)], dtype=object)


@cache
def _sample_rows() -> list[Mapping[str, object]]:
    from lesion_fusion.cohort.schema import MAY_PREDICT, predictor_columns
    from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
    from lesion_fusion.serving.batch import read_rows
    from lesion_fusion.serving.schema import IMAGE, MASK

    cohort = parse_cohort(_SAMPLES)
    fields = [*predictor_columns(MAY_PREDICT), IMAGE, MASK]
    table = published_table(cohort)
    return [
        row.cells for row in read_rows(table, "breast_lesions_usg", fields, render_images(cohort), render_masks(cohort))
    ]


def sample(number: int) -> Case:
    """Return a case of the synthetic cohort, with record and outline; `number` counts around from 0."""
    from lesion_fusion.serving.schema import IMAGE, MASK

    row = _sample_rows()[number % SAMPLES]
    name = text("image.sample_name", number=number % SAMPLES + 1, count=SAMPLES)
    case = Case.of_file(base64.b64decode(str(row[IMAGE])), name)
    case.is_sample = True
    case.outline = Outline.traced(decode_mask(base64.b64decode(str(row[MASK])), MASK))
    for name, cell in row.items():
        if name in COLUMN and COLUMN[name].kind is not Kind.TEXT:
            column = COLUMN[name]
            case.set(
                name, parse_number(cell, column)[0] if column.kind is Kind.NUMBER else canonical_cell(cell, column)
            )
    return case


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
