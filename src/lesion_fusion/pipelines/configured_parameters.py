"""The parameters of the session in progress, for what builds pipelines.

Kedro builds pipelines before it hands parameters to nodes, so the registry reads them itself, from the same files and
for the same environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.project import settings
from kedro.utils import find_kedro_project

from lesion_fusion.pipelines.network_comparison.combinations import with_combinations


class _Active:
    """Environment, configuration folder and `--params` of the session in progress, set by the hook `ModelSelection`."""

    env: str | None = None
    conf_source: str | Path | None = None
    runtime_params: dict[str, Any] | None = None


active = _Active()


def configured_parameters() -> dict[str, Any]:
    """Return the parameters of the session's environment, the entries of combinations among them."""
    conf_source = active.conf_source or str((find_kedro_project(Path.cwd()) or Path.cwd()) / settings.CONF_SOURCE)
    loader = OmegaConfigLoader(
        conf_source=conf_source,
        env=active.env or os.environ.get("KEDRO_ENV"),
        runtime_params=active.runtime_params,
        **settings.CONFIG_LOADER_ARGS,
    )
    return with_combinations(loader["parameters"])
