"""Parameters of a synthetic cohort, its record in the layout of the published table, and the content of its images.

The record is drawn from the distributions of the *record's class*, the image from those of the *image's class*: the
patient's class in a share `record_signal` (`image_signal`) of the patients, random in the others. Where both are the
patient's own, the image shows the descriptors of the record; otherwise they are drawn anew, so that a modality without
signal is independent of the outcome and of the other modality.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.stats import truncnorm

from lesion_fusion.cohort.readers import BREAST_LESIONS_USG_COLUMNS
from lesion_fusion.cohort.synthetic import published
from lesion_fusion.cohort.synthetic.published import CIRCUMSCRIBED, MISSING, NOT_APPLICABLE, Counts
from lesion_fusion.parameters import Parameters, validated

SHOWN = ("Shape", "Margin", "Echogenicity", "Posterior_features", "Halo", "Calcifications", "Skin_thickening")
ABSENT_IN_NORMAL = (*SHOWN[:-1], "Interpretation", "Verification", "Diagnosis")

Classes = NDArray[np.bool_]  # True: malignant


class SyntheticCohort(Parameters):
    """Parameters of a synthetic cohort; with both signals at 0, record and image are independent of the class."""

    cases: int = Field(240, ge=8, le=1_000_000, description="rows, which are images, normal cases included; 8 or more")
    seed: int = Field(20240112, ge=0, le=2**32 - 1, description="seed of everything drawn; 0 to 4294967295")
    prevalence: float = Field(0.39, gt=0, lt=1, description="share of malignant among lesions; above 0, below 1")
    normal_cases: int = Field(4, ge=0, description="images without a lesion; 0 or more, and fewer than cases - 1")
    record_signal: float = Field(0.9, ge=0, le=1, description="strength of the class's signal in the record; 0 to 1")
    image_signal: float = Field(0.95, ge=0, le=1, description="strength of the class's signal in the image; 0 to 1")
    telling_hand: float = Field(0.0, ge=0, le=1, description="how far drawn outlines follow the class; 0 (blind) to 1")
    images_per_patient: int = Field(1, ge=1, le=10, description="most images of one patient; 1 to 10")
    missing: float = Field(1.0, ge=0, le=1, description="share of the published missingness to keep; 0 (none) to 1")
    min_side: int = Field(180, ge=64, le=2048, description="shortest image side, pixels; 64 to 2048")
    max_side: int = Field(320, ge=64, le=2048, description="longest image side, pixels; min_side to 2048")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.max_side < self.min_side:
            raise ValueError(f"max_side ({self.max_side}) must be at least min_side ({self.min_side})")
        if self.cases - self.normal_cases < 2 * self.images_per_patient:
            raise ValueError(
                f"cases ({self.cases}) less normal_cases ({self.normal_cases}) must leave at least "
                f"{2 * self.images_per_patient} images of lesions, so that both classes have a patient"
            )
        return self


def parse_cohort(parameters: Mapping[str, Any]) -> SyntheticCohort:
    """Return the cohort of `parameters`; InvalidParameterError has a line per wrong one."""
    return validated(SyntheticCohort, dict(parameters), "synthetic")


@dataclass(frozen=True)
class Records:
    """The record, `table`, in the published layout, and the content of the images, `shown`, one row per image in both.

    `shown` has the descriptors in published wording, `lesion` (False in a normal case), `diameter_mm`, `aspect` (height
    over width), `others` (further structures), `width` and `height` (pixels), `pixel_mm`, `fan` (a transparent border).
    """

    table: pd.DataFrame
    shown: pd.DataFrame


def draw_records(cohort: SyntheticCohort) -> Records:
    """Return the records of `cohort`; equal cohorts give equal records."""
    rng = np.random.default_rng(np.random.SeedSequence([cohort.seed, 0]))
    patient, normal = _patients(cohort, rng)
    patients = len(normal)

    malignant = _outcomes(cohort, normal, rng)
    record_class, record_informed = _seen_class(malignant, cohort.record_signal, cohort.prevalence, rng)
    image_class, image_informed = _seen_class(malignant, cohort.image_signal, cohort.prevalence, rng)

    descriptors = _descriptors(record_class, rng)
    record = pd.concat([_metadata(record_class, cohort.missing, rng), descriptors], axis=1)
    record = record.assign(**_assessment(descriptors, record_class, rng))
    record["Diagnosis"] = _draw(published.DIAGNOSIS, malignant.astype(int), rng)
    record["Diagnosis"] = record["Diagnosis"].where(record["Verification"] == "confirmed by biopsy", NOT_APPLICABLE)
    record["Classification"] = np.where(normal, "normal", np.where(malignant, "malignant", "benign"))
    record.loc[normal, list(ABSENT_IN_NORMAL)] = NOT_APPLICABLE
    record.loc[normal, ["Skin_thickening", "BIRADS"]] = ["no", "1"]

    concordant = record_informed & image_informed
    shown = _descriptors(image_class, rng).where(pd.Series(~concordant), descriptors, axis=0)
    shown = shown.assign(lesion=~normal, **_size(image_class, rng))
    # Further structures with a mask: one or two in a few cases without a malignant lesion.
    others = np.where(rng.random(patients) < published.OTHER_MASK_SHARE, rng.integers(1, 3, size=patients), 0)
    shown["others"] = np.where(~normal & ~image_class, others, 0)
    shown = shown.assign(**_acquisition(cohort, patients, rng))

    record, shown = (frame.iloc[patient].reset_index(drop=True) for frame in (record, shown))
    return Records(_published_layout(record, shown, patient, cohort), shown)


def _patients(cohort: SyntheticCohort, rng: Generator) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return the patient of each image and whether each patient is a normal case (these have one image each)."""
    lesions = cohort.cases - cohort.normal_cases
    images = rng.integers(1, cohort.images_per_patient + 1, size=lesions)
    # The last patient with a lesion gets the rest.
    images = images[: np.searchsorted(np.cumsum(images), lesions) + 1]
    images[-1] -= images.sum() - lesions
    normal = np.zeros(len(images) + cohort.normal_cases, dtype=bool)
    normal[rng.permutation(len(normal))[: cohort.normal_cases]] = True
    per_patient = np.ones(len(normal), dtype=int)
    per_patient[~normal] = images
    return np.repeat(np.arange(len(normal)), per_patient), normal


def _outcomes(cohort: SyntheticCohort, normal: NDArray[np.bool_], rng: Generator) -> Classes:
    """Return each patient's class; both classes occur, with the prevalence as near as whole patients allow."""
    lesions = np.flatnonzero(~normal)
    count = int(np.clip(round(cohort.prevalence * len(lesions)), 1, len(lesions) - 1))
    malignant = np.zeros(len(normal), dtype=bool)
    malignant[rng.permutation(lesions)[:count]] = True
    return malignant


def _seen_class(malignant: Classes, signal: float, prevalence: float, rng: Generator) -> tuple[Classes, Classes]:
    """Return the class from which a modality is drawn, and where the signal makes it the patient's own."""
    informed = rng.random(len(malignant)) < signal
    return np.where(informed, malignant, rng.random(len(malignant)) < prevalence), informed


def _draw(counts: Counts, stratum: NDArray[np.int_], rng: Generator) -> NDArray[np.object_]:
    """Return one cell of `counts` for each row, drawn by the counts of the row's stratum."""
    cells = np.array(list(counts), dtype=object)
    cumulative = np.cumsum(np.array(list(counts.values()), dtype=float), axis=0)
    thresholds = (cumulative / cumulative[-1])[:, stratum]
    chosen: NDArray[np.object_] = cells[(rng.random(len(stratum)) >= thresholds).sum(axis=0)]
    return chosen


def _metadata(malignant: Classes, missing: float, rng: Generator) -> pd.DataFrame:
    """Return Age, Tissue_composition, Signs and Symptoms, with `missing` of the published missingness."""
    stratum = malignant.astype(int)
    mean, sd = np.array(published.AGE_MEAN)[stratum], np.array(published.AGE_SD)[stratum]
    low, high = ((bound - mean) / sd for bound in published.AGE_RANGE)
    age = np.rint(truncnorm.ppf(rng.random(len(stratum)), low, high, loc=mean, scale=sd)).astype(int)
    metadata = pd.DataFrame({"Age": age.astype(str)}).astype(object)
    for name in ("Tissue_composition", "Signs", "Symptoms"):
        metadata[name] = _draw(published.BY_CLASS[name], stratum, rng)
    absent = _draw(published.MISSING_TOGETHER, stratum, rng)
    absent = np.where(rng.random(len(stratum)) < missing, absent, "")
    for name in metadata.columns:
        metadata.loc[[name in pattern.split("&") for pattern in absent], name] = MISSING
    return metadata


def _descriptors(malignant: Classes, rng: Generator) -> pd.DataFrame:
    """Return the descriptors of one lesion per row; given the class, they depend on each other through the margin."""
    stratum = malignant.astype(int)
    circumscribed = _draw(published.MARGIN_KIND, stratum, rng) == CIRCUMSCRIBED
    by_margin = 2 * stratum + ~circumscribed
    cells = {name: _draw(published.BY_MARGIN[name], by_margin, rng) for name in ("Shape", *SHOWN[2:5])}
    margin = "not circumscribed - " + _draw(published.MARGIN, stratum, rng)
    cells["Margin"] = np.where(circumscribed, CIRCUMSCRIBED, margin)
    cells |= {name: _draw(published.BY_CLASS[name], stratum, rng) for name in SHOWN[5:]}
    return pd.DataFrame(cells, dtype=object)[list(SHOWN)]


def _assessment(descriptors: pd.DataFrame, malignant: Classes, rng: Generator) -> dict[str, NDArray[np.object_]]:
    """Return BI-RADS category, interpretation and verification, which depend on the record's class alone."""
    by_margin = 2 * malignant.astype(int) + (descriptors["Margin"] != CIRCUMSCRIBED).to_numpy()
    birads = _draw(published.BY_MARGIN["BIRADS"], by_margin, rng)
    suspicious = np.isin(birads, ["4b", "4c", "5"]).astype(int)
    managed = np.select([birads == "2", birads == "3"], [0, 1], default=2)
    interpretation = _draw(published.INTERPRETATION, suspicious, rng)
    verification = _draw(published.VERIFICATION, managed, rng)
    return {"BIRADS": birads, "Interpretation": interpretation, "Verification": verification}


def _size(malignant: Classes, rng: Generator) -> dict[str, NDArray[np.float64]]:
    """Return the lesion's equivalent diameter in mm and its height over width."""
    stratum = malignant.astype(int)

    def draw(median: tuple[float, float], log_sd: tuple[float, float]) -> NDArray[np.float64]:
        return np.array(median)[stratum] * np.exp(np.array(log_sd)[stratum] * rng.standard_normal(len(stratum)))

    diameter = draw(published.DIAMETER_MEDIAN, published.DIAMETER_LOG_SD)
    return {"diameter_mm": diameter, "aspect": draw(published.ASPECT_MEDIAN, published.ASPECT_LOG_SD)}


def _acquisition(cohort: SyntheticCohort, patients: int, rng: Generator) -> dict[str, NDArray[np.generic]]:
    """Return image size, pixel size and border, which are independent of the class."""
    width, height = rng.integers(cohort.min_side, cohort.max_side + 1, size=(2, patients))
    pixel_mm = np.round(rng.choice(published.DEPTHS_MM, size=patients) / height, 6)
    return {"width": width, "height": height, "pixel_mm": pixel_mm, "fan": rng.random(patients) < published.FAN_SHARE}


def _published_layout(
    record: pd.DataFrame, shown: pd.DataFrame, patient: NDArray[np.int_], cohort: SyntheticCohort
) -> pd.DataFrame:
    """Return the record with file names and pixel size, in the published order of columns, as text."""
    digits = max(3, len(str(cohort.cases)))
    stem = pd.Series([f"case{number:0{digits}d}" for number in range(1, cohort.cases + 1)])
    numbered = zip(stem, shown["others"], strict=True)
    others = ["&".join(f"{name}_other{k}.png" for k in range(1, count + 1)) or None for name, count in numbered]
    table = record.assign(
        CaseID=[str(number) for number in range(1, cohort.cases + 1)],
        Image_filename=stem + ".png",
        Mask_tumor_filename=(stem + "_tumor.png").where(shown["lesion"]),
        Mask_other_filename=pd.Series(others, dtype="str"),
        Pixel_size=[str(round(size / 10, 7)) for size in shown["pixel_mm"]],
    )[list(BREAST_LESIONS_USG_COLUMNS)]
    if cohort.images_per_patient > 1:
        table["Patient_ID"] = [str(number + 1) for number in patient]
    return table.astype("str")
