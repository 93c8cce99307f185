"""Start of the page: a server on the loopback alone, the model loaded beside it, and the browser opened."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp

from lesion_fusion.errors import UserError

try:
    from nicegui import app as nicegui_app
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
# Without a browser the model is loaded after so many seconds.
_PATIENCE = 5.0


def make_page(load: Callable[[], ServedModel], port: int, megabytes: int) -> tuple[ASGIApp, Loading]:
    """Return the page as an application, to be served at `port` of the loopback, and the model that it waits for."""
    loading, most = Loading(load), megabytes * 2**20
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
    return Guard(app, [f"{HOST}:{port}", f"localhost:{port}"], most + 2**16), loading


def open_page(
    load: Callable[[], ServedModel], port: int, megabytes: int, browser: bool, say: Callable[[str], object]
) -> None:
    """Serve the page until Ctrl-C; `browser` opens it in the default one."""
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
    app, loading = make_page(load, port, megabytes)
    # The page comes first, for loading slows it: libraries that take seconds.
    nicegui_app.on_connect(loading.start)
    threading.Timer(_PATIENCE, loading.start).start()
    say(f"{address} is open to this computer alone. Ctrl-C ends it.")
    if browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    # To compress a picture takes longer than to hand it over on the loopback, and nothing else is done meanwhile.
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
    uvicorn.Server(config).run(sockets=[listening])
