"""Read the configuration of a run, and give it to the registry of pipelines.

Kedro builds pipelines without handing over parameters, so that the one read last is kept here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.framework import project
from kedro.utils import find_kedro_project

from lesion_fusion.config.configuration import Configuration
from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.parameters import InvalidParameterError, validated
from lesion_fusion.settings import CONFIG_LOADER_ARGS

# Files of conf/ read them before any parameter of a command counts.
_ONLY_IN_FILES = ("cohort", "data_folder", "data_root", "grids")

# Empty without a session, otherwise the one configuration.
_in_use: list[Configuration] = []


def read_configuration(loader: ProjectConfigLoader) -> Configuration:
    """Return what globals, parameters and `--params` say; raises InvalidParameterError with one line per fault."""
    refused = [name for name in _ONLY_IN_FILES if name in (loader.runtime_params or {})]
    if refused:
        raise InvalidParameterError(
            "\n".join(f"{name}: --params can't change it; set it in conf/<environment>/globals.yml" for name in refused)
        )
    return validated(Configuration, _merged(loader["globals"], loader.unchecked("parameters")), written=loader.place)


def use(configuration: Configuration) -> None:
    """Have the pipelines built from `configuration` from now on."""
    if _in_use == [configuration]:
        return
    _in_use[:] = [configuration]
    if project.PACKAGE_NAME is not None:
        project.pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")


def configuration() -> Configuration:
    """Return the configuration in use; without a session that of the environment in KEDRO_ENV, or the default one."""
    if not _in_use:
        conf_source = str((find_kedro_project(Path.cwd()) or Path.cwd()) / "conf")
        return read_configuration(ProjectConfigLoader(conf_source, os.environ.get("KEDRO_ENV"), **CONFIG_LOADER_ARGS))
    return _in_use[0]


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, at any depth; where both have a value, that of `above`."""
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            merged[name] = _merged(below[name], above[name])
    return merged
