"""What is said of an error that a person, not a programmer, can mend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kedro.io import DatasetError
from kedro.utils import find_kedro_project
from kedro.validation.exceptions import DataValidationError, ParameterValidationError

from lesion_fusion.errors import MendableError

_MENDABLE = (MendableError, ParameterValidationError, DataValidationError)


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


def in_words(*causes: BaseException) -> str:
    """Return what a person is told of mendable errors: what is wrong, where, and how to mend it; a line for each.

    Files that are not there are told together.
    """
    absent = [_path(cause) for cause in causes if isinstance(cause, FileNotFoundError)]
    results = (find_kedro_project(Path.cwd()) or Path.cwd()) / "data"
    earlier = [path for path in absent if results in path.parents]
    published = [path for path in absent if path not in earlier]
    lines = []
    if published:
        lines.append(
            f"{_not_there(published)} Put the collection there as downloaded, or name the folder that holds it in the "
            "environment variable LESION_FUSION_DATA."
        )
    if earlier:
        lines.append(
            f"{_not_there(earlier)} What an earlier step makes is missing: take that into the run too, without --tags "
            "and --nodes; --only-missing-outputs then makes what is not there."
        )
    for cause in causes:
        if not isinstance(cause, FileNotFoundError):
            # Pydantic's pointers to its own documentation say nothing of this project.
            lines += [line for line in str(cause).splitlines() if "errors.pydantic.dev" not in line]
    return "\n".join(lines)


def _path(error: FileNotFoundError) -> Path:
    # Not every library fills in the name; the error is then told by its text, which is the path.
    return Path(error.filename or str(error))


def _not_there(paths: list[Path]) -> str:
    return f"There is no file {paths[0]}." if len(paths) == 1 else f"There are no files {', '.join(map(str, paths))}."


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
