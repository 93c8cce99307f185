"""How numbers and names are written wherever a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MINUS = "−"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float


def number(value: float, digits: int = 3) -> str:
    """Return a number with a true minus sign; one that rounds to zero has none."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign; one that rounds to zero has none."""
    text = number(value, digits)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """Return "0.832 (0.773 to 0.887)"."""
    return f"{number(estimate.value, digits)} ({number(estimate.low, digits)} to {number(estimate.high, digits)})"


def difference(estimate: Estimate, digits: int = 3) -> str:
    """Return "+0.012 (−0.004 to +0.031)"."""
    return f"{signed(estimate.value, digits)} ({signed(estimate.low, digits)} to {signed(estimate.high, digits)})"


def p_value(p: float) -> str:
    """Return p with three decimals: "< 0.001", "0.012" or "0.430"; a fourth where it would round up to 0.05."""
    if p < 0.001:
        return "< 0.001"
    return f"{min(p, 0.0499):.4f}" if 0.0495 <= p < 0.05 else f"{p:.3f}"


def p_clause(p: float) -> str:
    """Return "p = 0.012" or "p < 0.001"."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def percent(share: float, digits: int = 0) -> str:
    """Return "95%"; with a further decimal where it would otherwise read 0 or 100, as "0.4%" or "> 99.9%"."""
    for places in (digits, digits + 1):
        text = f"{100 * share:.{places}f}"
        if not (share > 0 and float(text) == 0) and not (share < 1 and float(text) == 100):
            return f"{text}%"
    step = 10.0 ** -(digits + 1)
    return f"< {step:.{digits + 1}f}%" if share < 0.5 else f"> {100 - step:.{digits + 1}f}%"


def value_text(value: object) -> str:
    """Return the value of a hyperparameter: "none", "0.01", or "50-50" for the layers of a perceptron."""
    if value is None or (isinstance(value, float) and value != value):
        return "none"
    if isinstance(value, tuple):
        return "-".join(map(value_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def words(name: str) -> str:
    """Return a snake_case category, or several of a cell, as words."""
    return name.replace("_", " ").replace("&", ", ")


def sentence(text: str) -> str:
    """Return a text with its first letter in upper case, the others as they are."""
    return text[:1].upper() + text[1:]


def count(n: int, singular: str, plural: str | None = None) -> str:
    """Return "1 case" or "1,200 cases"."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listing(names: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
