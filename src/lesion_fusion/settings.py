"""Settings of the Kedro project."""

import warnings

# Two notes that no user of the project can act on: kedro-mlflow's own model has no type hints, and nodes outside a
# model's namespace read what models hand on, which carries the model's name.
warnings.filterwarnings("ignore", message=".*Add type hints to the `predict` method.*")
warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters.*")

from lesion_fusion.hooks.closing_message import ClosingMessage  # noqa: E402
from lesion_fusion.hooks.model_selection import ModelSelection  # noqa: E402
from lesion_fusion.hooks.progress import Progress  # noqa: E402
from lesion_fusion.hooks.resolvers import RESOLVERS  # noqa: E402
from lesion_fusion.hooks.reuse import Reuse  # noqa: E402
from lesion_fusion.hooks.tracking import Tracking  # noqa: E402

# `Tracking` is the plugin's own hook with additions; registered twice it would start two runs.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)

HOOKS = (ClosingMessage(), Progress(), Tracking(), Reuse(), ModelSelection())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "custom_resolvers": RESOLVERS,
}
