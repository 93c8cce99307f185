"""A network that others start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PretrainedBackbone:
    """A Keras network with what must be known of it: cohort, held-out AUROC, excluded cases, image input."""

    network: Any
    tags: dict[str, str]
