"""A real server over a real socket: every form of input, and every kind of bad one."""

import io
import json
import socket
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from components.contracts import ClassTarget, ImageInputs
from tests.package_factory import DIGITS, SIDE, digits, fitted
from tests.serving.running import PATIENCE, Running
from tests.shelf import Shelf, answers

BOUNDARY = b"frontier"
NPY = {"Content-Type": "application/x-npy"}


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype.hasobject)
    return file.getvalue()


def png(array: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(file, "PNG")
    return file.getvalue()


def huge_png(side: int) -> bytes:
    """A valid PNG of few bytes and very many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def form(*files: bytes) -> bytes:
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n%s\r\n' % (BOUNDARY, file)
        for file in files
    ]
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY


SAMPLE = np.ascontiguousarray(digits().inputs[1234])
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
JSON = {"Content-Type": "application/json"}
FORMS_OF_ONE: dict[str, tuple[bytes, dict[str, str]]] = {
    "png": (png(SAMPLE), {"Content-Type": "image/png"}),
    "png, unnamed": (png(SAMPLE), {"Content-Type": "application/octet-stream"}),
    "png, in a form": (form(png(SAMPLE)), FORM),
    "png, of RGBA pixels": (
        png(np.concatenate([SAMPLE] * 3 + [SAMPLE * 0 + 255], axis=2)),
        {"Content-Type": "image/png"},
    ),
    "json": (json.dumps({"inputs": SAMPLE.tolist()}).encode(), JSON),
    "json, no channel axis": (json.dumps({"inputs": SAMPLE[..., 0].tolist()}).encode(), JSON),
    "json, floats": (json.dumps({"inputs": SAMPLE.astype(float).tolist()}).encode(), JSON),
    "npy": (npy(SAMPLE), NPY),
    "npy, unnamed": (npy(SAMPLE), {"Content-Type": "application/octet-stream"}),
    "npy, no type": (npy(SAMPLE), {}),
    "npy, no channel axis": (npy(SAMPLE[..., 0]), NPY),
    "npy, fortran order": (npy(np.asfortranarray(SAMPLE[..., 0])), NPY),
    "npy, int64": (npy(SAMPLE.astype(np.int64)), NPY),
    "npy, whole float32": (npy(SAMPLE.astype(np.float32)), NPY),
    "npy, big endian": (npy(SAMPLE.astype(">i4")), NPY),
    "npy, in a form": (form(npy(SAMPLE)), FORM),
}


@pytest.mark.parametrize("name", FORMS_OF_ONE)
def test_every_form_of_one_sample_is_answered_as_onnxruntime_answers(
    server: Running, shared_shelf: Shelf, name: str
) -> None:
    body, headers = FORMS_OF_ONE[name]
    response = server.post("/predict", body, headers)
    expected = answers(shared_shelf.package(0.0), SAMPLE[None])[0]
    answer = response.json()
    assert response.status_code == 200, answer
    assert list(answer["probabilities"]) == list(DIGITS)
    assert np.allclose(list(answer["probabilities"].values()), expected, atol=2e-6)
    assert answer["label"] == DIGITS[int(expected.argmax())]
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["version"] == 1
    assert response.headers["x-model-version"] == "1"
    assert response.headers["x-request-id"] == answer["request_id"]


def test_top_tells_of_the_most_probable_classes_alone(server: Running) -> None:
    body, headers = json.dumps({"inputs": digits().inputs[0].tolist()}).encode(), {"Content-Type": "application/json"}
    whole = server.post("/predict", body, headers).json()["probabilities"]
    told = server.post("/predict?top=3", body, headers).json()
    likely = sorted(whole, key=whole.__getitem__, reverse=True)[:3]
    assert list(told["probabilities"].items()) == [(label, whole[label]) for label in likely]
    assert told["label"] == likely[0]
    assert server.post("/predict?top=99", body, headers).json()["probabilities"] == whole
    several = json.dumps({"inputs": digits().inputs[:2].tolist()}).encode()
    batch = server.post("/predict_batch?top=1", several, headers).json()["predictions"]
    assert [len(each["probabilities"]) for each in batch] == [1, 1]
    for wrong in ("0", "-1", "three", "1.5", "", "9999999999", "²"):
        refused = server.post(f"/predict?top={wrong}", body, headers)
        assert refused.status_code == 422
        assert "?top= is how many classes" in refused.json()["error"]


SEVERAL = np.ascontiguousarray(digits().inputs[40:52])
FORMS_OF_SEVERAL: dict[str, tuple[bytes, dict[str, str]]] = {
    "pngs": (form(*map(png, SEVERAL)), FORM),
    "json": (json.dumps({"inputs": SEVERAL.tolist()}).encode(), JSON),
    "json, no channel axis": (json.dumps({"inputs": SEVERAL[..., 0].tolist()}).encode(), JSON),
    "npy": (npy(SEVERAL), NPY),
    "npy, no channel axis": (npy(SEVERAL[..., 0]), NPY),
}


@pytest.mark.parametrize("name", FORMS_OF_SEVERAL)
def test_every_form_of_several_samples_is_answered_in_order(server: Running, shared_shelf: Shelf, name: str) -> None:
    body, headers = FORMS_OF_SEVERAL[name]
    answer = server.post("/predict_batch", body, headers).json()
    expected = answers(shared_shelf.package(0.0), SEVERAL)
    given = [list(one["probabilities"].values()) for one in answer["predictions"]]
    assert np.allclose(given, expected, atol=2e-6)
    assert answer["version"] == 1


def deep(depth: int) -> bytes:
    return b'{"inputs":' + b"[" * depth + b"]" * depth + b"}"


def lying(shape: tuple[int, ...], descr: str, data: bytes) -> bytes:
    """A .npy file whose header need not tell the truth."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def one(value: Any) -> bytes:
    """The sample with one pixel replaced."""
    rows = SAMPLE[..., 0].tolist()
    rows[3][4] = value
    return json.dumps({"inputs": rows}).encode()


BAD: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "nothing": ("/predict", b"", JSON, 400, "empty"),
    "not an image": ("/predict", b"hello, I am no image", {"Content-Type": "image/png"}, 422, "not an image"),
    "truncated image": ("/predict", png(SAMPLE)[:-30], {"Content-Type": "image/png"}, 422, "damaged"),
    "decompression bomb": ("/predict", huge_png(12000), {"Content-Type": "image/png"}, 422, "too large"),
    "gif": ("/predict", b"GIF89a" + bytes(20), {"Content-Type": "image/gif"}, 422, "none of PNG"),
    "curl's default type": (
        "/predict",
        b"a=b",
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
        "Content-Type",
    ),
    "text": ("/predict", b"a", {"Content-Type": "text/plain"}, 415, "text/plain"),
    "form without a boundary": ("/predict", form(b"a"), {"Content-Type": "multipart/form-data"}, 400, "boundary"),
    "form that is none": ("/predict", b"not a form", FORM, 400, "form"),
    "form cut off": ("/predict", form(png(SAMPLE))[:90], FORM, 400, "form"),
    "form without a file": (
        "/predict",
        b'--frontier\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--frontier--\r\n',
        FORM,
        400,
        "no file",
    ),
    "two files for one": ("/predict", form(png(SAMPLE), png(SAMPLE)), FORM, 400, "files"),
    "one bad file of two": ("/predict_batch", form(png(SAMPLE), b"no"), FORM, 422, "File 2 of 2"),
    "too many files": ("/predict_batch", form(*[png(SAMPLE)] * 33), FORM, 400, "32"),
    "bare image for several": ("/predict_batch", png(SAMPLE), {"Content-Type": "image/png"}, 415, "form"),
    "malformed json": ("/predict", b'{"inputs": [[1, 2', JSON, 400, "not JSON"),
    "json in latin-1": ("/predict", b'{"inputs": "\xe9"}', JSON, 400, "not JSON"),
    "json, no inputs": ("/predict", b'{"instances": []}', JSON, 422, "inputs"),
    "json, a list": ("/predict", b"[1, 2]", JSON, 422, "inputs"),
    "json, a number": ("/predict", b"7", JSON, 422, "inputs"),
    "json, wrong shape": ("/predict", b'{"inputs": [[1, 2], [3, 4]]}', JSON, 422, "(8, 8, 1)"),
    "json, ragged": ("/predict", json.dumps({"inputs": [[0] * 8] * 7 + [[0] * 7]}).encode(), JSON, 422, "list of 7"),
    "json, very deep": ("/predict", deep(20_000), JSON, 400, "deep"),
    "json, deep and large": ("/predict", deep(100_000), JSON, 422, "more lists"),
    "json, deep": ("/predict", deep(200), JSON, 422, "shape"),
    "json, NaN": ("/predict", one(float("nan")), JSON, 400, "NaN"),
    "json, infinity": ("/predict", one(float("-inf")), JSON, 400, "Infinity"),
    "json, infinity in digits": ("/predict", one(1).replace(b"1", b"1e999", 1), JSON, 422, "infinity"),
    "json, huge integer": ("/predict", one(10**400), JSON, 422, "0 to 255"),
    "json, endless integer": ("/predict", one(1).replace(b"1", b"1" * 5000, 1), JSON, 400, "not JSON"),
    "json, negative": ("/predict", one(-1), JSON, 422, "0 to 255"),
    "json, 256": ("/predict", one(256), JSON, 422, "0 to 255"),
    "json, fraction": ("/predict", one(0.5), JSON, 422, "fractions"),
    "json, word": ("/predict", one("7"), JSON, 422, "numbers"),
    "json, true": ("/predict", one(True), JSON, 422, "numbers"),
    "json, null": ("/predict", one(None), JSON, 422, "numbers"),
    "json, object": ("/predict", one({}), JSON, 422, "numbers"),
    "json, list for a pixel": ("/predict", one([1]), JSON, 422, "numbers"),
    "json, several for one": ("/predict", json.dumps({"inputs": SEVERAL.tolist()}).encode(), JSON, 422, "shape"),
    "json, one for several": ("/predict_batch", json.dumps({"inputs": SAMPLE.tolist()}).encode(), JSON, 422, "shape"),
    "json, none": ("/predict_batch", b'{"inputs": []}', JSON, 422, "0 samples"),
    "json, too many": ("/predict_batch", json.dumps({"inputs": [SAMPLE.tolist()] * 33}).encode(), JSON, 422, "33"),
    "npy, wrong shape": ("/predict", npy(np.zeros((3, 5), np.uint8)), NPY, 422, "(3, 5)"),
    "npy, several for one": ("/predict", npy(SEVERAL), NPY, 422, "predict_batch"),
    "npy, too many": ("/predict_batch", npy(np.repeat(SEVERAL, 3, axis=0)), NPY, 422, "36"),
    "npy, none": ("/predict_batch", npy(SEVERAL[:0]), NPY, 422, "0 samples"),
    "npy, no axes": ("/predict", npy(np.array(7)), NPY, 422, "()"),
    "npy, of objects": ("/predict", npy(np.full((SIDE, SIDE), None)), NPY, 422, "dtype"),
    "npy, of text": ("/predict", npy(np.full((SIDE, SIDE), "a")), NPY, 422, "dtype"),
    "npy, NaN": ("/predict", npy(np.full((SIDE, SIDE), np.nan)), NPY, 422, "NaN"),
    "npy, scaled": ("/predict", npy(SAMPLE / np.float32(255)), NPY, 422, "fractions"),
    "npy, negative": ("/predict", npy(SAMPLE.astype(np.int16) - 1), NPY, 422, "-1"),
    "npy, cut off": ("/predict", npy(SAMPLE)[:-1], NPY, 400, "promises"),
    "npy, of nothing": ("/predict", b"\x93NUMPY", NPY, 400, "npy"),
    "npy that lies": ("/predict", lying((8, 8, 10**12), "|u1", b"abc"), NPY, 422, "shape"),
    "npy that promises terabytes": ("/predict_batch", lying((32, 8, 8), "<f8", b"abc"), NPY, 400, "promises"),
    "npy with code in it": ("/predict", lying((8, 8), "__import__('os')", b"a"), NPY, 400, "npy"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_what_is_wrong_with_it(server: Running, name: str) -> None:
    path, body, headers, status, words = BAD[name]
    response = server.post(path, body, headers)
    answer = response.json()
    assert response.status_code == status, answer
    assert words in answer["error"]
    assert answer["request_id"] == response.headers["x-request-id"]
    good = server.post("/predict", npy(SAMPLE), NPY)
    assert good.status_code == 200, "a bad request must not hurt the next one"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("POST", "/model", 405), ("GET", "/no", 404)]
)
def test_wrong_method_and_unknown_route_are_told_as_json(server: Running, method: str, path: str, status: int) -> None:
    response = server.client.request(method, server.address + path)
    assert response.status_code == status
    assert path in response.json()["error"]


def test_body_too_large_is_refused_though_it_says_nothing_of_its_length(server: Running) -> None:
    def chunks() -> Any:
        for _ in range(40):
            yield bytes(2**16)

    response = server.post("/predict", chunks(), JSON)
    assert response.status_code == 413
    assert "1048576" in response.json()["error"]


def test_body_that_is_declared_far_too_large_is_refused_unread(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_lying_content_length_is_refused_by_the_protocol(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_slow_and_vanished_clients_keep_nobody_waiting(server: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(60)]
    for client in slow:
        client.sendall(head + b"some")
    for client in slow[:30]:
        client.close()
    for _ in range(20):
        assert server.post("/predict", npy(SAMPLE), NPY).status_code == 200
    for client in slow[30:]:
        client.close()


def test_request_id_of_the_client_is_kept_and_a_strange_one_is_not(server: Running) -> None:
    kept = server.get("/", headers={"X-Request-Id": "order-7:1"})
    assert kept.headers["x-request-id"] == "order-7:1"
    strange = server.get("/", headers={"X-Request-Id": "a b\t<script>"})
    assert strange.headers["x-request-id"] != "a b\t<script>"


def test_model_page_says_what_is_served(server: Running, shared_shelf: Shelf) -> None:
    model = server.model()
    known = fitted()
    assert "image file" in model["takes"]
    assert ImageInputs.model_validate(model["inputs"]) == known.inputs
    assert ClassTarget.model_validate(model["target"]) == known.target
    assert model["target"]["labels"] == list(DIGITS)
    assert model["digest"] == shared_shelf.registry.version(1).tags["digest"]
    assert model["task"] == "image_classification"
    assert model["following"]["error"] is None


def test_probes_and_metrics_count_what_was_answered(server: Running) -> None:
    for probe in ("/livez", "/healthz", "/readyz"):
        assert server.get(probe).status_code == 200

    def count() -> float:
        lines = server.get("/metrics").text.splitlines()
        name = 'tunesmith_requests_total{route="/predict",status="200"} '
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = count()
    for _ in range(3):
        server.post("/predict", npy(SAMPLE), NPY)
    assert count() == before + 3
    server.get("/a/path/that/a/client/made/up")
    text = server.get("/metrics").text
    assert "made/up" not in text
    assert 'tunesmith_model_version{pid="' in text


def test_start_page_asks_nothing_of_other_machines(server: Running) -> None:
    page = server.get("/")
    assert page.headers["content-type"] == "application/json"
    assert "POST /predict" in page.json()["routes"]
    assert page.json()["takes"] == server.model()["takes"]


def test_a_body_that_never_comes_keeps_nobody_from_an_explanation(server: Running) -> None:
    body = json.dumps({"inputs": SAMPLE.tolist()}).encode()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as slow:
        slow.sendall(
            b"POST /explain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
        )
        time.sleep(0.3)
        answered = server.post("/explain?top=1", body, JSON)
    assert answered.status_code == 200, answered.text
    assert "occlusion" in answered.json()["explanation"]["method"]
