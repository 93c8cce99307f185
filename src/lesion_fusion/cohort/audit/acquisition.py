"""Acquisition proxies: how well the scanner's settings alone predict the outcome, without the image's content."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, finding
from lesion_fusion.cohort.audit.separation import separate
from lesion_fusion.statistics.bootstrap import holm

TOGETHER = "all together"
_COLUMNS = ["proxy", "cases", "missing", "auroc", "low", "high", "p", "p_holm"]


def acquisition_table(cases: pd.DataFrame, parameters: CohortAudit, seed: int) -> pd.DataFrame:
    """Return how well each acquisition proxy, and all together, separate malignant from benign lesions.

    proxy, cases, missing, auroc with its interval (low, high), p (one-sided, against 0.5) and p_holm over the proxies.
    The AUROC is from repeated, patient-grouped cross-validation of a logistic regression on the proxy, its square and
    an indicator of a missing value, or on the device's name; the interval is DeLong's, clustered by patient. Proxies
    that do not vary are excluded; the table is empty where a class has fewer patients than there are folds.
    """
    lesions = cases[cases["classification"].isin(["benign", "malignant"])].sort_values("case_id", ignore_index=True)
    proxies = _proxies(lesions)
    sets = {name: [name] for name in proxies.columns}
    if len(sets) > 1:
        sets[TOGETHER] = list(proxies.columns)
    found = separate(lesions, {name: proxies[columns] for name, columns in sets.items()}, _model(), parameters, seed)
    if found is None:
        return pd.DataFrame(columns=_COLUMNS)
    # The AUROC's standard deviation under the null hypothesis (Mann and Whitney 1947), with patients as units. DeLong's
    # is 0 for a perfect proxy.
    patients = lesions.groupby("classification")["patient_id"].nunique()
    m, n = patients["malignant"], patients["benign"]
    spread = np.sqrt((m + n + 1) / (12 * m * n))
    rows = []
    for place, (name, columns) in enumerate(sets.items()):
        missing, area = int(proxies[columns].isna().any(axis=1).sum()), float(found.auroc[place])
        p = float(norm.sf((area - 0.5) / spread))
        rows.append((name, len(lesions), missing, area, *found.interval(place, parameters.confidence), p))
    table = pd.DataFrame(rows, columns=_COLUMNS[:-1])
    table["p_holm"] = holm(table["p"].to_numpy())
    return table


def acquisition_findings(table: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF501 from the table of `acquisition_table`."""
    found = table[table["p_holm"] < parameters.alpha]
    if found.empty:
        return
    shown = ", ".join(f"{row.proxy} {row.auroc:.2f} ({row.low:.2f} to {row.high:.2f})" for row in found.itertuples())
    yield finding(
        "LF501",
        f"Cross-validated AUROC ({parameters.confidence:.0%} interval) of acquisition alone: {shown}.",
        columns=list(found["proxy"]),
    )


def _proxies(lesions: pd.DataFrame) -> pd.DataFrame:
    proxies = lesions[["pixel_size_mm", "image_width", "image_height"]].assign(
        aspect_ratio=lesions["image_width"] / lesions["image_height"], device=lesions["device"].astype("object")
    )
    return proxies[[name for name in proxies if proxies[name].drop_duplicates().size > 1]]


def _model() -> Pipeline:
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    numbers = make_pipeline(imputer, StandardScaler(), PolynomialFeatures(2, include_bias=False))
    filler = SimpleImputer(strategy="constant", fill_value="missing", missing_values=np.nan)
    names = make_pipeline(filler, OneHotEncoder(handle_unknown="ignore"))
    features = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (names, make_column_selector(dtype_include="object"))
    )
    return make_pipeline(features, LogisticRegression(max_iter=1000))
