"""Where each tensor lies in the arena: a static plan, found when compiling.

Lifetimes come from the order of the layers. A kernel may let its output overwrite an input (``Kernel.in_place``); such
tensors share one buffer. Buffers are then placed so that no two that live at the same time overlap, by exact search on
small networks and by the best of several greedy orders on larger ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from foldtiny.aot.graph import Graph
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.errors import CompileError

ALIGNMENT = 16
MAX_ARENA_BYTES = 1 << 28

_EXACT_BUFFERS = 40
_SEARCH_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Placement:
    """Memory of one tensor (or of a layer's scratch memory, ``tensor`` -1) from one layer to another, inclusive.

    Inputs are there before the first layer (``first`` -1); outputs stay until the next run (``last`` is the number of
    layers).
    """

    name: str
    tensor: int
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The arena's layout.

    ``lower_bound_bytes`` is the most memory that is in use at any one time: no plan with these buffers can be smaller.
    """

    arena_bytes: int
    scratch_bytes: int
    lower_bound_bytes: int
    tensors: tuple[Placement, ...]

    def offset(self, tensor: int) -> int:
        """Return a tensor's place in the arena."""
        return next(p.offset for p in self.tensors if p.tensor == tensor)

    def scratch(self, layer: int) -> int:
        """Return the place of a layer's scratch memory."""
        return next(p.offset for p in self.tensors if p.tensor < 0 and p.first == layer)


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Memory that is allotted as one piece."""

    bytes: int
    first: int
    last: int
    members: tuple[Placement, ...]

    def meets(self, other: _Buffer) -> bool:
        return self.first <= other.last and other.first <= self.last


def plan(graph: Graph, layers: Sequence[Layer], kernels: Sequence[Kernel], alias: Mapping[int, int]) -> MemoryPlan:
    """Lay out the arena.

    Raises
    ------
    CompileError
        If the network needs more memory than any supported board could have.
    """
    buffers = _buffers(graph, layers, kernels, alias)
    offsets = place([(b.bytes, b.first, b.last) for b in buffers])
    tensors = [
        replace(member, offset=offset)
        for buffer, offset in zip(buffers, offsets, strict=True)
        for member in buffer.members
    ]
    arena = max((o + b.bytes for b, o in zip(buffers, offsets, strict=True)), default=0)
    if arena > MAX_ARENA_BYTES:
        raise CompileError(
            f"{graph.name} needs {arena} bytes of memory for its tensors (allowed: {MAX_ARENA_BYTES})",
            "use a smaller network or smaller images",
        )
    result = MemoryPlan(
        arena_bytes=arena,
        scratch_bytes=max((k.scratch_bytes for k in kernels), default=0),
        lower_bound_bytes=lower_bound([(b.bytes, b.first, b.last) for b in buffers]),
        tensors=tuple(sorted(tensors, key=lambda t: (t.first, t.offset))),
    )
    check(result)
    return result


def _buffers(
    graph: Graph, layers: Sequence[Layer], kernels: Sequence[Kernel], alias: Mapping[int, int]
) -> list[_Buffer]:
    """Return the pieces of memory, tensors that share one already joined."""
    lives = _lifetimes(graph, layers, alias)
    owner: dict[int, int] = {}
    groups: dict[int, list[int]] = {tensor: [tensor] for tensor in lives}
    for step, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        for position in kernel.in_place:
            source, output = layer.inputs[position], layer.outputs[0]
            # Only memory that nobody reads any more, and that is large enough, can be handed on.
            if source not in lives or lives[source][1] != step:
                continue
            if graph.tensors[output].bytes > graph.tensors[source].bytes:
                continue
            home = owner.get(source, source)
            owner[output] = home
            groups[home].extend(groups.pop(output))
            break
    buffers = []
    for members in groups.values():
        placed = tuple(Placement(graph.tensors[t].name, t, 0, graph.tensors[t].bytes, *lives[t]) for t in members)
        size = align(max(p.bytes for p in placed))
        buffers.append(_Buffer(size, min(p.first for p in placed), max(p.last for p in placed), placed))
    for step, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        if kernel.scratch_bytes:
            size = align(kernel.scratch_bytes)
            member = Placement(f"scratch of {layer.name}", -1, 0, kernel.scratch_bytes, step, step)
            buffers.append(_Buffer(size, step, step, (member,)))
    return buffers


def _lifetimes(graph: Graph, layers: Sequence[Layer], alias: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Return (first, last) step of each tensor that needs memory."""
    first: dict[int, int] = {alias.get(i, i): -1 for i in graph.inputs}
    last: dict[int, int] = dict(first)
    for step, layer in enumerate(layers):
        for tensor in layer.inputs:
            last[tensor] = step
        for tensor in layer.outputs:
            first[tensor] = step
            last.setdefault(tensor, step)
    for tensor in graph.outputs:
        last[alias.get(tensor, tensor)] = len(layers)
    return {tensor: (first[tensor], last[tensor]) for tensor in first}


def align(size: int) -> int:
    """Round up to the arena's alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(pieces: Sequence[tuple[int, int, int]]) -> int:
    """Return the most bytes alive at one time; pieces are (bytes, first, last)."""
    starts = {first for _, first, _ in pieces}
    return max((sum(size for size, first, last in pieces if first <= t <= last) for t in starts), default=0)


def place(pieces: Sequence[tuple[int, int, int]]) -> list[int]:
    """Return an offset for each piece (bytes, first, last) so that pieces alive together do not overlap."""
    bound = lower_bound(pieces)
    orders = [
        sorted(range(len(pieces)), key=lambda i: (-pieces[i][0], pieces[i][1])),
        sorted(range(len(pieces)), key=lambda i: (pieces[i][1], -pieces[i][0])),
        sorted(range(len(pieces)), key=lambda i: (-pieces[i][0] * (pieces[i][2] - pieces[i][1] + 1), i)),
        sorted(range(len(pieces)), key=lambda i: (-pieces[i][2], -pieces[i][0])),
    ]
    best: list[int] = []
    peak = -1
    for order in orders:
        offsets = _first_fit(pieces, order)
        height = max((o + p[0] for o, p in zip(offsets, pieces, strict=True)), default=0)
        if peak < 0 or height < peak:
            best, peak = offsets, height
    if peak > bound and len(pieces) <= _EXACT_BUFFERS:
        best = _Search(pieces, bound, best, peak).run()
    return best


def _neighbours(pieces: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    return [[j for j, q in enumerate(pieces) if j != i and p[1] <= q[2] and q[1] <= p[2]] for i, p in enumerate(pieces)]


def _lowest_gap(size: int, taken: list[tuple[int, int]]) -> int:
    """Return the lowest offset with room for ``size`` beside the (start, end) pairs."""
    at = 0
    for start, end in sorted(taken):
        if start - at >= size:
            break
        at = max(at, end)
    return at


def _taken(
    pieces: Sequence[tuple[int, int, int]], offsets: Sequence[int], near: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (start, end) of the pieces in ``near`` that have a place already."""
    return [(offsets[j], offsets[j] + pieces[j][0]) for j in near if offsets[j] >= 0]


def _first_fit(pieces: Sequence[tuple[int, int, int]], order: Sequence[int]) -> list[int]:
    near = _neighbours(pieces)
    offsets = [-1] * len(pieces)
    for i in order:
        offsets[i] = _lowest_gap(pieces[i][0], _taken(pieces, offsets, near[i]))
    return offsets


class _Search:
    """Branch and bound over the orders in which pieces are dropped to their lowest free offset.

    Some order leads to an optimal plan; orders that cannot beat the best plan so far are cut off. The number of steps
    is limited, so that the worst case costs well under a second.
    """

    def __init__(self, pieces: Sequence[tuple[int, int, int]], bound: int, best: list[int], peak: int) -> None:
        self.pieces = pieces
        self.near = _neighbours(pieces)
        self.bound, self.best, self.peak = bound, best, peak
        self.steps = 0
        self.offsets = [-1] * len(pieces)

    def run(self) -> list[int]:
        self.descend(0, 0)
        return self.best

    def descend(self, placed: int, height: int) -> None:
        if placed == len(self.pieces):
            self.best, self.peak = list(self.offsets), height
            return
        options = []
        for i, offset in enumerate(self.offsets):
            if offset < 0:
                at = _lowest_gap(self.pieces[i][0], _taken(self.pieces, self.offsets, self.near[i]))
                if at + self.pieces[i][0] >= self.peak:
                    return
                options.append((at, -self.pieces[i][0], i))
        for at, negative, i in sorted(options):
            self.steps += 1
            if self.peak <= self.bound or self.steps > _SEARCH_STEPS:
                return
            self.offsets[i] = at
            self.descend(placed + 1, max(height, at - negative))
            self.offsets[i] = -1


def check(result: MemoryPlan) -> None:
    """Make sure that no two tensors overlap in both memory and time, except where one takes over the other's place.

    Raises
    ------
    CompileError
        If the planner has made a mistake; generating wrong code would be worse.
    """
    for i, one in enumerate(result.tensors):
        if one.offset < 0 or one.offset % ALIGNMENT or one.offset + one.bytes > result.arena_bytes:
            raise _broken(f"'{one.name}' lies outside the arena")
        for other in result.tensors[i + 1 :]:
            in_time = one.first <= other.last and other.first <= one.last
            in_space = one.offset < other.offset + other.bytes and other.offset < one.offset + one.bytes
            handed_over = one.offset == other.offset and (one.last == other.first or other.last == one.first)
            if in_time and in_space and not handed_over:
                raise _broken(f"'{one.name}' and '{other.name}' overlap")


def _broken(what: str) -> CompileError:
    return CompileError(f"internal error in the memory plan: {what}", "please report this with the .tflite file")
