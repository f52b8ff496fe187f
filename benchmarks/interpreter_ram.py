"""What TFLite Micro's interpreter keeps in RAM beside the tensors, counted on a simulated Cortex-M4.

    python benchmarks/interpreter_ram.py --tflm-source DIR build/table2/poster/*/model.tflite

DIR is a tree as TFLite Micro's own ``create_tflm_tree.py`` writes it. The networks may hold CONV_2D, MAX_POOL_2D,
RESHAPE and FULLY_CONNECTED, as the poster's LeNet5. Prints the tensors' share of the arena, the rest of the arena, and
the size of the interpreter and of its resolver, from which the constants in ``foldtiny/table2/figures.py`` come. Needs
arm-none-eabi-g++ with its C++ library, and qemu-system-arm; takes two minutes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

MACHINE = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS = (*MACHINE, "-Os", "-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-w")
FLAGS += ("-ffunction-sections", "-fdata-sections", "-DTF_LITE_STATIC_MEMORY")
ARENA_BYTES = 128 * 1024
KERNELS = "conv|pooling|reshape|fully_connected|kernel_util|micro_tensor_utils"
LEFT_OUT = re.compile(r"test|mock|fake|hexdump|debug_log|micro_time|system_setup")

MAIN = f"""
#include <cstdarg>
#include <cstdio>
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/recording_micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"
extern "C" const unsigned char model_start[];
extern "C" void DebugLog(const char *format, va_list args) {{ vprintf(format, args); }}
alignas(16) static unsigned char recorded[{ARENA_BYTES}], plain[{ARENA_BYTES}];
int main() {{
    static tflite::MicroMutableOpResolver<4> ops;
    ops.AddConv2D(); ops.AddMaxPool2D(); ops.AddReshape(); ops.AddFullyConnected();
    auto *model = tflite::GetModel(model_start);
    auto *counting = tflite::RecordingMicroAllocator::Create(recorded, sizeof recorded);
    static tflite::RecordingMicroInterpreter listed(model, ops, counting);
    static tflite::MicroInterpreter used(model, ops, plain, sizeof plain);
    if (listed.AllocateTensors() != kTfLiteOk || used.AllocateTensors() != kTfLiteOk) return 1;
    counting->PrintAllocations();
    printf("used %u interpreter %u resolver %u\\n", unsigned(used.arena_used_bytes()), unsigned(sizeof used),
           unsigned(sizeof ops));
    return 0;
}}
"""
# A reset handler that turns the floating-point unit on; newlib's own start-up does the rest over semihosting.
START = """
.syntax unified
.cpu cortex-m4
.thumb
.section .vectors, "a"
.global vectors
vectors: .word 0x20400000
.word reset + 1
.section .text.reset, "ax"
.global reset
.thumb_func
reset: ldr r0, =0xE000ED88
ldr r1, [r0]
orr r1, r1, #0xF00000
str r1, [r0]
dsb
isb
bl _mainCRTStartup
.section .rodata
.balign 16
.global model_start
model_start: .incbin "model.tflite"
"""


def sources(tree: Path) -> list[Path]:
    """Return the interpreter, its reference kernels and what they need, without tests."""
    lite = tree / "tensorflow" / "lite"
    folders = ("micro", "micro/arena_allocator", "micro/memory_planner", "micro/tflite_bridge", "core/c", "core/api")
    found = [path for folder in (*folders, "kernels") for path in (lite / folder).glob("*.cc")]
    found += [*(lite / "kernels" / "internal").rglob("*.cc"), *(tree / "tensorflow" / "compiler").rglob("*.cc")]
    found += [p for p in (lite / "micro" / "kernels").glob("*.cc") if re.fullmatch(f"({KERNELS})(_common)?", p.stem)]
    return sorted(path for path in found if not LEFT_OUT.search(path.name))


def build(tree: Path, folder: Path) -> list[Path]:
    """Compile the interpreter once."""
    parts = ("", "third_party/flatbuffers/include", "third_party/gemmlowp", "third_party/ruy")
    includes = [f"-I{tree / part}" for part in parts]
    (folder / "main.cc").write_text(MAIN)
    (folder / "start.S").write_text(START)
    objects = []
    for number, source in enumerate([*sources(tree), folder / "main.cc"]):
        objects.append(folder / f"{number}.o")
        _run(["arm-none-eabi-g++", *FLAGS, *includes, "-c", str(source), "-o", str(objects[-1])], folder)
    return objects


def count(objects: Sequence[Path], tflite: Path, folder: Path) -> tuple[int, int, int, int]:
    """Return the bytes of tensors, of the rest of the arena, of the interpreter and of the resolver."""
    (folder / "model.tflite").write_bytes(tflite.read_bytes())
    link = ["--specs=rdimon.specs", "-Wl,--gc-sections,--section-start=.vectors=0,-Tdata=0x20000000"]
    link += ["-Wl,-u,vectors,--entry=reset"]
    _run(["arm-none-eabi-g++", *FLAGS, *map(str, objects), "start.S", "-o", "count.elf", *link], folder)
    qemu = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-semihosting", "-monitor", "none", "-serial", "none"]
    said = _run([*qemu, "-kernel", "count.elf"], folder)
    tensors = int(re.findall(r"head (\d+) bytes", said)[0])
    used, interpreter, resolver = map(int, re.findall(r"used (\d+) interpreter (\d+) resolver (\d+)", said)[0])
    return tensors, used - tensors, interpreter, resolver


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ... failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout + done.stderr


def main() -> None:
    """Build, count each network, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflm-source", type=Path, required=True)
    parser.add_argument("tflite", type=Path, nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        objects = build(arguments.tflm_source.resolve(), folder)
        for tflite in arguments.tflite:
            tensors, rest, interpreter, resolver = count(objects, tflite, folder)
            total = rest + interpreter + resolver
            parts = f"arena's rest {rest:,}, interpreter {interpreter}, resolver {resolver}"
            print(f"{tflite}: tensors {tensors:,} B; {parts}")
            print(f"    beside the tensors {total:,} B; tensors and that {(tensors + total) / 1024:.2f} K")


if __name__ == "__main__":
    main()
