"""A client of a served model, of Python's own library alone: a case in, an `Answer` out."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class RefusedError(ValueError):
    """A request that the server refused; the message says why, `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """The answer to a case; numbers and decision are None where there is none (see the documentation of serving).

    `classes`: the probability of each class.
    """

    probability: float | None
    low: float | None
    high: float | None
    decision: str | None
    threshold: float | None
    abstained: bool
    reason: str
    ask_for: str
    parts: str
    model: str
    site: str
    version: str
    classes: Mapping[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Answer:
        """Return the answer that a server gave as JSON."""
        classes = {name.removeprefix("p_"): value for name, value in values.items() if name.startswith("p_")}
        own = {one.name for one in fields(cls)} - {"classes"}
        return cls(**{name: value for name, value in values.items() if name in own}, classes=classes)


@dataclass(frozen=True)
class Client:
    """A server of `lesion-fusion serve` at `url`, asked with a time limit in seconds."""

    url: str = "http://127.0.0.1:5001"
    timeout: float = 120

    def ask(
        self, record: Mapping[str, float | str | None], image: bytes | None = None, outline: bytes | None = None
    ) -> Answer:
        """Return the answer to a case: fields of the record, image and outline as the bytes of PNG files.

        An outline that a network drew is one with the field `outline_source` "predicted" in the record.

        Raises `RefusedError` where the case is not well formed, `OSError` where no server answers.
        """
        return Answer.of(self._post("/invocations", record, image, outline)["predictions"][0])

    def why(
        self, record: Mapping[str, float | str | None], image: bytes | None = None, outline: bytes | None = None
    ) -> dict[str, Any]:
        """Return why a case is answered so, as the documentation of serving lists it; raises as `ask` does."""
        found: dict[str, Any] = self._post("/why", record, image, outline)["explanations"][0]
        return found

    def outline(self, image: bytes) -> bytes | None:
        """Return the outline that the model's networks draw in an image, a PNG; None where they find no lesion.

        Raises `RefusedError` where the model has no such networks too, and otherwise as `ask` does.
        """
        found = self._post("/outline", {}, image, None)["outlines"][0]["tumor_mask_png"]
        return None if found is None else base64.b64decode(found)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a case."""
        return self._fetch("/schema")

    def _post(
        self, path: str, record: Mapping[str, float | str | None], image: bytes | None, outline: bytes | None
    ) -> dict[str, Any]:
        pictures = {"image_png": image, "tumor_mask_png": outline}
        coded = {name: base64.b64encode(one).decode() for name, one in pictures.items() if one is not None}
        body = json.dumps({"dataframe_records": [{**record, **coded}]}).encode()
        return self._fetch(path, body)

    def _fetch(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(self.url.rstrip("/") + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, json.load(error)["message"]) from None
