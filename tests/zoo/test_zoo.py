"""The networks of the zoo: shapes, sizes, options."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from foldtiny import zoo
from foldtiny.errors import UsageError

# Trainable parameters and those with BatchNorm's statistics. lenet5: the poster's table 2. resnet8, ds-cnn and
# mobilenet-v1: Keras's "total params" of the MLPerf Tiny models (the second number); mobilenet-v2: of
# keras.applications.MobileNetV2(alpha=0.35, classes=2), both. resnet18, vgg11-bn: summed by hand from the layers'
# shapes. resnet50, densenet: what pytorch-cifar and pytorchcv (densenet40_k12_bc_cifar10) give for theirs (the first).
SIZES = {
    "lenet5": (979_690, 979_690),
    "resnet8": (78_186, 78_666),
    "resnet18": (11_173_962, 11_183_562),
    "resnet50": (23_520_842, 23_573_962),
    "vgg11-bn": (9_231_114, 9_236_618),
    "densenet": (176_122, 181_210),
    "ds-cnn": (23_756, 24_908),
    "mobilenet-v1": (216_322, 221_794),
    "mobilenet-v2": (398_690, 412_770),
}


def test_the_sizes_are_known_for_every_network() -> None:
    assert set(SIZES) == set(zoo.MODELS)


@pytest.mark.parametrize("name", SIZES)
def test_parameter_count(name: str) -> None:
    module = zoo.create(name)
    trainable = sum(parameter.numel() for parameter in module.parameters())
    statistics = sum(buffer.numel() for key, buffer in module.named_buffers() if "running" in key)
    assert (trainable, trainable + statistics) == SIZES[name]


@pytest.mark.parametrize("name", SIZES)
def test_logits_for_the_usual_input(name: str) -> None:
    spec = zoo.MODELS[name]
    assert zoo.create(name, width=0.25).eval()(torch.zeros(2, *spec.input_shape)).shape == (2, spec.classes)


@pytest.mark.parametrize("name", SIZES)
def test_options_change_channels_classes_and_width(name: str) -> None:
    spec = zoo.MODELS[name]
    channels = spec.input_shape[0] + 1
    module = zoo.create(name, in_channels=channels, classes=7, width=0.1).eval()
    assert module(torch.zeros(1, channels, *spec.input_shape[1:])).shape == (1, 7)
    assert sum(parameter.numel() for parameter in module.parameters()) < SIZES[name][0]


def test_ds_cnn_has_the_map_of_the_original_after_its_first_layer() -> None:
    assert zoo.create("ds-cnn").get_submodule("stem")(torch.zeros(2, 1, 49, 10)).shape == (2, 64, 25, 5)


@pytest.mark.parametrize(
    ("name", "guess"), [("resnet9", "did you mean resnet8? "), ("VGG11_BN", "did you mean vgg11-bn? "), ("zebra", "")]
)
def test_unknown_name(name: str, guess: str) -> None:
    with pytest.raises(UsageError) as caught:
        zoo.create(name)
    assert str(caught.value) == (
        f"there is no network called {name!r} "
        "(known: lenet5, resnet8, resnet18, resnet50, vgg11-bn, densenet, ds-cnn, mobilenet-v1, mobilenet-v2); "
        f"{guess}give one of these, a checkpoint file, or package.module:factory"
    )


def test_unknown_option() -> None:
    with pytest.raises(UsageError, match=r"LeNet5 has no option 'depth' \(allowed: in_channels, classes, width\)"):
        zoo.create("lenet5", depth=3)


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_option_that_is_not_positive(value: float) -> None:
    with pytest.raises(UsageError, match=r"LeNet5: width is .* \(allowed: more than 0\)"):
        zoo.create("lenet5", width=value)


def test_listing_the_zoo_does_not_import_torch() -> None:
    code = "import sys, foldtiny.zoo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
