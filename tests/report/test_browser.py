"""The page in a real browser: no errors, no requests, no overflow, both colour schemes, and without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from foldtiny.report import html
from tests.report import made

pytestmark = pytest.mark.slow

PAGES = ("one", "several", "nasty", "failed", "empty")

# Texts of charts that stick out of their drawing, and letters on tiles that stick out of the tile.
_STICKING_OUT = """
() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg.chart")) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      const tile = text.closest(".tip")?.querySelector(".tile")?.getBoundingClientRect() ?? frame;
      if (box.left < tile.left - 2 || box.right > tile.right + 2 || box.bottom > frame.bottom + 2)
        found.push(`${svg.querySelector("title").textContent}: ${text.textContent}`);
    }
  }
  return found;
}
"""

# Contrast (WCAG 2) of every text with what lies behind it: a tile, or the nearest coloured box.
_FAINT = """
() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = parse(c).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parse(c).length < 4 || parse(c)[3] > 0) return c;
    }
  };
  const faint = [];
  for (const e of document.querySelectorAll("p, td, th, dt, dd, h1, h2, h3, summary, code, .badge, text")) {
    if (!e.getClientRects().length || !e.textContent.trim()) continue;
    const onTile = (e.getAttribute("class") ?? "").startsWith("on-");
    const shape = onTile && e.parentElement.querySelector("rect");
    const front = e.tagName === "text" ? getComputedStyle(e).fill : getComputedStyle(e).color;
    const [a, b] = [light(front), light(shape ? getComputedStyle(shape).fill : ground(e))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${e.textContent.trim().slice(0, 40)}`);
  }
  return faint;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path, "no Chromium here: `make test` installs it (apt package chromium)"
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that root in a container does not have.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    records: dict[str, list[dict[str, Any]]] = {
        "one": [made.record()],
        "several": made.several(),
        "nasty": [made.nasty(), made.record()],
        "failed": [made.failed()],
        "empty": [],
        "many": [made.record(sparsity=i % 9 / 10, accuracy=0.9 - i / 4000, flash=900_000 - i) for i in range(200)],
    }
    for name, given in records.items():
        html.write(given, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in records}


class _Opened:
    """A page with what went wrong on it."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        options.setdefault("viewport", {"width": 1400, "height": 900})
        self._context = browser.new_context(**options)
        self.page: Page = self._context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append("a dialog opened"))
        self.page.on("request", self._note)
        self._allowed = path.as_uri()
        self.page.goto(path.as_uri())

    def _note(self, request: Any) -> None:
        if request.url.partition("#")[0] != self._allowed and not request.url.startswith("data:"):
            self.wrong.append(f"a request: {request.url}")

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_pages_are_quiet_and_fit(browser: Browser, written: dict[str, Path], width: int, scheme: Any) -> None:
    for name in PAGES:
        size = {"width": width, "height": 900}
        with _Opened(browser, written[name], viewport=size, color_scheme=scheme) as opened:
            opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert opened.page.evaluate(_STICKING_OUT) == [], name
            assert opened.page.evaluate(_FAINT) == [], name
            assert opened.wrong == [], name


def test_both_colour_schemes_differ(browser: Browser, written: dict[str, Path]) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        with _Opened(browser, written["one"], color_scheme=scheme) as opened:
            seen.add(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            seen.add(opened.page.evaluate("getComputedStyle(document.querySelector('.chart .c1')).fill"))
    assert len(seen) == 4


def test_everything_is_there_without_javascript(browser: Browser, written: dict[str, Path]) -> None:
    with _Opened(browser, written["several"], java_script_enabled=False) as opened:
        page = opened.page
        assert page.locator("#filter").is_hidden() and page.locator("button:visible").count() == 0
        assert page.locator("#tradeoffs svg:visible").count() == 2
        page.locator("#r1 > summary").click()
        for kind in ("layers", "treemap", "memory", "widths"):
            box = page.locator(f"#r1 svg.{kind}").first.bounding_box()
            assert box and box["width"] > 300 and box["height"] > 80
        page.locator("#r1 .more summary", has_text="As a table").first.click()
        assert page.locator("#r1 table:visible").count() == 1


def test_filter_sort_links_and_tooltips(browser: Browser, written: dict[str, Path]) -> None:
    with _Opened(browser, written["several"]) as opened:
        page = opened.page
        page.fill("#filter", "ward 50")
        assert page.locator("#all tbody tr:visible").count() == 1
        assert page.locator("#shown").inner_text() == "1 of 6"
        assert page.locator("details.record:visible").count() == 1
        assert page.locator("#tradeoffs .tip.dim").count() == 6  # three of four points, in both charts
        page.fill("#filter", "")
        for order in ("ascending", "descending"):
            page.click("th[data-sort]:has-text('flash')")
            assert page.locator("th[aria-sort]").get_attribute("aria-sort") == order
            values = page.eval_on_selector_all("#all td[data-label=flash]", "l => l.map((e) => Number(e.dataset.v))")
            assert values == sorted(values, reverse=order == "descending") and len(values) == 5
            # What has no figure stays at the end.
            assert page.locator("#all tbody tr").last.get_attribute("class") == "failed"
        assert not page.locator("#r2 svg").first.is_visible()
        page.click("#row-r2 a")
        assert page.locator("#r2 svg").first.is_visible()
        page.locator("#r2 svg.layers .tip").first.hover()
        assert "multiply-accumulates" in page.locator("#tooltip").inner_text()
        page.locator("#r2 .copy").click()
        page.locator("#r2 .copy", has_text="ed").wait_for()
        assert opened.wrong == []


def test_two_hundred_records_are_filtered_at_once(browser: Browser, written: dict[str, Path]) -> None:
    with _Opened(browser, written["many"], viewport={"width": 400, "height": 800}) as opened:
        page = opened.page
        took = page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
        assert took < 5000  # milliseconds; about 400 on two busy cores
        began = page.evaluate("performance.now()")
        page.fill("#filter", "combination 80")
        assert page.locator("#all tbody tr:visible").count() == 22
        assert page.evaluate("performance.now()") - began < 3000
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert opened.wrong == []
