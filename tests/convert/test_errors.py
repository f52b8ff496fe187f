"""What users get told about networks that cannot be converted; texts are pinned."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from foldtiny.convert import convert
from foldtiny.convert.check import check_operators
from foldtiny.errors import ConvertError, FoldtinyError, UsageError
from tests.convert.helpers import Functional

SHAPE = (3, 8, 8)


class _Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(x, x, x)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = _Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attn(x)


class _Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1 = _Block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block1(x)


class _Decides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x
        return -x


class _Pair(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left + right


class _Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return x * 2


def _function(function: Callable[[Any, torch.Tensor], Any]) -> nn.Module:
    return Functional(function, conv=nn.Conv2d(3, 4, 3))


def _message(network: nn.Module, **options: Any) -> str:
    with pytest.raises(FoldtinyError) as caught:
        convert(network, SHAPE, precision="float32", **options)
    return str(caught.value)


def test_unsupported_operator() -> None:
    """Names the module, the operator and the supported set."""
    text = _message(_Named())
    assert text.startswith(
        "module 'block1.attn' uses aten.scaled_dot_product_attention, which foldtiny cannot convert (supported: "
    )
    listed = text.split("(supported: ")[1].split(")")[0].split(", ")
    assert {"conv2d", "linear", "batch_norm", "max_pool2d", "relu", "add", "cat"} <= set(listed)
    assert listed == sorted(set(listed))
    assert text.endswith("; replace it by supported operators")


def test_operators_that_many_networks_have_come_with_a_way_out() -> None:
    text = _message(_function(lambda net, x: torch.log_softmax(net.conv(x).flatten(1), dim=1)))
    assert text.startswith("the network's own forward() uses aten.log_softmax, which foldtiny cannot convert ")
    assert text.endswith("; return the logits themselves: the largest is the same")
    text = _message(_function(lambda net, x: nn.functional.gelu(net.conv(x))))
    assert text.endswith("; train it with ReLU, hardswish or SiLU in its place")


EXACT: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two inputs": (
        _Pair,
        "the network _Pair takes 2 inputs (left, right) (allowed: one image); "
        "wrap it in a module whose forward takes the image alone",
    ),
    "two outputs": (
        lambda: _function(lambda s, x: (s.conv(x), x)),
        "the network returns 2 tensors (allowed: one); wrap it in a module that returns the logits alone",
    ),
    "control flow": (
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), _Decides()),
        "module '1' cannot be traced by torch.export: a decision depends on the values in a tensor "
        f"(line {inspect.getsourcelines(_Decides.forward)[1] + 1}: if x.sum() > 0:); "
        "make its control flow independent of the values in tensors",
    ),
    "state": (
        _Counting,
        "the network changes its buffer 'seen' while it runs (allowed: buffers that are only read); "
        "keep no state between images",
    ),
    "random": (
        lambda: _function(lambda s, x: s.conv(x) + torch.rand(1)),
        "the network's own forward() draws random numbers with aten.rand (allowed: the same result every time); "
        "draw them only where self.training is set",
    ),
    "dropout left on": (
        lambda: _function(lambda s, x: functional.dropout(s.conv(x))),
        "the network's own forward(): aten.dropout is active (allowed: dropout that is off when the network is "
        "evaluated); pass self.training",
    ),
    "wrong channels": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3)),
        "module '0' fails on an input of shape [1, 3, 8, 8]: Given groups=1, weight of size [4, 4, 3, 3], expected "
        "input[1, 3, 8, 8] to have 4 channels, but got 3 channels instead; "
        "mend the network or give the input shape that it is meant for",
    ),
    "batch statistics": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        "module '1': aten.batch_norm takes its statistics from the batch (allowed: running statistics); "
        "build it with track_running_stats=True and train it",
    ),
    "uneven adaptive": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(4)),
        "module '1': aten.adaptive_avg_pool2d pools [6, 6] to [4, 4] (allowed: sizes that divide evenly); "
        "choose an output size that divides the map's",
    ),
    "negative padded": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 2, 1)),
        "module '1': aten.max_pool2d pads values that may be negative by (1, 1) (allowed: half of an odd window, here "
        "(2, 2), or values after a ReLU); put a ReLU before the pooling or choose another padding",
    ),
    "indices": (
        lambda: _function(lambda s, x: functional.adaptive_max_pool2d(x, 4, return_indices=True)[1] * 1.0),
        "the network's own forward() uses the indices of aten.adaptive_max_pool2d (allowed: its values); "
        "leave return_indices off",
    ),
    "reflected": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        "module '0': aten.pad pads with mode 'reflect' (allowed: zeros); pad with zeros",
    ),
    "slice": (
        lambda: _function(lambda s, x: s.conv(x)[:, :2]),
        "the network's own forward(): aten.slice cuts [1, 4, 6, 6] to [1, 2, 6, 6] (allowed: x[:, :, ::n, ::n]); "
        "choose channels by a 1x1 convolution, rows and columns by pooling or a stride",
    ),
    "flattened output": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()),
        "module '1' returns a flattened feature map (allowed: logits of a Linear layer, or a map); "
        "end the network before the flatten or add a Linear layer",
    ),
    "transpose by reshape": (
        lambda: _function(lambda s, x: s.conv(x).flatten(1).view(1, 8, 3, 6)),
        "the network's own forward() reshapes [1, 4, 6, 6] to [1, 8, 3, 6], which would need a transpose "
        "(allowed: operations that keep the layout); work on the feature map, or put a Linear layer between",
    ),
    "batch axis lost": (
        lambda: _function(lambda s, x: s.conv(x).view(4, 36)),
        "the network's own forward(): aten.view turns shape [1, 4, 6, 6] into [4, 36] (allowed: shapes that keep the "
        "batch axis); keep the first axis for the batch, for example x.flatten(1)",
    ),
    "linear on a map": (
        lambda: nn.Sequential(nn.Linear(8, 4)),
        "module '0': aten.linear works on shape [1, 3, 8, 8] (allowed: [N, features]); "
        "flatten the features before the layer",
    ),
    "constant": (
        lambda: _function(lambda s, x: torch.ones(1, 3)),
        "the network's output does not depend on the image; return a value computed from the image",
    ),
    "nothing": (nn.Sequential, "the network returns its input unchanged; give a network with at least one layer"),
}


@pytest.mark.parametrize("name", EXACT)
def test_text(name: str) -> None:
    """Each mistake gets exactly its text."""
    factory, expected = EXACT[name]
    assert _message(factory()) == expected


def test_weights_that_are_not_finite() -> None:
    """A network that computes NaN is not handed out."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    network[0].weight.data[0, 0, 0, 0] = float("nan")
    assert _message(network) == (
        "the network's outputs are NaN or infinite (allowed: finite numbers); check its weights, or train it anew"
    )


def test_calibration_images() -> None:
    """Images of another shape, or not finite, are refused."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert _message(network, calibration=np.zeros((2, 1, 8, 8), np.float32)) == (
        "the calibration images have shape [2, 1, 8, 8] (allowed: [N, 3, 8, 8], N > 0); "
        "give images of the network's input shape"
    )
    assert _message(network, calibration=np.full((2, 3, 8, 8), np.nan, np.float32)) == (
        "the calibration images contain NaN or infinite values (allowed: finite numbers); mend the images"
    )


def test_options() -> None:
    """An unknown precision and an impossible input shape."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(UsageError) as wrong:
        convert(network, SHAPE, precision="int4")
    assert str(wrong.value) == "precision is 'int4' (allowed: int8, float32); choose one of these"
    with pytest.raises(ConvertError) as empty:
        convert(network, (3, 0, 8))
    assert str(empty.value) == "the input shape is [3, 0, 8] (allowed: sizes of 1 and more); give C, H and W"


def test_foreign_tflite_operator() -> None:
    """An operator that the runtimes lack is refused, should TensorFlow's converter ever choose one."""
    from foldtiny.convert.quiet import tensorflow

    tf = tensorflow()
    function = tf.function(tf.cos, input_signature=[tf.TensorSpec((1, 4), tf.float32)]).get_concrete_function()
    data = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    with pytest.raises(ConvertError, match=r"^the converted network needs COS \(allowed: ADD, AVERAGE_POOL_2D, "):
        check_operators(data, "float32")
