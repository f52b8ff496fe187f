"""foldtiny monitor on a twin: labels equal the reference's, pictures from files, one line each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from foldtiny import boards, reference
from foldtiny.cli import app
from foldtiny.device import simulate
from foldtiny.device.hello import Tensor
from foldtiny.errors import DataError, FoldtinyError
from foldtiny.pipeline import DeployRequest, deploy
from foldtiny.pipeline import monitor as monitoring
from foldtiny.pipeline.monitor import MonitorRequest, Sighting, monitor
from foldtiny.progress import SilentReporter
from tests.aot.networks import NONE, Network
from tests.test_data_pictures import write_png

pytestmark = pytest.mark.slow
SHAPE = (3, 8, 8)


class _Notes(SilentReporter):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network deployed to the Jetson's twin; the folder with everything."""
    folder = tmp_path_factory.mktemp("monitor")
    network = Network((1, 8, 8, 3), "int8", 3)
    network.conv(4, 3)
    network.reshape(1, 256)
    network.dense(5, NONE)
    (folder / "small.tflite").write_bytes(network.done())
    deploy(
        DeployRequest(
            board="jetson-nano", tflite=folder / "small.tflite", output=folder / "build", runs=2, port="sim"
        )
    )  # fmt: skip
    images = np.random.default_rng(5).integers(0, 256, (6, 8, 8, 3), np.uint8)
    np.savez(folder / "six.npz", x=images, y=np.arange(6) % 5, class_names=["a", "b", "c", "d", "e"])
    (folder / "pictures").mkdir()
    for number, image in enumerate(images[:3]):
        write_png(folder / "pictures" / f"{number}.png", image, 2)
    return folder


def _expected(folder: Path) -> np.ndarray:
    content = (folder / "small.tflite").read_bytes()
    images = np.load(folder / "six.npz")["x"].transpose(0, 3, 1, 2) / np.float32(255)
    samples = reference.quantise_images(content, images.astype(np.float32))
    return reference.logits(content, reference.outputs(content, samples))


def _watch(folder: Path, **more: object) -> tuple[list[Sighting], list[str]]:
    notes = _Notes()
    request = MonitorRequest("jetson-nano", output=folder / "build", interval_s=0, **more)  # type: ignore[arg-type]
    return list(monitor(request, notes)), notes.texts


def test_images_of_a_data_set(deployed: Path) -> None:
    seen, notes = _watch(deployed, data=f"npz:{deployed / 'six.npz'}", count=8, port="sim")
    logits = _expected(deployed)
    assert [one.label for one in seen] == [*logits.argmax(1), *logits.argmax(1)[:2]]  # goes round
    assert [one.name for one in seen[:6]] == ["abcde"[label] for label in logits.argmax(1)]
    assert [one.expected for one in seen[:6]] == list("abcdea")
    assert [one.right for one in seen] == [one.name == one.expected for one in seen]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose([one.confidence for one in seen[:6]], (powers / powers.sum(1, keepdims=True)).max(1))
    assert all(one.simulated and one.milliseconds > 0 for one in seen)
    assert "runs on the jetson-nano at /dev/pts/" in notes[-1] and notes[-1].startswith("small (")


def test_pictures_from_a_folder(deployed: Path) -> None:
    seen, _ = _watch(deployed, images=(deployed / "pictures", deployed / "pictures" / "0.png"), port="sim")
    assert [one.picture for one in seen] == ["0.png", "1.png", "2.png", "0.png"]
    assert [one.label for one in seen] == [*_expected(deployed).argmax(1)[:3], seen[0].label]
    assert seen[0].name.startswith("class ") and seen[0].expected is None and seen[0].right is None


def test_command(deployed: Path) -> None:
    arguments = ["monitor", "--board", "jetson", "--image", str(deployed / "pictures"), "--interval", "0"]
    arguments += ["-o", str(deployed / "build"), "--port", "sim"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["picture"] for line in lines] == ["0.png", "1.png", "2.png"]
    assert set(lines[0]) == set(Sighting("", 0, "", 0, 0, True).to_dict())
    text = CliRunner().invoke(app, arguments).stdout
    assert f"{lines[0]['name']} " in text and " ms simulated  0.png" in text and "%" in text


def test_a_twin_on_a_port(deployed: Path) -> None:
    elf = next((deployed / "build").rglob("firmware.elf"))
    with simulate.start(boards.get("jetson-nano"), elf) as twin:
        seen, notes = _watch(deployed, images=(deployed / "pictures" / "1.png",), port=twin.port)
    assert len(seen) == 1 and seen[0].simulated and twin.port in notes[-1]


def test_errors(deployed: Path, tmp_path: Path) -> None:
    with pytest.raises(FoldtinyError) as caught:
        list(monitor(MonitorRequest("esp-eye", port="sim", output=deployed / "build"), SilentReporter()))
    assert str(caught.value) == (
        f"there is no firmware for the simulated esp-eye in {deployed / 'build'}; "
        f"build one with: foldtiny deploy --board esp-eye --port sim -o {deployed / 'build'}"
    )
    with pytest.raises(DataError, match=r"the folder .* holds no pictures; save them as PNG or JPEG"):
        _watch(deployed, images=(tmp_path,), port="sim")
    with pytest.raises(FoldtinyError, match="there is no port /dev/none"):
        _watch(deployed, port="/dev/none")
    hello = type("Hello", (), {"inputs": (Tensor("x", "int8", (1, 49), 1, 0, 49),)})
    with pytest.raises(DataError, match=r"takes \[1, 49\], which is not one image; monitor a network that takes"):
        monitoring._image_shape(hello)  # type: ignore[arg-type]


def test_probabilities() -> None:
    tensor = Tensor("y", "int8", (1, 4), 1 / 256, -128, 4)
    given = np.array([127, -128, -128, -128], np.int8)
    assert monitoring._probabilities(given.tobytes(), tensor).tolist() == [255 / 256, 0, 0, 0]
    logits = np.array([1.0, 2.0, 4.0, -1.0], "<f4")
    found = monitoring._probabilities(logits.tobytes(), Tensor("y", "float32", (1, 4), 0, 0, 16))
    np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    pixels = np.full(SHAPE, 0.6, np.float32)
    stored = monitoring._quantise(pixels, Tensor("x", "uint8", (1, 8, 8, 3), 1 / 255, 0, 192))
    assert stored == bytes([153]) * 192
