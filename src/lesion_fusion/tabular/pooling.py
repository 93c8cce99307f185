"""Cases of another cohort that every training set is pooled with; they are learned from and never predicted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from lesion_fusion.tabular.encoding import make_encoder


@dataclass(frozen=True)
class PooledCases:
    """The feature table of another cohort's cases and `labels` (n,), positions of the study's classes."""

    features: pd.DataFrame
    labels: np.ndarray

    @cached_property
    def encoded(self) -> np.ndarray:
        """The cases as numbers (n, p), imputed and standardised among themselves: the same for every training set.

        A scanner shifts all descriptors of its images. Each cohort is put about its own mean, so that a classifier
        learns what sets a lesion apart from others of the same clinic.
        """
        return np.asarray(make_encoder(list(self.features.columns), components=1).fit_transform(self.features))
