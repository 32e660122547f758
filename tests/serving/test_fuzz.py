"""More than 20,000 requests that nobody would send: none fails the server, and none leaves anything in its memory."""

import contextlib
import http.client
import io
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.package_factory import digits
from tests.row_package import rows
from tests.serving.running import PATIENCE, Running, running
from tests.serving.test_server import png
from tests.serving.test_tasks import promote_rows, promote_texts
from tests.shelf import Shelf, copy_of
from tests.text_package import SENTENCES

REQUESTS = 7_000
"""Of each of three servers: of images, of texts, of rows."""
EACH = 4
"""Requests with one body: what takes time is to make it up."""
GROWTH = 1.1
NO_HTTP = b"Invalid HTTP request received."
"""What uvicorn says before a request has reached anybody."""
REFUSALS = {400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 431, 503}
PATHS = (
    "/predict",
    "/predict",
    "/predict_batch",
    "/feedback",
    "/explain",
    "/card",
    "/model",
    "/",
    "/openapi.json",
    "/x",
)
TYPES = (
    "application/json",
    "application/json; charset=latin-1",
    "application/x-npy",
    "image/png",
    "image/jpeg",
    "text/plain",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "application/octet-stream",
    "",
    "text/html",
)
METHODS = ("POST", "POST", "POST", "GET", "PUT", "HEAD")
ERRANDS = tuple(itertools.product(METHODS, PATHS, TYPES))
SAMPLE = np.ascontiguousarray(digits().inputs[3])


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


FORM = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + png(SAMPLE) + b"\r\n--b--\r\n"
VALID = (
    json.dumps({"inputs": SAMPLE.tolist()}).encode(),
    json.dumps({"inputs": [SAMPLE.tolist()]}).encode(),
    png(SAMPLE),
    npy(SAMPLE),
    npy(SAMPLE[None]),
    FORM,
    json.dumps({"inputs": SENTENCES["praise"][0]}).encode(),
    json.dumps({"inputs": rows()[0]}).encode(),
    json.dumps({"inputs": rows()[:2]}).encode(),
    b'{"request_id": "a", "label": "praise"}',
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """What would be answered, with a few bytes changed, cut out or put in."""
    body = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(body) - 1)))
        match draw(st.sampled_from(("change", "cut", "insert"))):
            case "change" if body:
                body[at] = draw(st.integers(0, 255))
            case "cut":
                del body[at : at + draw(st.integers(1, 64))]
            case _:
                body[at:at] = draw(st.binary(max_size=16))
    return bytes(body)


DOCUMENTS = st.builds(
    lambda key, value: json.dumps({key: value}).encode(),
    st.sampled_from(("inputs", "inputs", "label", "request_id")),
    VALUES,
)
BODIES = damaged() | DOCUMENTS | st.binary(max_size=200)
QUERIES = st.just("") | st.text("0123456789-x%&=", max_size=8).map("?top=".__add__)
NAMES = st.none() | st.text("abc0:.-_ \x7fé", max_size=70)


@pytest.fixture(scope="module", params=["images", "texts", "rows"])
def fuzzed(
    request: pytest.FixtureRequest, empty_registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp(request.param)
    shelf: Shelf = copy_of(empty_registry, folder)
    if request.param == "images":
        shelf.promote(shelf.publish(0.0))
    else:
        {"texts": promote_texts, "rows": promote_rows}[request.param](shelf, folder / "package")
    with running(shelf.settings, folder, max_batch=8, max_body_bytes=2**16) as server:
        yield server


class Client:
    """One connection, made anew where the server has closed it."""

    def __init__(self, server: Running) -> None:
        self.port = server.port
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            return self._ask(method, path, body, headers)
        self.connection.close()
        return self._ask(method, path, body, headers)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()


def memory(server: Running) -> int:
    """Resident bytes of the server's workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in children) * os.sysconf(
        "SC_PAGESIZE"
    )


def settled_memory(server: Running) -> int:
    """Resident bytes once they stand still: the prediction log is begun beside the requests."""
    before, found = 0, memory(server)
    while found > 1.01 * before:
        time.sleep(3)
        before, found = found, memory(server)
    return found


def refused(status: int, said: bytes, method: str) -> bool:
    """Whether a request was refused; any other answer than this or a success is a fault."""
    if status in (200, 201):
        return False
    assert status in REFUSALS, (status, said[:300])
    if method != "HEAD" and said != NO_HTTP:
        assert json.loads(said)["error"], "a sentence that helps"
    return True


def warm_up(server: Running) -> None:
    """Sends what is valid somewhere everywhere, so that all that a server loads when it is first asked is there."""
    client = Client(server)
    for (method, path, kind), body in itertools.product(sorted(set(ERRANDS)), VALID):
        refused(*client.ask(method, path, body, {"Content-Type": kind}), method)


def fuzz(server: Running, requests: int) -> Counter[int]:
    """Sends so many requests, and counts the answers by status."""
    client, statuses = Client(server), Counter[int]()

    @settings(
        max_examples=requests // EACH,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        errands=st.lists(st.sampled_from(ERRANDS), min_size=EACH, max_size=EACH),
        query=QUERIES,
        body=BODIES,
        name=NAMES,
    )
    def send(errands: list[tuple[str, str, str]], query: str, body: bytes, name: str | None) -> None:
        for method, path, kind in errands:
            headers = {"Content-Type": kind} | ({"X-Request-Id": name} if name is not None else {})
            status, said = client.ask(method, path + query, body, headers)
            statuses[status] += 1
            refused(status, said, method)

    send()
    return statuses


@pytest.mark.slow
def test_no_request_fails_the_server_or_stays_in_its_memory(fuzzed: Running) -> None:
    warm_up(fuzzed)
    before = settled_memory(fuzzed)
    statuses = fuzz(fuzzed, REQUESTS)
    assert statuses.total() >= REQUESTS
    assert statuses[200] > REQUESTS / 50, statuses
    assert statuses[422] > REQUESTS / 50, statuses
    assert memory(fuzzed) < GROWTH * before
    assert fuzzed.get("/readyz").status_code == 200
    assert not fuzzed.said("Traceback"), "\n".join(fuzzed.lines[-30:])
