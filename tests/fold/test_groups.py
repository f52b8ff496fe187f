"""What may be folded and what is left alone, with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from foldtiny.fold import engine
from tests.fold import nets


class Net(nn.Module):
    """Two convolutions (2 -> 8 -> 8), something between them, and a classifier."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor], extra: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8, 3)
        self.between = between
        self.extra = extra

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.between(self.first(x)))
        return self.last(F.relu(x).mean((2, 3)))


def plan(model: nn.Module) -> engine.Plan:
    return engine.plan(nets.shake(model, 0), torch.randn(nets.SMALL))


def folded_names(model: nn.Module) -> set[str]:
    planned = plan(model)
    # Whatever is planned must really fold.
    work = engine.fold_to(planned, {group.name: group.unit for group in planned.groups}, "ward").work
    work(*planned.inputs)
    return {group.name for group in planned.groups}


def reasons(model: nn.Module) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in plan(model).skipped}


def test_elementwise_operators_are_fine() -> None:
    for between in (F.relu, F.gelu, F.hardswish, torch.sigmoid, lambda x: F.avg_pool2d(x, 2), lambda x: x * 2 + 1):
        assert folded_names(Net(between)) == {"first", "second"}


def shuffle(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


@pytest.mark.parametrize(
    "between",
    [
        shuffle,
        lambda x: x.softmax(1),
        lambda x: x - x.mean(1, keepdim=True),
        lambda x: x.cumsum(1),
        lambda x: x.flip(1),
        lambda x: x.view(x.shape[0], 8, 6, 6).roll(1, 1),
    ],
)
def test_operators_that_mix_channels_are_noticed(between: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = Net(between)
    assert folded_names(model) == {"second"}
    assert set(reasons(model)) == {"first"}


def test_reason_names_the_operators() -> None:
    assert reasons(Net(lambda x: x.softmax(1))) == {
        "first": "something on its way mixes channels (one of SoftmaxBackward0)"
    }


def test_parameter_outside_a_layer_is_named() -> None:
    class Scaled(Net):
        def __init__(self) -> None:
            super().__init__(F.relu)
            self.scale = nn.Parameter(torch.ones(8, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last((self.second(self.first(x) * self.scale)).mean((2, 3)))

    model = Scaled()
    assert folded_names(model) == {"second"}
    assert reasons(model) == {"first": "a parameter outside any layer works on its channels"}


def test_unknown_layer_is_named() -> None:
    norm = nn.GroupNorm(2, 8)
    model = Net(norm, norm)
    assert folded_names(model) == {"second"}
    assert reasons(model) == {"first": "GroupNorm 'between' cannot be folded"}


def test_hard_coded_size_is_noticed() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 8, 3, padding=1)
            self.second = nn.Linear(8 * 36, 6)
            self.last = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(F.relu(self.second(F.relu(self.first(x)).view(-1, 8 * 36))))

    model = Fixed()
    assert folded_names(model) == {"second"}
    assert reasons(model)["first"].startswith("the network does not run with fewer of these channels (RuntimeError: ")


def test_attention_is_left_alone() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(2, 8, 3, padding=1)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
            self.hidden = nn.Linear(8, 6)
            self.last = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            return self.last(F.relu(self.hidden(self.attend(tokens, tokens, tokens)[0].mean(1))))

    model = Attention()
    assert folded_names(model) == {"hidden"}
    assert set(reasons(model)) == {"embed"}


def test_channels_tied_to_the_input_or_the_output_stay() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 2, 3, padding=1)  # added to the input
            self.second = nn.Conv2d(2, 6, 3, padding=1)  # returned
            self.third = nn.Conv2d(6, 5, 3, padding=1)
            self.last = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.second(x + self.first(x))
            return features, self.last(F.relu(self.third(features)).mean((2, 3)))

    model = Tied()
    assert folded_names(model) == {"third"}
    assert reasons(model) == {
        "first": "its channels are tied to those of the network's input",
        "second": "its channels are an output of the network",
    }


def test_input_in_a_concatenation() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 6, 3, padding=1)
            self.second = nn.Conv2d(8, 5, 3, padding=1)
            self.last = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(F.relu(self.second(torch.cat([x, F.relu(self.first(x))], 1))).mean((2, 3)))

    assert folded_names(Dense()) == {"first", "second"}


def test_split_halves_must_stay_equal() -> None:
    def halves(x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat([a * b, b], 1)

    assert folded_names(Net(halves)) == {"second"}


def test_zero_padded_shortcut() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 8, 3, padding=1)
            self.third = nn.Conv2d(8, 6, 3, padding=1)
            self.last = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.first(x))
            x = F.relu(self.second(x) + F.pad(x, (0, 0, 0, 0, 2, 2)))
            return self.last(F.relu(self.third(x)).mean((2, 3)))

    assert folded_names(Padded()) == {"third"}


def test_squeeze_and_excitation() -> None:
    class Squeeze(Net):
        def __init__(self) -> None:
            super().__init__(F.relu)
            self.squeeze = nn.Linear(8, 4)
            self.excite = nn.Linear(4, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
            return self.last(F.relu(self.second(x * gate[:, :, None, None])).mean((2, 3)))

    # The gate's channels are those of the first convolution: one group with two producers.
    assert folded_names(Squeeze()) >= {"second"}


def test_tied_weights_and_parametrizations_are_named() -> None:
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 6), nn.Linear(6, 2))
    tied[2].weight = tied[0].weight
    planned = engine.plan(tied, torch.randn(2, 4))
    assert [group.name for group in planned.groups] == ["4"]
    assert {skipped.reason for skipped in planned.skipped} == {"Linear '0' shares its weights with another layer"} | {
        "Linear '2' shares its weights with another layer"
    }
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.Linear(5, 2))
    (skipped,) = engine.plan(normed, torch.randn(2, 4)).skipped
    assert skipped.reason.endswith("computes its weights from others (parametrization)")


def test_single_channel_layers_are_left_alone() -> None:
    model = nn.Sequential(nn.Conv2d(2, 1, 3), nn.ReLU(), nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))
    planned = plan(model)
    assert [group.name for group in planned.groups] == ["2"]
    assert [(s.name, s.reason) for s in planned.skipped] == [("0", "it has a single channel")]


def test_grouped_convolution_keeps_its_groups_equal() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 12, 1), nn.ReLU(), nn.Conv2d(12, 24, 3, groups=4), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, 2)
    )
    planned = plan(model)
    assert [(group.name, group.width, group.unit) for group in planned.groups] == [("0", 12, 4), ("2", 24, 4)]
    work = engine.fold_to(planned, {"0": 8, "2": 12}, "ward").work
    assert work[2].weight.shape == (12, 2, 3, 3) and work[2].groups == 4


def test_one_channel_per_group_with_several_outputs_is_named() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 6, 1), nn.ReLU(), nn.Conv2d(6, 12, 3, groups=6), nn.ReLU(), nn.Flatten(), nn.Linear(12 * 16, 2)
    )
    planned = plan(model)
    assert [(group.name, group.unit) for group in planned.groups] == [("2", 6)]
    assert [s.reason for s in planned.skipped] == ["a grouped convolution gives each channel a group of its own"]
