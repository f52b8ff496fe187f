"""Board files: every one is valid, and a wrong name or field ends in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foldtiny import boards, resources
from foldtiny.errors import ProjectError, UsageError
from foldtiny.project import render
from tests.firmware.fake_model import FakeCompiled

FILES = sorted(resources.root("boards").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_valid_and_its_twin_exists(path: Path) -> None:
    board = boards.load(path)
    manifest = resources.root("firmware") / "platform" / "boards" / f"{board.simulator.board}.json"
    upload = json.loads(manifest.read_text())["upload"]
    # The twin must enforce the real board's limits; PlatformIO wants a number even where nothing limits.
    assert upload["maximum_size"] == (board.limits.flash_bytes or 1 << 34)
    assert upload["maximum_ram_size"] == (board.limits.ram_bytes or 1 << 32)
    ports = resources.root("firmware") / "runtime" / "ports"
    assert (ports / board.simulator.port).is_file()
    assert board.hardware is None or (ports / board.hardware.port).is_file()
    if board.hardware and board.hardware.partitions:
        own = json.loads((resources.root("boards") / "platformio" / f"{board.hardware.board}.json").read_text())
        assert own["upload"]["maximum_size"] == board.limits.flash_bytes


def test_names_and_aliases_are_unique() -> None:
    names = [name for board in boards.load_all().values() for name in (board.name, *board.aliases)]
    assert len(names) == len(set(names))
    assert set(boards.load_all()) == {path.stem for path in FILES}


@pytest.mark.parametrize("name", ["esp-eye", "ESP_EYE", "espeye", "esp32-eye"])
def test_get_takes_aliases(name: str) -> None:
    assert boards.get(name).name == "esp-eye"


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        boards.get("nano33")
    assert str(caught.value) == (
        "there is no board 'nano33' (boards: esp-eye, jetson-nano, nano33ble, nucleo-l4r5zi); did you mean 'nano33ble'?"
    )


def test_unknown_board_without_a_near_name() -> None:
    with pytest.raises(UsageError, match="`foldtiny boards` lists them"):
        boards.get("zzzzqq")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("clock_hz = 64_000_000", "clock_hz = 0", "clock_hz"),
        ("clock_hz = 64_000_000", "clock_mhz = 64", "clock_hz"),
        ("nordicnrf52@10.6.0", "nordicnrf52", "hardware.platform"),
        ('target = "cortex-m4"', 'target = "z80"', "target"),
        ("vendor = 0x2341", "vendor = 0x12341", "usb.0.vendor"),
        ('compiler = "arm-none-eabi-gcc"', 'compiler = "cc"', "simulator"),
    ],
)
def test_wrong_field_is_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    text = (resources.root("boards") / "nano33ble.toml").read_text()
    assert old in text
    path = tmp_path / "nano33ble.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ProjectError, match=f"wrong at {field}"):
        boards.load(path)


def test_file_name_and_name_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text((resources.root("boards") / "nano33ble.toml").read_text())
    with pytest.raises(ProjectError, match=r"name the file nano33ble\.toml"):
        boards.load(path)


def test_a_roomy_twin_takes_images_that_no_board_could(tmp_path: Path) -> None:
    board = boards.get("nano33ble")
    roomy = board.roomy()
    assert (roomy.limits.flash_bytes, roomy.limits.ram_bytes) == (boards.SIMULATED_ROOM,) * 2
    assert roomy.hardware is None and board.hardware is not None
    options = {"board_upload.maximum_size": "4194304", "board_upload.maximum_ram_size": "4194304"}
    assert roomy.simulator.options == options and board.simulator.options == {}
    render(roomy, FakeCompiled(), b"TFL3", tmp_path / "p", title="Fake")
    written = (tmp_path / "p" / "platformio.ini").read_text()
    assert all(f"{key} = {value}\n" in written for key, value in options.items())
    assert board.hardware.environment + "]" not in written
