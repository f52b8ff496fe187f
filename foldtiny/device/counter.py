"""QEMU plugins that count instructions or blocks of code: small, and built once on this machine."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from foldtiny import _host_compiler, resources
from foldtiny.errors import MeasureError


def plugin(name: str = "count_instructions") -> Path:
    """Return the path of a plugin of ``firmware/simulator``, building it into foldtiny's cache where need be.

    Raises
    ------
    MeasureError
        If this machine has no C compiler, or it does not build.
    """
    firmware = resources.root("firmware")
    sources = [firmware / "simulator" / f"{name}.c", firmware / "runtime" / "fw_counter.h"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = resources.cache_dir() / f"{name}-{digest}.so"
    if target.is_file():
        return target
    compiler = _host_compiler.find()
    if compiler is None:
        raise MeasureError(
            "there is no C compiler for this machine, which the simulator's instruction counter needs",
            f"install one with: {_host_compiler.INSTALL}",
        )
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / "counter.so"
        flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", f"-I{firmware / 'runtime'}"]
        done = subprocess.run(
            [compiler, *flags, "-o", str(built), str(sources[0])], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
            raise MeasureError(f"the instruction counter does not build: {said}", "check the C compiler")
        built.replace(target)
    return target
