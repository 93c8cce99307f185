"""Hook: refuses runners that can't run the project, and keeps what was asked for the one that has others run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from lesion_fusion.errors import UserError

# What `KedroSession.run` takes to choose nodes.
_SELECTION = ("pipeline_names", "tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs")
_REFUSED = ("ThreadRunner", "ParallelRunner")


class RefusedRunnerError(UserError):
    """A runner under which results would be lost or mixed up."""


@dataclass(frozen=True)
class Asked:
    """A run as it was asked for, for another process to take part in; can be sent there."""

    project: str
    conf_source: str
    environment: str | None
    parameters: dict[str, Any]
    selection: dict[str, Any]


class Engine:
    """Refuses Kedro's parallel runners; `asked` is the run under way."""

    def __init__(self) -> None:
        self.asked: Asked | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep where the configuration is."""
        self._conf_source = str(context.config_loader.conf_source)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Raise `RefusedRunnerError` for a runner that runs nodes side by side on its own terms."""
        for name in _REFUSED:
            if name in str(run_params.get("runner")):
                raise RefusedRunnerError(
                    f"{name} can't run this project, whose steps share files and one tracked run: "
                    "use --runner lesion_fusion.runners.DaskRunner --runner-params workers=2."
                )
        self.asked = Asked(
            str(run_params["project_path"]),
            self._conf_source,
            run_params.get("env"),
            dict(run_params.get("runtime_params") or {}),
            {name: run_params[name] for name in (*_SELECTION, "namespaces") if run_params.get(name)},
        )


def is_part(run_params: dict[str, Any]) -> bool:
    """Return whether this is a worker's part of a run: the main process opens, checks, sums up and ends the run."""
    return "GroupRunner" in str(run_params.get("runner"))
