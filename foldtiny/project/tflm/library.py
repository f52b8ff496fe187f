"""TFLite Micro as PlatformIO fetches it for a real board: pinned archives, and which of their files are built.

Libraries of PlatformIO's own registry were tried first and give wrong answers: those with optimised kernels are from
before TFLite Micro knew a scale per output of a dense layer, which int8 networks have today, and they take the first
scale for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from foldtiny.project.tflm import operators, source

# PlatformIO takes the name in front of the address for the folder that the archive goes into.
_ARCHIVE = "https://github.com/{repository}/archive/{version}.zip"
_LITE = "tensorflow/lite"
_MICRO = f"{_LITE}/micro"
# What is compiled of TFLite Micro; examples, other processors' kernels and sound processing lie elsewhere in it.
_FOLDERS = (
    "tensorflow/compiler/mlir/lite/core/api", "tensorflow/compiler/mlir/lite/schema",
    f"{_LITE}/core/api", f"{_LITE}/core/c", f"{_LITE}/kernels", f"{_LITE}/kernels/internal",
    f"{_LITE}/kernels/internal/reference", _MICRO, f"{_MICRO}/arena_allocator", f"{_MICRO}/kernels",
    f"{_MICRO}/memory_planner", f"{_MICRO}/tflite_bridge",
)  # fmt: skip
# Tests and what they are made with, and what the firmware has of its own; see source.py.
_WITHOUT = ("*_test", "test_*", "fake_*", "mock_*", "kernel_runner", "micro_time", "debug_log", "system_setup")


@dataclass(frozen=True, slots=True)
class Package:
    """An archive of a repository at one version, and where its headers lie in it."""

    name: str
    repository: str
    version: str
    includes: tuple[str, ...] = ("",)

    @property
    def requirement(self) -> str:
        """The entry of ``lib_deps``."""
        return f"{self.name}={_ARCHIVE.format(repository=self.repository, version=self.version)}"


@dataclass(frozen=True, slots=True)
class Library:
    """TFLite Micro with the kernels for one kind of processor.

    ``interpreter`` is where TFLite Micro's sources lie, below the folder of the packages. ``kernels`` is what the
    folder of the optimised kernels is called, ``replaced`` are those that there are plain ones of too, and ``routines``
    are the sources that they call.
    """

    title: str
    interpreter: str
    kernels: str
    replaced: tuple[str, ...]
    routines: tuple[str, ...]
    packages: tuple[Package, ...]

    @property
    def defines(self) -> tuple[str, ...]:
        """The macros that TFLite Micro and whoever includes it are compiled with."""
        return source.defines(self.kernels)

    @property
    def includes(self) -> tuple[str, ...]:
        """The folders of headers, below the folder of the packages."""
        return tuple(f"{package.name}/{part}".rstrip("/") for package in self.packages for part in package.includes)

    def manifest(self, packages: str, used: Sequence[str]) -> str:
        """Return the ``library.json`` that builds it.

        Parameters
        ----------
        packages : str
            The folder that PlatformIO puts the packages into, as seen from the manifest's own.
        used : sequence of str
            The network's operators; kernels named after others are left out, which would only take time to compile.
        """
        build = {
            "srcDir": packages,
            "includeDir": f"{packages}/{self.interpreter}",
            "srcFilter": list(self._filter(used)),
            "flags": ["-w"],
            "libLDFMode": "off",
        }
        return json.dumps({"name": "tflm", "version": "1.0.0", "build": build}, indent=2) + "\n"

    def _filter(self, used: Sequence[str]) -> Iterator[str]:
        yield "-<*>"
        yield from (f"+<{self.interpreter}/{folder}/*.c*>" for folder in _FOLDERS)
        yield from (f"-<{self.interpreter}/{_LITE}/**/{name}.c*>" for name in _WITHOUT)
        kernels = f"{self.interpreter}/{_MICRO}/kernels"
        yield from (f"-<{kernels}/{name}.c*>" for name in self.replaced)
        yield f"+<{kernels}/{self.kernels}/*.c*>"
        for name in (operator.lower() for operator in sorted(operators.KNOWN)):
            # A file may serve several operators whose names begin alike (pad: PAD and PADV2).
            if not any(operator.lower().startswith(name) for operator in used):
                yield f"-<{kernels}/**/{name}.c*>"
        yield from (f"+<{pattern}>" for pattern in self.routines)


_CMSIS_NN = Library(
    title="TFLite Micro of December 2024 with CMSIS-NN",
    # A copy of TFLite Micro with all that it includes. Its own copy of CMSIS-NN has one routine for two cores in it, so
    # the very same version comes from the origin.
    interpreter="pico-tflmicro/src",
    kernels="cmsis_nn",
    replaced=(),
    routines=("cmsis-nn/Source/**/*.c",),
    packages=(
        Package("pico-tflmicro", "raspberrypi/pico-tflmicro", "dfea53b977f131dc50d7060568ad4fd355d4d71e", ("src",)),
        Package("cmsis-nn", "ARM-software/CMSIS-NN", "22080c68d040c98139e6cb1549473e3149735f4d", ("Include",)),
    ),
)
_ESP_NN = Library(
    title="esp-tflite-micro of August 2026 with ESP-NN",
    interpreter="esp-tflite-micro",
    kernels="esp_nn",
    replaced=("add", "conv", "depthwise_conv", "fully_connected", "mul", "pooling", "softmax"),
    # The others are for newer chips.
    routines=("esp-nn/src/**/*_ansi.c", "esp-nn/src/**/*_opt.c"),
    packages=(
        Package(
            "esp-tflite-micro", "espressif/esp-tflite-micro", "99f49e1498b0984f4db54d9bf3938aceb99ad422",
            ("", "third_party/flatbuffers/include", "third_party/gemmlowp", "third_party/ruy"),
        ),
        Package("esp-nn", "espressif/esp-nn", "d45b843ca5f873ca9d0706ab0e7f14eafd132e98", ("include", "src/common")),
    ),
)  # fmt: skip
LIBRARIES = {library.kernels: library for library in (_CMSIS_NN, _ESP_NN)}
"""The libraries by the name of their kernels, which is what a board file says in ``tflm``."""
