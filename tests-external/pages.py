#!/usr/bin/env python3
"""Looks at Sabot's pages in a real browser while flights move through them.

Follows what a newcomer does: the overview with live rates, a node's panel, the search for windows that fired, the
waterfall of one of them, and each field that can be typed into. Then the same at the width of a phone, in the dark, by
keyboard, and with an agent that fails. Whatever a page asks of another host, logs as an error, or lets run out of the
screen is a failure. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from flights import copy_example
from sabot import CheckFailed, Sabot, Server

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# Slow enough that flights are still moving when the last live check looks.
REPLAY = "60s"
MOST_BYTES = 300_000

FAILING_AGENT = """\
name: failing
kind: stream
sql: SELECT time_hour, flight / (flight - flight) AS nothing FROM flights
output: blackhole
"""


class Watched:
    """A page whose requests and complaints are noted."""

    def __init__(self, browser: Browser, server: Server, **context: object):
        self.url = server.url
        self.problems: list[str] = []
        self.bytes = 0
        self.page: Page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _request(self, request) -> None:
        if not request.url.startswith(self.url + "/") and not request.url.startswith("data:"):
            self.problems.append(f"asked {request.url}")

    def _response(self, response) -> None:
        self.bytes += int(response.headers.get("content-length", "0"))

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def fits(self, what: str) -> None:
        """Nothing may need scrolling sideways."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            raise CheckFailed(f"{what} is {wide} px wider than the screen")

    def check_problems(self) -> None:
        if self.problems:
            raise CheckFailed("the page complained:\n" + "\n".join(self.problems))


class Camera:
    """Keeps screenshots, if somebody wants to look."""

    def __init__(self, directory: Path | None):
        self.directory = directory

    def take(self, page: Page, name: str) -> None:
        if self.directory:
            self.directory.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(self.directory / f"{name}.png"))


def overview(watched: Watched, camera: Camera) -> None:
    page = watched.open("/")
    for agent in ("hourly-delays", "enriched", "very-late"):
        expect(page.locator(f'[data-node="agent:{agent}"]')).to_be_visible()
    # A rate that is not zero, beside the arrows.
    moving = page.locator("svg text").filter(has_text=re.compile(r"[1-9][\d,.]*\s*k?/s"))
    expect(moving.first).to_be_visible()
    if watched.bytes > MOST_BYTES:
        raise CheckFailed(f"the first page is {watched.bytes:,} bytes")
    watched.fits("the overview")
    camera.take(page, "overview")
    page.locator('[data-node="agent:hourly-delays"]').click()
    expect(page.get_by_text("TUMBLE(flights, time_hour, INTERVAL '1 hour')")).to_be_visible()
    camera.take(page, "overview-agent")
    page.keyboard.press("Escape")
    expect(page.get_by_text("TUMBLE(flights, time_hour, INTERVAL '1 hour')")).to_have_count(0)


def window_that_fired(watched: Watched, camera: Camera) -> None:
    page = watched.open("/")
    page.get_by_role("link", name="Traces").first.click()
    page.locator('input[name="operation"]').fill("window_fire")
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/traces?*operation=window_fire*")
    rows = page.locator("table.traces tbody tr")
    expect(rows.first).to_be_visible()
    watched.fits("the list of traces")
    camera.take(page, "traces")
    rows.first.locator("a").click()
    page.wait_for_url(re.compile(r"/traces/[0-9a-f]{32}"))
    fired = page.get_by_role("treeitem", name=re.compile(r"^window_fire,")).first
    expect(fired).to_be_visible()
    fired.click()
    expect(page.get_by_text("sabot.window_start").first).to_be_visible()
    watched.fits("a trace")
    camera.take(page, "trace")


# A value that some trace has, and one that none has, for each field a search is typed into.
TYPED = {
    "service": ("flights", "nobody"),
    "operation": ("window_fire", "nothing"),
    "tags": ("sabot.agent=hourly-delays", "sabot.agent=nobody"),
    "min_duration": ("1us", "1h"),
    "max_duration": ("1h", "1ns"),
    "where": ("duration_ms >= 0", "duration_ms < 0"),
}


def typed_fields(watched: Watched) -> None:
    """Every field that can be typed into narrows what is shown, and says so when nothing is left."""
    rows = watched.page.locator("table.traces tbody tr")
    for name, (some, none) in TYPED.items():
        for value, found in ((some, True), (none, False)):
            page = watched.open("/traces")
            expect(rows.first).to_be_visible()
            field = page.locator(f'input[name="{name}"]')
            if not field.is_visible():
                page.get_by_role("button", name="More filters").click()
            field.fill(value)
            page.get_by_role("button", name="Search", exact=True).click()
            page.wait_for_url(re.compile(r"/traces\?.+"))
            if found:
                expect(rows.first).to_be_visible()
            else:
                expect(page.get_by_text("No trace matches")).to_be_visible()
    page = watched.open("/traces?operation=window_fire")
    rows.first.locator("a").click()
    search, matches = page.get_by_label("Search this trace"), page.locator(".toolbar-found")
    search.fill("nothing")
    expect(matches).to_have_text("0 matches")
    search.fill("window_fire")
    expect(matches).to_have_text(re.compile(r"^[1-9][\d,]* match"))
    # A filter is offered for spans with many attributes.
    page.get_by_role("treeitem", name=re.compile(r"^process_batch ")).first.click()
    attributes = page.locator("table.attributes").first.locator("tr")
    everything = attributes.count()
    page.get_by_label("Filter attributes").first.fill("partition")
    expect(attributes.filter(has_text="sabot.agent")).to_have_count(0)
    expect(attributes.filter(has_text="sabot.partition")).to_have_count(1)
    if not 0 < attributes.count() < everything:
        raise CheckFailed(f"the filter leaves {attributes.count()} of {everything} attributes")
    page.get_by_label("Filter attributes").first.fill("nothing")
    expect(page.get_by_text("No attribute matches.")).to_be_visible()


def keyboard(watched: Watched) -> None:
    page = watched.open("/traces")
    expect(page.locator("table.traces tbody tr").first).to_be_visible()
    page.keyboard.press("/")
    focused = page.evaluate("document.activeElement.name")
    if focused != "tags":
        raise CheckFailed(f"/ put the focus on {focused}, not on the tags")
    page.locator("body").click(position={"x": 1, "y": 1})
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/traces/[0-9a-f]{32}"))
    tree = page.get_by_role("tree")
    expect(tree).to_be_visible()
    tree.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".trace-body.with-detail")).to_be_visible()


def failed_spans(watched: Watched, server: Server, camera: Camera) -> None:
    answer = server.deploy(FAILING_AGENT)
    if answer.status != 200:
        raise CheckFailed(f"the failing agent was not deployed: {answer.error}")
    failed = lambda: server.get("/api/v1/agents/failing").body["status"] == "failed"  # noqa: E731
    server.wait_for("fail the agent", failed)
    found = lambda: server.get("/api/v1/traces?status=error&limit=5").body["traces"] != []  # noqa: E731
    server.wait_for("show the failed trace", found)
    page = watched.open("/traces?status=error")
    row = page.locator("table.traces tbody tr.failed").first
    expect(row.get_by_text("failed").first).to_be_visible()
    row.locator("a").click()
    expect(page.locator(".span-row.failed").first).to_be_visible()
    page.locator(".span-row.failed").first.click()
    expect(page.get_by_text(re.compile("[Dd]ivide by zero")).first).to_be_visible()
    camera.take(page, "trace-failed")
    page = watched.open("/")
    expect(page.locator('[data-node="agent:failing"]')).to_be_visible()
    camera.take(page, "overview-failed")


def brightness(page: Page) -> float:
    """Of the page's background, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    canvas = "c => { const x = new OffscreenCanvas(1, 1).getContext('2d'); x.fillStyle = c; x.fillRect(0, 0, 1, 1);" \
        " return [...x.getImageData(0, 0, 1, 1).data]; }"
    red, green, blue, _ = page.evaluate(canvas, colour)
    return (red + green + blue) / 3


def run(sabot: Sabot, chromium: str, screenshots: Path | None) -> None:
    camera = Camera(screenshots)
    with tempfile.TemporaryDirectory(prefix="sabot-pages-") as scratch, sync_playwright() as playwright:
        project = copy_example(Path(scratch) / "flights", "24h")
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        with sabot.serve(project, "--speed", REPLAY) as server:
            server.wait_until_ready()
            # The first window fires when the watermark has passed it.
            server.wait_for("fire a window", lambda: server.get("/api/v1/traces?operation=window_fire&limit=1").body["traces"] != [])
            light = Watched(browser, server, viewport=DESKTOP, color_scheme="light")
            overview(light, camera)
            print("  overview: agents, live rates, a node's panel", flush=True)
            window_that_fired(light, camera)
            keyboard(light)
            print("  traces: a window that fired, found and opened; by keyboard too", flush=True)
            typed_fields(light)
            print("  every field that can be typed into does what it says", flush=True)
            dark = Watched(browser, server, viewport=PHONE, color_scheme="dark", is_mobile=True, has_touch=True)
            overview(dark, Camera(screenshots / "phone" if screenshots else None))
            window_that_fired(dark, Camera(screenshots / "phone" if screenshots else None))
            if not brightness(dark.page) < 80 < 200 < brightness(light.page):
                raise CheckFailed(f"dark is {brightness(dark.page)}, light is {brightness(light.page)}")
            print("  the same on a phone in the dark", flush=True)
            failed_spans(light, server, camera)
            print("  a failed agent and its spans stand out", flush=True)
            for watched in (light, dark):
                watched.check_problems()
            server.stop()
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabot", required=True, help="the binary to check")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser; by default chromium on the PATH")
    parser.add_argument("--screenshots", type=Path, help="a directory to keep screenshots in")
    arguments = parser.parse_args()
    if not arguments.chromium:
        if os.environ.get("CI"):
            print("chromium is not installed", file=sys.stderr)
            return 1
        print("skipped: chromium is not installed; name a browser with --chromium")
        return 0
    try:
        run(Sabot(arguments.sabot), arguments.chromium, arguments.screenshots)
    except (CheckFailed, AssertionError) as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        return 1
    print("pages: all as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
