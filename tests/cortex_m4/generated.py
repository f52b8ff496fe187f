"""Networks of MLPerf Tiny's shapes with random weights: what they cost does not depend on what they know."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.aot.tflite_builder import NONE, RELU, SAME, VALID, Builder

MOBILENET = (
    *((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)),
    *((128, 128, 1) for _ in range(5)),
    *((128, 256, 2), (256, 256, 1)),
)
"""Channels in, channels out and stride of MobileNetV1's blocks at a width of 0.25."""

_OUT_SCALE = 1 / 64


@dataclass
class _Net:
    """A chain of layers under construction; ``last`` is its end, of shape ``shape``."""

    seed: int
    shape: tuple[int, ...]
    scale: float = 1 / 255
    build: Builder = field(default_factory=Builder)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.first = self.last = self.build.tensor(self.shape, scale=self.scale, zero=-128)

    def weighted(
        self, name: str, shape: tuple[int, ...], out_shape: tuple[int, ...], axis: int, **options: int
    ) -> None:
        """Add a layer whose sums spread over the output's range: 38 and 74 are usual spreads of weights and inputs."""
        channels = shape[axis]
        taps = int(np.prod(shape)) // channels
        factors = self.rng.uniform(0.5, 1.6, channels) * 50 / (38 * 74 * taps**0.5)
        scales = factors * _OUT_SCALE / self.scale
        values = np.clip(np.round(self.rng.normal(0, 38, shape)), -127, 127).astype(np.int8)
        weights = self.build.tensor(shape, scale=scales, zero=[0] * channels, axis=axis, data=values)
        bias = self.rng.integers(-(1 << 12), 1 << 12, channels).astype(np.int32)
        biases = self.build.tensor((channels,), "int32", scale=scales * self.scale, zero=[0] * channels, data=bias)
        out = self.build.tensor(out_shape, scale=_OUT_SCALE, zero=-128)
        self.build.operator(name, [self.last, weights, biases], [out], **options)
        self.last, self.shape, self.scale = out, out_shape, _OUT_SCALE

    def convolution(self, size: int, out_c: int, stride: int, *, depthwise: bool = False) -> None:
        n, h, w, c = self.shape
        options = {"padding": SAME, "strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1}
        out_shape = (n, -(-h // stride), -(-w // stride), out_c)
        if depthwise:
            options |= {"depthMultiplier": 1, "fusedActivationFunction": RELU}
            self.weighted("DEPTHWISE_CONV_2D", (1, size, size, c), out_shape, 3, **options)
        else:
            self.weighted("CONV_2D", (out_c, size, size, c), out_shape, 0, **options, fusedActivationFunction=RELU)

    def fully_connected(self, outputs: int, activation: int) -> None:
        depth = int(np.prod(self.shape))
        options = {"weightsFormat": 0, "keepNumDims": False, "fusedActivationFunction": activation}
        self.weighted("FULLY_CONNECTED", (outputs, depth), (1, outputs), 0, **options)

    def average(self) -> None:
        n, h, w, c = self.shape
        out = self.build.tensor((n, 1, 1, c), scale=self.scale, zero=-128)
        options = {"padding": VALID, "strideH": h, "strideW": w, "filterHeight": h, "filterWidth": w}
        self.build.operator("AVERAGE_POOL_2D", [self.last], [out], **options)
        self.last, self.shape = out, (n, 1, 1, c)

    def finish(self) -> bytes:
        return self.build.build([self.first], [self.last])


def mobilenet_v1() -> bytes:
    """Return MobileNetV1 at a width of 0.25 for 96x96x3 and 2 classes (visual wake words)."""
    net = _Net(6, (1, 96, 96, 3))
    net.convolution(3, 8, 2)
    for in_c, out_c, stride in MOBILENET:
        net.convolution(3, in_c, stride, depthwise=True)
        net.convolution(1, out_c, 1)
    net.average()
    net.fully_connected(2, NONE)
    return net.finish()


def separable(seed: int) -> bytes:
    """Return a small network of MobileNetV1's kind for a colour image of any size."""
    rng = np.random.default_rng(seed)
    height, width = (int(rng.integers(5, 40)) for _ in range(2))
    net = _Net(seed, (1, height, width, 3))
    net.convolution(3, int(rng.choice([4, 8, 12, 16])), 2)
    for _ in range(3):
        net.convolution(3, net.shape[3], int(rng.choice([1, 1, 2])), depthwise=True)
        net.convolution(1, int(rng.choice([8, 30, 32, 64, 64])), 1)
    return net.finish()


def autoencoder() -> bytes:
    """Return the autoencoder 640-128x4-8-128x4-640 (anomaly detection)."""
    net = _Net(7, (1, 640))
    for outputs in (*(128,) * 4, 8, *(128,) * 4):
        net.fully_connected(outputs, RELU)
    net.fully_connected(640, NONE)
    return net.finish()
