"""The memory plan as the report gets it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from foldtiny.aot import compile_tflite
from foldtiny.aot.plan import MemoryPlan, Placement
from foldtiny.pipeline import memory
from tests.aot import networks


def _plan(*tensors: Placement) -> MemoryPlan:
    return MemoryPlan(arena_bytes=96, scratch_bytes=16, lower_bound_bytes=96, tensors=tensors)


def test_bytes_that_two_tensors_share_count_once() -> None:
    found = memory.describe(
        _plan(
            Placement("in", 0, 0, 40, -1, 0),
            Placement("out", 1, 32, 40, 0, 1),  # 8 bytes over the input, which is read before
            Placement("scratch of layer", -1, 80, 16, 0, 0),
        ),
        layers=1,
    )
    assert found["live_bytes"] == [40, 72 + 16, 40]
    assert [tensor["kind"] for tensor in found["tensors"]] == ["input", "output", "scratch"]
    assert found["steps"] == 1


@pytest.mark.parametrize("make", [networks.lenet5, networks.separable])
def test_a_real_plan_is_never_fuller_than_its_arena(make: object) -> None:
    compiled = compile_tflite(make())  # type: ignore[operator]
    found = memory.describe(compiled.plan, len(compiled.layers))
    assert len(found["live_bytes"]) == len(compiled.layers) + 2
    assert max(found["live_bytes"]) <= found["lower_bound_bytes"] <= found["arena_bytes"] == compiled.plan.arena_bytes
    assert found["live_bytes"][0] == sum(tensor.bytes for tensor in compiled.inputs)
    json.dumps(found)


def test_long_names_keep_their_end() -> None:
    item = Placement("block/" * 40 + "conv_7", 0, 0, 16, -1, 1)
    name = memory.describe(_plan(item), 1)["tensors"][0]["name"]
    assert len(name) == 72 and name.startswith("…") and name.endswith("/conv_7")
    assert memory.describe(_plan(dataclasses.replace(item, name="conv")), 1)["tensors"][0]["name"] == "conv"
