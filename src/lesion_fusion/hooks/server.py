"""What MLflow itself does not do when it is asked first: end soon without its server, wait for who makes its tables."""

from __future__ import annotations

import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from lesion_fusion.config.resolvers import TRACKING_VARIABLE
from lesion_fusion.datasets.files import text_digest
from lesion_fusion.errors import UserError

# Seconds to wait for a server's answer, and for another process that makes the tables.
_PATIENCE, _MAKING_TABLES = 5, 300
_FILE = "sqlite:///"


class NoServerError(UserError):
    """A tracking server that does not answer."""


def check_server(address: str) -> None:
    """Raise NoServerError where nothing answers at MLflow's address; MLflow alone would try for minutes."""
    if not address.startswith(("http://", "https://")):
        return
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=_PATIENCE):
            return
    except HTTPError as error:
        # It may want a name and a password, which MLflow knows.
        if error.code < 500:
            return
        reason = f"it answers {error.code}"
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        # Certificates are MLflow's concern, which has settings for them.
        if isinstance(cause, ssl.SSLError):
            return
        reason = getattr(cause, "strerror", None) or str(cause)
    raise NoServerError(
        f"MLflow's server does not answer at {address}: {reason}. Start it, or unset {TRACKING_VARIABLE} to track in a "
        "file of the project."
    )


@contextmanager
def alone(address: str) -> Iterator[None]:
    """Hold up other processes that open the same SQLite file: side by side each would make the same tables.

    A file among the temporary ones is locked by SQLite, so that the lock ends with its process. A file that is not
    there yet is made without waiting for the disk.
    """
    if not address.startswith(_FILE):
        yield
        return
    place = Path(address.removeprefix(_FILE)).resolve()
    file = Path(tempfile.gettempdir()) / f"lesion-fusion-{text_digest(str(place))[:16]}.lock"
    with closing(sqlite3.connect(file, timeout=_MAKING_TABLES)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        with nullcontext() if place.exists() else _unsynchronised():
            yield


@contextmanager
def _unsynchronised() -> Iterator[None]:
    """Let SQLite files that are opened in the block be written without waiting for the disk until it ends.

    MLflow makes its tables in hundreds of small steps, each of which would wait. Only a new file is at stake.
    """
    # Imported here: with a tracking server it is not needed.
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    opened: list[sqlite3.Connection] = []

    def open_fast(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        opened.append(connection)

    event.listen(Engine, "connect", open_fast)
    try:
        yield
    finally:
        event.remove(Engine, "connect", open_fast)
        for connection in opened:
            # One that is closed by now keeps nothing.
            with suppress(sqlite3.ProgrammingError):
                connection.execute("PRAGMA synchronous = FULL")
