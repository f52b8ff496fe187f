"""The charts: numbers in, geometry out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldtiny.report import text as say
from foldtiny.report.charts import layers, memory, pareto, svg, treemap, widths
from tests.report import made


def _parse(drawing: str) -> ET.Element:
    """Parse a drawing: it has to be well-formed XML with a title and a description."""
    root = ET.fromstring(drawing)
    assert root.get("role") == "img" and root.find("title") is not None and root.find("desc") is not None
    named = root.get("aria-labelledby", "").split()
    assert {element.get("id") for element in root.iter() if element.get("id")} >= set(named)
    return root


def _rects(root: ET.Element, kind: str) -> list[tuple[float, ...]]:
    found = (e for e in root.iter("rect") if kind in (e.get("class") or "").split())
    return [tuple(float(e.get(name) or 0) for name in ("x", "y", "width", "height")) for e in found]


def _point(x: float, y: float, name: str = "") -> pareto.Point:
    return pareto.Point(x, y, "board", "method", name, name, name)


def test_the_front_has_what_no_other_beats() -> None:
    points = [_point(*p) for p in ((1, 0.5), (2, 0.7), (3, 0.6), (2, 0.6), (4, 0.7), (5, 0.9))]
    assert [(p.x, p.y) for p in pareto.front(points)] == [(1, 0.5), (2, 0.7), (5, 0.9)]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_front_by_its_definition(raw: list[tuple[int, int]]) -> None:
    found = {(p.x, p.y) for p in pareto.front([_point(*p) for p in raw])}
    beaten = {(x, y) for x, y in raw if any((u <= x and v >= y) and (u, v) != (x, y) for u, v in raw)}
    assert found == set(raw) - beaten


def test_points_far_apart_get_a_logarithmic_axis() -> None:
    near = pareto.draw([_point(10, 0.9), _point(20, 0.95)], "k", "t", "time", say.ms, fronts=False)
    far = pareto.draw([_point(1, 0.9), _point(500, 0.95)], "k", "t", "time", say.ms, fronts=False)
    assert "logarithmic" in far and "logarithmic" not in near
    assert ">100 ms<" in far and ">50 ms<" not in far
    _parse(near), _parse(far)
    assert pareto.draw([], "k", "t", "time", say.ms, fronts=False) == ""
    _parse(pareto.draw([_point(1, 1.0)], "k", "t", "flash", say.size, fronts=True))


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_tiles_fill_the_rectangle_without_overlap(sizes: list[float]) -> None:
    ordered = sorted(sizes, reverse=True)
    boxes = treemap.squarify(ordered, treemap.Box(0, 0, 440, 220))
    scale = 440 * 220 / sum(ordered)
    for one, size in zip(boxes, ordered, strict=True):
        assert one.width * one.height == pytest.approx(size * scale, rel=1e-6)
        assert one.x >= -1e-6 and one.y >= -1e-6
        assert one.x + one.width <= 440 + 1e-6 and one.y + one.height <= 220 + 1e-6
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            tall = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(wide, tall) <= 1e-6


def test_a_memory_that_is_too_small_is_shown_in_red() -> None:
    found = [treemap.Part("layer 0", 900, "model", "c1"), treemap.Part("firmware", 100, "firmware", "c3")]
    assert _rects(_parse(treemap.draw(found, "k", "flash", 200, 500)), "bad")
    roomy = treemap.draw(found, "k", "flash", 200, 2000)
    assert not _rects(_parse(roomy), "bad") and "50.0 % of the board" in roomy
    assert treemap.draw([], "k", "flash", 200) == ""


def _lenet() -> dict[str, Any]:
    result: dict[str, Any] = made.record()["result"]
    return result


def test_bars_are_as_long_as_their_shares() -> None:
    given_layers = _lenet()["layers"]
    root = _parse(layers.draw(given_layers, "k"))
    bars = _rects(root, "c1")[1:]  # the first is the legend's
    assert len(bars) == len(given_layers)
    longest = max(max(layer["share"] for layer in given_layers), _macs_share(given_layers))
    for bar, layer in zip(bars, given_layers, strict=True):
        assert bar[2] == pytest.approx(max(440 * layer["share"] / longest, 1), rel=1e-3)
    text = "".join(root.itertext())
    assert "share of instructions" in text and "/MAC" in text


def _macs_share(given_layers: list[dict[str, Any]]) -> float:
    macs = [layer["macs"] for layer in given_layers]
    return max(macs) / sum(macs)


def test_layers_that_were_not_timed_show_multiply_accumulates() -> None:
    given_layers = made.record(profile=False)["result"]["layers"]
    text = "".join(_parse(layers.draw(given_layers, "k")).itertext())
    assert "share of MACs" in text and "instructions" not in text
    assert layers.draw([], "k") == ""


def test_of_many_layers_the_most_expensive_are_drawn() -> None:
    many = [{"layer": i, "operators": ["ADD"], "macs": 1000 - i, "bytes_moved": 1} for i in range(150)]
    text = "".join(_parse(layers.draw(many, "k")).itertext())
    assert "110 smaller layers" in text and "0  add" in text and "149  add" not in text


def test_a_tensor_is_drawn_where_and_while_it_lives() -> None:
    plan = {
        "arena_bytes": 100,
        "lower_bound_bytes": 100,
        "steps": 2,
        "tensors": [
            {"name": "in", "kind": "input", "offset": 0, "bytes": 40, "first": -1, "last": 0},
            {"name": "mid", "kind": "between", "offset": 20, "bytes": 60, "first": 0, "last": 1},
            {"name": "out", "kind": "output", "offset": 80, "bytes": 20, "first": 1, "last": 2},
        ],
        "live_bytes": [40, 80, 80, 20],
    }
    drawing = memory.draw(plan, "k", ["one", "two"])
    root = _parse(drawing)
    boxes = _rects(root, "box")
    column = boxes[0][2] / 2
    assert [round(box[2] / column) for box in boxes] == [2, 2, 2]
    assert boxes[1][0] - boxes[0][0] == pytest.approx(column, rel=1e-2)
    assert [box[3] for box in boxes] == pytest.approx([40 * 2.3, 60 * 2.3, 20 * 2.3])
    # "mid" is written over the upper half of "in" while that is read.
    assert drawing.count('fill="url(#k-h)"') == 2
    assert "80 bytes in use" in drawing
    assert memory.draw({}, "k") == "" == memory.draw({"arena_bytes": 1, "tensors": [{"name": "x"}]}, "k")


def test_real_plans_are_drawn() -> None:
    for network in ("lenet5", "separable"):
        plan = made.record(network=network)["result"]["memory"]
        assert len(_rects(_parse(memory.draw(plan, "k")), "box")) == len(plan["tensors"])


def test_widths_before_and_after() -> None:
    root = _parse(widths.draw([("a", 64, 16), ("b", 16, 16)], "k"))
    before, after = _rects(root, "gone")[1:], _rects(root, "c3")[1:]
    assert before[0][2] == 440 and after[0][2] == pytest.approx(110)
    assert before[1] == after[1]
    assert "64 → 16 · −75 %" in "".join(root.itertext())
    assert widths.draw([], "k") == ""


@pytest.mark.parametrize(("low", "high"), [(0, 1), (88.3, 93.1), (0.001, 0.002), (3, 3), (0, 123_456)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_bytes_get_ticks_at_powers_of_two() -> None:
    assert svg.size_ticks(0, 7456) == [0, 2048, 4096, 6144]
    assert svg.size_ticks(300_000, 900_000) == [393216, 524288, 655360, 786432]


def test_texts_are_cut_in_the_middle() -> None:
    assert svg.fit("conv_2d", 1000) == "conv_2d"
    cut = svg.fit("a_long_name_of_a_layer", 90)
    assert "…" in cut and svg.width_of(cut) <= 90 and cut.startswith("a_l") and cut.endswith("er")
    assert svg.fit("abc", 1) == ""


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (say.size(980), "980 B"),
        (say.size(7456), "7.28 K"),
        (say.size(1.25 * 1024**2), "1.25 M"),
        (say.size(None), "–"),
        (say.count(2_912_740), "2.91 M"),
        (say.count(980), "980"),
        (say.ms(0.0421), "42.1 µs"),
        (say.ms(3726), "3,726 ms"),
        (say.ms_range(52.0, 53.8), "52.0–53.8 ms"),
        (say.ms_range(0.05, 0.06), "50.0 µs–60.0 µs"),
        (say.percent(0.9281, 2), "92.81 %"),
        (say.short_percent(0.125), "12.5 %"),
        (say.small_percent(0.0001), "< 0.1 %"),
        (say.factor(3726, 54), "×69.0"),
        (say.factor(None, 54), ""),
    ],
)
def test_numbers_as_text(shown: str, expected: str) -> None:
    assert shown == expected


def test_charts_escape_names() -> None:
    one, nasty = made.nasty()["result"], made.NASTY
    part, point = treemap.Part(nasty, 9, nasty, "c1", nasty), pareto.Point(1, 1, nasty, nasty, nasty, nasty, "r1")
    drawings = [
        layers.draw(one["layers"], "k"),
        memory.draw(one["memory"], "m"),
        widths.draw([(nasty, 9, 4)], "w"),
        treemap.draw([part], "t", nasty, 100, 50),
        pareto.draw([point], "p", nasty, nasty, say.ms, fronts=True),
    ]
    for drawing in drawings:
        _parse(drawing)
        assert not re.search(r"<(script|img)", drawing)
