#!/usr/bin/env python3
"""Lets Prometheus judge and scrape Sabot's /metrics.

`promtool check metrics` has to find nothing to say, neither about Sabot nor about a service that uses its telemetry
layer. A Prometheus that scrapes a running Sabot has to have each series, with the values `sabot telemetry metrics`
prints, and its exemplars have to name traces Sabot can show.

Debian's package has both programs; they are given with --prometheus and --promtool.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flights import copy_example, set_telemetry
from programs import Program, Service, free_port, get_json, run_cases, wait_for
from sabot import CheckFailed, Sabot, Server

CONFIG = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: sabot
    static_configs: [{{ targets: ["{target}"] }}]
"""
FLIGHTS = 336_776
# A handful of exemplars by the command line, which is slow to start; the others by the API.
SHOWN_BY_COMMAND = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary")
    parser.add_argument("--service", required=True, help="the binary of examples/tracing_service")
    parser.add_argument("--prometheus", required=True, help="a Prometheus of 2.42 or later")
    parser.add_argument("--promtool", required=True, help="what comes with it")
    arguments = parser.parse_args()
    sabot = Sabot(arguments.sabot)
    cases = {
        "sabot": lambda: scrape(sabot, arguments.prometheus, arguments.promtool),
        "service": lambda: service(arguments.service, arguments.promtool),
    }
    programs = {"tracing_service": arguments.service, "Prometheus": arguments.prometheus}
    return run_cases(cases, programs | {"promtool": arguments.promtool})


class Prometheus(Program):
    """A Prometheus that scrapes one address each second."""

    name = "Prometheus"

    def __init__(self, binary: str, scratch: Path, target: str):
        config, port = scratch / "prometheus.yaml", free_port()
        config.write_text(CONFIG.format(target=target))
        self._api = f"http://127.0.0.1:{port}/api/v1"
        command = [
            binary, f"--config.file={config}", f"--storage.tsdb.path={scratch / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
        ]
        super().__init__(command, scratch, [("127.0.0.1", port)], "prometheus.log")

    def query(self, promql: str) -> list[dict]:
        """The series of an instant query."""
        return self._data("query", query=promql)["result"]

    def value(self, promql: str) -> float | None:
        """The value of a query that has one series, nothing if it has none."""
        result = self.query(promql)
        return float(result[0]["value"][1]) if result else None

    def exemplars(self, selector: str) -> list[dict]:
        """Exemplars of the last hour with the labels of their series."""
        now = time.time()
        found = self._data("query_exemplars", query=selector, start=now - 3_600, end=now + 60)
        return [{"series": series["seriesLabels"], **one} for series in found for one in series["exemplars"]]

    def types(self) -> dict[str, str]:
        """The type of each metric family."""
        return {family: entries[0]["type"] for family, entries in self._data("metadata").items()}

    def problems(self) -> str:
        """What the last scrape failed with."""
        return "; ".join(target["lastError"] for target in self._data("targets")["activeTargets"])

    def _data(self, path: str, **parameters: object):
        answer = get_json(f"{self._api}/{path}", **parameters)
        if answer.get("status") != "success":
            raise CheckFailed(f"Prometheus: {path}: {answer}")
        return answer["data"]


def scrape(sabot: Sabot, binary: str, promtool: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sabot-prometheus-") as scratch:
        project = copy_example(Path(scratch) / "flights", "24h")
        # A target, so that the metrics of exporters are there too.
        set_telemetry(project, f"""
telemetry: {{ service_name: flights }}
exporters: {{ targets: [{{ name: spans, type: file, path: {Path(scratch) / 'spans.jsonl'} }}] }}""")
        with sabot.serve(project, "--speed", "max") as server:
            server.wait_until_listening()
            with Prometheus(binary, Path(scratch), server.url.removeprefix("http://")) as prometheus:
                server.wait_until_finished()
                lint("Sabot", server.get("/metrics").body["text"], promtool)
                same_values(sabot, server, prometheus)
                exemplars(sabot, server, prometheus)
            if server.stop() != 0:
                raise CheckFailed(f"the server did not stop well:\n{server.stderr}")


def service(binary: str, promtool: str) -> None:
    """The metrics of a service: of requests, of its own, and of what has a value."""
    with tempfile.TemporaryDirectory(prefix="sabot-prometheus-") as scratch:
        port = free_port()
        with Service("tracing_service", [binary, "--port", port], Path(scratch), port, {}) as asked:
            asked.ask("/api/users/1")
            order = {"user_id": "1", "customer_tier": "gold", "business_value": 129.9}
            asked.ask("/business/premium-operation", body=order)
            lint("tracing_service", asked.ask("/metrics"), promtool)


def lint(whose: str, text: str, promtool: str) -> None:
    """Prometheus' own judgement of names, types and help."""
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 or said:
        raise CheckFailed(f"promtool check metrics ended with {done.returncode}:\n{said}")
    families = sum(line.startswith("# TYPE ") for line in text.splitlines())
    print(f"  promtool check metrics: nothing to say about the {families} families of {whose}", flush=True)


def same_values(sabot: Sabot, server: Server, prometheus: Prometheus) -> None:
    """What stood still around a scrape has to be the same on both sides; nothing may be missing."""
    before, since = told(sabot, server), time.time()
    worked = 'timestamp(up{job="sabot"}) and up{job="sabot"} == 1'
    wait_for("a scrape that works", lambda: (prometheus.value(worked) or 0) > since)
    scraped = {key_of(series["metric"]): float(series["value"][1]) for series in prometheus.query('{job="sabot"}')}
    after = told(sabot, server)
    if len(before) < 50 or before.keys() - after.keys():
        raise CheckFailed(f"Sabot names {len(before)} series, then {len(after)}")
    still = [key for key in before if before[key] == after[key]]
    if missing := [key for key in before if key not in scraped]:
        problems = prometheus.problems()
        raise CheckFailed(f"Prometheus misses {len(missing)} of {len(before)} series, such as {missing[:3]}: {problems}")
    if differ := [f"{key}: {scraped[key]} for {before[key]}" for key in still if not same(scraped[key], before[key])]:
        raise CheckFailed(f"{len(differ)} of {len(still)} values differ, such as {differ[:3]}")
    read = prometheus.value('sum(sabot_messages_processed_total{stream="flights",agent="hourly-delays"})')
    if read != FLIGHTS:
        raise CheckFailed(f"by PromQL, hourly-delays has read {read} flights of {FLIGHTS}")
    types = {family: kind for family, kind in prometheus.types().items() if family.startswith("sabot_")}
    if not types or "unknown" in types.values():
        raise CheckFailed(f"Prometheus does not know all types: {types}")
    equal = f"{len(still)} stood still and are equal"
    print(f"  scraped: {len(before)} series, {equal}, {FLIGHTS:,} flights by PromQL", flush=True)


def told(sabot: Sabot, server: Server) -> dict[str, float]:
    """What `sabot telemetry metrics` prints: a histogram by its count."""
    done = sabot.command("telemetry", "metrics", "--format", "json", "--server", server.url)
    if done.code != 0:
        raise CheckFailed(f"telemetry metrics ended with {done.code}:\n{done.stderr}")
    values = {}
    for one in json.loads(done.stdout)["metrics"]:
        counted = "_count" if one["type"] == "histogram" else ""
        values[key_of({"__name__": one["name"] + counted, **one["labels"]})] = one["value"]
    return values


def key_of(labels: dict[str, str]) -> str:
    own = sorted((name, value) for name, value in labels.items() if name not in ("__name__", "job", "instance"))
    return f"{labels['__name__']}{{{', '.join(f'{name}={value}' for name, value in own)}}}"


def same(scraped: float, told_value: float) -> bool:
    return abs(scraped - told_value) <= 1e-9 * abs(told_value)


def exemplars(sabot: Sabot, server: Server, prometheus: Prometheus) -> None:
    """Each exemplar leads from a histogram's bucket to a trace that can be looked at."""
    found = prometheus.exemplars('{job="sabot"}')
    if unnamed := [one for one in found if not one["labels"].keys() >= {"trace_id", "span_id"}]:
        raise CheckFailed(f"exemplars without a trace and span, such as {unnamed[0]}")
    ids = sorted({one["labels"]["trace_id"] for one in found})
    if len(ids) < SHOWN_BY_COMMAND:
        raise CheckFailed(f"Prometheus has {len(found)} exemplars with the traces {ids}")
    for number, trace in enumerate(ids):
        if number < SHOWN_BY_COMMAND:
            done = sabot.command("telemetry", "trace", trace, "--format", "json", "--server", server.url)
            if done.code != 0:
                raise CheckFailed(f"telemetry trace {trace} ended with {done.code}:\n{done.stderr}")
        answer = server.get(f"/api/v1/traces/{trace}")
        spans = {span["span_id"] for span in answer.body["spans"]} if answer.status == 200 else set()
        of_trace = [one for one in found if one["labels"]["trace_id"] == trace]
        if missing := [one for one in of_trace if one["labels"]["span_id"] not in spans]:
            raise CheckFailed(f"trace {trace} has {len(spans)} spans, not one is that of the exemplar {missing[0]}")
    metrics = {one["series"]["__name__"] for one in found}
    print(f"  exemplars: {len(found)} of {len(metrics)} histograms lead to {len(ids)} traces", flush=True)


if __name__ == "__main__":
    sys.exit(main())
