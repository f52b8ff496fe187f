"""The real command line on a shelf: two boards behind serial servers, a twin, a board that is not there, and a kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from foldtiny.report import make
from foldtiny.report.schema import Record
from tests.aot.networks import Network
from tests.bench.shelf import serve

pytestmark = pytest.mark.slow

MATRIX = """
models = ["{folder}/tiny.tflite"]
runs = 4
repeat = 3
jobs = 2
output = "out"

[[boards]]
name = "jetson-nano"
port = "{socket}"
serial = "shelf 1"
upload = "cp {{firmware}} {folder}/first"

[[boards]]
name = "jetson-nano"
port = "{rfc2217}"
serial = "shelf 2"
upload = "cp {{firmware}} {folder}/second"

[[boards]]
name = "esp-eye"
port = "/dev/ttyNOWHERE"

[[boards]]
name = "jetson-nano"
port = "sim"
"""


def _tiny(path: Path) -> None:
    network = Network((1, 8, 8, 3), "int8", 0)
    network.conv(4, 3)
    network.reshape(1, 256)
    network.dense(5)
    path.write_bytes(network.done())


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _bench(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "foldtiny", "bench", "matrix.toml", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _at_work(folder: Path) -> list[str]:
    """Return the processes whose folder is this one or that have it in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if (entry / "cwd").readlink() == folder and b"qemu" not in command:
                    found.append(command.decode(errors="replace"))
    return found


def test_a_shelf_a_kill_and_a_resume(tmp_path: Path) -> None:
    _tiny(tmp_path / "tiny.tflite")
    path = tmp_path / "out" / "records.jsonl"
    with (
        serve(tmp_path / "first", "socket") as first,
        serve(tmp_path / "second", "rfc2217") as second,
    ):
        (tmp_path / "matrix.toml").write_text(MATRIX.format(folder=tmp_path, socket=first, rfc2217=second))
        process = _bench(tmp_path)
        deadline = time.monotonic() + 240
        while not _records(path) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = _records(path)
        assert before, "the kill came after the first record"
        deadline = time.monotonic() + 10
        while _at_work(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _at_work(tmp_path) == [], "nothing goes on when the benchmark is gone"

        again = _bench(tmp_path)
        _, said = again.communicate(timeout=240)
        assert again.returncode == 2
        assert "already holds records" in said and "--resume" in said

        resumed = _bench(tmp_path, "--resume", "--json")
        out, said = resumed.communicate(timeout=400)
    assert "Traceback" not in said
    assert resumed.returncode == 1
    summary = json.loads(out)
    assert (summary["cells"], summary["ok"], summary["failed"]) == (4, 3, 1)

    records = _records(path)
    assert len({record["id"] for record in records}) == len(records) == 4
    kept = [record for record in before if record["status"] == "ok"]
    assert [record for record in records if record["id"] in {one["id"] for one in kept}] == kept
    for record in records:
        Record.model_validate(record)
    by_port = {record["cell"]["port"]: record for record in records}
    assert by_port["/dev/ttyNOWHERE"]["error"] == {
        "type": "LinkError",
        "message": "there is no port /dev/ttyNOWHERE",
        "hint": "plug the board in, or use --port sim",
    }
    for port, serial in ((first, "shelf 1"), (second, "shelf 2")):
        record = by_port[port]
        # A twin behind a port is still simulated, and says so.
        assert record["result"]["source"] == "simulated"
        assert record["result"]["bit_exact"]["matching"] == record["repetitions"]["count"] == 12
        assert record["repetitions"]["source"] == "simulated: a twin on a port, 3 x 4 inferences"
        assert record["environment"]["board"] | {"port": port, "serial": serial} == record["environment"]["board"]
        assert record["command"].count(" && ") == 2 and "--no-flash" in record["command"]
    twin = by_port["sim"]
    assert twin["repetitions"]["count"] == 4 and "deterministic" in twin["repetitions"]["source"]
    about = twin["environment"]
    assert "aarch64-linux-gnu-gcc" in about["compiler"]["version"] and "-O2" in about["flags"].split()
    assert about["packages"]["torch"] and about["host"]["cores"]

    done = subprocess.run(
        [*twin["command"].replace("foldtiny", f"{sys.executable} -m foldtiny", 1).split(), "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    repeated = json.loads(done.stdout)
    assert repeated["latency"] == twin["result"]["latency"], "the recorded command gives the recorded figures"
    assert make.report([path], fail_if=["jetson-nano: bit_exact<100%"]).violations[0].gate == "status"
