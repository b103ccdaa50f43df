#!/usr/bin/env python3
"""A service in Python with OpenTelemetry's own SDK, which calls a service in Rust and is called back by it.

`GET /visits/{id}` asks the Rust service for a user; `GET /profiles/{id}` is what that asks back. Both answer with what
came with the request, so that a check sees what travelled. Spans go by OTLP to OTEL_EXPORTER_OTLP_ENDPOINT.

This is the other side of check_python.py: nothing here knows Sabot.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from opentelemetry import baggage, context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind

SERVICE = "python_service"
CORRELATION = "x-correlation-id"


class Handler(BaseHTTPRequestHandler):
    """One request, traced as a server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, _, user = urlsplit(self.path).path.strip("/").partition("/")
        answer = {"visits": visit, "profiles": profile}.get(kind)
        if answer is None:
            self.send_error(404)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        came = context.attach(propagate.extract(headers))
        try:
            caller = trace.get_current_span().get_span_context()
            with trace.get_tracer(SERVICE).start_as_current_span(f"GET /{kind}/{{id}}", kind=SpanKind.SERVER):
                self.answer({"received": headers, **answer(user, caller, headers)})
        finally:
            context.detach(came)

    def answer(self, body: dict) -> None:
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def visit(user: str, _: SpanContext, headers: dict[str, str]) -> dict:
    """Asks the Rust service, with baggage besides what came."""
    token = context.attach(baggage.set_baggage("visit.note", "café, 100 %"))
    try:
        with trace.get_tracer(SERVICE).start_as_current_span("GET", kind=SpanKind.CLIENT):
            carrier = {CORRELATION: headers[CORRELATION]} if CORRELATION in headers else {}
            propagate.inject(carrier)
            request = urllib.request.Request(f"{os.environ['RUST_SERVICE_URL']}/api/users/{user}", headers=carrier)
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
                answered = {name.lower(): value for name, value in response.headers.items()}
                flags = trace.get_current_span().get_span_context().trace_flags
                return {"user": json.loads(response.read()), "answered": answered, "flags": flags}
    finally:
        context.detach(token)


def profile(user: str, caller: SpanContext, _: dict[str, str]) -> dict:
    """What is known of a user: what OpenTelemetry's SDK read from the headers."""
    return {
        "id": user,
        "trace_id": f"{caller.trace_id:032x}",
        "flags": caller.trace_flags,
        "tracestate": caller.trace_state.to_header(),
        "baggage": dict(baggage.get_all()),
    }


def main() -> int:
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
