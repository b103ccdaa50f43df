#!/usr/bin/env python3
"""Lets a service in Python and one in Rust call each other, and looks for one trace in Jaeger.

The Python service, which has OpenTelemetry's own SDK, asks examples/tracing_service for a user, and is asked for the
user's profile by it. Both send their spans to one Jaeger. Each span has to be below the one that called it, baggage and
X-Correlation-ID have to arrive, and a trace that is not sampled has to stay so all the way.

The programs are given with --service and --jaeger.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from programs import Jaeger, Service, attributes, free_port, run_cases, wait_for
from sabot import CheckFailed

PROGRAM = Path(__file__).with_name("python_service.py")
PYTHON, RUST = "python_service", "tracing_service"
SERVER, CLIENT = 2, 3
NOTE = "café, 100 %"
CORRELATION = "visit-4711"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", required=True, help="the binary of examples/tracing_service")
    parser.add_argument("--jaeger", required=True, help="a Jaeger of version 2")
    arguments = parser.parse_args()
    case = {"there_and_back": lambda: there_and_back(arguments.service, arguments.jaeger)}
    return run_cases(case, {"tracing_service": arguments.service, "Jaeger": arguments.jaeger})


def there_and_back(service: str, binary: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sabot-python-") as directory:
        scratch, ports = Path(directory), {PYTHON: free_port(), RUST: free_port()}
        with Jaeger(binary, scratch) as jaeger:
            python = Service(PYTHON, [sys.executable, PROGRAM, ports[PYTHON]], scratch, ports[PYTHON], {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{jaeger.http}",
                "RUST_SERVICE_URL": f"http://127.0.0.1:{ports[RUST]}",
            })
            rust = Service(RUST, [service, "--port", ports[RUST]], scratch, ports[RUST], {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{jaeger.grpc}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                # Jaeger takes spans only.
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "PROFILE_SERVICE_URL": python.url,
            })
            with python, rust:
                sampled(python, jaeger)
                not_sampled(python, jaeger)


def visit(python: Service, headers: dict[str, str]) -> tuple[dict, dict]:
    """What the Rust service answered to the Python service, and what it asked back with."""
    answer = json.loads(python.ask("/visits/1", headers))
    profile = answer["user"].get("profile")
    if not profile:
        raise CheckFailed(f"the Rust service answered without the profile of the Python service: {answer}")
    return answer, profile


def sampled(python: Service, jaeger: Jaeger) -> None:
    """One trace, each span below its caller, and what travels with it."""
    answer, profile = visit(python, {"x-correlation-id": CORRELATION, "baggage": "tenant.id=acme"})
    expect("baggage", profile["baggage"], {"tenant.id": "acme", "visit.note": NOTE})
    expect("correlation id asked back with", profile["received"].get("x-correlation-id"), CORRELATION)
    expect("correlation id answered with", answer["answered"].get("x-correlation-id"), CORRELATION)
    # "sampled" and "random", of which a service in between has to change neither.
    expect("flags of the trace", profile["flags"], answer["flags"])
    expect("sampled", answer["flags"] & 1, 1)
    trace = profile["trace_id"]

    def of_trace() -> dict[tuple[str, int, str], tuple[dict, dict]]:
        return {key_of(*span): span for span in jaeger.spans(PYTHON) if span[1]["traceId"] == trace}

    way = [
        (PYTHON, SERVER, "GET /visits/{id}"),
        (PYTHON, CLIENT, "GET"),
        (RUST, SERVER, "GET /api/users/{id}"),
        (RUST, CLIENT, "GET"),
        (PYTHON, SERVER, "GET /profiles/{id}"),
    ]
    try:
        wait_for("all spans to arrive", lambda: all(key in of_trace() for key in way))
    except CheckFailed as missing:
        raise CheckFailed(f"{missing}; of trace {trace} there are {sorted(of_trace())}") from missing
    spans = of_trace()
    by_id = {span["spanId"]: span for _, span in spans.values()}
    above = ""
    for key in way:
        span = spans[key][1]
        # Between two of the way there may be spans inside a service.
        parents = [span.get("parentSpanId", "")]
        while parents[-1] != above and parents[-1] in by_id:
            parents.append(by_id[parents[-1]].get("parentSpanId", ""))
        if parents[-1] != above:
            raise CheckFailed(f"{key} is below {parents}, not below {above or 'nothing'}")
        above = span["spanId"]
    remote = [spans[key][1] for key in way[2:]]
    expect("parent of the Rust server's span", remote[0].get("parentSpanId"), spans[way[1]][1]["spanId"])
    expect("parent of the called back Python server's span", remote[2].get("parentSpanId"), remote[1]["spanId"])
    for key in [way[2], way[3]]:
        expect(f"correlation.id of {key}", attributes(spans[key][1]).get("correlation.id"), CORRELATION)
    expect("tenant.id of the Rust server's span", attributes(remote[0]).get("tenant.id"), "acme")
    expect("status code of the Rust server's span", attributes(remote[0]).get("http.response.status_code"), 200)
    print(f"  one trace of {len(spans)} spans: Python > Rust > Python, with baggage and correlation id", flush=True)


def not_sampled(python: Service, jaeger: Jaeger) -> None:
    """A trace that its caller does not sample is handed on as such, with its tracestate, and no span of it is sent."""
    trace = f"{random.getrandbits(128) | 1:032x}"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-00", "tracestate": "vendor=opaque"}
    profile = visit(python, headers)[1]
    expect("trace id", profile["trace_id"], trace)
    expect("flags of the trace", profile["flags"], 0)
    expect("tracestate", profile["tracestate"], "vendor=opaque")
    # Whatever was sent of it would have been sent before this, which comes after it.
    after = visit(python, {})[1]["trace_id"]
    wait_for("a later trace to arrive", lambda: {RUST, PYTHON} == services_of(jaeger, after))
    if sent := services_of(jaeger, trace):
        raise CheckFailed(f"{sent} sent spans of a trace that is not sampled")
    print("  a trace that is not sampled stays so, with its tracestate", flush=True)


def services_of(jaeger: Jaeger, trace: str) -> set[str]:
    received = jaeger.spans(PYTHON) + jaeger.spans(RUST)
    return {resource["service.name"] for resource, span in received if span["traceId"] == trace}


def key_of(resource: dict, span: dict) -> tuple[str, int, str]:
    return resource["service.name"], int(span.get("kind", 0)), span["name"]


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise CheckFailed(f"{what}: {found!r}, not {wanted!r}")


if __name__ == "__main__":
    sys.exit(main())
