"""The formulas by which kernels are chosen, against cycles and instructions that the simulator counts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from foldtiny import reference
from foldtiny.aot.compile import compile_tflite
from foldtiny.aot.cortex_m4 import cost
from foldtiny.aot.layer import Kernel
from tests.aot.tflite_builder import RELU, VALID
from tests.cortex_m4 import simulator
from tests.cortex_m4.generated import _Net
from tests.estimate.bare import cycles

pytestmark = pytest.mark.skipif(not simulator.AVAILABLE, reason="needs gcc-arm-none-eabi and qemu-system-arm")

WIDE, HALF, TILES, SQUARES, THREE, EIGHT, FOUR, COLOUR, STRASSEN = range(9)
"""The order in which candidates are given."""


def _convolution(shape: tuple[int, ...], size: int, out_c: int, stride: int = 1, *, pooled: bool = False) -> bytes:
    net = _Net(3, shape)
    net.convolution(size, out_c, stride)
    if pooled:
        n, h, w, c = net.shape
        out = net.build.tensor((n, h // 2, w // 2, c), scale=net.scale, zero=-128)
        options = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
        net.build.operator("MAX_POOL_2D", [net.last], [out], **options)
        net.last = out
    return net.finish()


def _dense(depth: int, outputs: int) -> bytes:
    net = _Net(3, (1, depth))
    net.fully_connected(outputs, RELU)
    return net.finish()


CASES = {
    "3x3": (_convolution((1, 16, 16, 16), 3, 16), (WIDE, HALF, TILES)),
    "1x1": (_convolution((1, 6, 6, 128), 1, 64), (WIDE, HALF, THREE, FOUR, STRASSEN)),
    "1x1 of 32": (_convolution((1, 9, 8, 32), 1, 32), (FOUR, STRASSEN)),
    "1x1 of eight": (_convolution((1, 12, 12, 8), 1, 16), (WIDE, THREE, EIGHT)),
    "3x3 stride 2, colour": (_convolution((1, 32, 32, 3), 3, 8, 2), (WIDE, HALF, COLOUR)),
    "5x5 and maximum": (_convolution((1, 14, 14, 14), 5, 10, pooled=True), (WIDE, SQUARES)),
    "5x5 and maximum, two channels": (_convolution((1, 14, 14, 2), 5, 8, pooled=True), (HALF, SQUARES)),
    "dense": (_dense(256, 96), (WIDE, HALF)),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_near_what_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    data, numbers = CASES[name]
    samples = reference.random_inputs(data, 1, seed=7)
    known: list[cost.Cost] = []
    for number in numbers:

        def chosen(candidates: Iterable[tuple[Kernel | None, cost.Cost]], number: int = number) -> Kernel | None:
            kernel, estimate = list(candidates)[number]
            assert kernel is not None
            known.append(estimate)
            return kernel

        monkeypatch.setattr(cost, "best", chosen)
        folder = tmp_path / str(number)
        folder.mkdir()
        simulator.infer(folder, compile_tflite(data, target="cortex-m4"), samples)
        instructions, low, high = cycles(folder / "image.elf")
        assert known[-1].instructions == pytest.approx(instructions, rel=0.13)
        assert known[-1].cycles == pytest.approx((low + high) / 2, rel=0.13)


def test_the_fewest_cycles_win_and_near_them_the_fewest_instructions() -> None:
    kernels = [Kernel(title=title, headers=(), call="") for title in ("a", "b", "c")]
    costs = [cost.Cost(100, 90), cost.Cost(104, 70), cost.Cost(107, 50)]
    assert cost.best(zip(kernels, costs, strict=True)) is kernels[1]
    assert cost.best([(None, costs[0]), (kernels[2], costs[2])]) is kernels[2]
    assert cost.best([(None, costs[0])]) is None


def test_a_transform_is_taken_only_where_it_pays() -> None:
    titles = {
        name: compile_tflite(CASES[name][0], target="cortex-m4").layers[0].kernel
        for name in ("5x5 and maximum", "5x5 and maximum, two channels")
    }
    assert "Winograd" in titles["5x5 and maximum"]
    assert "Winograd" not in titles["5x5 and maximum, two channels"]
