"""What users name reaches the terminal as they wrote it: rich reads no styles or pictures into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from foldtiny.cli import app
from foldtiny.console import ConsoleReporter, print_error
from foldtiny.errors import UsageError
from tests.aot import networks

AWKWARD = "a[red]:cat: [/b]"


def test_errors_and_notes_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(UsageError(f"nets:Cat: {AWKWARD} is missing", f"give {AWKWARD}"))
    with ConsoleReporter() as reporter:
        reporter.note(AWKWARD)
        reporter.done("build", AWKWARD, 1.0, False)
    text = capsys.readouterr().err
    assert f"error: nets:Cat: {AWKWARD} is missing" in text
    assert text.count(AWKWARD) == 4


@pytest.mark.slow
def test_the_result_of_a_model_with_an_awkward_name(tmp_path: Path) -> None:
    # Without a slash: it is a file's name.
    path = tmp_path / "a[red]:cat:.tflite"
    path.write_bytes(networks.lenet5())
    arguments = ["deploy", "--board", "nano33ble", "--port", "sim", "--runs", "1", "--tflite", str(path)]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "a[red]:cat: on nano33ble: simulated" in " ".join(done.stdout.split())
