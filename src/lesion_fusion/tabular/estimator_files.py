"""Scikit-learn estimators as files in skops' format, which names every type in them; nothing in them is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import skops.io

from lesion_fusion.errors import UserError
from lesion_fusion.tabular.classifiers import foreign_types

# Types beyond skops' own list that estimators hold beside those of the classifiers in the table.
TRUSTED_TYPES = (
    "lesion_fusion.models.late_rules.LogisticThenXGBoost",
    "lesion_fusion.tabular.encoding.CategoryIndicators",
    "lesion_fusion.tabular.encoding.Reduction",
    "lesion_fusion.tabular.representation.LearnedRepresentation",
    "numpy.dtype",
)


class UntrustedModelError(UserError, ValueError):
    """A stored model holds types, or is of a kind, that this package never writes."""


def dump_estimator(estimator: Any, file: Path) -> None:
    """Write a fitted estimator."""
    skops.io.dump(estimator, file)


def load_estimator(file: Path) -> Any:
    """Return the estimator in a file; raises UntrustedModelError, before anything is built, where a type is foreign."""
    found = set(skops.io.get_untrusted_types(file=file))
    foreign = foreign_types(found - set(TRUSTED_TYPES))
    if foreign:
        raise UntrustedModelError(
            f"{file} holds types that this package never writes: {', '.join(foreign)}. It is not loaded: "
            "write the model again with `kedro run`."
        )
    return skops.io.load(file, trusted=sorted(found))
