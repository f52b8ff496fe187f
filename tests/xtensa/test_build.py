"""The Xtensa kernels compile as the ESP32's builds do: windowed registers, small or debug builds, frame pointers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from foldtiny.resources import root
from tests.xtensa import twin

pytestmark = pytest.mark.skipif(not twin.AVAILABLE, reason="needs gcc-xtensa-lx106 and qemu-system-xtensa")

CALLS = {
    "conv_2d": "ft_xt_conv_2d_s8((const ft_xt_conv_2d *)p, w, c, i, o, s)",
    "winograd": "ft_xt_winograd_s8((const ft_xt_winograd *)p, w, c, i, o, s)",
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
        arguments = "const void *p, const uint8_t *w, const ft_xt_channel *c, const int8_t *i, int8_t *o, void *s"
        lines.append(f"void run_{name}({arguments});\nvoid run_{name}({arguments}) {{\n    (void)w;\n    {call};\n}}")
    source = tmp_path / "kernels.c"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    kernels = root("firmware") / "kernels"
    # The LX106 has no register windows: its assembler refuses what the compiler writes for them, so stop before it.
    command = ["xtensa-lx106-elf-gcc", "-ffreestanding", "-mlongcalls", "-Wall", "-Wextra", "-Werror", "-S"]
    command += [*flags.split(), f"-I{kernels}", f"-I{kernels / 'xtensa'}", str(source), "-o", str(tmp_path / "k.s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
