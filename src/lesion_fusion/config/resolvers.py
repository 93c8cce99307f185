"""Resolvers of `conf/`: where things lie, with an environment variable to override."""

from __future__ import annotations

import os
from pathlib import Path

from kedro.utils import find_kedro_project

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"


def environment_or(name: str, default: str) -> str:
    """Return the environment variable `name`, or `default` where it is unset or empty.

    Unlike OmegaConf's `oc.env` it works in the catalog too; meant for places of data, never for secrets.
    """
    return os.environ.get(name) or default


def project_path(relative: str) -> str:
    """Return a path below the project's folder, absolute, whatever folder the command was typed in."""
    root = find_kedro_project(Path.cwd()) or Path.cwd()
    return str((Path(root) / relative).resolve())


def tracking_uri(database: str) -> str:
    """Return MLflow's address: MLFLOW_TRACKING_URI, or a SQLite file below the project's folder."""
    return environment_or(TRACKING_VARIABLE, f"sqlite:///{project_path(database)}")


def artifact_location(folder: str) -> str | None:
    """Return where MLflow keeps artifacts: a folder below the project's, or None (the server's own choice)."""
    return None if os.environ.get(TRACKING_VARIABLE) else Path(project_path(folder)).as_uri()


RESOLVERS = {
    "environment_or": environment_or,
    "project_path": project_path,
    "tracking_uri": tracking_uri,
    "artifact_location": artifact_location,
}
