"""Common ground of all kinds of model: parameters, results of training, the fitted form and how it is stored.

A kind of model is one file beside this one. It holds the kind's parameters (a `ModelParameters`), its `train` function,
its fitted form (a `FittedModel`) and how that is stored, loaded and described. `models/__init__.py` lists the kinds.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, Self

import numpy as np
import pandas as pd

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.cohort.record import is_plain_file_name
from lesion_fusion.cohort.schema import COLUMN, Column, Kind, Role, declare, declared_columns
from lesion_fusion.errors import UserError
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.parameters import Parameters
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.classifiers import UntrustedModelError
from lesion_fusion.tabular.out_of_fold import Split
from lesion_fusion.tabular.parameters import ClassifierParameters, Tuning

DESCRIPTION = "model.json"
DIGEST = "digest.json"
_AGAIN = "It is not loaded: write the model again with `kedro run`."

# Enough cases to measure a root mean square; every field is one more pass of the model over them.
MOST_CASES = 500


@dataclass(frozen=True)
class ModelName:
    """Family and name of a model; together `<family>.<model>`, the prefix of its datasets."""

    family: str
    name: str

    @classmethod
    def parse(cls, full: str) -> ModelName:
        """Return the name written `<family>.<model>`."""
        family, _, name = full.partition(".")
        return cls(family, name)

    @property
    def full(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.name}"

    def identify(self, table: pd.DataFrame, protocol: str) -> pd.DataFrame:
        """Return a table of predictions with protocol, family and model as its first columns."""
        named = pd.DataFrame({"protocol": protocol, "family": self.family, "model": self.name}, index=table.index)
        return pd.concat([named, table], axis=1)

    def source(self, other: str) -> str:
        """Return the dataset by which this model reads the model called `other`: alone, or with its family."""
        family = ModelName.parse(other).family
        return f"{other}.trained" if family == self.family else f"{family}_models"

    def find_source(self, other: str, sources: Mapping[str, Any]) -> Trained:
        """Return the model called `other` from the datasets that this model's training was given."""
        found = sources[self.source(other)]
        return found if ModelName.parse(other).family == self.family else found.models[other]


@dataclass(frozen=True)
class Description:
    """A model in words: what it is, what it sees, what was tuned, and how many configurations each training tried.

    `settled` explains the numbers of a fold where their names do not.
    """

    what: str
    sees: str
    tuned: str
    tried: int = 1
    settled: str = ""


@dataclass(frozen=True)
class Trial:
    """Rows (case_id, label) and the splits in which a model is evaluated on them, whatever the protocol.

    Rows of one of `groups` (n,) are tuned together; `images` are uint8 (n, height, width, channels). `features` gives
    the feature table of all rows for a classifier and the embeddings (n, d) that it reads, if any; `read` one of the
    tables, such as `predictions`, of another model in the same splits. `backbone_features` (n, d) are those of a frozen
    backbone, computed before. `name` stands in messages.
    """

    name: str
    rows: pd.DataFrame
    classes: tuple[str, ...]
    groups: np.ndarray
    splits: Sequence[Split]
    images: np.ndarray
    tuning: Tuning
    seed: int
    features: Callable[[ClassifierParameters, np.ndarray | None], pd.DataFrame]
    read: Callable[[str, str], pd.DataFrame]
    backbone_features: np.ndarray | None = None

    def seeded_splits(self, step: int) -> list[Split]:
        """Return the splits, each with its seed of one step of the evaluation."""
        return [replace(split, seed=derived_seed(self.seed, step, n)) for n, split in enumerate(self.splits)]


class ModelParameters(Parameters):
    """Base of every model's entry in `conf/`.

    An `ablation` is evaluated and compared but does not stand on the leaderboard. A model with `must_beat`
    (`<family>.<model>`) is kept only if the paired test shows that it is better than that one. A model that is not
    `enabled` is left out, as is one set to null.
    """

    ablation: bool = False
    enabled: bool = True
    must_beat: str | None = None

    # The kind's training, a function of its parameters, the study, `inputs` and the name of the model.
    train: ClassVar[Callable[..., Trained]]
    # Whether training keeps the feature table that SHAP values are computed from.
    explainable: ClassVar[bool] = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Other models whose results its training reads, `<family>.<model>`."""
        return ()

    @property
    def image_inputs_read(self) -> tuple[str, ...]:
        """Names under `preprocessing.image_inputs` whose images its training reads."""
        return ()

    @property
    def sees_image(self) -> bool:
        """Whether it reads an image, or measurements of one, itself."""
        return False

    @property
    def sees_record(self) -> bool:
        """Whether it reads the record, itself or through the models that it reads."""
        return True

    def roles(self, predictors: Sequence[str], image_inputs: Mapping[str, ImageInput]) -> frozenset[Role]:  # noqa: ARG002
        """Return the roles of what it reads itself, not through other models.

        `predictors` are the study's roles of the record, `image_inputs` those under `preprocessing.image_inputs`.
        """
        return image_roles(image_inputs[name] for name in self.image_inputs_read if name in image_inputs)

    @property
    def network_settings(self) -> dict[str, Any] | None:
        """Settings of a network over images alone, whose embeddings classifiers may read; None for other kinds."""
        return None

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that `train` reads after the first two, by argument."""
        raise NotImplementedError

    def preparations(self) -> dict[str, tuple[Callable[..., Any], list[str]]]:
        """Return steps to run once before training: {dataset: (function, its inputs)}."""
        return {}

    def faults(self, entries: Mapping[str, ModelParameters]) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """Yield faults of this entry beside the others, `entries` by `<family>.<model>`: field and message."""
        yield from ()

    def evaluate(self, trial: Trial) -> dict[str, pd.DataFrame]:
        """Return the tables of a model trained in each split of a trial, by part, as of `Trained`, without thresholds.

        All have `predictions` and `inner_predictions`; networks also `training_log` and the `embeddings` of all rows.
        """
        raise NotImplementedError

    def describe(self) -> Description:
        """Return the model in words."""
        raise NotImplementedError


class Trained(Protocol):
    """Result of training one model, in memory or read part by part from its folder.

    `predictions`, `inner_predictions`, `training_log`: see `tabular.out_of_fold`. Parts that a kind does not have are
    None: `importance` (repeat, fold, column, drop), `features` (feature table of the model refitted on all cases),
    `reduced_predictions` (of the members of a late fusion that answer without a part of the case, named in `without`),
    `embeddings` float32 (trainings, n, d), `class_maps` (n, h, w, k) and `attention` of the last repeat.
    """

    parameters: ModelParameters
    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    training_log: pd.DataFrame
    model: FittedModel
    importance: pd.DataFrame | None
    features: pd.DataFrame | None
    reduced_predictions: pd.DataFrame | None
    embeddings: np.ndarray | None
    class_maps: np.ndarray | None
    attention: pd.DataFrame | None


@dataclass
class TrainedModel:
    """A `Trained` in memory, as a kind's `train` returns it."""

    parameters: ModelParameters
    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    training_log: pd.DataFrame
    model: FittedModel
    importance: pd.DataFrame | None = None
    features: pd.DataFrame | None = None
    reduced_predictions: pd.DataFrame | None = None
    embeddings: np.ndarray | None = None
    class_maps: np.ndarray | None = None
    attention: pd.DataFrame | None = None


@dataclass(frozen=True)
class Family:
    """Output of a stage: its trained models by `<family>.<model>`, in the order of the configuration."""

    models: Mapping[str, Trained]

    @property
    def predictions(self) -> pd.DataFrame:
        """Predictions of all models, one table below the other."""
        tables = [trained.predictions for trained in self.models.values()]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def on_leaderboard(self) -> dict[str, Trained]:
        """Return the models that are no ablation."""
        return {name: trained for name, trained in self.models.items() if not trained.parameters.ablation}


class Need(StrEnum):
    """A part of a case: the patient's record, the B-mode image, the outline of the lesion in it."""

    RECORD = "record"
    IMAGE = "image"
    MASK = "mask"


def image_roles(image_inputs: Iterable[ImageInput], uses_descriptors: bool = False) -> frozenset[Role]:
    """Return the roles of what is read of the image: a drawn outline is a radiologist's, pixels alone are not.

    Image descriptors are taken under the outline.
    """
    outlined = [image_input.needs_mask for image_input in image_inputs] + [True] * uses_descriptors
    found = {Role.IMAGE} if outlined else set()
    return frozenset(found | {Role.OUTLINE} if any(outlined) else found)


# The parts that remain without each part; an outline without its image is of no use.
WITHOUT: dict[Need, frozenset[Need]] = {
    Need.IMAGE: frozenset({Need.RECORD}),
    Need.RECORD: frozenset({Need.IMAGE, Need.MASK}),
    Need.MASK: frozenset({Need.RECORD, Need.IMAGE}),
}

# All combinations of parts that a request can give and be answered: all, all but one, the image alone.
GIVEN: tuple[frozenset[Need], ...] = (frozenset(Need), *WITHOUT.values(), frozenset({Need.IMAGE}))


@dataclass(frozen=True)
class CaseInputs:
    """Cases as models see them, row i of each part = case i.

    `cases`: case_id and the record's columns. `image_descriptors`: case_id and the descriptors, or None where no model
    asks for them. `lesion_images`: for each image input that a model asks for, uint8 (n, height, width, channels).
    `answered`: probabilities (n, k) of those members of a late fusion that have answered already, by name.
    """

    cases: pd.DataFrame
    image_descriptors: pd.DataFrame | None = None
    lesion_images: Mapping[ImageInput, np.ndarray] = field(default_factory=dict)
    answered: Mapping[str, np.ndarray] = field(default_factory=dict)

    def images(self, image_input: ImageInput) -> np.ndarray:
        """Return the images as `image_input` says; raises ValueError where they were not prepared."""
        if image_input not in self.lesion_images:
            raise ValueError(f"This model has a network, which needs lesion images: {image_input}.")
        return self.lesion_images[image_input]


@dataclass(frozen=True)
class FittedModel(ABC):
    """A fitted, calibrated model; the class of each kind is derived from this one.

    `classes` are in the order of the probabilities' columns, the positive one last. `threshold` is the probability of
    the positive class from which on the decision is positive (NaN for more than two classes). `record_columns` are the
    columns of the record it reads; `uses_descriptors` and `image_inputs` say what it needs of the image.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[FittedModel]]] = {}

    family: str
    name: str
    classes: tuple[str, ...]

    if TYPE_CHECKING:  # Fields of some kinds, properties of others.

        @property
        def threshold(self) -> float: ...  # noqa: D102
        @property
        def calibration(self) -> Calibration: ...  # noqa: D102
        @property
        def record_columns(self) -> tuple[str, ...]: ...  # noqa: D102
        @property
        def uses_descriptors(self) -> bool: ...  # noqa: D102
        @property
        def image_inputs(self) -> tuple[ImageInput, ...]: ...  # noqa: D102

    def __init_subclass__(cls) -> None:
        """Register the kind under its name, by which a stored model is loaded."""
        super().__init_subclass__()
        FittedModel.kinds[cls.kind] = cls

    @abstractmethod
    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k), rows summing to 1."""

    @abstractmethod
    def store(self, folder: Path) -> dict[str, Any]:
        """Write the model's own files into `folder` and return what `load` must know, as JSON takes it."""

    @classmethod
    @abstractmethod
    def load(cls, common: dict[str, Any], values: dict[str, Any], folder: Path) -> Self:
        """Return the model that `store` wrote; `common` holds family, name, classes and threshold."""

    @property
    def full_name(self) -> str:
        """`<family>.<model>`."""
        return f"{self.family}.{self.name}"

    @property
    def needs(self) -> frozenset[Need]:
        """The parts of a case that it can't answer without; single fields of a record may be missing."""
        found = {Need.RECORD} if self.record_columns else set()
        if self.uses_descriptors or self.image_inputs:
            found.add(Need.IMAGE)
        if self.uses_descriptors or any(image_input.needs_mask for image_input in self.image_inputs):
            found.add(Need.MASK)
        return frozenset(found)

    @property
    def efforts(self) -> tuple[str, ...]:
        """What a site must have to use it: the roles of the record's columns, `image`, `mask`."""
        roles = dict.fromkeys(COLUMN[name].role.value for name in self.record_columns)
        return (*roles, *(need.value for need in Need if need in self.needs - {Need.RECORD}))

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of all that it reads, also through its members."""
        return image_roles(self.image_inputs, self.uses_descriptors) | {
            COLUMN[name].role for name in self.record_columns
        }

    @property
    def readers(self) -> Mapping[str, FittedModel]:
        """The models that read the case, by name: itself, or the members whose answers it joins."""
        return {self.full_name: self}

    def class_maps(self, inputs: CaseInputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return, per network that reads the image alone, the first case's image and its Grad-CAM.

        The image is uint8 (h, w, channels); the Grad-CAM is as `grad_cam.GradCam.maps` returns it, float32.
        """
        members = [one.class_maps(inputs) for one in self.readers.values() if one is not self]
        return {name: found for each in members for name, found in each.items()}

    def can_answer(self, given: Set[Need]) -> bool:
        """Return whether these parts of a case are enough."""
        return self.needs <= given

    def reduced(self, given: Set[Need]) -> FittedModel | None:
        """Return the model that answers in its place where only these parts of a case are given; None if none can."""
        return self if self.can_answer(given) else None

    def shift(self, given: Set[Need]) -> float:  # noqa: ARG002
        """Return how far the whole case's answer may lie from that of `reduced`: a standard deviation of log-odds."""
        return 0.0

    def unused(self, given: Set[Need]) -> list[str]:  # noqa: ARG002
        """Return the members that can't answer where only these parts of a case are given."""
        return []

    def answered_from_record(self, records: Callable[[Sequence[str]], pd.DataFrame]) -> dict[str, np.ndarray]:  # noqa: ARG002
        """Return, by name, probabilities (n, k) of the members that read the record alone: `records(columns)`."""
        return {}

    def field_moves(self, cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return, for each record column, by how much the log-odds move once its cell is known, (at most n,).

        One number for each of `draw_records` that has the cell. Empty for a model that reads images beside the record:
        the effect of its fields is not known.
        """
        if self.image_inputs or not self.record_columns:
            return {}
        drawn, answer = draw_records(self, cases, image_descriptors)
        whole, moves = answer(drawn), {}
        for name in self.record_columns:
            held = drawn[name].notna().to_numpy()
            if held.any():
                moves[name] = (whole - answer(blank(drawn, name, held)))[held]
        return moves


def draw_records(
    model: FittedModel, cases: pd.DataFrame, image_descriptors: pd.DataFrame
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], np.ndarray]]:
    """Return records drawn column by column from `cases`, and the log-odds (n,) that `model` gives to such records.

    The model may have memorised a training case, but not a drawn one. The image descriptors are drawn as a whole.
    """
    rng = np.random.default_rng(0)
    some = cases.iloc[:MOST_CASES].reset_index(drop=True)
    image_descriptors = image_descriptors[image_descriptors["case_id"].isin(some["case_id"])]
    drawn = some.assign(**{name: some[name].to_numpy()[rng.permutation(len(some))] for name in model.record_columns})
    descriptors = image_descriptors.assign(case_id=rng.permutation(image_descriptors["case_id"].to_numpy(copy=True)))
    answered: dict[str, np.ndarray] = {}

    def answer(records: pd.DataFrame) -> np.ndarray:
        if not answered:
            answered.update(answered_from_image(model, CaseInputs(records, descriptors)))
        return log_odds(model.probabilities(CaseInputs(records, descriptors, answered=answered)))[:, -1]

    return drawn, answer


def answered_from_image(model: FittedModel, inputs: CaseInputs) -> dict[str, np.ndarray]:
    """Return, by name, probabilities (n, k) of the members of a late fusion that do not read the record."""
    # Any other model is its own only reader.
    members = {} if model.full_name in model.readers else model.readers
    return {
        name: one.probabilities(replace(inputs, answered={})) for name, one in members.items() if not one.record_columns
    }


def root_mean_square(values: np.ndarray) -> float:
    """Return the root mean square of numbers of any shape."""
    return float(np.sqrt(np.square(values).mean()))


def blank(records: pd.DataFrame, name: str, rows: np.ndarray) -> pd.DataFrame:
    """Return records without the cells of a column in those `rows` (n,), bool."""
    dtype = "float64" if COLUMN[name].kind is Kind.NUMBER else "str"
    kept = [None if gone else value for value, gone in zip(records[name], rows, strict=True)]
    return records.assign(**{name: pd.Series(kept, index=records.index, dtype=dtype)})


def save_model(model: FittedModel, folder: Path) -> None:
    """Write a fitted model into `folder`, which is made: `model.json` and files beside it, none of them a pickle."""
    folder.mkdir(parents=True)
    description = {name: getattr(model, name) for name in ("kind", "family", "name", "classes")}
    description |= {"threshold": number_to_json(model.threshold), **model.store(folder)}
    declared = declared_columns(model.record_columns)
    description |= {"declared": [asdict(column) for column in declared]} if declared else {}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2, allow_nan=False) + "\n")
    seal(folder)


def load_model(folder: Path) -> FittedModel:
    """Read the model that `save_model` wrote; raises `UntrustedModelError` for one that it never wrote, or damaged."""
    if not (folder / DIGEST).is_file():
        raise UntrustedModelError(f"{folder} is no stored model: it has no {DIGEST}. {_AGAIN}")
    try:
        noted = _read_json(folder / DIGEST)
        if noted != {"sha256": _digest(folder)}:
            raise ValueError(f"its files are not those that {DIGEST} was made of")
        values = _read_json(folder / DESCRIPTION)
        kind = FittedModel.kinds.get(values["kind"])
        if kind is None:
            raise ValueError(f"{DESCRIPTION} names the kind {values['kind']!r}, which does not exist here")
        declare(_declared(one) for one in values.get("declared", []))
        common = {"family": values["family"], "name": values["name"], "classes": tuple(values["classes"])}
        model = kind.load({**common, "threshold": number_from_json(values["threshold"])}, values, folder)
        _check(model)
    except (UserError, MemoryError):
        raise
    # What reads estimators and networks raises errors of any type for files that are not its own.
    except Exception as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0] if str(error) else ""
        raise UntrustedModelError(f"The model in {folder} is damaged or altered: {what}. {_AGAIN}") from error
    return model


def load_member(folder: Path, name: str) -> FittedModel:
    """Read a model that is stored in another one's `folder`; raises ValueError for one that lies elsewhere."""
    return load_model(file_inside(folder, name))


def file_inside(folder: Path, name: str) -> Path:
    """Return the path of a file or folder directly in `folder`; raises ValueError for any other, also by a link."""
    path = (folder / name).resolve()
    if not is_plain_file_name(name) or path.parent != folder.resolve():
        raise ValueError(f"{name!r} is not inside its folder")
    return path


def seal(folder: Path) -> None:
    """Note the digest of a stored model's files, by which `load_model` knows that they are whole."""
    (folder / DIGEST).write_text(json.dumps({"sha256": _digest(folder)}) + "\n")


def _digest(folder: Path) -> str:
    """Return the digest of the names and contents of all files of a stored model but that of the digest itself."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / DIGEST):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _read_json(path: Path) -> Any:
    """Return the content of a JSON file; raises ValueError for NaN and infinity too."""

    def refuse(number: str) -> NoReturn:
        raise ValueError(f"{path.name} holds {number}")

    return json.loads(path.read_text(), parse_constant=refuse)


def _declared(values: Mapping[str, Any]) -> Column:
    """Return a column that the cohort of a stored model declared."""
    words = {"role": Role(values["role"]), "kind": Kind(values["kind"]), "categories": tuple(values["categories"])}
    return Column(**{**values, **words})


def _check(model: FittedModel) -> None:
    """Raise ValueError for a model whose parts don't fit each other, or that reads columns that don't exist."""
    texts = (model.family, model.name, *model.classes)
    if not all(isinstance(text, str) for text in texts) or len(set(model.classes)) < max(2, len(model.classes)):
        raise ValueError("its names or classes are none")
    unknown = [name for name in model.record_columns if name not in COLUMN]
    if unknown:
        raise ValueError(f"it reads columns that don't exist: {', '.join(map(str, unknown))}")
    if len(model.calibration.intercept) != len(model.classes) - 1:
        raise ValueError("its calibration is not that of its classes")


def number_to_json(value: float) -> float | None:
    """Return a probability as JSON takes it: None for NaN."""
    return None if math.isnan(value) else value


def number_from_json(value: float | None) -> float:
    """Return the probability that `number_to_json` wrote; raises ValueError for a number that is none."""
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{value} is no probability")
    return math.nan if value is None else float(value)
