"""Hook: name each node as it starts, and the one that a run stopped in."""

from __future__ import annotations

import logging

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)


class Progress:
    """Logs one short line a node; Kedro's own lines list every input and output of it."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the node's name."""
        logger.info("Running %s", node.name)

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Log the node's name; what is wrong is raised, and told at the end of the run."""
        logger.error("Stopped in %s. What was done before stands; --only-missing-outputs goes on with it.", node.name)
