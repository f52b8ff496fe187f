"""The networks that are measured: LeNet5 of the poster from random weights, and files where they are present."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.aot.tflite_builder import NONE, RELU, VALID, Builder
from tests.cortex_m4.generated import autoencoder, mobilenet_v1

LENET5_CHANNELS = (14, 55, 443, 222)
"""LeNet5-2x (16, 64, 512, 256) folded by 25 %, as the poster's table has it."""


def lenet5(seed: int = 5, channels: tuple[int, int, int, int] = LENET5_CHANNELS) -> bytes:
    """Return LeNet5-2x folded by 25 % (or otherwise) as int8 .tflite, with random weights and plausible scales."""
    rng = np.random.default_rng(seed)
    net = Builder()
    source = net.tensor((1, 32, 32, 1), scale=1 / 255, zero=-128)
    last, in_c, size, step = source, 1, 32, 1 / 255
    for out_c in channels[:2]:
        conv_size = size - 4
        last, step = _weighted(net, rng, "CONV_2D", last, (out_c, 5, 5, in_c), (1, conv_size, conv_size, out_c), step)
        size, in_c = conv_size // 2, out_c
        pooled = net.tensor((1, size, size, out_c), scale=step, zero=-128)
        net.operator(
            "MAX_POOL_2D", [last], [pooled], padding=VALID, strideH=2, strideW=2, filterHeight=2, filterWidth=2
        )
        last = pooled
    flat = net.tensor((1, size * size * in_c), scale=step, zero=-128)
    net.operator("RESHAPE", [last, net.tensor((2,), "int32", data=np.array([1, size * size * in_c], np.int32))], [flat])
    last, depth = flat, size * size * in_c
    for outputs in (*channels[2:], 10):
        last, step = _weighted(net, rng, "FULLY_CONNECTED", last, (outputs, depth), (1, outputs), step)
        depth = outputs
    return net.build([source], [last])


def _weighted(net, rng, name, source, shape, out_shape, in_scale):  # type: ignore[no-untyped-def]
    weights = np.clip(np.round(rng.normal(0, 38, shape)), -127, 127).astype(np.int8)
    taps = int(np.prod(shape[1:]))
    last = shape[0] == 10
    out_scale = 0.05 if last else 1 / 64
    # Sums spread over the output's range: 38 and 74 are the usual spreads of weights and activations.
    factors = rng.uniform(0.5, 1.6, shape[0]) * 50 / (38 * 74 * taps**0.5)
    scales = factors * out_scale / in_scale
    bias = rng.integers(-(1 << 12), 1 << 12, shape[0]).astype(np.int32)
    filters = net.tensor(shape, scale=scales, zero=[0] * shape[0], data=weights)
    biases = net.tensor((shape[0],), "int32", scale=scales * in_scale, zero=[0] * shape[0], data=bias)
    out = net.tensor(out_shape, scale=out_scale, zero=3 if last else -128)
    if name == "CONV_2D":
        options = {"padding": VALID, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    else:
        options = {"weightsFormat": 0, "keepNumDims": False}
    net.operator(name, [source, filters, biases], [out], fusedActivationFunction=NONE if last else RELU, **options)
    return out, out_scale


def shared(name: str) -> bytes | None:
    """Return a file of the folder FOLDTINY_MODELS, or of ``shared/models`` beside the repository, where it is there."""
    folder = os.environ.get("FOLDTINY_MODELS") or Path(__file__).parents[3] / "shared" / "models"
    path = Path(folder) / name
    return path.read_bytes() if path.is_file() else None


NAMES = ("lenet5", "resnet8", "ds-cnn", "mobilenet-v1", "autoencoder")
"""What ``load`` knows; ResNet8 and DS-CNN need files that are not part of foldtiny."""


def load(name: str) -> bytes | None:
    """Return a network by name, or None where its file is missing."""
    built = {"lenet5": lenet5, "mobilenet-v1": mobilenet_v1, "autoencoder": autoencoder}
    if name in built:
        return built[name]()
    return shared({"resnet8": "resnet8_cifar10_int8.tflite", "ds-cnn": "dscnn_kws_int8.tflite"}[name])
