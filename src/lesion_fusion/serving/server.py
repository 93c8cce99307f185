"""The server of one model: JSON in and out, bounded in size and time; every fault is answered with one sentence."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pandas as pd
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import lesion_fusion
from lesion_fusion.imaging.png import MAX_PIXELS
from lesion_fusion.serving.schema import answer_schema, request_schema
from lesion_fusion.serving.served_model import BadRequest, ServedModel

_LOG = logging.getLogger(__name__)
_KEY = "dataframe_records"
_SHAPE = f'Give {{"{_KEY}": [{{"age": 50, …}}, …]}}, one object per case.'
_MEGABYTE = 2**20
# Requests beyond these are told to come back later.
MOST_WAITING = 64
# Scalars and pictures are all that a field holds; the record has about a dozen.
_MOST_FIELDS = 100
# Commas and opening brackets: some for each field of a few hundred cases, and for commas inside texts.
_MOST_SIGNS = 300_000
# Bytes of a body; the image of a scanner, without loss and in base64, is smaller.
_LARGE = 4 * _MEGABYTE
# Name of a setting in glibc's <malloc.h>, and its value in bytes.
_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 8 * _MEGABYTE
_FAULT = {"type": "object", "properties": {"message": {"type": "string"}}}
_REFUSALS = {
    400: "Not well formed; the message names row, field and how to fix it",
    413: "Larger than the limits",
    415: "Not JSON",
    503: "No answer in time",
}


@dataclass(frozen=True)
class Limits:
    """Bounds of a request: size of the body, cases, seconds for the answer, and requests answered at the same time."""

    megabytes: int = 32
    cases: int = 32
    seconds: float = 60
    at_once: int = 2


class RefusedRequest(Exception):  # noqa: N818 - it says what is refused
    """A request that is not answered: HTTP status and the sentence that says why."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def make_app(model: ServedModel, limits: Limits) -> FastAPI:
    """Return the server of `model`: POST /invocations, /why and /outline, GET /ping, /schema and /openapi.json."""
    app = FastAPI(title="lesion-fusion", version=lesion_fusion.__version__, docs_url=None, redoc_url=None)
    schema, turns, alone = request_schema(model.model), asyncio.Semaphore(limits.at_once), asyncio.Lock()
    body = {"required": True, "content": _json(_array(_KEY, schema))}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "An answer per case", "content": _json(_array("predictions", answer_schema(model.model)))},
        **{status: {"description": words, "content": _json(_FAULT)} for status, words in _REFUSALS.items()},
    }

    async def ask(request: Request, work: Callable[[pd.DataFrame], Any]) -> Any:
        # Large ones one after another, so that memory is bounded: in JSON and decoded they take many times their size.
        large = int(request.headers.get("content-length", _LARGE)) >= _LARGE
        async with asyncio.timeout(limits.seconds), alone if large else nullcontext():
            rows = read_rows(await _body(request, limits), limits)
            await turns.acquire()
            thread = asyncio.ensure_future(asyncio.to_thread(work, rows))
            # A thread can't be stopped: one that is too late keeps its turn until it ends.
            thread.add_done_callback(lambda _: turns.release())
            return await asyncio.shield(thread)

    @app.post("/invocations", openapi_extra={"requestBody": body}, responses=responses)
    async def invocations(request: Request) -> Response:
        """Answer each case of the request."""
        answers = await ask(request, lambda rows: model.predict(None, rows))
        return JSONResponse({"predictions": answers.to_dict("records")})

    @app.post("/why", openapi_extra={"requestBody": body})
    async def why(request: Request) -> Response:
        """Tell what each given field adds to the log-odds of the answer, and what the BI-RADS category alone tells."""
        return JSONResponse({"explanations": await ask(request, model.explain)})

    @app.post("/outline", openapi_extra={"requestBody": body})
    async def outline(request: Request) -> Response:
        """Return the outline that the model's networks draw in each case's image, and how sure they are."""
        return JSONResponse({"outlines": await ask(request, model.outlines)})

    @app.get("/ping")
    def ping() -> dict[str, str]:
        """Tell that the model is loaded, and its version."""
        return {"version": model.version}

    @app.get("/schema")
    def fields() -> dict[str, Any]:
        """Return the JSON schema of a request's case."""
        return schema

    return _told(app, limits)


def release_memory() -> None:
    """Have the C library hand large blocks back as soon as they are free, where it is glibc.

    By itself it soon keeps those of pictures, for each thread its own: after a few large requests hundreds of MB.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _array(name: str, items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": items}}}


async def _body(request: Request, limits: Limits) -> bytearray:
    """Return the body of a JSON request, read no further than the limit."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedRequest(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Only JSON is taken, with Content-Type: application/json. {_SHAPE}"
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.megabytes * _MEGABYTE:
            too_large = f"The request is larger than {limits.megabytes} MB; an image has at most {MAX_PIXELS:,} pixels."
            raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)
    return body


def read_rows(body: bytes | bytearray, limits: Limits) -> pd.DataFrame:
    """Return the cases of a body, one per row; raises `RefusedRequest` for a body that holds none."""
    # Millions of empty lists fit into a body, and would take a hundred times its size.
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) > _MOST_SIGNS:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"The body holds more values than a request can have. {_SHAPE}")
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"The JSON is nested too deep. {_SHAPE}") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"The body is not JSON in UTF-8. {_SHAPE}") from None
    except ValueError:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"A number has too many digits. {_SHAPE}") from None
    rows = parsed.get(_KEY) if isinstance(parsed, Mapping) and len(parsed) == 1 else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"The body is no request. {_SHAPE}")
    if len(rows) > limits.cases:
        many = f"The request holds {len(rows)} cases, more than {limits.cases}: send them in several requests."
        raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, many)
    if any(len(row) > _MOST_FIELDS for row in rows):
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, f"A case has more than {_MOST_FIELDS} fields. {_SHAPE}")
    return pd.DataFrame(rows, dtype=object)


def _told(app: FastAPI, limits: Limits) -> FastAPI:
    """Let every exception end in a sentence: no trace, no path, and nothing of the request."""

    def telling(status: HTTPStatus, message: str) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def tell(request: Request, error: Exception) -> Response:  # noqa: ARG001
            return _fault(status, message)

        return tell

    async def refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
        assert isinstance(error, RefusedRequest)
        return _fault(error.status, error.message)

    async def not_well_formed(request: Request, error: Exception) -> Response:  # noqa: ARG001
        assert isinstance(error, BadRequest)
        return _fault(HTTPStatus.BAD_REQUEST, error.message)

    async def not_there(request: Request, error: Exception) -> Response:  # noqa: ARG001
        assert isinstance(error, HTTPException)
        known = "POST /invocations, POST /why, POST /outline, GET /ping, GET /schema, GET /openapi.json"
        return _fault(HTTPStatus(error.status_code), f"{HTTPStatus(error.status_code).phrase}. There are: {known}.")

    late = f"No answer within {limits.seconds:g} s: the server is busy. Send fewer cases, or again later."
    app.add_exception_handler(RefusedRequest, refused)
    app.add_exception_handler(BadRequest, not_well_formed)
    app.add_exception_handler(HTTPException, not_there)
    app.add_exception_handler(TimeoutError, telling(HTTPStatus.SERVICE_UNAVAILABLE, late))
    failed = "The model failed on this request. The server's log has the time and the kind of the error."
    app.add_exception_handler(Exception, telling(HTTPStatus.INTERNAL_SERVER_ERROR, failed))
    return app


def _fault(status: HTTPStatus, message: str) -> Response:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("%s: %s", status.value, message)
    return JSONResponse({"message": message}, status)
