"""Memory of the server under attack: what a request holds is bounded before it is decoded."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesion_fusion.imaging.png import MAX_PIXELS
from lesion_fusion.serving.schema import IMAGE, MASK
from tests.conftest import ROOT
from tests.imaging.test_dicom import ultrasound, written

# Of the server, answering one request or two at a time.
MOST_MEGABYTES = 600
# Of the largest picture that is taken.
EDGE = math.isqrt(MAX_PIXELS)
# A model of record and image behind the server with its usual limits.
SERVER = """
import sys, tempfile
from pathlib import Path
import uvicorn
from lesion_fusion.serving.server import Limits, make_app, release_memory
from tests.models.toy import fitted_late, small_cohort
from tests.serving.test_served_model import loaded
release_memory()
cohort = small_cohort()
served = loaded(cohort, fitted_late(cohort), Path(tempfile.mkdtemp()) / "bundle")
class Told(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)
Told(uvicorn.Config(make_app(served, Limits()), port=0, log_level="critical")).run()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    yield f"http://127.0.0.1:{port}/invocations", process.pid
    process.kill()
    process.wait()


def peak(pid: int) -> float:
    """Return the most memory that a process has had, in megabytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def picture(form: str, edge: int, mode: str = "L", height: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (edge, height or edge), 255 if mode == "L" else (255,) * len(mode)).save(buffer, form)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def attacks() -> dict[str, bytes]:
    """Return bodies that would take much memory if they were believed."""
    whole = picture("PNG", 64)
    hidden = whole[:-12] + chunk(b"IHDR", struct.pack(">IIBBBBB", 14_000, 14_000, 8, 6, 0, 0, 0)) + whole[-12:]
    deep = io.BytesIO()
    Image.fromarray(np.full((EDGE, EDGE), 40_000, dtype=np.uint16)).save(deep, "PNG")
    images = {
        "a hidden header": [hidden],
        "many large JPEGs": [picture("JPEG", EDGE)] * 32,
        "two large JPEGs": [picture("JPEG", EDGE, "RGB")] * 2,
        "two large PNGs with alpha": [picture("PNG", EDGE, "RGBA")] * 2,
        "two large deep PNGs": [deep.getvalue()] * 2,
        "a large TIFF": [picture("TIFF", EDGE)],
        "a large DICOM": [written(ultrasound(np.zeros((EDGE, EDGE), np.uint8)))],
        "a huge DICOM": [written(ultrasound(Rows=60_000, Columns=60_000))],
    }
    found = {
        name: json.dumps({"dataframe_records": [{IMAGE: base64.b64encode(one).decode()} for one in some]}).encode()
        for name, some in images.items()
    }
    mask = {MASK: base64.b64encode(picture("PNG", EDGE, "RGBA")).decode()}
    mask |= {IMAGE: base64.b64encode(picture("PNG", EDGE)).decode()}
    flat = base64.b64encode(picture("PNG", 20_000, height=400)).decode()
    return found | {
        "a long and flat lesion": json.dumps({"dataframe_records": [{IMAGE: flat, MASK: flat}]}).encode(),
        "a large mask": json.dumps({"dataframe_records": [mask]}).encode(),
        "nesting": b'{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "digits": b'{"dataframe_records": [{"age": ' + b"9" * 5000 + b"}]}",
        "many lists": b'{"dataframe_records": [' + b"[]," * 10_000_000 + b"[]]}",
        "many objects": b'{"dataframe_records": [' + b"{}," * 10_000_000 + b"{}]}",
        "many fields": b'{"dataframe_records": [{' + b",".join(b'"f%d":1' % i for i in range(2_000_000)) + b"}]}",
        "a long text": b'{"dataframe_records": [{"age": "' + b"x" * 33_000_000 + b'"}]}',
        "a body without an end": b"[" * 60_000_000,
    }


def send(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    # A body that is too large is answered before all of it is sent.
    except (urllib.error.URLError, ConnectionError):
        return 413


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_bounded_under_attack(server: tuple[str, int]):
    url, pid = server
    assert send(url, json.dumps({"dataframe_records": [{"age": 50}]}).encode()) == 200
    before, used = peak(pid), {}
    bodies = attacks()
    for name, body in bodies.items():
        assert send(url, body) in {200, 400, 413, 503}, name
        used[name] = round(peak(pid))
    assert peak(pid) < MOST_MEGABYTES, f"{before:.0f} MB before the attacks; {used}"
    # Each again, two at a time.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda body: send(url, body), bodies.values()))
    assert send(url, json.dumps({"dataframe_records": [{"age": 50}]}).encode()) == 200
    assert peak(pid) < MOST_MEGABYTES
