"""Finished calls as OpenTelemetry spans. Loaded only when OTEL_EXPORTER_OTLP_ENDPOINT says where they go.

The edge keeps trace and span ids itself (they travel in `traceparent` through Kafka and Pub/Sub); here a finished call
becomes a span with exactly these ids, queued and sent in batches by the SDK's own thread.
"""

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from shared.edge.telemetry import EXPORT, Call


class Spans:
    """Turns calls into spans and hands them to an exporter."""

    def __init__(self, exporter: SpanExporter, region: str) -> None:
        self._processor = BatchSpanProcessor(exporter)
        self._resource = Resource.create({"service.namespace": "cortado", "cloud.region": region})

    def export(self, call: Call, status: int) -> None:
        """Queue a finished call as a span; a call whose trace is not sampled is dropped."""
        if not call.sampled:
            return
        self._processor.on_end(
            ReadableSpan(
                name=call.meter.operation,
                context=_context(call.trace_id, call.span_id),
                parent=_context(call.trace_id, call.parent_id) if call.parent_id else None,
                resource=self._resource,
                attributes={
                    "faas.name": call.meter.operation,
                    "http.response.status_code": status,
                    "cortado.correlation": call.correlation,
                    "cortado.problem": call.problem,
                },
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if status >= 500 else StatusCode.UNSET),
                start_time=call.started_ns,
                end_time=time.time_ns(),
            )
        )

    def flush(self) -> None:
        """Send what is queued."""
        self._processor.force_flush()


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))


def start(region: str, exporter: SpanExporter | None = None) -> Spans:
    """Export every call from now on; to the OTLP endpoint of the environment unless an exporter is given."""
    spans = Spans(exporter or OTLPSpanExporter(), region)
    EXPORT.span = spans.export
    return spans
