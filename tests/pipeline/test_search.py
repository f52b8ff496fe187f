"""The search for the largest network that fits, on costs made up here: no network is built."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldtiny import boards
from foldtiny.device.target import Target
from foldtiny.errors import FoldError
from foldtiny.pipeline import search, within
from foldtiny.pipeline.limits import Limits
from foldtiny.pipeline.request import DeployRequest, FoldOptions
from foldtiny.pipeline.solver import ENOUGH, least
from foldtiny.pipeline.trial import need_of
from foldtiny.progress import SilentReporter
from foldtiny.result import Candidate, DeployResult, Search

BOARD = boards.get("nano33ble")


@st.composite
def falling(draw: st.DrawFn) -> list[float]:
    """Ratios that fall from step to step, in slopes and stairs; infinite at first where nothing is known."""
    last = draw(st.integers(0, 300))
    drops = draw(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.3]), min_size=last + 1, max_size=last + 1))
    end = draw(st.floats(0.01, 1.5))
    ratios = [end + sum(drops[step:]) for step in range(last + 1)]
    unknown = draw(st.integers(0, last)) if draw(st.booleans()) else 0
    return [math.inf if step < unknown and ratio > 1 else ratio for step, ratio in enumerate(ratios)]


@given(falling())
def test_the_least_step_that_fits_is_found(ratios: list[float]) -> None:
    calls: list[int] = []

    def ratio(step: int) -> float:
        calls.append(step)
        return ratios[step]

    found = least(ratio, len(ratios) - 1, len(ratios), enough=2.0)
    assert found == next((step for step, value in enumerate(ratios) if value <= 1.0), None)
    assert len(calls) == len(set(calls))
    # Four to find one that fits, then every second try halves what is left.
    assert len(calls) <= 5 + 2 * math.ceil(math.log2(len(ratios) + 1))


@given(falling())
def test_what_is_good_enough_fits_and_is_nearly_the_limit_or_the_largest(ratios: list[float]) -> None:
    found = least(lambda step: ratios[step], len(ratios) - 1, len(ratios))
    best = next((step for step, value in enumerate(ratios) if value <= 1.0), None)
    assert (found is None) == (best is None)
    if found is not None:
        assert ratios[found] <= 1.0
        assert found == best or ratios[found] >= ENOUGH


def test_costs_in_proportion_take_few_tries() -> None:
    calls: list[int] = []

    def ratio(step: int) -> float:
        calls.append(step)
        return (8_000 + 980 * (1000 - step)) / 262_144

    found = least(ratio, 990, 1000)
    assert found is not None and ENOUGH <= ratio(found) <= 1.0
    assert len(calls) <= 6


def _candidate(step: int, flash: int, limits: Limits, weights: str = "placeholder") -> Candidate:
    need = need_of(limits, flash, 5_000, None)
    return Candidate(step / 1000, 1000 - step, "size", flash, 5_000, None, need, need <= 1.0, weights=weights)


def _solve(limits: Limits, flash_of: Any, last: int = 990) -> tuple[Search, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []
    found = search.solve(
        lambda step: _candidate(step, flash_of(step), limits),
        last,
        limits,
        lambda label, fraction: told.append((label, fraction)),
        name="net",
        board=BOARD,
        basis="",
    )
    return found, told


def test_the_whole_network_where_it_fits() -> None:
    found, _ = _solve(Limits(flash_bytes=2_000), lambda step: 1_500 - step)
    assert (found.sparsity, len(found.candidates)) == (0.0, 1)
    assert search.summary(found) == "the whole network fits, nothing has to be removed: flash 1,500 of 2,000 B"


def test_a_search_says_what_it_tries() -> None:
    found, told = _solve(Limits(flash_bytes=262_144), lambda step: 8_000 + 980 * (1000 - step))
    assert found.limits == {"flash_bytes": 262_144, "ram_bytes": None, "ms": None}
    chosen = next(c for c in found.candidates if c.removed == found.sparsity)
    assert chosen.fits and chosen.flash_bytes is not None and chosen.flash_bytes > 0.99 * 262_144
    assert told[1][0] == "1 of about 9: 0.0% removed: 988,000 B of flash (limit 262,144)"
    assert [fraction for _, fraction in told] == sorted(fraction for _, fraction in told)
    assert Search.from_dict(dataclasses.asdict(found)) == found


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (
            Limits(flash_bytes=4_000, ram_bytes=2_000),
            "net does not fit nano33ble: even with 99.0% of the parameters removed it takes 6,600 B of flash (limit "
            "4,000) and 5,000 B of RAM (limit 2,000); raise the limit, or take a network with fewer or smaller layers",
        ),
        (
            Limits(ram_bytes=4_999),
            "net does not fit nano33ble: even with 99.0% of the parameters removed it takes 5,000 B of RAM (limit "
            "4,999); raise the limit, or take a network with fewer or smaller layers",
        ),
    ],
)
def test_nothing_fits(limits: Limits, text: str) -> None:
    with pytest.raises(FoldError) as caught:
        _solve(limits, lambda step: 6_590 + 1_000 - step)
    assert str(caught.value) == text


def test_the_folded_network_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real network takes a bit more than its placeholder: more is removed until it keeps the limits."""
    limits = Limits(flash_bytes=10_000)
    begun = Search(limits.to_dict(), 0.5, "size", "", (_candidate(500, 9_990, limits),))
    monkeypatch.setattr(within, "_search", lambda *_: (begun, 990))
    monkeypatch.setattr(within, "_judged", lambda result, found, limits, step: _with(result, found, limits, step))
    asked: list[float] = []

    def once(request: DeployRequest, finish: Any) -> DeployResult:
        assert request.folding.limits is None and request.optimize == "size"
        asked.append(request.folding.fraction)
        return finish(None)

    request = DeployRequest("nano33ble", FoldOptions(limits=limits))
    result = within.deploy(request, BOARD, Target(), SilentReporter(), once)
    assert result is not None and result.search is not None
    assert asked == [0.5, 0.501, 0.502]
    assert [c.fits for c in result.search.candidates] == [True, False, False, True]
    assert result.search.sparsity == 0.502


def _with(_: None, found: Search, limits: Limits, step: int) -> Any:
    real = _candidate(step, 20_022 - 20 * step, limits, "folded")
    return type("Result", (), {"search": search.with_real(found, real)})()
