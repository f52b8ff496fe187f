"""The picture of the memory plan shows what the plan says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from foldtiny.aot import compile_tflite, picture
from foldtiny.errors import UsageError
from tests.aot import networks

_SVG = "{http://www.w3.org/2000/svg}"


def test_every_tensor_is_a_box_at_its_place(tmp_path: Path) -> None:
    model = compile_tflite(networks.residual(), target="cortex-m4", optimize="size")
    picture.write(model, tmp_path / "memory.svg", "residual <net>")
    root = ElementTree.parse(tmp_path / "memory.svg").getroot()
    boxes = [box for box in root.iter(f"{_SVG}rect") if box.find(f"{_SVG}title") is not None]
    told = [box.find(f"{_SVG}title").text for box in boxes]  # type: ignore[union-attr]
    assert told == [f"{t.name}: {t.bytes:,} bytes at {t.offset:,}" for t in model.plan.tensors]
    # Heights are in proportion to bytes, widths to layers; what lies higher in memory lies higher in the picture.
    largest = max(model.plan.tensors, key=lambda t: t.bytes)
    scale = float(boxes[model.plan.tensors.index(largest)].get("height", 0)) / largest.bytes
    bottom = max(float(box.get("y", 0)) + float(box.get("height", 0)) for box in boxes)
    column = min(int(box.get("width", 0)) for box in boxes)
    for box, tensor in zip(boxes, model.plan.tensors, strict=True):
        assert float(box.get("height", 0)) == pytest.approx(max(tensor.bytes * scale, 0.5), abs=0.1)
        low = bottom - float(box.get("y", 0)) - float(box.get("height", 0))
        assert low == pytest.approx(tensor.offset * scale, abs=0.6)
        assert int(box.get("width", 0)) == column * (tensor.last - tensor.first + 1)
    overlaps = [box for box in root.iter(f"{_SVG}rect") if box.get("fill") == "url(#over)"]
    # One of the boxes explains the pattern.
    assert len(overlaps) == 1 + sum(len(model.plan.overwritten(i)) for i in range(len(model.layers)))
    texts = [text.text or "" for text in root.iter(f"{_SVG}text")]
    assert texts[0] == (
        f"residual <net>: {model.plan.arena_bytes:,} bytes of RAM "
        f"({model.plan.lower_bound_bytes:,} at the fullest moment)"
    )


def test_the_picture_is_an_svg(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be a '\.png' file \(allowed: \.svg\)"):
        picture.write(compile_tflite(networks.lenet5()), tmp_path / "memory.png", "net")
    assert not list(tmp_path.iterdir())
