"""What stands before the page: other hosts, other origins and large bodies are refused; scripts need a nonce."""

from __future__ import annotations

import asyncio
import re

import pytest

from lesion_fusion.page.guard import Guard

HOST = "127.0.0.1:5002"
PAGE = b"<html><script>one()</script><script type='module'>two()</script></html>"


async def app(scope, receive, send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            await send({"type": "http.response.start", "status": 499, "headers": []})
            return
        more = message.get("more_body", False)
    kind = b"text/html; charset=utf-8" if scope["path"] == "/" else b"text/css"
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), (b"content-length", b"9")]}
    )
    await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[20:]})


def ask(path: str = "/", kind: str = "http", bodies: tuple[bytes, ...] = (b"",), **headers: str) -> list[dict]:
    sent: list[dict] = []
    given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": kind, "path": path, "method": "POST"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in given.items()]
    messages = [{"type": "http.request", "body": one, "more_body": k < len(bodies) - 1} for k, one in enumerate(bodies)]

    async def receive() -> dict:
        return messages.pop(0)

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(Guard(app, [HOST, "localhost:5002"], 100)(scope, receive, send))
    return sent


@pytest.mark.parametrize("headers", [{}, {"host": "localhost:5002"}, {"origin": f"http://{HOST}"}])
def test_this_computer_is_answered(headers: dict[str, str]):
    assert ask(**headers)[0]["status"] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:80"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:80"},
    ],
)
def test_others_are_refused(headers: dict[str, str]):
    assert ask(**headers)[0]["status"] == 403
    assert ask(kind="websocket", **headers) == [{"type": "websocket.close", "code": 1008}]


def test_a_socket_of_the_page_is_accepted():
    assert ask(kind="websocket", origin=f"http://{HOST}") == [{"type": "websocket.accept"}]


def test_too_large_a_body_is_refused_stated_or_not():
    assert ask(content_length="101")[0]["status"] == 413
    assert ask(content_length="-5")[0]["status"] == 413
    assert ask(bodies=(b"x" * 60, b"x" * 60))[0]["status"] == 499
    assert ask(content_length="100", bodies=(b"x" * 50, b"x" * 50))[0]["status"] == 200


def test_every_script_of_the_page_has_the_nonce_of_the_policy_and_no_other_address_is_allowed():
    start, body = ask()
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    policy = headers["content-security-policy"]
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert body["body"].decode().count(f'<script nonce="{nonce}"') == 2
    assert headers["content-length"] == str(len(body["body"]))
    assert headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "*" not in policy
    again = dict(ask()[0]["headers"])[b"content-security-policy"].decode()
    assert nonce not in again


def test_another_file_is_passed_on_as_it_is():
    start, *bodies = ask(path="/page.css")
    assert b"".join(one["body"] for one in bodies) == PAGE
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"
