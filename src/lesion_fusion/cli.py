"""The project's commands: `kedro run`, Kedro's own, and `kedro score`; a mendable error ends in its message alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.utils import find_kedro_project
from kedro.validation.exceptions import DataValidationError, ParameterValidationError

from lesion_fusion.errors import MendableError
from lesion_fusion.score import score

_MENDABLE = (MendableError, ParameterValidationError, DataValidationError)


@click.group(name="lesion_fusion")
def cli() -> None:
    """Commands of this project."""


def mendable_cause(error: BaseException) -> BaseException | None:
    """Return the mendable error that `error` is or was raised from; None for a defect of the program.

    An error of a dataset that comes from nothing deeper, such as a folder that is not there, is mendable too.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, _MENDABLE):
            return link
    deepest = chain[-1]
    return deepest if isinstance(deepest, DatasetError | FileNotFoundError) else None


def _words(cause: BaseException) -> str:
    if isinstance(cause, FileNotFoundError):
        # Not every library fills in the name; the error is then told by its text, which is the path.
        path = Path(cause.filename or str(cause))
        if (find_kedro_project(Path.cwd()) or Path.cwd()) / "data" in path.parents:
            return (
                f"There is no file {path}. It is a result of an earlier step: take that into the run too, without "
                "--tags and --nodes; --only-missing-outputs then makes what is not there."
            )
        return (
            f"There is no file {path}. Put the collection there as downloaded, or name the folder that holds "
            "it in the environment variable LESION_FUSION_DATA."
        )
    # Pydantic's pointers to its own documentation say nothing of this project.
    return "\n".join(line for line in str(cause).splitlines() if "errors.pydantic.dev" not in line)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _in_words(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Either spelling of the option works, and the shorter one is the habit.
        warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            cause = mendable_cause(error)
            if cause is None:
                raise
            raise click.ClickException(_words(cause)) from None

    return run


def _told_in_words(command: click.Command) -> click.Command:
    assert command.callback is not None
    callback = _in_words(command.callback)
    return click.Command(name=command.name, callback=callback, params=command.params, help=command.help)


for command in (kedro_run, score):
    cli.add_command(_told_in_words(command))
