"""From flags and TOML to cells."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from foldtiny.bench import Cell, expand, load
from foldtiny.bench.benchmark import default_jobs, device
from foldtiny.bench.cell import command
from foldtiny.errors import UsageError
from foldtiny.pipeline.request import METHODS

SHELF = """
sparsities = [0.25, 0.5]
runs = 8
repeat = 5

[[boards]]
name = "esp-eye"
port = "rfc2217://shelf:4000"
serial = "A50285BI"
upload = "esptool --port {port} write_flash 0x10000 {firmware}"

[[boards]]
name = "esp-eye"
port = "rfc2217://shelf:4001"

[[boards]]
name = "nano33ble"

[[models]]
model = "mypackage:Net"
weights = "net.pt"
input_shape = "3x32x32"

[[models]]
model = "kws.tflite"
inputs = "x.npy"
"""


def _cells(**given: Any) -> list[Cell]:
    return expand(load(None, {"boards": ["nano33ble"], **given}))


def test_flags_span_a_matrix() -> None:
    cells = _cells(
        boards=["nano33ble", "esp-eye"],
        sparsities=["0.25", "0.5"],
        methods=["ward", "l1"],
        precisions="int8",
        seeds=[1],
    )
    assert len(cells) == 8
    assert [(c.board, c.sparsity, c.method) for c in cells][:3] == [
        ("nano33ble", 0.25, "ward"),
        ("esp-eye", 0.25, "ward"),
        ("nano33ble", 0.25, "l1"),
    ]
    assert len({cell.id for cell in cells}) == 8
    assert len({cell.folder(Path("b")) for cell in cells}) == 8
    assert len({cell.shared for cell in cells}) == 4  # what does not depend on the board


def test_a_cell_has_the_same_id_in_every_run_and_once_in_a_matrix() -> None:
    assert [c.id for c in _cells()] == [c.id for c in _cells(sparsities=[0.25, 0.25])]


def test_a_retrained_network_is_another_cell(tmp_path: Path) -> None:
    from foldtiny.bench.cell import fingerprint

    model = tmp_path / "net.pt"
    ids = []
    for content in (b"one", b"two"):
        model.write_bytes(content)
        fingerprint.cache_clear()
        ids.append(_cells(models=[str(model)])[0].id)
    assert ids[0] != ids[1]


def test_a_file_describes_a_shelf(tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(SHELF)
    cells = expand(load(path, {"sparsities": None, "runs": None}))
    assert len(cells) == 2 * 3 + 3  # a .tflite file is not folded
    first, second, third = cells[:3]
    assert (first.port, first.serial, first.repeat) == ("rfc2217://shelf:4000", "A50285BI", 5)
    assert [device(cell) for cell in (first, second, third)] == ["rfc2217://shelf:4000", "rfc2217://shelf:4001", None]
    assert first.input_shape == (3, 32, 32)
    request = first.request(Path("out"))
    # The serial number is only noted behind a network port, and nothing is flashed through it.
    assert (request.serial, request.flash, request.port) == (None, False, "rfc2217://shelf:4000")
    assert third.request(Path("out")).flash
    assert third.request(Path("out"), simulated=True).port == "sim"
    tflite = cells[-1]
    assert (tflite.sparsity, tflite.method, tflite.precision) == (None, None, None)
    assert tflite.request(Path("out")).tflite == Path("kws.tflite")


def test_a_flag_replaces_the_value_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(SHELF)
    matrix = load(path, {"boards": ["jetson-nano"], "sparsities": ["0.7"], "runs": 4})
    assert {(cell.board, cell.sparsity, cell.runs) for cell in expand(matrix)} == {
        ("jetson-nano", 0.7, 4),
        ("jetson-nano", None, 4),
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no board is named", "give --board esp-eye,nano33ble, or boards in a matrix file"),
        ("boards = ", "{path} is not TOML: Invalid value (at end of document)", "docs/bench.md shows a matrix file"),
        (
            'boards = ["nano33ble"]\nsparsitys = [1]',
            "{path} has an unknown key 'sparsitys' (keys: boards, models, sparsities, methods, budgets, repairs, "
            "precisions, runtimes, optimize, seeds, data, tflm_source, tflm_arena, port, flash, runs, repeat, profile, "
            "jobs, output, records, scheduler)",
            "mend or remove the key",
        ),
        (
            '[[boards]]\nname = "nano33ble"\nbaud = 9600',
            "{path} has an unknown key 'boards.0.baud' (keys: name, port, serial, flash, upload)",
            "mend or remove the key",
        ),
        (
            'boards = ["nano33ble"]\nsparsities = [0.25, "half"]',
            "{path} is wrong at sparsities.1: Input should be a valid number, unable to parse string as a number, "
            "found 'half'",
            "mend the value",
        ),
        (
            'boards = ["nano33ble"]\nmethods = []',
            "{path} is wrong at methods: is empty; give at least one value or leave it out, found []",
            "mend the value",
        ),
        (
            'boards = ["nano33ble"]\nrepeat = 0',
            "{path} is wrong at repeat: Input should be greater than or equal to 1, found 0",
            "mend the value",
        ),
        (
            '[[boards]]\nname = "esp-eye"\nupload = "x"',
            "upload of esp-eye needs a port",
            "name the port on which the board then answers",
        ),
        (
            'boards = ["nano33ble"]\nmethods = ["magic"]',
            f"--method is 'magic' (allowed: {', '.join(METHODS)})",
            "choose one of these",
        ),
    ],
)
def test_a_wrong_matrix_ends_in_a_sentence(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        expand(load(path, {}))
    assert caught.value.message == message.format(path=path)
    assert caught.value.hint == hint


def test_a_misspelt_board_is_found_before_anything_runs() -> None:
    with pytest.raises(UsageError) as caught:
        _cells(boards=["nano33"])
    assert caught.value.message.startswith("there is no board 'nano33'")


def test_the_command_is_one_that_the_command_line_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse the recorded command with the real command line, and get the very request back."""
    from foldtiny import pipeline
    from foldtiny.cli import app

    cells = _cells(
        boards=[{"name": "esp-eye", "port": "rfc2217://shelf:4000"}, {"name": "nano33ble", "serial": "B 2"}],
        models=["lenet5", {"model": "a b.tflite", "inputs": "x.npy"}, {"model": "m:f", "input_shape": [1, 8, 8]}],
        repairs=["ls"],
        seeds=[3],
        data="npz:i.npz",
        runtimes=["aot", "tflm"],
        tflm_source="tree",
        profile=True,
        runs=5,
    )
    parsed: list[Any] = []
    monkeypatch.setattr(pipeline, "deploy", lambda request, reporter: parsed.append(request))
    for cell in cells:
        request = cell.request(Path("out"))
        words = shlex.split(command(request))
        assert words[0] == "foldtiny"
        app(args=words[1:], standalone_mode=False)
        assert command(parsed[-1]) == command(request)
        names = "board port serial flash tflite inputs data seed runs profile output runtime tflm_source"
        same = names.split()
        assert [getattr(parsed[-1], name) for name in same] == [getattr(request, name) for name in same]
    assert len(parsed) == 12


def test_default_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    twins = _cells(boards=["nano33ble", "esp-eye"], sparsities=[0.1, 0.2, 0.3], port="sim")
    assert default_jobs(twins) == 2
    assert default_jobs(twins[:1]) == 1
    shelf = _cells(boards=[{"name": "esp-eye", "port": f"rfc2217://shelf:{4000 + n}"} for n in range(6)])
    assert default_jobs(shelf) == 5
