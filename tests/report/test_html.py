"""The page: what it says, and that no record can break it."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from foldtiny.errors import FoldtinyError
from foldtiny.report import html
from tests.report import made

_VOID = {"meta", "link", "input", "br", "rect", "line", "path", "circle", "img"}


class _Checker(HTMLParser):
    """Collects tags and text, and makes sure that what opens closes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def _page(records: list[dict[str, Any]]) -> _Checker:
    found = _Checker(html.render(records))
    found.text = re.sub(r"\s+", " ", found.text)
    assert len(found.ids) == len(set(found.ids))
    # Nothing from elsewhere, and every link leads somewhere.
    for link in found.links:
        assert link == "data:," or (link[0] == "#" and link[1:] in found.ids), link
    return found


def test_one_record_has_every_chart() -> None:
    page = _page([made.record()])
    for title in ("What each layer costs", "What fills the flash", "What fills the RAM", "Memory over time"):
        assert title in page.text
    assert "What folding did" in page.text and "conv10: 16 → 14 channels by combination" in page.text
    assert "left alone: out, its channels are the network's output" in page.text
    assert "foldtiny deploy --board nano33ble --sparsity 0.25" in page.text
    assert "not profiled" not in page.text
    assert page.tags.count("svg") == 5 + 2  # the charts, and the gauges of flash and RAM


def test_numbers_carry_their_sources() -> None:
    page = html.render([made.record()])
    text = re.sub(r"\s+", " ", page)
    simulated = '<span class="badge simulated">simulated</span>'
    assert f"32.3 ms {simulated}" in text
    assert '51.6–54.8 ms <span class="badge estimated">estimated</span>' in text
    # The poster's 3,726 ms against the slow end of the estimate, 32.26 ms × 1.7.
    assert "×67.9" in text and '<span class="word">poster </span>3,726 ms' in text
    measured = re.sub(r"\s+", " ", html.render([made.record(source="hardware")]))
    assert '32.3 ms <span class="badge hardware">hardware</span>' in measured
    assert "estimated</span>" not in measured
    # ×115.5 is against the measurement itself.
    assert "×115" in measured or "×116" in measured


def test_an_unknown_source_is_no_measurement() -> None:
    one = made.record()
    one["result"]["source"] = one["repetitions"]["source"] = "guessed"
    page = html.render([one])
    assert 'class="badge hardware"' not in page and 'class="badge simulated"' not in page


def test_the_order_of_layers_is_that_of_the_network() -> None:
    one = made.record()
    # JSON sorted by names would put fc10 before fc2.
    one["result"]["folding"]["layers"] = dict(sorted(one["result"]["folding"]["layers"].items()))
    text = _page([one]).text
    folding = text[text.index("What folding did") :]
    assert folding.index("conv10") < folding.index("fc2") < folding.index("fc10")


def test_unprofiled_layers_say_so() -> None:
    page = _page([made.record(profile=False)])
    assert "This run was not profiled" in page.text and "--profile" in page.text


def test_an_interpreter_has_no_plan_to_draw() -> None:
    one = made.record()
    one["result"] |= {"runtime": "tflm", "memory": {}}
    text = _page([one]).text
    assert "there is no plan over time to draw" in text and "Memory over time" not in text


def test_several_records() -> None:
    page = _page(made.several())
    assert "6 records, 1 failed" in page.text
    assert "the firmware needs 2,960,312 B of flash" in page.text and "→ fold more" in page.text
    assert "Accuracy against size and time" in page.text
    assert "poster 6,831 ms, 59.5 K, 3.4 M" in page.text  # the failed cell still shows what the poster has
    # Measured and simulated times are never ranked together.
    assert page.text.count("Fastest") == 2


def test_a_network_that_is_not_the_posters_has_no_factor() -> None:
    one = made.record()
    one["result"]["parameters"]["dense"] = 979_691
    assert "poster" not in _page([one]).text


def test_what_is_larger_than_the_posters_is_not_praised() -> None:
    one = made.record(flash=4 * 1024**2)
    assert '<b class="worse">×0.700</b>' in html.render([one])


def test_no_records_and_only_failures() -> None:
    assert "There are no records to show" in _page([]).text
    text = _page([made.failed(), made.failed("esp-eye")]).text
    assert "all 2 failed" in text and "Inside each record" not in text


def test_nothing_in_a_record_becomes_html() -> None:
    page = html.render([made.nasty()])
    checked = _page([made.nasty()])
    assert checked.tags.count("script") == 1 and "img" not in checked.tags
    assert "onerror=alert(1)&gt;" in page
    assert "\x00" not in page
    page.encode("utf-8")


def test_many_records_keep_the_page_light() -> None:
    many = []
    for i in range(200):
        one = made.record(sparsity=0.01 * (i % 90), accuracy=0.93 - 0.0003 * i, flash=900_000 - 1000 * i)
        many.append(one | {"id": str(i)})
    page = html.render(many)
    assert len(page) < 3_000_000
    checked = _page(many)
    assert "40 of 200 records are opened here" in checked.text
    assert page.count("<h3>What fills the flash") == 40
    # The last one is the smallest, so it is on the front.
    assert 'id="r200"' in page


@pytest.mark.parametrize("key", list(made.record()["result"]))
@pytest.mark.parametrize("value", [None, 7, "text", [], {}, math.nan])
def test_any_field_may_be_missing_or_strange(key: str, value: Any) -> None:
    one = copy.deepcopy(made.record())
    one["result"][key] = value
    assert "</html>" in html.render([one])
    del one["result"][key]
    assert "</html>" in html.render([one])


@pytest.mark.parametrize("key", list(made.record()))
def test_any_part_of_a_record_may_be_missing(key: str) -> None:
    one = copy.deepcopy(made.record())
    del one[key]
    assert "</html>" in html.render([one])
    for value in (None, [], "text"):
        assert "</html>" in html.render([one | {key: value}])


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    html.write(json.loads(json.dumps(made.several())), path)
    assert path.read_text("utf-8").rstrip().endswith("</html>")
    with pytest.raises(FoldtinyError):
        html.write([], tmp_path / "new" / "report.html" / "report.html")
