"""Run the project as a package: `python -m lesion_fusion` is `kedro run`."""

from __future__ import annotations

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(arguments: list[str] | None = None) -> None:
    """Run `kedro run` with `arguments`, or with those of the command line."""
    package = Path(__file__).parent.name
    configure_project(package)
    find_run_command(package)(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    main()
