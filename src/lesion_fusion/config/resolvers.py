"""Resolvers of `conf/`: places of data and results, with an environment variable to override."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kedro.utils import find_kedro_project

from lesion_fusion.errors import UserError

STORE_VARIABLE = "LESION_FUSION_STORE"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"


class PlaceError(UserError, ValueError):
    """A place for data or results that can't be used."""


def environment_or(name: str, default: str) -> str:
    """Return a variable, or `default` where unset or empty; unlike OmegaConf's `oc.env` it works in the catalog too."""
    return os.environ.get(name) or default


def project_path(relative: str) -> str:
    """Return a path below the project's folder, absolute, whatever folder the command was typed in."""
    return str(((find_kedro_project(Path.cwd()) or Path.cwd()) / relative).resolve())


def data_root(folder: str) -> str:
    """Return the place of all results: LESION_FUSION_STORE, a URL or folder, or a folder below the project's.

    Raises PlaceError for a URL that is none, ValueError where no file system is known by it, or ImportError where its
    package is not installed.
    """
    root = environment_or(STORE_VARIABLE, folder)
    protocol, separator, _ = root.partition("://")
    if not separator:
        if re.match(r"\w\w+:/", root):
            raise PlaceError(
                f"{STORE_VARIABLE}={root}: a URL has two slashes after its colon, such as s3://bucket/folder"
            )
        return Path(project_path(root)).as_posix()
    # Imported here: a run on a disk does without.
    from fsspec import get_filesystem_class

    get_filesystem_class(protocol)
    return root.rstrip("/")


def tracking_uri(database: str) -> str:
    """Return MLflow's address: MLFLOW_TRACKING_URI, or a SQLite file below the project's folder; `PlaceError`."""
    address = environment_or(TRACKING_VARIABLE, f"sqlite:///{project_path(database)}")
    if TRACKING_VARIABLE not in os.environ and set("%?#") & set(address):
        raise PlaceError(
            f"MLflow can't keep its database below {project_path('.')}: the name has one of %, ? and #. Rename the "
            f"folder, or set the variable {TRACKING_VARIABLE} to another place"
        )
    return address


def artifact_location(folder: str) -> str | None:
    """Return where MLflow keeps artifacts: a folder below the project's, or None (the server's own choice)."""
    return None if os.environ.get(TRACKING_VARIABLE) else Path(project_path(folder)).as_uri()


RESOLVERS = {
    resolver.__name__: resolver
    for resolver in (environment_or, project_path, data_root, tracking_uri, artifact_location)
}
