"""Errors that the user can fix, and the messages shown for them."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

# Results are in folders named after their stage, whatever the store; published data is in 01_raw or elsewhere.
_RESULT = re.compile("/0[2-8]_[a-z_]+/")
# Faults of a disk, by the error's number, and what SQLite says of them in place of one.
_FULL, _CLOSED = (errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR)
_SQLITE = {
    "database or disk is full": "",  # as a full disk
    "readonly database": "The database can't be written. Allow it, for its file and its folder",
    "unable to open database file": "The database can't be opened. Check that its folder is there and may be written",
    "database is locked": "Another process holds the database. Wait for it, or end it",
}
# More names are not listed.
_SHOWN = 30


class UserError(Exception):
    """Data or configuration that cannot be used; the message says what is wrong, where and how to fix it.

    `kedro run` shows the message alone. Any other exception is a defect of the program and shows its traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean …? There are: ….` for a name that is not among `known`; many are counted."""
    known = list(known)
    close = get_close_matches(name, known)
    there_are = f"are: {', '.join(known) or 'none'}" if len(known) <= _SHOWN else f"are {len(known)}"
    return f"{f'Did you mean {close[0]}? ' if close else ''}There {there_are}."


def user_error_cause(error: BaseException) -> BaseException | None:
    """Return the user error that `error` is or was raised from; None for a defect of the program.

    A dataset's error without a deeper cause, such as a missing folder, is a user error too, and so are a full disk, a
    file that may not be read or written, and a database that another process holds.
    """
    # Imported here because a served model is loaded without Kedro.
    from kedro.io import DatasetError
    from kedro.validation.exceptions import DataValidationError, ParameterValidationError

    link: BaseException = error
    while not (isinstance(link, UserError | ParameterValidationError | DataValidationError) or _fault_of_disk(link)):
        before = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if before is None:
            return link if isinstance(link, DatasetError | FileNotFoundError) else None
        link = before
    return link


def _fault_of_disk(error: BaseException) -> str:
    """Return what is wrong with a disk, file or database, and how to fix it; "" for any other error."""
    number, path = (error.errno, error.filename) if isinstance(error, OSError) else (None, None)
    said = next((said for said in _SQLITE if said in str(error)), None)
    if number in _FULL or said == "database or disk is full":
        return (
            f"The disk is full{f': {path} was not written' if path else ''}. Free some space and run it again; "
            "what was finished stands, and --only-missing-outputs goes on with it."
        )
    if number is not None and number in _CLOSED and path:
        said = os.strerror(number)
        return f"{path} can't be read or written: {said}. Correct its rights or its place, and run it again."
    return f"{_SQLITE[said]}, and run it again ({said})." if said else ""


def _is_of_program(error: FileNotFoundError) -> bool:
    """Return whether a program was to be started, and not a file read."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__") == subprocess.__name__


def user_message(*causes: BaseException) -> str:
    """Return the message for user errors, one line or more per error; missing files share a line."""
    # Not every library fills in the file name; the error's text is then the path.
    missing = [cause for cause in causes if isinstance(cause, FileNotFoundError)]
    absent = [str(cause.filename or cause) for cause in missing if not _is_of_program(cause)]
    computed = [path for path in absent if _RESULT.search(Path(path).as_posix())]
    published = [path for path in absent if path not in computed]
    lines = [
        f"The program {cause.filename} is not found. Activate the environment that has it, and run it again."
        for cause in missing
        if _is_of_program(cause)
    ]
    if published:
        lines.append(
            f"{_missing(published)} Put the collection there as downloaded, or set the environment variable "
            "LESION_FUSION_DATA to the folder that holds it."
        )
    if computed:
        lines.append(
            f"{_missing(computed)} An earlier step makes this. Include that step in the run, without --tags and "
            "--nodes; --only-missing-outputs then runs only what is missing."
        )
    for cause in causes:
        if fault := _fault_of_disk(cause):
            lines.append(fault)
        elif not isinstance(cause, FileNotFoundError):
            # Pydantic's links to its own documentation do not help here.
            lines += [line for line in str(cause).strip().splitlines() if "errors.pydantic.dev" not in line]
    return "\n".join(lines)


def with_plain_errors(show: Callable[..., Any]) -> Callable[..., Any]:
    """Return `sys.excepthook` that shows a user error as its message alone, and anything else as `show` does."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cause = user_error_cause(error)
        if cause is None:
            show(kind, error, trace)
        else:
            print(f"Error: {user_message(cause)}", file=sys.stderr)  # noqa: T201

    return hook


def _missing(paths: list[str]) -> str:
    return f"There is no file {paths[0]}." if len(paths) == 1 else f"There are no files {', '.join(paths)}."
