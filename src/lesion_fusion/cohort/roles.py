"""The leak firewall: which columns of `cases` a model may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lesion_fusion.cohort.schema import COLUMN, COLUMNS, Role, columns_of
from lesion_fusion.errors import UserError

REASONS: dict[Role, str] = {
    Role.IDENTITY: "it names the case, so a model could only memorise it",
    Role.OUTCOME: "it is the outcome or became known with it",
    Role.ACQUISITION: "it tells the scanner and its settings, which follow the clinic's habits and not the lesion",
}
MAY_PREDICT: tuple[Role, ...] = (Role.METADATA, Role.DESCRIPTORS, Role.ASSESSMENT)


class ForbiddenPredictorError(UserError, ValueError):
    """A configuration asks for predictors that would leak the outcome or stand in for it."""


def predictor_columns(roles: Sequence[str], outcome_columns: Collection[str] = ()) -> tuple[str, ...]:
    """Return the columns of `cases` that models may see, in the table's order.

    `roles` are the roles asked for (`metadata`, `descriptors`, `assessment`). `outcome_columns` are columns of role
    outcome to be let in by name all the same: only the protocol that reproduces the published study may give any,
    and never the target itself. Raises `ForbiddenPredictorError` with columns, roles and reasons.
    """
    known = {role.value for role in Role}
    unknown = [role for role in roles if role not in known]
    if unknown:
        raise ForbiddenPredictorError(
            f"No role is called {', '.join(unknown)}; predictors may be: {', '.join(MAY_PREDICT)}."
        )
    forbidden = [Role(role) for role in roles if Role(role) not in MAY_PREDICT]
    if forbidden:
        reasons = "; ".join(
            f"{', '.join(column.name for column in columns_of(role))} ({role.value}): {REASONS[role]}"
            for role in forbidden
        )
        raise ForbiddenPredictorError(
            f"These columns may not predict: {reasons}. Predictors may be: {', '.join(MAY_PREDICT)}."
        )
    not_outcome = [name for name in outcome_columns if name not in COLUMN or COLUMN[name].role is not Role.OUTCOME]
    if not_outcome or "classification" in outcome_columns:
        raise ForbiddenPredictorError(
            f"{', '.join(not_outcome) or 'classification'} can't be let in as an outcome column by name: "
            "verification and diagnosis are the ones the published study used."
        )
    chosen = {Role(role) for role in roles}
    return tuple(c.name for c in COLUMNS if c.role in chosen or c.name in outcome_columns)


def assert_no_leak(columns: Collection[str], protocol: str) -> None:
    """Raise `ForbiddenPredictorError` if a feature table holds a column of `cases` that may not predict.

    The last gate before a model is fitted: it looks at what actually arrives, whatever the configuration said.
    Outcome columns pass in the protocol `paper` alone, which is named after the study it reproduces.
    """
    leaks = [
        f"{name} ({COLUMN[name].role.value}): {REASONS[COLUMN[name].role]}"
        for name in columns
        if name in COLUMN
        and COLUMN[name].role not in MAY_PREDICT
        and not (protocol == "paper" and COLUMN[name].role is Role.OUTCOME and name != "classification")
    ]
    if leaks:
        raise ForbiddenPredictorError(f"Columns that may not predict reached a model: {'; '.join(leaks)}.")
