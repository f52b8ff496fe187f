"""Whole networks for the tests, built without TensorFlow: what the zoo's networks look like after conversion."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.aot.tflite_builder import NONE, RELU, SAME, VALID, Builder

_REPOSITORY = Path(__file__).resolve().parents[2]


def shared_models() -> list[Path]:
    """Return the .tflite files in FOLDTINY_MODELS, or in ``shared/models`` beside the repository."""
    folder = Path(os.environ.get("FOLDTINY_MODELS") or _REPOSITORY.parent / "shared" / "models")
    return sorted(folder.glob("*.tflite")) if folder.is_dir() else []


class Network:
    """Adds layers one after the other, int8 or float32, with plausible random numbers."""

    def __init__(self, shape: tuple[int, ...], dtype: str, seed: int = 0) -> None:
        self.build = Builder()
        self.dtype = dtype
        self.random = np.random.default_rng(seed)
        self.at, self.shape = self.tensor(shape, 1 / 255, -128, "input"), shape
        self.first = self.at

    def tensor(self, shape: tuple[int, ...], scale: float, zero: int, name: str) -> int:
        more = {"scale": scale, "zero": zero} if self.dtype == "int8" else {}
        return self.build.tensor(shape, self.dtype, name=name, **more)

    def scale_of(self, tensor: int) -> float:
        return self.build.graph.tensors[tensor].quantization.scale[0]

    def weights(self, shape: tuple[int, ...], axis: int, source: int) -> tuple[int, int, float]:
        channels, fan_in = shape[axis], int(np.prod(shape)) // shape[axis]
        if self.dtype == "float32":
            values = self.random.normal(0, fan_in**-0.5, shape)
            return (
                self.build.constant(values, "float32"),
                self.build.constant(self.random.normal(0, 0.1, channels), "float32"),
                0.0,
            )
        scales = np.float32(self.random.uniform(0.5, 1.5, channels) * fan_in**-0.5 / 60)
        data = self.random.integers(-127, 127, shape, dtype=np.int8, endpoint=True)
        weights = self.build.tensor(shape, scale=scales, axis=axis, data=data)
        products = scales * np.float32(self.scale_of(source))
        bias = self.build.constant(self.random.integers(-500, 500, channels), "int32", scale=products)
        return weights, bias, self.scale_of(source) * 2.0

    def conv(self, out_c: int, kernel: int, *, stride: int = 1, padding: int = SAME, activation: int = RELU) -> int:
        n, h, w, c = self.shape
        weights, bias, scale = self.weights((out_c, kernel, kernel, c), 0, self.at)
        size = [(-(-s // stride) if padding == SAME else (s - kernel) // stride + 1) for s in (h, w)]
        options = {"padding": padding, "strideH": stride, "strideW": stride, "fusedActivationFunction": activation}
        options |= {"dilationHFactor": 1, "dilationWFactor": 1}
        return self.add("CONV_2D", [weights, bias], (n, *size, out_c), scale, activation, **options)

    def depthwise(self, kernel: int) -> int:
        weights, bias, scale = self.weights((1, kernel, kernel, self.shape[3]), 3, self.at)
        options = {"padding": SAME, "strideH": 1, "strideW": 1, "depthMultiplier": 1, "fusedActivationFunction": RELU}
        options |= {"dilationHFactor": 1, "dilationWFactor": 1}
        return self.add("DEPTHWISE_CONV_2D", [weights, bias], self.shape, scale, RELU, **options)

    def dense(self, outputs: int, activation: int = RELU) -> int:
        weights, bias, scale = self.weights((outputs, self.shape[-1]), 0, self.at)
        return self.add(
            "FULLY_CONNECTED", [weights, bias], (1, outputs), scale, activation, fusedActivationFunction=activation
        )

    def pool(self, kind: str, size: int) -> int:
        n, h, w, c = self.shape
        options = {"padding": VALID, "strideH": size, "strideW": size, "filterHeight": size, "filterWidth": size}
        return self.add(f"{kind}_POOL_2D", [], (n, h // size, w // size, c), None, NONE, **options)

    def reshape(self, *shape: int) -> int:
        return self.add("RESHAPE", [self.build.constant(np.array(shape))], shape, None, NONE, newShape=list(shape))

    def join(self, other: int) -> int:
        return self.add("ADD", [other], self.shape, self.scale_of(self.at) * 1.5 if self.dtype == "int8" else 0.0, RELU)

    def softmax(self) -> int:
        return self.add("SOFTMAX", [], self.shape, 1 / 256, RELU, beta=1.0)

    def add(
        self,
        name: str,
        more: list[int],
        shape: tuple[int, ...],
        scale: float | None,
        activation: int,
        **options: object,
    ) -> int:
        known = self.build.graph.tensors[self.at].quantization
        if scale is None:
            scale, zero = (known.scale[0], known.zeroPoint[0]) if self.dtype == "int8" else (0.0, 0)
        else:
            zero = -128 if activation == RELU else 3
        output = self.tensor(tuple(shape), scale, zero, f"net/{name.lower()}_{len(self.build.graph.operators)}")
        self.build.operator(name, [self.at, *more], [output], **options)
        self.at, self.shape = output, tuple(shape)
        return output

    def done(self) -> bytes:
        return self.build.build([self.first], [self.at])


def lenet5(dtype: str = "int8") -> bytes:
    """LeNet5 with 4, 8, 32 and 16 channels: convolutions, max pooling, flatten, three dense layers, softmax."""
    net = Network((1, 28, 28, 1), dtype)
    net.conv(4, 5)
    net.pool("MAX", 2)
    net.conv(8, 5, padding=VALID)
    net.pool("MAX", 2)
    net.reshape(1, 200)
    net.dense(32)
    net.dense(16)
    net.dense(10, NONE)
    net.softmax()
    return net.done()


def residual(dtype: str = "int8") -> bytes:
    """Two residual blocks, one with a strided 1x1 convolution on the way past, and average pooling."""
    net = Network((1, 16, 16, 3), dtype)
    past = net.conv(8, 3)
    net.conv(8, 3)
    net.conv(8, 3, activation=NONE)
    block = net.join(past)
    shape = net.shape
    main = net.conv(12, 3, stride=2)
    main = net.conv(12, 3, activation=NONE)
    net.at, net.shape = block, shape
    net.conv(12, 1, stride=2, activation=NONE)
    net.join(main)
    net.pool("AVERAGE", 8)
    net.reshape(1, 12)
    net.dense(10, NONE)
    net.softmax()
    return net.done()


def separable(dtype: str = "int8") -> bytes:
    """Depthwise separable convolutions, as DS-CNN and MobileNetV1 have them."""
    net = Network((1, 20, 10, 1), dtype)
    net.conv(8, 3, stride=2)
    for _ in range(2):
        net.depthwise(3)
        net.conv(8, 1)
    net.pool("AVERAGE", 5)
    net.reshape(1, 16)
    net.dense(12, NONE)
    net.softmax()
    return net.done()
