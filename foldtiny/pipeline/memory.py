"""The memory plan as plain JSON values: what lies where in the arena, and how much is in use at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldtiny.aot.plan import MemoryPlan, Placement

# Names come from the user's file and may be long; the plan has to stay small.
_NAME_LENGTH = 72


def describe(plan: MemoryPlan, layers: int) -> dict[str, Any]:
    """Return a plan as plain JSON values.

    Parameters
    ----------
    plan : MemoryPlan
    layers : int
        Number of layers, which are the steps 0 to ``layers`` - 1. Step -1 is before the first (inputs are there),
        step ``layers`` after the last (outputs are).

    Returns
    -------
    dict
        ``arena_bytes``, ``lower_bound_bytes``, ``steps`` (the number of layers), ``tensors`` (``name``; ``kind``:
        input, output, between or scratch; ``offset``, ``bytes``; ``first`` and ``last`` step, inclusive) and
        ``live_bytes``: bytes in use at each step from -1 to ``layers``, those that two tensors share counted once.
    """
    return {
        "arena_bytes": plan.arena_bytes,
        "lower_bound_bytes": plan.lower_bound_bytes,
        "steps": layers,
        "tensors": [
            {
                "name": shorten(item.name),
                "kind": _kind(item, layers),
                "offset": item.offset,
                "bytes": item.bytes,
                "first": item.first,
                "last": item.last,
            }
            for item in plan.tensors
        ],
        "live_bytes": [_covered([i for i in plan.tensors if i.first <= s <= i.last]) for s in range(-1, layers + 1)],
    }


def shorten(name: str) -> str:
    """Return a name of at most 72 characters: its end tells more than its beginning."""
    return name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :]


def _kind(item: Placement, layers: int) -> str:
    if item.tensor < 0:
        return "scratch"
    return "input" if item.first < 0 else "output" if item.last >= layers else "between"


def _covered(items: list[Placement]) -> int:
    """Return how many bytes lie in at least one of these places."""
    total = end = 0
    for item in sorted(items, key=lambda item: item.offset):
        start, stop = max(item.offset, end), item.offset + item.bytes
        total += max(stop - start, 0)
        end = max(end, stop)
    return total
