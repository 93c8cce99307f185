"""What stands between the browser and the page: only this computer asks, nothing too large, nothing from elsewhere."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The library's components are templates that the browser compiles, hence `unsafe-eval`; a script that is not the
# page's own has no nonce and does not run, and nothing can be fetched from, or sent to, another address.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SCRIPT = re.compile(rb"<script\b")


class Guard:
    """An application behind checks of host, origin and size, and with a content security policy.

    A page on another site can't ask: its requests carry its own origin, and a name that it lets lead here is no host
    of ours. Bodies are at most `most_bytes` long.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], most_bytes: int) -> None:
        self._app, self._hosts, self._most = app, frozenset(hosts), most_bytes
        self._origins = frozenset(f"http://{host}" for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = self._refused(Headers(scope=scope))
        if refused is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif refused is not None:
            await PlainTextResponse(refused.phrase, refused)(scope, receive, send)
        else:
            guarded = _Response(send, secrets.token_urlsafe(16))
            await self._app(scope, self._bounded(receive), guarded.send if scope["type"] == "http" else send)

    def _refused(self, headers: Headers) -> HTTPStatus | None:
        origin, length = headers.get("origin"), headers.get("content-length", "0")
        if headers.get("host") not in self._hosts or (origin is not None and origin not in self._origins):
            return HTTPStatus.FORBIDDEN
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if not length.isdigit() or int(length) > self._most else None

    def _bounded(self, receive: Receive) -> Receive:
        """Return `receive`, which ends the connection once a body of unstated length is too long."""
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._most:
                    return {"type": "http.disconnect"}
            return message

        return bounded


class _Response:
    """A response with the headers of the policy; the scripts of an HTML page get its nonce."""

    def __init__(self, send: Send, nonce: str) -> None:
        self._send, self._nonce = send, nonce
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Pass a message on, that of a page once it is whole."""
        if message["type"] == "http.response.start":
            headers = {name.lower(): value for name, value in message["headers"]}
            extra = {**_HEADERS, "Content-Security-Policy": _POLICY.format(nonce=self._nonce)}
            html = headers.get(b"content-type", b"").startswith(b"text/html")
            if html:
                headers[b"cache-control"] = b"no-store"
            headers |= {name.lower().encode(): value.encode() for name, value in extra.items()}
            message = {**message, "headers": list(headers.items())}
            if html:
                self._start = message
                return
        elif self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = _SCRIPT.sub(f'<script nonce="{self._nonce}"'.encode(), self._body)
            kept = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
            await self._send({**self._start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            message = {"type": "http.response.body", "body": body}
        await self._send(message)
