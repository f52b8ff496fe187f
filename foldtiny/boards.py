"""The boards foldtiny knows: one validated TOML file each, so a new board is a file and not code."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from foldtiny import resources
from foldtiny.errors import ProjectError, UsageError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
SIMULATED_ROOM = 4 * 1024 * 1024
"""Bytes of flash, and of RAM, that QEMU's machines have where the twins' boards have theirs."""

PortFile = Annotated[str, StringConstraints(pattern=r"^port_\w+\.(c|cpp)$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Data(BaseModel):
    """A frozen table of a board file; unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Data):
    """Room on the board in bytes; ``None`` where it does not matter (a Linux board)."""

    flash_bytes: int | None = Field(default=None, gt=0)
    ram_bytes: int | None = Field(default=None, gt=0)


class FlashWait(_Data):
    """The most cycles that a read of a constant from flash waits at the board's clock, and who says so."""

    cycles: int = Field(ge=0)
    source: Text


class UsbId(_Data):
    """A USB vendor and product number by which the board (or its bootloader) shows itself."""

    vendor: int = Field(ge=0, le=0xFFFF)
    product: int = Field(ge=0, le=0xFFFF)
    bootloader: bool = False


class Hardware(_Data):
    """PlatformIO's settings for the real board; the platform version is pinned.

    ``port`` is the file in firmware/runtime/ports that drives it; ``bootloader`` says how a person brings the board
    into its bootloader, should the uploader fail to. ``upload_serial`` are arguments that make the uploader take the
    board with ``{serial}``, where it does not go by port. ``tflm`` names the kernels of the TFLite Micro that
    PlatformIO fetches for that runtime (project/tflm/library.py); without it the runtime needs ``--tflm-source``.
    """

    environment: Name
    platform: Annotated[str, StringConstraints(pattern=r"^[\w/-]+@\d+\.\d+\.\d+$")]
    board: Text
    framework: Literal["arduino"]
    port: PortFile
    bootloader: Text
    build_flags: tuple[Text, ...] = ()
    partitions: Text | None = None
    upload_serial: tuple[Text, ...] = ()
    tflm: Literal["cmsis_nn", "esp_nn"] | None = None
    options: dict[str, str] = Field(default_factory=dict)


class CxxSpec(_Data):
    """The C++ compiler of a twin, and the Debian packages that hold it and its library."""

    compiler: Text
    packages: tuple[Text, ...] = Field(min_length=1)


class SimulatorSpec(_Data):
    """The board's simulated twin.

    ``title`` and ``meaning`` are shown with every number it yields. ``packages`` maps each program it needs to the
    Debian packages that hold it; ``{elf}`` in ``command`` stands for the firmware, ``{counter}`` for the
    plugin that counts instructions. ``cxx`` is what the runtime tflm needs; a twin without it has no C++ library.
    ``options`` go into the twin's section of platformio.ini.
    """

    kind: Name
    environment: Name
    board: Name
    port: PortFile
    title: Text
    meaning: Text
    command: tuple[Text, ...] = Field(min_length=1)
    compiler: Text
    packages: dict[str, tuple[Text, ...]]
    options: dict[str, str] = Field(default_factory=dict)
    cxx: CxxSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> SimulatorSpec:
        for program in (self.compiler, self.command[0]):
            if program not in self.packages:
                raise ValueError(f"packages names no package for {program}")
        if not any("{elf}" in part for part in self.command):
            raise ValueError("command has no {elf}")
        return self


class Board(_Data):
    """One board: what it is, what fits, how it is built, and its simulated twin."""

    name: Name
    title: Text
    aliases: tuple[Name, ...] = ()
    core: Text
    clock_hz: int = Field(gt=0)
    target: Literal["cortex-m4", "xtensa", "aarch64", "portable"]
    flash_wait: FlashWait | None = None
    limits: Limits
    usb: tuple[UsbId, ...] = ()
    hardware: Hardware | None = None
    simulator: SimulatorSpec

    def roomy(self) -> Board:
        """Return the board with a twin that has all the memory of its simulator.

        It shows how big an image is that does not fit, and what it would do. There is no such real board, hence no
        ``hardware``.
        """
        room = {f"board_upload.maximum_{what}": str(SIMULATED_ROOM) for what in ("size", "ram_size")}
        simulator = self.simulator.model_copy(update={"options": {**self.simulator.options, **room}})
        limits = Limits(flash_bytes=SIMULATED_ROOM, ram_bytes=SIMULATED_ROOM)
        return self.model_copy(update={"limits": limits, "simulator": simulator, "hardware": None})


def load(path: Path) -> Board:
    """Read and validate one board file.

    Raises
    ------
    ProjectError
        If the file is not TOML or a field is missing, unknown or out of range.
    """
    try:
        with path.open("rb") as stream:
            board = Board.model_validate(tomllib.load(stream))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ProjectError(f"the board file {path} cannot be read: {error}", "mend or remove the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ProjectError(f"the board file {path} is wrong at {where}: {first['msg']}", "mend the field") from error
    if board.name != path.stem:
        raise ProjectError(
            f"the board file {path} says name = '{board.name}'", f"name the file {board.name}.toml or mend the field"
        )
    return board


@cache
def load_all() -> dict[str, Board]:
    """Return every board by name, in alphabetical order."""
    return {path.stem: load(path) for path in sorted(resources.root("boards").glob("*.toml"))}


def get(name: str) -> Board:
    """Return a board by its name or an alias.

    Raises
    ------
    UsageError
        If no board has that name; the hint names the nearest ones.
    """
    boards = load_all()
    names = {alias: board for board in boards.values() for alias in (board.name, *board.aliases)}
    wanted = name.strip().lower().replace("_", "-")
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean '{names[near[0]].name}'?" if near else "`foldtiny boards` lists them"
    raise UsageError(f"there is no board '{name}' (boards: {', '.join(boards)})", hint)
