"""Hook: check all parameters before anything runs, and have the pipelines built from them."""

from __future__ import annotations

from kedro.framework import project
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines


class ReadConfiguration:
    """Reads the configuration of each session, once."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Hand the checked parameters to the registry of pipelines and to nodes."""
        # Imported here: Kedro imports this module for every command, and the parts behind the types take seconds.
        from lesion_fusion.config.reading import read_configuration, use

        loader = context.config_loader
        configuration = read_configuration(loader)
        # Not imported by name: Kedro imports this module before it knows the package.
        if use(configuration) and project.PACKAGE_NAME is not None:
            pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")
        loader["parameters"] = configuration.for_nodes()
