"""Parameters of models over feature tables, of their tuning and of the space that a search takes points from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.notation import value_text
from lesion_fusion.parameters import Parameters
from lesion_fusion.tabular.classifiers import CLASSIFIERS, check_hyperparameters, takes_weights
from lesion_fusion.tabular.training_rows import Training


def _may_predict(roles: tuple[str, ...]) -> tuple[str, ...]:
    predictor_columns(roles)
    return roles


# Roles of the record's columns that a model sees.
Roles = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_may_predict)]
View = Literal["record", "record_representation", "image_descriptors", "embeddings", "pixels"]
IMAGE_VIEWS = frozenset({"image_descriptors", "embeddings", "pixels"})

# Key of the image block's weight in a grid or in the space of a search. Without it the block is not weighted.
IMAGE_WEIGHT = "image_weight"

# Classifiers to which a column is the same on any scale: it is there or it is not.
_TREES = frozenset({"adaboost", "decision_tree", "extra_trees", "gradient_boosting", "random_forest", "xgboost"})
_SCALE_FREE = _TREES | {"naive_bayes"}


class Dimension(Parameters):
    """A hyperparameter's range, `low` to `high`, both included, on a logarithmic scale if `log`; or its `choices`.

    Whole numbers for both bounds make a hyperparameter of whole numbers.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Dimension:
        bounds = self.bounds
        if bool(self.choices) == bool(bounds) or len(bounds) == 1:
            raise ValueError("a dimension has either `low` and `high`, or `choices`")
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"`low`, {bounds[0]}, must be below `high`, {bounds[1]}")
        if self.log and not (bounds and bounds[0] > 0):
            raise ValueError("`log` needs a range above 0")
        return self

    @property
    def bounds(self) -> list[int | float]:
        """Low and high; empty for choices."""
        return [bound for bound in (self.low, self.high) if bound is not None]

    def describe(self) -> str:
        """Return the range or the choices in words."""
        if self.choices:
            return ", ".join(map(value_text, self.choices))
        return f"{value_text(self.low)} to {value_text(self.high)}{', logarithmic' if self.log else ''}"


class Search(Parameters):
    """How many points are tried, and the `space` they are taken from, by hyperparameter."""

    trials: int = Field(ge=1)
    space: dict[str, Dimension] = Field(min_length=1)


class ClassifierParameters(Parameters):
    """One classifier over one feature table.

    `views` are the parts of the table: the record's predictors or a representation learned of them, the image
    descriptors, a network's embeddings (then `network` names that network), the pixels of an image input (then
    `image_input` names it) reduced to a square of `pixel_edge`. `predictors` are the roles of the record's columns it
    sees; without it, the study's. `embedding_components` and `pixel_components` are the numbers of principal components
    kept. `grid` maps the classifier's hyperparameters to the values to try, a list being taken as a tuple; with
    `search` Optuna proposes them instead. Beside the record both may hold `image_weight`, by which the image's encoded
    columns are multiplied; 0 leaves them out. `training` says how training rows are changed before a fit.
    """

    kind: Literal["classifier"] = "classifier"
    classifier: str
    views: tuple[View, ...] = Field(min_length=1)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    search: Search | None = None
    network: str | None = None
    predictors: Roles | None = None
    embedding_components: int = Field(default=16, ge=1)
    image_input: str | None = None
    pixel_edge: int = Field(default=16, ge=2, le=64)
    pixel_components: int = Field(default=16, ge=1)
    training: Training = Training()

    @field_validator("classifier")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CLASSIFIERS:
            raise ValueError(f"no classifier is called {name!r}; there are: {', '.join(sorted(CLASSIFIERS))}")
        return name

    @field_validator("grid")
    @classmethod
    def _tuples(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        # YAML has no tuples, and the sizes of an MLP's layers are one.
        return {
            name: [tuple(value) if isinstance(value, list) else value for value in row] for name, row in grid.items()
        }

    @model_validator(mode="after")
    def _hyperparameters_exist(self) -> Self:
        if self.search and self.grid:
            raise ValueError("hyperparameters are tried by `grid` or by `search`, not by both")
        values: dict[str, list[Any]] = dict(self.grid)
        if self.search:
            values = {name: list(one.choices or one.bounds) for name, one in self.search.space.items()}
        allowed = {*CLASSIFIERS[self.classifier](0).get_params(), IMAGE_WEIGHT}
        unknown = [name for name in values if name not in allowed]
        if unknown:
            raise ValueError(
                f"{self.classifier} has no hyperparameter {', '.join(unknown)}; it has: {', '.join(sorted(allowed))}"
            )
        empty = [name for name, row in values.items() if not row]
        if empty:
            raise ValueError(f"the grid of {self.classifier} gives no value for {', '.join(empty)}")
        # Each value in one point at least; a combination that no point holds is checked when it is fitted.
        for i in range(max(map(len, values.values()), default=0)):
            point = {name: row[min(i, len(row) - 1)] for name, row in values.items()}
            check_hyperparameters(self.classifier, classifier_settings(point))
        if IMAGE_WEIGHT in values:
            is_range = self.search is not None and not self.search.space[IMAGE_WEIGHT].choices
            self._check_image_weights(values[IMAGE_WEIGHT], is_range)
        return self

    def _check_image_weights(self, weights: Sequence[Any], is_range: bool) -> None:
        """Refuse weights of the image block that make no sense; `is_range`: they are the bounds of a range."""
        if not IMAGE_VIEWS & set(self.views) or set(self.views) <= IMAGE_VIEWS:
            raise ValueError(
                f"{IMAGE_WEIGHT} weighs the image beside the record, and `views` has no such pair: "
                f"{', '.join(self.views)}"
            )
        for weight in weights:
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise ValueError(f"{IMAGE_WEIGHT} is a number from 0, not {weight!r}")
        if self.classifier in _SCALE_FREE and (is_range or not set(weights) <= {0, 1}):
            raise ValueError(
                f"{self.classifier} does not see the scale of a column: to it the image is there ({IMAGE_WEIGHT} 1) "
                "or not (0)"
            )

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        views = set(self.views)
        if ("embeddings" in views) != (self.network is not None):
            raise ValueError("`network` names the network whose embeddings are used, and only then is given")
        if ("pixels" in views) != (self.image_input is not None):
            raise ValueError("`image_input` names the image input whose pixels are used, and only then is given")
        if {"pixels", "embeddings"} <= views:
            raise ValueError("pixels and embeddings are not joined: the embeddings are made of the pixels")
        if {"record", "record_representation"} <= views:
            raise ValueError("record and record_representation are not joined: the latter is made of the former")
        if self.predictors is not None and not self.sees_record:
            raise ValueError("`predictors` names what is seen of the record, and `views` leaves the record out")
        if self.training.balancing == "class_weights" and not takes_weights(self.classifier):
            able = ", ".join(name for name in sorted(CLASSIFIERS) if takes_weights(name))
            raise ValueError(f"{self.classifier} takes no class weights; these do: {able}. Oversampling suits any")
        return self

    @property
    def sees_record(self) -> bool:
        """Whether the record is among the views, as it is or as a representation."""
        return "record" in self.views or self.represents_record

    @property
    def represents_record(self) -> bool:
        """Whether the encoder learns a representation of the record."""
        return "record_representation" in self.views

    @property
    def components(self) -> int:
        """Principal components kept of the embeddings or pixels among the views."""
        return self.pixel_components if "pixels" in self.views else self.embedding_components


class DecisionRule(Parameters):
    """How the decision threshold is fixed inside a training fold: the highest that keeps this sensitivity there."""

    minimum_sensitivity: float = Field(default=0.95, gt=0, le=1)


class Tuning(Parameters):
    """Inner cross-validation: folds inside each training fold, the decision rule, and processes used."""

    inner_folds: int = Field(default=5, ge=2)
    decision: DecisionRule = DecisionRule()
    n_jobs: int = Field(default=1, ge=1)


def classifier_settings(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a point that are the classifier's own."""
    return {name: value for name, value in point.items() if name != IMAGE_WEIGHT}
