"""How well an outline, and what is measured under it, tells the outcome: the hand that drew it may have known."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, Severity, finding
from lesion_fusion.cohort.audit.separation import separate
from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.imaging.descriptors import FORM, default_names
from lesion_fusion.notation import Estimate, count, difference, with_interval

DRAWN, PREDICTED, BETWEEN = "drawn", "predicted", "drawn less predicted"
# What a classifier sees: descriptors of the outline's form, those that read pixels in and around it, all of them.
_FORM, _PIXELS, _BOTH = "outline alone", "pixels alone", "both"
_COLUMNS = ["outline", "cases", "auroc", "low", "high"]


def asked_lesions(cases: pd.DataFrame, parameters: CohortAudit, seed: int) -> frozenset[str]:
    """Return the cases whose outlines are described: all lesions with a mask, or `outline_cases` of them by chance."""
    outlined = cases["classification"].isin(["benign", "malignant"]) & cases["tumor_mask_file"].notna()
    lesions = cases.loc[outlined, "case_id"].sort_values().to_numpy(dtype="str")
    if len(lesions) > parameters.outline_cases:
        lesions = np.random.default_rng(derived_seed(seed, 7)).choice(lesions, parameters.outline_cases, replace=False)
    return frozenset(map(str, lesions))


def outline_table(
    cases: pd.DataFrame, forms: Mapping[str, pd.DataFrame], parameters: CohortAudit, seed: int
) -> pd.DataFrame:
    """Return how well the outline's form alone separates malignant from benign lesions.

    `forms` holds case_id and the descriptors of the form of `drawn` outlines and, where given, of `predicted` ones by
    something that knew no class; both are asked about the lesions that have both. Columns: outline, cases, auroc, low,
    high; the last row of two is their paired difference. The AUROC is from repeated, patient-grouped cross-validation
    of an SVM; the interval is DeLong's, clustered by patient. Empty where a class has fewer patients than folds.
    """
    given = {name: forms[name].set_index("case_id") for name in (DRAWN, PREDICTED) if name in forms}
    lesions = cases.sort_values("case_id", ignore_index=True)
    for form in given.values():
        lesions = lesions[lesions["case_id"].isin(form.index)]
    features = {name: form.loc[lesions["case_id"]] for name, form in given.items()}
    found = separate(lesions, features, _model(), parameters, seed)
    if found is None:
        return pd.DataFrame(columns=_COLUMNS)
    rows = [
        (name, len(lesions), float(found.auroc[place]), *found.interval(place, parameters.confidence))
        for place, name in enumerate(found.names)
    ]
    if len(rows) == 2:
        rows.append((BETWEEN, len(lesions), *found.difference(parameters.confidence)))
    return pd.DataFrame(rows, columns=_COLUMNS)


def told_under_outlines(
    lesions: pd.DataFrame, drawn: pd.DataFrame, predicted: pd.DataFrame, parameters: CohortAudit, seed: int
) -> pd.DataFrame:
    """Return how well an SVM tells malignant `lesions` by descriptors under drawn and under predicted outlines.

    `drawn` and `predicted` are the image descriptors, row i of each = lesion i. Columns: seen (outline alone, pixels
    alone, both), outline (drawn, predicted, and their paired difference), cases, auroc, low, high, from the same
    cross-validation as `outline_table`. Trained and tested under the same outlines. Empty as that is.
    """
    form = [one.name for one in FORM]
    columns = {_FORM: form, _PIXELS: [one for one in default_names() if one not in form], _BOTH: default_names()}
    sources = {DRAWN: drawn, PREDICTED: predicted}
    features = {(seen, name): table[names] for seen, names in columns.items() for name, table in sources.items()}
    tables = {f"{seen}, {name}": table for (seen, name), table in features.items()}
    found = separate(lesions, tables, _model(), parameters, seed) if len(lesions) else None
    if found is None:
        return pd.DataFrame(columns=["seen", *_COLUMNS])
    place, rows = {pair: number for number, pair in enumerate(features)}, []
    for seen in columns:
        for name in sources:
            number = place[seen, name]
            rows.append((seen, name, float(found.auroc[number]), *found.interval(number, parameters.confidence)))
        pair = place[seen, DRAWN], place[seen, PREDICTED]
        rows.append((seen, BETWEEN, *found.difference(parameters.confidence, *pair)))
    table = pd.DataFrame(rows, columns=["seen", "outline", "auroc", "low", "high"])
    table.insert(2, "cases", len(lesions))
    return table


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), SVC(class_weight="balanced"))


def outline_findings(table: pd.DataFrame, asked: int, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF410 from the table of `outline_table`; `asked` are the lesions whose drawn outline was described."""
    bounds = table[["auroc", "low", "high"]].to_numpy(dtype="float64").tolist()
    found = {str(name): Estimate(*three) for name, three in zip(table["outline"], bounds, strict=True)}
    if DRAWN not in found or found[DRAWN].low <= 0.5:
        return
    lesions, n = int(table["cases"].iloc[0]), len(found)
    sentence = (
        f"Cross-validated AUROC ({parameters.confidence:.0%} interval) of the form of the drawn outlines alone, "
        f"without a pixel of the image: {with_interval(found[DRAWN])} over {count(lesions, 'lesion')}"
    )
    if n > 1:
        sentence += (
            f"; of predicted outlines, which know no class, {with_interval(found[PREDICTED])}: "
            f"{difference(found[BETWEEN])} by the hand that drew"
        )
        if lesions < asked:
            sentence += f". {count(asked - lesions, 'lesion')} without a predicted outline left out"
    yield finding("LF410", f"{sentence}.", severity=_severity(found, parameters))


def _severity(found: Mapping[str, Estimate], parameters: CohortAudit) -> Severity:
    """Return the severity by the lower bounds: an error where the hand is shown to tell too much by itself."""
    if BETWEEN in found:
        told = found[BETWEEN].low >= parameters.outline_gap
    else:
        told = found[DRAWN].low >= parameters.outline_error
    if told:
        return Severity.ERROR
    return Severity.WARNING if found[DRAWN].low >= parameters.outline_warning else Severity.INFO
