"""Choosing the width of each group so that a fraction of the parameters goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from foldtiny.errors import UsageError
from foldtiny.fold.groups import Group
from foldtiny.fold.network import Costs

#: A folded network has at most this fraction of the dense parameters less than asked for (where widths allow it).
TOLERANCE = 0.01

Widths = dict[str, int]


def check_sparsity(sparsity: float) -> float:
    """Return a sparsity as a float in [0, 1).

    Raises
    ------
    UsageError
        If it is anything else.
    """
    try:
        value = float(sparsity)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0.0 <= value < 1.0:
        raise UsageError(
            f"sparsity is {sparsity} (allowed: at least 0 and less than 1)",
            "give the fraction of the parameters to remove, such as 0.25",
        )
    return value


def target_parameters(costs: Costs, sparsity: float) -> int:
    """Return the most parameters that a sparsity allows.

    Raises
    ------
    UsageError
        If even the narrowest network has more; the message gives the largest sparsity that can be reached.
    """
    # Half an ulp of slack: (1 - 0.7) * 10 is 3.0000000000000004 and (1 - 0.9) * 10 is 0.99999.
    target = int((1.0 - sparsity) * costs.total + 1e-6)
    least = costs.parameters(narrowest(costs))
    if least > target:
        reachable = int((1.0 - least / costs.total) * 1000) / 1000
        raise UsageError(
            f"no width reaches sparsity {sparsity:g}: folding every group as far as it goes leaves {least:,} of "
            f"{costs.total:,} parameters",
            f"ask for at most {reachable:g}",
        )
    return target


def narrowest(costs: Costs) -> Widths:
    """Return the least width of each group."""
    return {name: group.unit for name, group in costs.groups.items()}


def uniform(costs: Costs, sparsity: float) -> Widths:
    """Scale every group by one factor (about ``sqrt(1 - sparsity)``), then fill the budget a unit at a time.

    Returns
    -------
    dict of str to int
        A width per group; the network has at most ``(1 - sparsity)`` of the dense parameters.

    Raises
    ------
    UsageError
        If no width reaches the sparsity.
    """
    target = target_parameters(costs, sparsity)
    if costs.total <= target:
        return costs.dense_widths
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if costs.parameters(_scaled(costs, middle)) <= target:
            low = middle
        else:
            high = middle
    widths = _scaled(costs, low)
    widths = _fill(costs, widths, target, {name: width + costs.groups[name].unit for name, width in widths.items()})
    if target - costs.parameters(widths) > TOLERANCE * costs.total:
        widths = _fill(costs, widths, target, costs.dense_widths)
    return widths


def searched(costs: Costs, sparsity: float, errors: Mapping[str, Sequence[float]]) -> Widths:
    """Choose each group's width so that the sum of merge errors is least for the parameter budget.

    Starts dense and always takes from the group whose next channels cost the least error per parameter saved, then
    fills what is left of the budget where it helps most.

    Parameters
    ----------
    costs : Costs
    sparsity : float
    errors : mapping of str to sequence
        Per group, the error of folding it to each width: ``errors[name][width]``, falling with the width.

    Raises
    ------
    UsageError
        If no width reaches the sparsity.
    """
    target = target_parameters(costs, sparsity)
    widths = costs.dense_widths
    total = costs.total
    while total > target:
        best, price, size = "", math.inf, 0
        for name, group in costs.groups.items():
            narrower = max(group.unit, widths[name] - _step(group, widths[name]))
            if narrower == widths[name]:
                continue
            left = costs.parameters({**widths, name: narrower})
            paid = (errors[name][narrower] - errors[name][widths[name]]) / (total - left)
            if paid < price:
                best, price, size = name, paid, left
        widths[best] = max(costs.groups[best].unit, widths[best] - _step(costs.groups[best], widths[best]))
        total = size
    return _fill_by_gain(costs, widths, target, errors)


def _step(group: Group, width: int) -> int:
    """Channels to take at a time: single ones in narrow groups, about a percent of wide ones."""
    return max(1, width // (128 * group.unit)) * group.unit


def _fill_by_gain(costs: Costs, widths: Widths, target: int, errors: Mapping[str, Sequence[float]]) -> Widths:
    """Widen groups by one unit, most error saved per parameter first, while the budget lasts."""
    widths = dict(widths)
    total = costs.parameters(widths)
    while True:
        best, value, size = "", -1.0, 0
        for name, group in costs.groups.items():
            wider = widths[name] + group.unit
            if wider > group.width:
                continue
            more = costs.parameters({**widths, name: wider})
            gain = (errors[name][widths[name]] - errors[name][wider]) / (more - total)
            if more <= target and gain > value:
                best, value, size = name, gain, more
        if not best:
            return widths
        widths[best] += costs.groups[best].unit
        total = size


def _scaled(costs: Costs, factor: float) -> Widths:
    return {
        name: min(group.width, max(group.unit, group.unit * round(factor * group.width / group.unit)))
        for name, group in costs.groups.items()
    }


def _fill(costs: Costs, widths: Widths, target: int, most: Mapping[str, int]) -> Widths:
    """Widen groups by one unit, those that lag most first, while the budget lasts."""
    widths = dict(widths)
    while True:
        for name in sorted(widths, key=lambda n: (widths[n] / costs.groups[n].width, n)):
            group = costs.groups[name]
            wider = {**widths, name: widths[name] + group.unit}
            if wider[name] <= min(group.width, most[name]) and costs.parameters(wider) <= target:
                widths = wider
                break
        else:
            return widths
