"""Build script of the simulated boards; everything that differs between them stands in boards/*.json."""

import shutil
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
platform_dir = Path(env.PioPlatform().get_dir())

prefix = board.get("build.toolchain")
if shutil.which(prefix + "gcc") is None:
    packages = " ".join(board.get("build.packages"))
    sys.stderr.write(f"Error: {prefix}gcc is not installed; install it with: apt-get install {packages}\n")
    env.Exit(1)

env.Replace(
    AR=prefix + "ar",
    AS=prefix + "as",
    CC=prefix + "gcc",
    CXX=prefix + "g++",
    # C++ brings its library along.
    LINK=prefix + ("g++" if board.get("build.cxx", "no") == "yes" else "gcc"),
    RANLIB=prefix + "ranlib",
    OBJCOPY=prefix + "objcopy",
    SIZETOOL=prefix + "size",
    ARFLAGS=["rc"],
    SIZEPROGREGEXP=r"^(?:\.reset|\.vectors|\.text|\.rodata|\.ARM\.ex\w+|\.data|\.init_array|\.eh_frame|\.gcc_except_table)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.stack|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)

machine = board.get("build.machine_flags", [])
env.Append(
    ASFLAGS=machine,
    CCFLAGS=[*machine, "-O2", "-g", "-Wall", "-Wextra", "-ffunction-sections", "-fdata-sections"],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=["-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[*machine, "-O2", "-Wl,--gc-sections", *board.get("build.link_flags", [])],
    LIBS=board.get("build.libraries", []),
    CPPDEFINES=board.get("build.defines", []),
)
include = board.get("build.include", "")
if include:
    env.Append(CPPPATH=[str(platform_dir / include)])
script = board.get("build.linker_script", "")
if script:
    # The linker script takes the sizes from the board's limits, so each number stands in one place.
    env.Append(
        LINKFLAGS=[
            f"-Wl,--defsym=FW_FLASH_BYTES={board.get('upload.maximum_size')}",
            f"-Wl,--defsym=FW_RAM_BYTES={board.get('upload.maximum_ram_size')}",
            "-Wl,-T," + str(platform_dir / "ldscripts" / script),
        ]
    )


def compile_one(env, node):
    """TFLite Micro's sources: without warnings, and kept in a cache where there is one; nothing else is kept there."""
    if "tflite-micro" in Path(str(node)).parts:
        return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-w", "-g0"])
    objects = env.Object(node)
    env.NoCache(objects)
    return objects


if (Path(env.subst("$PROJECT_SRC_DIR")) / "tflite-micro").is_dir():
    env.AddBuildMiddleware(compile_one)

program = env.BuildProgram()
AlwaysBuild(env.Alias("nobuild", program))
target_size = env.Alias("size", program, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"))
AlwaysBuild(target_size)
if "upload" in COMMAND_LINE_TARGETS:
    sys.stderr.write("Error: a simulated board has nothing to upload to; `foldtiny deploy --port sim` runs it\n")
    env.Exit(1)
Default([program, target_size])
