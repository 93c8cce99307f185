"""Hook: name each node as it starts."""

from __future__ import annotations

import logging

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)


class Progress:
    """Logs one short line a node; Kedro's own line lists every input and output of it."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the node's name."""
        logger.info("Running %s", node.name)
