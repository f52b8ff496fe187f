"""Generated networks of several operators: branches, several inputs and outputs, everything that fusion joins."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.aot.tflite_builder import SAME, VALID, Builder
from tests.kernels.case import Case, fill, samples, seeds, single

Draw = Any
Known = tuple[int, tuple[int, ...], dict[str, Any]]


class _Growing:
    """A network under construction; ``known`` holds what later operators may read."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.build = Builder()
        self.random = np.random.default_rng(draw(seeds))
        self.known: list[Known] = []
        self.done: list[str] = []

    def pick(self, rank: int | None = None) -> Known:
        """Return a known tensor, mostly the newest, of a rank if one is asked for."""
        fitting = [k for k in self.known if rank is None or len(k[1]) == rank]
        return fitting[-1] if self.draw(st.integers(0, 3)) else self.draw(st.sampled_from(fitting))

    def quantisation(self) -> dict[str, Any]:
        scale = float(np.float32(2.0 ** self.draw(st.integers(-6, -2))))
        return {"scale": scale, "zero": self.draw(st.sampled_from((-128, -3, 0, 17)))}

    def put(
        self, name: str, inputs: list[int], shape: tuple[int, ...], quantised: dict[str, Any], **options: Any
    ) -> None:
        output = self.build.tensor(shape, **quantised)
        self.build.operator(name, inputs, [output], **options)
        self.known.append((output, shape, quantised))
        self.done.append(name)

    def conv(self) -> None:
        source, (n, h, w, c), quantised = self.pick(4)
        kernel, padding = self.draw(st.integers(1, min(3, h, w))), self.draw(st.sampled_from((SAME, VALID)))
        out_c = self.draw(st.integers(1, 6))
        weights = self.build.tensor(
            (out_c, kernel, kernel, c), scale=0.02, data=fill(self.random, "random", (out_c, kernel, kernel, c))
        )
        bias = self.build.constant(self.random.integers(-500, 500, out_c), "int32", scale=0.02 * quantised["scale"])
        size = (h, w) if padding == SAME else (h - kernel + 1, w - kernel + 1)
        options = {"padding": padding, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        activation = self.draw(st.sampled_from((0, 1)))
        self.put(
            "CONV_2D",
            [source, weights, bias],
            (n, *size, out_c),
            self.quantisation(),
            fusedActivationFunction=activation,
            **options,
        )

    def dense(self) -> None:
        source, shape, _ = self.pick(2)
        outputs = self.draw(st.integers(1, 8))
        weights = self.build.tensor(
            (outputs, shape[1]), scale=0.02, data=fill(self.random, "random", (outputs, shape[1]))
        )
        self.put("FULLY_CONNECTED", [source, weights], (shape[0], outputs), self.quantisation())

    def pool(self) -> None:
        source, (n, h, w, c), quantised = self.pick(4)
        size = self.draw(st.integers(1, min(2, h, w)))
        kind = self.draw(st.sampled_from(("MAX", "MAX", "AVERAGE")))
        stride = self.draw(st.integers(1, 2))
        out = ((h - size) // stride + 1, (w - size) // stride + 1)
        options = {"strideH": stride, "strideW": stride, "filterHeight": size, "filterWidth": size}
        self.put(f"{kind}_POOL_2D", [source], (n, *out, c), quantised, padding=VALID, **options)

    def pad(self) -> None:
        source, shape, quantised = self.pick(4)
        borders = np.array([[0, 0], self.draw(_border), self.draw(_border), [0, 0]])
        after = tuple(int(s + b.sum()) for s, b in zip(shape, borders, strict=True))
        inputs = [source, self.build.constant(borders)]
        if self.draw(st.booleans()):
            # Not what the convolution would pad with, so it must not be joined to it.
            value = self.build.constant(np.array([self.draw(st.sampled_from((-128, -50, 0)))]), "int8", **quantised)
            self.put("PADV2", [*inputs, value], after, quantised)
        else:
            self.put("PAD", inputs, after, quantised)

    def relu(self) -> None:
        source, shape, quantised = self.pick()
        # Half of the time on the same scale, where it can be joined to the layer before.
        self.put("RELU", [source], shape, quantised if self.draw(st.booleans()) else self.quantisation())

    def relu6(self) -> None:
        source, shape, quantised = self.pick()
        self.put("RELU6", [source], shape, quantised)

    def join(self) -> None:
        first, shape, _ = self.pick()
        others = [k for k in self.known if k[1] == shape]
        second = self.draw(st.sampled_from(others))[0]
        kind = self.draw(st.sampled_from(("ADD", "SUB")))
        self.put(
            kind,
            [first, second],
            shape,
            self.quantisation(),
            fusedActivationFunction=self.draw(st.sampled_from((0, 1))),
        )

    def flatten(self) -> None:
        source, shape, quantised = self.pick()
        flat = (1, int(np.prod(shape)))
        self.put("RESHAPE", [source, self.build.constant(np.array(flat))], flat, quantised, newShape=list(flat))

    def concatenate(self) -> None:
        source, shape, quantised = self.pick()
        twice = (*shape[:-1], 2 * shape[-1])
        self.put("CONCATENATION", [source, source], twice, quantised, axis=-1)

    def split(self) -> None:
        source, shape, quantised = self.pick()
        if shape[-1] % 2:
            return self.relu()
        half = (*shape[:-1], shape[-1] // 2)
        outputs = [self.build.tensor(half, **quantised) for _ in range(2)]
        self.build.operator("SPLIT", [self.build.constant(len(shape) - 1), source], outputs, numSplits=2)
        self.known += [(output, half, quantised) for output in outputs]
        self.done.append("SPLIT")
        return None

    def softmax(self) -> None:
        source, shape, _ = self.pick()
        self.put("SOFTMAX", [source], shape, {"scale": 1 / 256, "zero": -128}, beta=1.0)


_border = st.lists(st.integers(0, 2), min_size=2, max_size=2)


@st.composite
def graph(draw: Draw) -> Case:
    """Draw a network of up to ten operators."""
    net = _Growing(draw)
    shapes = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
        shape = (1, draw(st.integers(3, 6)), draw(st.integers(3, 6)), draw(st.integers(1, 4)))
        quantised = net.quantisation()
        net.known.append((net.build.tensor(shape, **quantised), shape, quantised))
        shapes.append(shape)
    inputs = [k[0] for k in net.known]
    everywhere = (net.relu, net.relu6, net.join, net.flatten, net.concatenate, net.split, net.softmax)
    for _ in range(draw(st.integers(1, 10))):
        ranks = {len(k[1]) for k in net.known}
        choices = [*everywhere, *([net.dense] * 2 if 2 in ranks else [])]
        choices += [net.conv] * 3 + [net.pool] * 3 + [net.pad] * 2
        draw(st.sampled_from(choices))()
    made = [k[0] for k in net.known[len(inputs) :]]
    extra = draw(st.sets(st.sampled_from(made), max_size=2))
    outputs = list(dict.fromkeys([made[-1], *sorted(extra)]))
    label = f"graph {shapes} {' '.join(net.done)} outputs {outputs}"
    return single(label, net.build, inputs, outputs, samples(net.random, shapes, "int8"))
