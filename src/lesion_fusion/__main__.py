"""The project's commands without `kedro`: `lesion-fusion run`, `python -m lesion_fusion score`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from kedro.utils import find_kedro_project


def main(arguments: list[str] | None = None) -> None:
    """Run the command of `arguments`, or of those that were typed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    log = _conf_source(arguments) / "logging.yml"
    if log.is_file():
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(log))
    else:
        # Kedro logs as it is imported.
        logging.disable(logging.INFO)
    from kedro.framework.project import configure_project

    configure_project(Path(__file__).parent.name)
    if not log.is_file():
        logging.disable(logging.NOTSET)
        logging.getLogger("kedro").setLevel(logging.WARNING)
    from lesion_fusion.cli import cli

    cli(arguments, prog_name="lesion-fusion")


def _conf_source(arguments: list[str]) -> Path:
    """Return the folder of the configuration: that of `--conf-source`, or that of the project."""
    for i, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        if option == "--conf-source":
            return Path(value or "".join(arguments[i + 1 : i + 2]))
    return Path(find_kedro_project(Path.cwd()) or Path.cwd()) / "conf"


if __name__ == "__main__":
    main()
