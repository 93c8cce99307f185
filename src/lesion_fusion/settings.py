"""Settings of the Kedro project."""

import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.resolvers import RESOLVERS
from lesion_fusion.errors import with_plain_errors

# `Tracking` is the plugin's own hook with additions; registered twice it would start two runs.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)


class _Hooks:
    """Hooks of a run, made when a session asks for them: MLflow takes seconds, which other commands do without."""

    @cached_property
    def _made(self) -> list[object]:
        from lesion_fusion.hooks.checks import MissingInputs, ReadConfiguration, SmallCohort
        from lesion_fusion.hooks.engine import Engine
        from lesion_fusion.hooks.messages import ClosingMessage, Progress
        from lesion_fusion.hooks.reuse import Reuse
        from lesion_fusion.hooks.tracking import Tracking

        kinds = (ClosingMessage, Progress, Tracking, Reuse, ReadConfiguration, MissingInputs, SmallCohort, Engine)
        return [kind() for kind in kinds]

    def __iter__(self) -> Iterator[object]:
        return iter(self._made)


HOOKS = _Hooks()

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
