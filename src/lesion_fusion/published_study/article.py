"""What the article reports: figures as printed, where it disagrees with itself, its tables and figures by number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lesion_fusion.parameters import Parameters

Metric = Literal["accuracy", "macro_f1", "auroc"]

_Text = Annotated[str, Field(pattern=r"^\D*(0\.\d|1\.0|\d\d?(\.\d+)? ?%)")]
AsPrinted = Annotated[dict[str, _Text], Field(default_factory=dict)]
"""A metric as printed, from 0 to 1 or in percent, by its place; the first is the one that others are compared with."""


def printed_value(printed: str) -> float | None:
    """Return a printed metric as a number, a percentage as a share; None for a range or a bound."""
    found = re.fullmatch(r"(?:approximately )?(\d+(?:\.\d+)?)( ?%)?", printed)
    return float(found[1]) / (100 if found[2] else 1) if found else None


def rounding(printed: str) -> float:
    """Return half a unit of the last digit of a printed metric."""
    digits = re.search(r"\d+(?:\.(\d+))?( ?%)?", printed)
    after_point = len(digits[1] or "") if digits else 0
    return 0.5 * 10.0**-after_point / (100 if digits and digits[2] else 1)


class ConfusionMatrix(Parameters):
    """A published confusion matrix: rows by true class, columns by decision, in the order of `classes`."""

    where: str
    classes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    cases = property(lambda self: sum(map(sum, self.rows)), doc="Number of cases.")
    right = property(lambda self: sum(row[i] for i, row in enumerate(self.rows)), doc="Number on the diagonal.")
    accuracy = property(lambda self: self.right / self.cases, doc="Share on the diagonal.")


class PublishedModel(Parameters):
    """A model that the article reports: `here` are the models held against it; without one, `not_run` says why.

    `note` says in what they differ from it.
    """

    name: str
    here: tuple[str, ...] = ()
    not_run: str = ""
    note: str = ""
    accuracy: AsPrinted
    macro_f1: AsPrinted
    auroc: AsPrinted
    matrix: ConfusionMatrix | None = None


class Contradiction(Parameters):
    """A point in which the article disagrees with itself."""

    subject: str
    statement: str
    where: str


class Exhibit(Parameters):
    """A table or figure of the article and its counterpart here.

    `number` as in the article, "table 1"; `shows`: what is in it, in our words. `kind`: how the counterpart is made.
    `models`: names `<family>.<model>`, or families; `metric`: the one compared; `best_optimizers`: of networks with the
    same backbone the one with the highest AUROC as reproduced. `family`: whose structure is drawn. `note` is for the
    reader.
    """

    number: str = Field(pattern=r"^(table|figure) \d+$")
    shows: str
    kind: Literal[
        "classes", "masking", "structure", "grids", "figures", "other_studies", "roc_curves", "bars", "confusion_matrix"
    ]
    models: tuple[str, ...] = ()
    metric: Metric = "accuracy"
    best_optimizers: bool = False
    family: Literal["clinical", "imaging", "fusion"] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _says_what_is_drawn(self) -> Self:
        if self.kind in ("grids", "figures", "roc_curves", "bars", "confusion_matrix") and not self.models:
            raise ValueError(f"{self.number} is of kind {self.kind} and needs `models`")
        if self.kind == "structure" and self.family is None:
            raise ValueError(f"{self.number} is of kind structure and needs `family`")
        return self

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Return those of `names`, `<family>.<model>`, that it is of, in the order of `models`."""
        every = list(names)
        found = [name for one in self.models for name in every if name == one or name.partition(".")[0] == one]
        return list(dict.fromkeys(found))


class Article(Parameters):
    """The article: `figures` by family and model, and what names them: `{family[model].auroc[place]}`.

    `exhibits`: its tables and figures by number.
    """

    source: str = Field(min_length=1)
    figures: dict[Literal["clinical", "imaging", "fusion", "others"], dict[str, PublishedModel]] = Field({})
    contradictions: tuple[Contradiction, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()

    @field_validator("contradictions")
    @classmethod
    def _with_their_figures(cls, found: tuple[Contradiction, ...], read: ValidationInfo) -> tuple[Contradiction, ...]:
        figures = read.data.get("figures", {})
        try:
            return tuple(one.model_copy(update={"statement": one.statement.format(**figures)}) for one in found)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"a statement names a figure that is not there: {error}") from None

    def reported(self, name: str) -> PublishedModel | None:
        """Return the published model that `<family>.<model>` is held against, if there is one."""
        models = (one for family in self.figures.values() for one in family.values() if name in one.here)
        return next(models, None)

    def printed(self, name: str, metric: str) -> dict[str, str]:
        """Return a metric, by place, of the published model that `<family>.<model>` is held against."""
        return getattr(self.reported(name), metric, {})
