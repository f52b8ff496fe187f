"""Compiles many one-operator networks into one program and compares what it computes with the reference."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldtiny import reference
from foldtiny.aot import CompiledModel, compile_tflite
from tests.kernels.case import Case

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
CORTEX_M4 = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]

_MAIN = """
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    int samples, inputs, outputs;
    const unsigned *in_bytes, *out_bytes;
    void (*init)(void);
    void *(*input)(int);
    void (*invoke)(void);
    const void *(*output)(int);
} job;

extern const job jobs[];

int main(void) {
    FILE *from = fopen("inputs.bin", "rb");
    FILE *to = fopen("outputs.bin", "wb");
    if (!from || !to) return 2;
    for (const job *j = jobs; j->samples; j++) {
        j->init();
        for (int s = 0; s < j->samples; s++) {
            for (int i = 0; i < j->inputs; i++) {
                if (fread(j->input(i), 1, j->in_bytes[i], from) != j->in_bytes[i]) return 3;
            }
            j->invoke();
            for (int i = 0; i < j->outputs; i++) {
                if (fwrite(j->output(i), 1, j->out_bytes[i], to) != j->out_bytes[i]) return 4;
            }
        }
    }
    fclose(from);
    return fclose(to) ? 5 : 0;
}
"""

_LINK = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 4M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
ENTRY(_start)
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) KEEP(*(.init)) KEEP(*(.fini)) . = ALIGN(8); } >FLASH
  .ARM.exidx : { __exidx_start = .; *(.ARM.exidx*) __exidx_end = .; } >FLASH
  .init_array : { __init_array_start = .; KEEP(*(.init_array*)) __init_array_end = .; } >FLASH
  .data : { *(.data*) . = ALIGN(8); } >RAM
  .bss : { __bss_start__ = .; *(.bss*) *(COMMON) . = ALIGN(8); __bss_end__ = .; } >RAM
  end = .; __end__ = .; __stack = 0x203ffff0;
}
"""

_VECTORS = """
extern void _start(void);
static void reset(void) {
    *(volatile unsigned *)0xE000ED88u |= 0xFu << 20;  // switch the FPU on
    __asm volatile("dsb\\nisb");
    _start();
}
static void fault(void) { for (;;) __asm volatile("bkpt 0"); }
__attribute__((section(".vectors"), used)) void *const vectors[16] = {
    (void *)0x203ffff0u, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
"""


def write_program(
    cases: Sequence[Case], folder: Path, *, target: str = "portable", optimize: str = "size"
) -> list[CompiledModel]:
    """Write one C program that runs all cases, and the inputs that it reads."""
    models = []
    table, lines = [], ["#include <stdint.h>"]
    with (folder / "inputs.bin").open("wb") as inputs:
        for number, case in enumerate(cases):
            prefix = f"m{number}"
            model = compile_tflite(case.tflite, target=target, optimize=optimize, prefix=prefix, name=case.label)
            models.append(model)
            home = folder / prefix
            home.mkdir()
            for name, text in model.files.items():
                own = name.startswith(("model.", "weights."))
                path = (home if own else folder) / name
                if own or not path.exists():
                    path.write_text(text, encoding="utf-8")
            lines += [f'#include "{prefix}/model.c"', f'#include "{prefix}/weights.c"']
            for what, infos in (("in", model.inputs), ("out", model.outputs)):
                lines.append(
                    f"static const unsigned {prefix}_{what}_bytes[] = {{{', '.join(str(i.bytes) for i in infos)}}};"
                )
            table.append(
                f"    {{{len(case.samples)}, {len(model.inputs)}, {len(model.outputs)}, {prefix}_in_bytes, "
                f"{prefix}_out_bytes, {prefix}_init, {prefix}_input, {prefix}_invoke, {prefix}_output}},"
            )
            for sample in case.samples:
                for array in sample:
                    inputs.write(np.ascontiguousarray(array).tobytes())
    program = "\n".join([*lines, _MAIN, "const job jobs[] = {", *table, "    {0},\n};\n"])
    (folder / "program.c").write_text(program, encoding="utf-8")
    return models


def run_host(cases: Sequence[Case], folder: Path, flags: Sequence[str] = ("-O1",), **options: str) -> list[list[bytes]]:
    """Compile and run on this machine; returns the bytes of each output for each case, samples in a row."""
    models = write_program(cases, folder, **options)
    command = ["gcc", *WARNINGS, "-Wno-missing-field-initializers", *flags, "-I.", "-o", "program", "program.c", "-lm"]
    _run(command, folder)
    _run(["./program"], folder)
    return split(cases, models, (folder / "outputs.bin").read_bytes())


def run_cortex_m4(
    cases: Sequence[Case], folder: Path, flags: Sequence[str] = ("-O1",), **options: str
) -> list[list[bytes]]:
    """Compile for the Cortex-M4 and run under QEMU; returns what ``run_host`` does."""
    models = write_program(cases, folder, **options)
    (folder / "link.ld").write_text(_LINK, encoding="utf-8")
    (folder / "vectors.c").write_text(_VECTORS, encoding="utf-8")
    flags = [*CORTEX_M4[1:], *flags, "-I.", "--specs=rdimon.specs", "-T", "link.ld", "-o", "program.elf"]
    _run([CORTEX_M4[0], "-std=c11", *flags, "program.c", "vectors.c", "-lm"], folder)
    machine = ["qemu-system-arm", "-M", "mps2-an386", "-cpu", "cortex-m4", "-nographic", "-semihosting"]
    _run([*machine, "-kernel", "program.elf"], folder)
    return split(cases, models, (folder / "outputs.bin").read_bytes())


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=300
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-3000:]}"


def split(cases: Sequence[Case], models: Sequence[CompiledModel], data: bytes) -> list[list[bytes]]:
    """Return each case's outputs, of what a program wrote."""
    results, at = [], 0
    for case, model in zip(cases, models, strict=True):
        found = []
        for _ in case.samples:
            for info in model.outputs:
                found.append(data[at : at + info.bytes])
                at += info.bytes
        results.append(found)
    assert at == len(data), f"the program wrote {len(data)} bytes, expected {at}"
    return results


def compare(cases: Sequence[Case], results: Sequence[list[bytes]], tolerance: float = 0.0) -> int:
    """Compare with TFLite Micro; returns the number of cases compared.

    int8 has to agree byte for byte; float32 to ``tolerance``, relative to the largest value.
    """
    expected = reference.run_batch([(case.tflite, case.samples) for case in cases])
    wrong = []
    for case, got, want in zip(cases, results, expected, strict=True):
        arrays = [array for sample in want for array in sample]
        assert len(arrays) == len(got) > 0
        for one, (raw, array) in enumerate(zip(got, arrays, strict=True)):
            mine = np.frombuffer(raw, dtype=array.dtype).reshape(array.shape)
            if array.dtype == np.float32:
                limit = tolerance * max(1.0, float(np.abs(array).max(initial=0.0)))
                same = bool(np.all(np.abs(mine - array) <= limit))
            else:
                same = mine.tobytes() == array.tobytes()
            if not same:
                wrong.append((len(raw), f"{case.label}, output {one}: {mine.ravel()[:8]} is not {array.ravel()[:8]}"))
                break
    assert not wrong, f"{len(wrong)} of {len(cases)} cases differ; the smallest: {min(wrong)[1]}"
    return len(cases)
