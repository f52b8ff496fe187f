"""Builds through PlatformIO: offline, footprints that add up, and one sentence for each way to fail."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from foldtiny import boards
from foldtiny.device import build, footprint
from foldtiny.device.build import Firmware
from foldtiny.errors import BuildError
from foldtiny.project import Project, render
from tests.firmware import fake_model

NANO = boards.get("nano33ble")


def _project(folder: Path, model_c: str) -> Project:
    compiled = fake_model.FakeCompiled()
    files = {**compiled.files, "model.c": compiled.files["model.c"] + model_c}
    return render(NANO, replace(compiled, files=files), b"TFL3", folder / "a project", title="Fake")


@pytest.mark.parametrize("name", sorted(boards.load_all()))
def test_footprint_adds_up(built: Callable[[str], Firmware], name: str) -> None:
    firmware = built(name)
    size = firmware.footprint
    assert size.flash_model == 4  # model_weights_bias
    assert 100 < size.flash_engine < 2000
    assert size.flash_model + size.flash_engine + size.flash_other == size.flash_total
    # model_arena's own size; the array in model_data.c is not used and must not be linked.
    assert size.ram_arena == 308
    assert not any(symbol.name == "model_data" for symbol in size.symbols)
    assert size.stack_reserved in (16 * 1024, 256 * 1024)
    assert size.ram_static > size.ram_arena
    assert size.to_dict()["flash_total"] == size.flash_total
    # GNU size knows the same totals.
    prefix = boards.get(name).simulator.compiler.removesuffix("gcc")
    out = subprocess.run([prefix + "size", str(firmware.elf)], capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, out.splitlines()[1].split()[:3])
    assert size.flash_total == text + data
    assert abs(size.ram_static + size.stack_reserved - data - bss) <= 64  # .tbss and alignment


def test_second_build_compiles_nothing(built: Callable[[str], Firmware]) -> None:
    firmware = built("nano33ble")
    project = Project(firmware.elf.parents[3], NANO, {"hardware": "nano33ble", "simulated": "nano33ble-sim"})
    again = build.build(project, "nano33ble-sim")
    assert "Compiling" not in again.log.read_text()
    assert again.footprint == firmware.footprint


def test_image_over_the_flash(tmp_path: Path) -> None:
    # The fake firmware is about 4 KB; a used constant of 1 MB pushes it over the Nano's 983,040 B.
    big = "const uint8_t model_weights_big[1000000] = {1};"
    use = (
        "extern const uint8_t model_weights_big[]; *(volatile uint8_t *)model_arena = model_weights_big[values[0] & 1];"
    )
    project = _project(tmp_path, big)
    source = project.directory / "src" / "model" / "model.c"
    source.write_text(source.read_text().replace("int32_t sum = 0;", f"int32_t sum = 0; {use}"))
    with pytest.raises(BuildError) as caught:
        build.build(project, "nano33ble-sim")
    found = re.fullmatch(
        r"the firmware needs ([\d,]+) B of flash; nano33ble has 983,040 B; "
        r"raise --sparsity and use --precision int8, or give a smaller \.tflite",
        str(caught.value),
    )
    assert found and 1_003_000 < int(found[1].replace(",", "")) < 1_010_000


def test_arena_over_the_ram(tmp_path: Path) -> None:
    project = _project(tmp_path, "")
    source = project.directory / "src" / "model" / "model.c"
    source.write_text(source.read_text().replace("MODEL_ARENA_BYTES]", "260000]"))
    with pytest.raises(BuildError) as caught:
        build.build(project, "nano33ble-sim")
    found = re.match(
        r"the firmware needs ([\d,]+) B of RAM, stack included; nano33ble has 262,144 B; ", str(caught.value)
    )
    assert found and 277_000 < int(found[1].replace(",", "")) < 278_000


def test_limits_are_checked_on_the_elf_too(built: Callable[[str], Firmware]) -> None:
    measured = built("nano33ble").footprint
    with pytest.raises(BuildError, match=r"needs 983,041 B of flash; nano33ble has 983,040 B"):
        build.check_limits(NANO, replace(measured, flash_total=983_041))
    build.check_limits(boards.get("jetson-nano"), replace(measured, flash_total=1 << 40))


def test_compiler_error_shows_its_first_line(tmp_path: Path) -> None:
    project = _project(tmp_path, "\nint model_wrong = undeclared_thing;\n")
    with pytest.raises(BuildError) as caught:
        build.build(project, "nano33ble-sim")
    assert re.search(
        r"nano33ble does not build: src/model/model\.c:\d+:\d+: error: 'undeclared_thing'", str(caught.value)
    )
    log = project.directory / ".pio" / "foldtiny-nano33ble-sim.log"
    assert caught.value.hint == f"the whole log is in {log}"
    assert log.is_file()


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='github.com', port=443): Max retries "
            "exceeded with url: /espressif/esp-nn/archive/d45b.zip (Caused by NameResolutionError(...))",
            "https://github.com/espressif/esp-nn/archive/d45b.zip",
        ),
        (
            "Error: Got the unrecognized status code '404' when downloaded https://github.com/x/y/archive/0.zip",
            "https://github.com/x/y/archive/0.zip (status 404)",
        ),
    ],
)
def test_an_archive_that_cannot_be_downloaded(tmp_path: Path, said: str, where: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"Library Manager: Installing something\nTraceback (most recent call last):\n{said}\n")
    assert str(build.explain(boards.get("esp-eye"), log)) == (
        f"TFLite Micro for a real esp-eye cannot be downloaded from {where}; connect to the internet for the first "
        "build, or give its sources with --tflm-source"
    )


def test_missing_compiler_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        build.build(project, "nano33ble-sim")
    assert str(caught.value) == (
        "arm-none-eabi-gcc, the compiler for nano33ble, is not installed; "
        "install it with: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    )


def test_not_an_elf(tmp_path: Path) -> None:
    path = tmp_path / "firmware.elf"
    path.write_bytes(os.urandom(500))
    with pytest.raises(BuildError, match="cannot be read"):
        footprint.read(path)
    with pytest.raises(BuildError, match="cannot be read"):
        footprint.read(tmp_path / "missing")


def _commands() -> list[bytes]:
    """Return the command lines of all running processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.append((entry / "cmdline").read_bytes())
    return found


def test_interrupt_ends_the_build(tmp_path: Path) -> None:
    """Ctrl-C while PlatformIO runs: the interrupt comes through, and nothing of the build is left running."""
    project = _project(tmp_path, "")

    def interrupt(label: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.build(project, "nano33ble-sim", progress=interrupt)
    assert not [command for command in _commands() if str(project.directory).encode() in command]


def test_project_builds_without_foldtiny(built: Callable[[str], Firmware], tmp_path: Path) -> None:
    """A copy of the project in another place, built by plain PlatformIO."""
    from foldtiny.device import platformio

    copy = tmp_path / "copy"
    shutil.copytree(built("esp-eye").elf.parents[3], copy, ignore=shutil.ignore_patterns(".pio"))
    done = subprocess.run(
        platformio.command("run", "-d", str(copy)),
        env=platformio.environment(platformio.ensure_core(), None) | {"FOLDTINY_CACHE": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / ".pio" / "build" / "esp-eye-sim" / "firmware.elf").is_file()
