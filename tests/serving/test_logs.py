"""What a server says of itself: structured lines, metrics of what it is asked, traces."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from components.tasks.summaries import summary_names
from tests.package_factory import DIGITS, fitted
from tests.serving.running import running, wait_for
from tests.serving.test_swap import ONE
from tests.shelf import Shelf

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_log_of_json_has_a_line_for_each_request(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path, log_format="json", log_requests=True) as server:
        assert server.post("/predict", ONE[0], {**ONE[1], "X-Request-Id": "order-7"}).status_code == 200
        assert server.post("/predict", b"{", {**ONE[1], "X-Request-Id": "order-8"}).status_code == 400
        wait_for(lambda: server.said("order-8"), "the lines")
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    told = {line["request_id"]: line for line in lines if "request_id" in line}
    assert (told["order-7"]["route"], told["order-7"]["status"], told["order-7"]["version"]) == ("/predict", 200, 1)
    assert told["order-8"]["status"] == 400
    assert 0 < told["order-7"]["seconds"] < 5
    assert any("Version 1 answers from now on" in line["message"] for line in lines)


def test_what_is_asked_is_measured(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        label = server.post("/predict", *ONE).json()["label"]
        wait_for(lambda: "tunesmith_logged_samples_total 1.0" in server.get("/metrics").text, "the log")
        told = server.get("/metrics").text
    assert label in DIGITS
    assert f'tunesmith_labels_total{{label="{label}"}} 1.0' in told
    counted = re.findall(r'tunesmith_confidences_total{up_to="([0-9.]+)"} 1\.0', told)
    assert len(counted) == 1
    for name in summary_names(fitted().inputs):
        assert f'tunesmith_input_summary_sum{{summary="{name}"}}' in told


class Collecting(BaseHTTPRequestHandler):
    """Takes spans as a collector does."""

    spans: list[Span]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    Collecting.spans = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_a_trace_has_the_request_within_that_of_the_caller(
    shelf: Shelf, tmp_path: Path, collector: ThreadingHTTPServer
) -> None:
    shelf.promote(shelf.publish(0.0))
    address = f"http://127.0.0.1:{collector.server_port}"
    with running(shelf.settings, tmp_path, traces=address) as server:
        asked = {**ONE[1], "traceparent": PARENT, "X-Request-Id": "order-7"}
        assert server.post("/predict", ONE[0], asked).status_code == 200
    spans = {span.name: span for span in Collecting.spans}
    request = spans["POST /predict"]
    assert request.trace_id.hex() == PARENT.split("-")[1]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    said = {each.key: each.value.string_value or each.value.int_value for each in request.attributes}
    assert said["tunesmith.request_id"] == "order-7"
    assert said["http.response.status_code"] == 200
    for part in ("decode", "infer"):
        assert spans[part].parent_span_id == request.span_id
