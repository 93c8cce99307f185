"""Start of the page: a server on the loopback alone, the model loaded beside it, and the browser opened."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp

from lesion_fusion.errors import UserError

try:
    from nicegui import ui

    from lesion_fusion.page.app import Loading, Page
except ModuleNotFoundError as error:
    if error.name != "nicegui":
        raise
    raise UserError("The page needs the extra `page`: pip install 'lesion-fusion[page]'") from None
from lesion_fusion.page.guard import Guard
from lesion_fusion.page.texts import text

if TYPE_CHECKING:
    from lesion_fusion.serving.served_model import ServedModel

HOST = "127.0.0.1"
# A browser that sleeps for so long, in seconds, finds its case as it was.
_AWAY = 1800.0


def make_page(loading: Loading, port: int, megabytes: int) -> ASGIApp:
    """Return the page as an application, to be served at `port` of the loopback."""
    most = megabytes * 2**20
    # What is uploaded stays in memory: nothing is written to a temporary file.
    MultiPartParser.spool_max_size = 2 * most
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        app,
        root=lambda: Page(loading, megabytes).build(),
        title=text("title"),
        language=text("language"),
        favicon="🔎",
        tailwind=False,
        reconnect_timeout=_AWAY,
        gzip_middleware_factory=None,
        show_welcome_message=False,
    )
    # A multipart body is a little longer than its file.
    return Guard(app, [f"{HOST}:{port}", f"localhost:{port}"], most + 2**16)


def open_page(
    load: Callable[[], ServedModel],
    read_columns: Callable[[], Sequence[str] | None],
    port: int,
    megabytes: int,
    browser: bool,
    say: Callable[[str], object],
) -> None:
    """Serve the page until Ctrl-C; `browser` opens it in the default one.

    `read_columns` finds the columns of the record that the model reads sooner than `load` does; None if it can't.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        # From here on who asks waits for the server, and is not refused.
        listening.listen()
    except OSError:
        raise UserError(f"Port {port} is taken: give another with --port, or 0 for any that is free.") from None
    port = listening.getsockname()[1]
    address = f"http://{HOST}:{port}/"
    loading = Loading(load, read_columns)
    app = make_page(loading, port, megabytes)
    loading.start()
    say(f"{address} is open to this computer alone. Ctrl-C ends it.")
    if browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    # To compress a picture takes longer than to hand it over on the loopback, and nothing else is done meanwhile.
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
    uvicorn.Server(config).run(sockets=[listening])
