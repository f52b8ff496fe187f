"""The Xtensa kernels compile as the ESP32's builds do: windowed registers, small or debug builds, frame pointers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from foldtiny.aot import compile_tflite
from foldtiny.resources import root
from tests.aot.tflite_builder import NONE, VALID, Builder
from tests.xtensa import twin

pytestmark = pytest.mark.skipif(not twin.AVAILABLE, reason="needs gcc-xtensa-lx106 and qemu-system-xtensa")

CALLS = {
    "conv_2d": "ft_xt_conv_2d_s8((const ft_xt_conv_2d *)p, w, c, i, o, s)",
    "winograd": "ft_xt_winograd_s8((const ft_xt_winograd *)p, w, c, i, o, s)",
    "pairs_conv_2d": (
        "ft_xt_pairs_conv_2d_s8((const ft_xt_pairs_conv_2d *)p, t, t, (const int16_t *)t, (const int16_t *)0, i, o, s)"
    ),
    "pairs_fully_connected": (
        "ft_xt_pairs_fully_connected_s8((const ft_xt_pairs_fully_connected *)p, w, t, (const int16_t *)t, i, o, s)"
    ),
    "depthwise_planes": "ft_xt_depthwise_planes_s8((const ft_xt_depthwise_planes *)p, t, t, i, o, s)",
    "fully_connected": "ft_xt_fully_connected_s8((const ft_xt_fully_connected *)p, w, c, i, o, s)",
    "depthwise_conv_2d": "ft_xt_depthwise_3x3_s8((const ft_xt_depthwise *)p, i, c, i, o, s)",
}


@pytest.mark.parametrize(
    "flags",
    ["-O0", "-Og -g", "-Os -mabi=windowed", "-O2 -mabi=windowed -fno-omit-frame-pointer", "-O2 -fstack-protector-all"],
)
def test_kernels_compile_with_the_registers_that_are_left(flags: str, tmp_path: Path) -> None:
    lines = [f'#include "xt_{name}.h"' for name in CALLS]
    for name, call in CALLS.items():
        arguments = "const void *p, const uint8_t *w, const int32_t *t, const ft_xt_channel *c, "
        arguments += "const int8_t *i, int8_t *o, void *s"
        body = f"    (void)w, (void)t, (void)c;\n    {call};\n"
        lines.append(f"void run_{name}({arguments});\nvoid run_{name}({arguments}) {{\n{body}}}")
    source = tmp_path / "kernels.c"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    kernels = root("firmware") / "kernels"
    # The LX106 has no register windows: its assembler refuses what the compiler writes for them, so stop before it.
    command = ["xtensa-lx106-elf-gcc", "-ffreestanding", "-mlongcalls", "-Wall", "-Wextra", "-Werror", "-S"]
    command += [*flags.split(), f"-I{kernels}", f"-I{kernels / 'xtensa'}", str(source), "-o", str(tmp_path / "k.s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _convolution(kernel: int, channels: int) -> bytes:
    """Build a network of one convolution with one output pixel."""
    build = Builder()
    source = build.tensor((1, kernel, kernel, channels), scale=0.01, zero=3)
    shape = (1, kernel, kernel, channels)
    filters = np.random.default_rng(kernel).integers(-127, 128, shape, dtype=np.int8)
    weights = build.tensor(shape, scale=0.02, data=filters)
    bias = build.constant([7], "int32", scale=0.0002)
    output = build.tensor((1, 1, 1, 1), scale=0.05, zero=-4)
    options = {"padding": VALID, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    build.operator("CONV_2D", [source, weights, bias], [output], fusedActivationFunction=NONE, **options)
    return build.build([source], [output])


@pytest.mark.parametrize(("kernel", "channels"), [(1, 1), (3, 1), (3, 2), (5, 1), (4, 4)])
@pytest.mark.parametrize("level", ["-O2", "-Os", "-O3"])
def test_a_convolution_compiles_where_gcc_knows_how_many_products_it_has(
    kernel: int, channels: int, level: str, tmp_path: Path
) -> None:
    model = compile_tflite(_convolution(kernel, channels), target="xtensa", optimize="speed")
    for file, text in model.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    command = ["xtensa-lx106-elf-gcc", "-ffreestanding", "-mlongcalls", level, "-c", "model.c", "-o", "model.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
