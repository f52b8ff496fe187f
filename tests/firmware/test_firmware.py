"""The firmware's C: its own tests under the sanitisers, and warnings as errors under every compiler."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from foldtiny import resources
from tests.firmware import fake_model

RUNTIME = resources.root("firmware") / "runtime"
PLATFORM = resources.root("firmware") / "platform"
STUBS = Path(__file__).parent / "stubs"
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wconversion", "-O2"]
INCLUDES = [f"-I{RUNTIME}", f"-I{fake_model.FOLDER}", f"-I{PLATFORM / 'include' / 'freestanding'}"]
CORTEX = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
XTENSA = ["xtensa-lx106-elf-gcc", "-ffreestanding", "-mlongcalls", "-mtext-section-literals", "-DFW_FREESTANDING"]
COMPILERS = {
    "host": (["gcc"], ["port_posix.c"]),
    "cortex-m4": (CORTEX, ["port_mps2.c"]),
    "xtensa": (XTENSA, ["port_xtensa_sim.c"]),
    "aarch64": (["aarch64-linux-gnu-gcc"], ["port_posix.c"]),
}


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_protocol_under_the_sanitisers(tmp_path: Path) -> None:
    program = tmp_path / "test_frame"
    sources = [*sorted(RUNTIME.glob("*.c")), *sorted(fake_model.FOLDER.glob("*.c"))]
    sanitise = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
    _run("gcc", "-std=gnu11", *sanitise, "-Wall", "-Wextra", "-Werror", *INCLUDES[:2],
         Path(__file__).parent / "test_frame.c", *sources, "-o", program)  # fmt: skip
    assert "all hold" in _run(program, "300000")


def _fuzzer(folder: Path, server: str | None = None) -> Path:
    """Build the fuzzer; ``server`` replaces the source of the protocol server."""
    flags = ["-std=gnu11", "-O3", "-g", "-Wall", "-Wextra", "-Werror", *INCLUDES[:2]]
    sanitise = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    followed = [RUNTIME / "fw_describe.c", RUNTIME / "fw_frame.c", Path(__file__).parent / "fuzz_target.c"]
    (folder / "fw_server.c").write_text(server or (RUNTIME / "fw_server.c").read_text())
    # Checksums run a loop per bit; following every edge of it would only cost time.
    plain = [RUNTIME / "fw_crc.c", RUNTIME / "fw_stack.c", *sorted(fake_model.FOLDER.glob("*.c"))]
    groups = (
        ([*followed, folder / "fw_server.c"], [*sanitise, "-fsanitize-coverage=trace-pc"]),
        (plain, sanitise),
        ([Path(__file__).parent / "fuzz_driver.c"], []),
    )
    objects = []
    for sources, more in groups:
        for source in sources:
            objects.append(folder / f"{source.stem}.o")
            _run("gcc", *flags, *more, "-c", source, "-o", objects[-1])
    _run("gcc", *sanitise, *objects, "-o", folder / "fuzz")
    return folder / "fuzz"


@pytest.mark.slow
def test_protocol_survives_ten_million_fuzzed_inputs(tmp_path: Path, record_property: Any) -> None:
    said = _run(_fuzzer(tmp_path), "10000000", "1").strip()
    found = re.fullmatch(r"(\d+) executions, (\d+) inputs kept, (\d+) edges", said)
    assert found and int(found[1]) == 10_000_000
    assert int(found[3]) > 300  # all requests with their refusals, not only the parser
    record_property("figure", f"protocol fuzzed under ASan and UBSan: {int(found[1]):,} executions, no finding")


def test_fuzzer_finds_a_missing_check(tmp_path: Path) -> None:
    """The fuzzer is worth something: without LOAD's range check it finds the overflow at once."""
    server = (RUNTIME / "fw_server.c").read_text()
    check = "offset > bytes || count > bytes - offset"
    assert check in server
    program = _fuzzer(tmp_path, server.replace(check, "offset > bytes || count > bytes"))
    done = subprocess.run([str(program), "300000", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "AddressSanitizer" in done.stderr


def test_soft_arithmetic_equals_the_hosts(tmp_path: Path, record_property: Any) -> None:
    program = tmp_path / "test_soft"
    flags = ["-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-DFW_SOFT_TEST"]
    source = Path(__file__).parent / "test_soft.c"
    _run("gcc", "-std=gnu11", *flags, f"-I{RUNTIME}", source, "-lm", "-o", program)
    assert "all hold" in _run(program, "2000000")
    record_property("cases", 2_000_000)


@pytest.mark.parametrize("profile", [False, True], ids=["plain", "profile"])
@pytest.mark.parametrize("target", COMPILERS)
def test_no_warnings(target: str, profile: bool, tmp_path: Path) -> None:
    compiler, ports = COMPILERS[target]
    sources = [*sorted(RUNTIME.glob("*.c")), *(RUNTIME / "ports" / port for port in ports)]
    sources += sorted(fake_model.FOLDER.glob("*.c"))
    extra = ["-DMODEL_PROFILE"] if profile else []
    includes = INCLUDES if target == "xtensa" else INCLUDES[:2]
    for source in sources:
        _run(*compiler, "-std=gnu11", *WARNINGS, *extra, *includes, "-c", source, "-o", tmp_path / "out.o")


@pytest.mark.parametrize(
    "compiler",
    [
        ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", "-DARDUINO_ARCH_MBED"],
        ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", "-DARDUINO_ARCH_STM32"],
        ["xtensa-lx106-elf-g++", "-ffreestanding", "-D__XTENSA__", "-DARDUINO_ARCH_ESP32"],
    ],
    ids=["mbed", "stm32", "esp32"],
)
def test_arduino_port_compiles_against_the_cores_api(compiler: list[str], tmp_path: Path) -> None:
    main = tmp_path / "main.cpp"
    template = (resources.root("templates") / "main.cpp.j2").read_text()
    main.write_text(template.replace("{{ title }}", "T").replace("{{ board.title }}", "B"))
    for source in (RUNTIME / "ports" / "port_arduino.cpp", main):
        _run(*compiler, "-std=gnu++14", *WARNINGS, f"-I{STUBS}", f"-I{RUNTIME}", "-c", source, "-o", tmp_path / "o")


def test_no_heap() -> None:
    for source in RUNTIME.rglob("*.c*"):
        text = source.read_text()
        assert not any(call in text for call in ("malloc(", "calloc(", "realloc(", "free(")), source


def test_format() -> None:
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    root = RUNTIME.parent.parent
    files = [*RUNTIME.rglob("*.[ch]"), *RUNTIME.rglob("*.cpp"), *Path(__file__).parent.rglob("*.[ch]")]
    done = subprocess.run(
        ["clang-format", "--dry-run", "-Werror", *map(str, files)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[:2000]
