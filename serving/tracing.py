"""Traces for OpenTelemetry: spans of each request, of its decoding and of its inference, where the settings say so."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Scope


class Tracing:
    """Sends the spans of one worker in the background, a batch at a time; what the collector does not take is lost.

    Args:
        address: of the collector.
        model: that is served.
    """

    def __init__(self, address: str, model: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "tunesmith", "tunesmith.model": model})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{address.rstrip('/')}/v1/traces")))
        self._tracer = self._provider.get_tracer("tunesmith.serving")

    @contextlib.contextmanager
    def request(self, scope: "Scope", request_id: str) -> Iterator[Any]:
        """The span of a request, a child of the caller's if it has sent one."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes = {"http.request.method": scope["method"], "tunesmith.request_id": request_id}
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path'][:100]}",
            context=TraceContextTextMapPropagator().extract(sent),
            kind=SpanKind.SERVER,
            attributes=attributes,
        ) as span:
            yield span

    def part(self, name: str) -> Any:
        """The span of a part of the request that is being answered, as a context."""
        return self._tracer.start_as_current_span(name)

    def stop(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


class NoTracing:
    """Where no address is given."""

    def request(self, scope: "Scope", request_id: str) -> Any:
        """Nothing."""
        return NOTHING

    def part(self, name: str) -> Any:
        """Nothing."""
        return NOTHING

    def stop(self) -> None:
        """Nothing."""


NOTHING: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
