"""Which models are explained case by case, and how many cases."""

from __future__ import annotations

from pydantic import Field

from lesion_fusion.parameters import Parameters


class Explanation(Parameters):
    """SHAP values of the best classifier of each family, and of `models` (`<family>.<model>`).

    `cases`: how many are explained, drawn at random where there are more. `background`: how many cases stand for cases
    at large, whose mean log-odds is what contributions start from.
    """

    models: tuple[str, ...] = ()
    cases: int = Field(default=60, ge=1)
    background: int = Field(default=100, ge=1)
