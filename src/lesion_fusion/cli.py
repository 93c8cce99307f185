"""The project's commands: `kedro run`, Kedro's own, and `kedro score`; a user error ends in its message alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from lesion_fusion.errors import user_error_cause, user_message
from lesion_fusion.score import score


@click.group(name="lesion_fusion")
def cli() -> None:
    """Commands of this project."""


def _in_words(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Either spelling of the option works, and the shorter one is the habit.
        warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            cause = user_error_cause(error)
            if cause is None:
                raise
            raise click.ClickException(user_message(cause)) from None

    return run


def _told_in_words(command: click.Command) -> click.Command:
    assert command.callback is not None
    callback = _in_words(command.callback)
    return click.Command(name=command.name, callback=callback, params=command.params, help=command.help)


for command in (kedro_run, score):
    cli.add_command(_told_in_words(command))
