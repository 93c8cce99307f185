"""Permutation importance: how much worse a fitted classifier ranks new cases once a column is shuffled among them.

Breiman 2001, "Random Forests", doi:10.1023/A:1010933404324; for any model and score, Fisher, Rudin and Dominici 2019,
"All Models are Wrong, but Many are Useful", Journal of Machine Learning Research 20(177).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata, t

from lesion_fusion.tabular.calibration import class_scores
from lesion_fusion.tabular.encoding import encoded_sources, left_out_sources
from lesion_fusion.tabular.tuning import TunedClassifier

# Shuffles of each column, and the rows predicted in all: of large folds fewer shuffles, which vary less there.
_SHUFFLES = 3
_ROWS = 20_000


def permutation_importance(
    tuned: TunedClassifier, features: pd.DataFrame, labels: np.ndarray, group_of: Mapping[str, str], seed: int
) -> pd.DataFrame:
    """Return `column` and `drop`, one row a column of the feature table or a group of columns.

    `features` are cases that `tuned` did not see, `labels` (n,) their classes' positions. Columns with the same name in
    `group_of` are shuffled together under that name. `drop` is the score less the mean score after shuffling: AUROC for
    two classes (NaN where the cases have one class), minus log loss for more. Negative where shuffling helped, 0 for
    columns that the encoder leaves out.
    """
    encoder, classifier = tuned.estimator["encode"], tuned.estimator["classify"]
    # Encoding goes row by row, so that shuffling a column's encoded values is shuffling the column.
    encoded = np.asarray(encoder.transform(features), dtype="float64")
    sources = np.asarray([group_of.get(source, source) for source in encoded_sources(encoder)])
    columns = list(dict.fromkeys(sources))
    n, shuffles = len(encoded), int(np.clip(_ROWS // (len(encoded) * len(columns)), 1, _SHUFFLES))
    rng = np.random.default_rng(seed)
    copies = np.broadcast_to(encoded, (1 + len(columns) * shuffles, *encoded.shape)).copy()
    for i, column in enumerate(np.repeat(columns, shuffles), start=1):
        of_column = sources == column
        copies[i][:, of_column] = encoded[rng.permutation(n)][:, of_column]
    scores = class_scores(classifier, copies.reshape(-1, encoded.shape[1]))
    probabilities = tuned.calibration.probabilities(scores).reshape(len(copies), n, -1)
    values = _scores(probabilities, labels)
    shuffled = values[1:].reshape(len(columns), shuffles).mean(axis=1)
    left_out = list(dict.fromkeys(group_of.get(source, source) for source in left_out_sources(encoder)))
    drops = [*(values[0] - shuffled), *[values[0] - values[0]] * len(left_out)]
    return pd.DataFrame({"column": [*columns, *left_out], "drop": drops})


def importance_summary(importance: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return column, drop (mean over the outer folds), drop_low and drop_high, the most important first.

    `importance` has repeat, fold, column, drop. The interval is that of the corrected resampled t test: training sets
    of folds overlap, so that the variance of their mean is larger than that of independent ones (Nadeau and Bengio
    2003, doi:10.1023/A:1024068626366; for repeated folds Bouckaert and Frank 2004, doi:10.1007/978-3-540-24775-3_3).
    """
    of_columns = importance.groupby("column", sort=False)["drop"]
    mean, variance, trainings = of_columns.mean(), of_columns.var(), of_columns.count()
    test_to_training = 1 / (importance["fold"].nunique() - 1)
    half = np.sqrt(variance * (1 / trainings + test_to_training)) * t.ppf((1 + confidence) / 2, trainings - 1)
    table = pd.DataFrame({"drop": mean, "drop_low": mean - half, "drop_high": mean + half}).reset_index()
    return table.sort_values(["drop", "column"], ascending=[False, True], ignore_index=True)


def _scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the score of each copy, shape (copies,), of probabilities of shape (copies, n, k)."""
    n_classes = probabilities.shape[2]
    if n_classes > 2:
        of_label = np.take_along_axis(probabilities, labels[None, :, None], axis=2)[..., 0]
        return np.log(np.clip(of_label, np.finfo("float64").tiny, None)).mean(axis=1)
    positive = labels == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if n_positive == 0 or n_negative == 0:
        return np.full(len(probabilities), np.nan)
    ranks = rankdata(probabilities[..., 1], axis=1)[:, positive].sum(axis=1)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
