"""The parameters of an environment, as Kedro's loader resolves them."""

from __future__ import annotations

from typing import Any

from lesion_fusion.config.configuration import Configuration
from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.reading import read_configuration
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT


def loader(environment: str = "local", **params: Any) -> ProjectConfigLoader:
    return ProjectConfigLoader(str(ROOT / "conf"), environment, params, **CONFIG_LOADER_ARGS)


def configured(environment: str = "local", **params: Any) -> Configuration:
    return read_configuration(loader(environment, **params))
