"""Parameters of models over feature tables and of their tuning."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from sklearn.model_selection import ParameterGrid

from lesion_fusion.cohort.roles import predictor_columns
from lesion_fusion.parameters import ModelParameters, Parameters
from lesion_fusion.tabular.classifiers import CLASSIFIERS, check_hyperparameters, takes_weights
from lesion_fusion.tabular.image_weight import IMAGE_WEIGHT, check_image_weights, of_classifier
from lesion_fusion.tabular.search_space import Search
from lesion_fusion.tabular.training_rows import Training

View = Literal["record", "record_representation", "image_descriptors", "embeddings", "pixels"]


class TabularModel(ModelParameters):
    """One classifier over one feature table.

    `views` are the parts of the table: the record's predictors or a representation learned of them, the image
    descriptors, a network's embeddings (then `network` names that network), the pixels of an image input (then
    `image_input` names it) reduced to a square of `pixel_edge`. `predictors` are the roles of the record's columns it
    sees; without it, the study's. Of embeddings and of pixels so many principal components are kept. `grid` maps the
    classifier's hyperparameters to the values to try, a list being taken as a tuple; `search` is there instead of it
    where Optuna shall propose them. Beside the record both may hold `image_weight`, by which the image's encoded
    columns are multiplied; 0 leaves them out. `training` says how training rows are changed before a fit.
    `pooled_with` names another cohort, whose cases are learned from beside those of every training fold.
    """

    kind: Literal["classifier"] = "classifier"
    classifier: str
    views: tuple[View, ...] = Field(min_length=1)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    search: Search | None = None
    network: str | None = None
    predictors: tuple[str, ...] | None = Field(default=None, min_length=1)
    embedding_components: int = Field(default=16, ge=1)
    image_input: str | None = None
    pixel_edge: int = Field(default=16, ge=2, le=64)
    pixel_components: int = Field(default=16, ge=1)
    training: Training = Training()
    pooled_with: str | None = None

    @field_validator("classifier")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CLASSIFIERS:
            raise ValueError(f"no classifier is called {name!r}; there are: {', '.join(sorted(CLASSIFIERS))}")
        return name

    @field_validator("predictors")
    @classmethod
    def _may_predict(cls, roles: tuple[str, ...] | None) -> tuple[str, ...] | None:
        predictor_columns(roles or ())
        return roles

    @field_validator("grid")
    @classmethod
    def _tuples(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        # YAML has no tuples, and the sizes of an MLP's layers are one.
        return {
            name: [tuple(value) if isinstance(value, list) else value for value in values]
            for name, values in grid.items()
        }

    @model_validator(mode="after")
    def _grid_fits(self) -> TabularModel:
        allowed = {*CLASSIFIERS[self.classifier](0).get_params(), IMAGE_WEIGHT}
        if self.search and self.grid:
            raise ValueError("hyperparameters are tried by `grid` or by `search`, not by both")
        unknown = [name for name in (*self.grid, *(self.search.space if self.search else ())) if name not in allowed]
        if unknown:
            raise ValueError(
                f"{self.classifier} has no hyperparameter {', '.join(unknown)}; it has: {', '.join(sorted(allowed))}"
            )
        empty = [name for name, values in self.grid.items() if not values]
        if empty:
            raise ValueError(f"the grid of {self.classifier} gives no value for {', '.join(empty)}")
        for point in [*ParameterGrid(self.grid), *(self.search.extremes() if self.search else ())]:
            check_hyperparameters(self.classifier, of_classifier(point))
        if IMAGE_WEIGHT in self.grid:
            check_image_weights(self.classifier, self.views, self.grid[IMAGE_WEIGHT], is_range=False)
        if self.search and IMAGE_WEIGHT in self.search.space:
            of_image = [point[IMAGE_WEIGHT] for point in self.search.extremes() if IMAGE_WEIGHT in point]
            is_range = not self.search.space[IMAGE_WEIGHT].choices
            check_image_weights(self.classifier, self.views, of_image, is_range=is_range)
        if ("embeddings" in self.views) != (self.network is not None):
            raise ValueError("`network` names the network whose embeddings are used, and only then is given")
        if ("pixels" in self.views) != (self.image_input is not None):
            raise ValueError("`image_input` names the image input whose pixels are used, and only then is given")
        if "pixels" in self.views and "embeddings" in self.views:
            raise ValueError("pixels and embeddings are not joined: the embeddings are made of the pixels")
        if {"record", "record_representation"} <= set(self.views):
            raise ValueError("record and record_representation are not joined: the latter is made of the former")
        if self.predictors is not None and not self.sees_record:
            raise ValueError("`predictors` names what is seen of the record, and `views` leaves the record out")
        if self.pooled_with is not None and self.views != ("image_descriptors",):
            raise ValueError("`pooled_with` goes with `views: [image_descriptors]`: another cohort has no such record")
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
