"""Settings of the Kedro project."""

import sys
from typing import Any

from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.resolvers import RESOLVERS
from lesion_fusion.errors import with_plain_errors
from lesion_fusion.hooks.checks import MissingInputs, ReadConfiguration, SmallCohort
from lesion_fusion.hooks.engine import Engine
from lesion_fusion.hooks.messages import ClosingMessage, Progress
from lesion_fusion.hooks.reuse import Reuse
from lesion_fusion.hooks.tracking import Tracking

# `Tracking` is the plugin's own hook with additions; registered twice it would start two runs.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)

HOOKS = (
    ClosingMessage(),
    Progress(),
    Tracking(),
    Reuse(),
    ReadConfiguration(),
    MissingInputs(),
    SmallCohort(),
    Engine(),
)

CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "custom_resolvers": RESOLVERS,
    # The plugin adds this itself, but after `Tracking` has read it.
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"]},
    # An environment says what differs, at any depth, and nothing else.
    "merge_strategy": {"parameters": "soft", "globals": "soft", "mlflow": "soft"},
}

# Kedro's other commands end a user error in its message too.
sys.excepthook = with_plain_errors(sys.excepthook)
