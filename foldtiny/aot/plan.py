"""Where each tensor lies in the arena: a static plan, found when compiling.

Lifetimes come from the order of the layers. Where a layer's input is not needed any more, its output may take the
place: at the same address (``Kernel.in_place``), or behind the reading of a kernel that goes forward
(``Kernel.overlap``).
``place.py`` finds the offsets; ``check`` proves of whatever comes out that nothing alive is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from foldtiny.aot.graph import Graph
from foldtiny.aot.layer import Kernel, Layer
from foldtiny.aot.place import Piece, height, place
from foldtiny.errors import CompileError

ALIGNMENT = 16
MAX_ARENA_BYTES = 1 << 28


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

    def meets(self, other: Placement) -> bool:
        """Tell whether both are needed at the same time."""
        return self.first <= other.last and other.first <= self.last

    def touches(self, other: Placement) -> bool:
        """Tell whether both use the same memory."""
        return self.offset < other.offset + other.bytes and other.offset < self.offset + self.bytes


@dataclass(frozen=True, slots=True)
class Reuse:
    """Leave for a layer's output to overwrite an input that nobody needs afterwards.

    The input has to start ``distance`` bytes after the output or more (``None``: no such leave), or, with ``in_place``,
    at the same address.
    """

    output: int
    input: int
    distance: int | None
    in_place: bool

    def allows(self, output: Placement, source: Placement) -> bool:
        """Tell whether these two places are all right."""
        apart = source.offset - output.offset
        return (self.in_place and apart == 0) or (self.distance is not None and apart >= self.distance)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The arena's layout.

    ``lower_bound_bytes`` is the most memory that is in use at any one time: no plan with these kernels can be smaller.
    """

    arena_bytes: int
    scratch_bytes: int
    lower_bound_bytes: int
    tensors: tuple[Placement, ...]
    reuses: tuple[Reuse, ...] = ()

    def offset(self, tensor: int) -> int:
        """Return a tensor's place in the arena."""
        return next(p.offset for p in self.tensors if p.tensor == tensor)

    def scratch(self, layer: int) -> int:
        """Return the place of a layer's scratch memory."""
        return next(p.offset for p in self.tensors if p.tensor < 0 and p.first == layer)

    def overwritten(self, layer: int) -> tuple[int, ...]:
        """Return the tensors that this layer's output overwrites while it is computed."""
        places = {p.tensor: p for p in self.tensors if p.tensor >= 0}
        return tuple(
            r.input
            for r in self.reuses
            if places[r.output].first == layer and places[r.output].touches(places[r.input])
        )


def plan(
    graph: Graph, layers: Sequence[Layer], kernels: Sequence[Kernel], alias: Mapping[int, int], *, share: bool = True
) -> MemoryPlan:
    """Lay out the arena.

    Without ``share``, each layer's inputs and outputs are all there, whole, while it runs: no output overwrites an
    input.

    Raises
    ------
    CompileError
        If the network needs more memory than any supported board could have.
    """
    items = _items(graph, layers, kernels, alias)
    places = {item.tensor: item for item in items if item.tensor >= 0}
    reuses = _reuses(graph, layers, kernels, places) if share else []
    bound = lower_bound(items, reuses)
    if bound > MAX_ARENA_BYTES:
        raise CompileError(
            f"{graph.name} needs {bound} bytes of memory for its tensors (allowed: {MAX_ARENA_BYTES})",
            "use a smaller network or smaller images",
        )
    placed, arena = _best(items, reuses, bound)
    result = MemoryPlan(
        arena_bytes=arena,
        scratch_bytes=max((k.scratch_bytes for k in kernels), default=0),
        lower_bound_bytes=bound,
        tensors=tuple(sorted(placed, key=lambda t: (t.first, t.offset))),
        reuses=tuple(reuses),
    )
    check(result)
    return result


def _items(
    graph: Graph, layers: Sequence[Layer], kernels: Sequence[Kernel], alias: Mapping[int, int]
) -> list[Placement]:
    """Return all that needs memory, without offsets yet."""
    lives = _lifetimes(graph, layers, alias)
    items = [Placement(graph.tensors[t].name, t, 0, graph.tensors[t].bytes, *life) for t, life in lives.items()]
    for step, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        if kernel.scratch_bytes:
            items.append(Placement(f"scratch of {layer.name}", -1, 0, kernel.scratch_bytes, step, step))
    return items


def _lifetimes(graph: Graph, layers: Sequence[Layer], alias: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Return (first, last) step of each tensor that needs memory."""
    first: dict[int, int] = {alias.get(i, i): -1 for i in graph.inputs}
    # What a network remembers from run to run stays all the time.
    states = {i: -1 for layer in layers for i in layer.inputs if graph.tensors[i].variable}
    first |= states
    last: dict[int, int] = dict(first)
    for step, layer in enumerate(layers):
        for tensor in layer.inputs:
            last[tensor] = step
        for tensor in layer.outputs:
            first[tensor] = step
            last.setdefault(tensor, step)
    for tensor in graph.outputs:
        last[alias.get(tensor, tensor)] = len(layers)
    last |= dict.fromkeys(states, len(layers))
    return {tensor: (first[tensor], last[tensor]) for tensor in first}


def _reuses(
    graph: Graph, layers: Sequence[Layer], kernels: Sequence[Kernel], items: Mapping[int, Placement]
) -> list[Reuse]:
    """Return what outputs may overwrite."""
    found = []
    for step, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
        output = layer.outputs[0]
        for source in dict.fromkeys(layer.inputs):
            # Only memory that nobody reads afterwards can be handed on; constants have none.
            if source not in items or items[source].last != step or source == output:
                continue
            # A tensor that comes as several inputs has to heed what each of them needs.
            positions = [p for p, tensor in enumerate(layer.inputs) if tensor == source]
            in_place = all(p in kernel.in_place for p in positions)
            distances = [kernel.overlap.get(p) for p in positions]
            known = [align(d) for d in distances if d is not None]
            far = len(known) < len(distances) or max(known) >= graph.tensors[output].bytes
            distance = None if far else max(known)
            if in_place or distance is not None:
                found.append(Reuse(output, source, distance, in_place))
    return found


def align(size: int) -> int:
    """Round up to the arena's alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def lower_bound(items: Sequence[Placement], reuses: Sequence[Reuse]) -> int:
    """Return the most bytes that are needed at one time, whatever the placement.

    An output and the inputs that it may overwrite need together at least the larger of the output and of all these
    inputs after the smallest of their distances: the bytes before belong to the output alone.
    """
    by_tensor = {item.tensor: item for item in items if item.tensor >= 0}
    shared: dict[int, list[Reuse]] = {}
    for reuse in reuses:
        shared.setdefault(by_tensor[reuse.output].first, []).append(reuse)
    changes: dict[int, int] = {}
    for item in items:
        changes[item.first] = changes.get(item.first, 0) + align(item.bytes)
        changes[item.last + 1] = changes.get(item.last + 1, 0) - align(item.bytes)
    most = total = 0
    for step in sorted(changes):
        total += changes[step]
        saved = 0
        if step in shared:
            output = align(by_tensor[shared[step][0].output].bytes)
            inputs = sum(align(by_tensor[r.input].bytes) for r in shared[step])
            before = min(0 if r.in_place else r.distance or 0 for r in shared[step])
            saved = output + inputs - max(output, inputs + min(before, output))
        most = max(most, total - saved)
    return most


def _best(items: list[Placement], reuses: Sequence[Reuse], bound: int) -> tuple[list[Placement], int]:
    """Return the items placed by the best of three ways to join tensors into blocks, and the arena's size."""
    best: list[Placement] = []
    arena = -1
    for order in (1, -1, 0):
        blocks = _blocks(items, reuses[::order] if order else ())
        pieces = [
            Piece(
                max(align(items[i].bytes) for i in block),
                min(items[i].first for i in block),
                max(items[i].last for i in block),
            )
            for block in blocks
        ]
        offsets = place(pieces, _gaps(items, blocks, pieces, reuses), bound)
        found = height(pieces, offsets)
        if arena < 0 or found < arena:
            best = [replace(items[i], offset=o) for block, o in zip(blocks, offsets, strict=True) for i in block]
            arena = found
        if arena == bound:
            break
    return best, arena


def _blocks(items: Sequence[Placement], reuses: Sequence[Reuse]) -> list[list[int]]:
    """Join each output with one input whose address it can take exactly; fewer pieces make a smaller search."""
    index = {item.tensor: i for i, item in enumerate(items) if item.tensor >= 0}
    home = list(range(len(items)))
    blocks = {i: [i] for i in range(len(items))}
    joined: set[int] = set()
    for reuse in reuses:
        output, source = index[reuse.output], index[reuse.input]
        same = align(items[output].bytes) == align(items[source].bytes)
        if reuse.output in joined or not (reuse.in_place or (reuse.distance == 0 and same)):
            continue
        joined.add(reuse.output)
        moved = blocks.pop(home[output])
        blocks[home[source]] += moved
        for i in moved:
            home[i] = home[source]
    return list(blocks.values())


def _gaps(
    items: Sequence[Placement], blocks: Sequence[Sequence[int]], pieces: Sequence[Piece], reuses: Sequence[Reuse]
) -> list[dict[int, tuple[int, int]]]:
    """Return how the blocks have to keep apart: as their members have to that live at the same time."""
    leave = {(r.output, r.input): r.distance for r in reuses if r.distance is not None}

    def above(lower: int, upper: int) -> int:
        """Return how far item ``upper`` has to start after item ``lower`` if it is to lie above."""
        needed = align(items[lower].bytes)
        known = leave.get((items[lower].tensor, items[upper].tensor)) if items[lower].tensor >= 0 else None
        return needed if known is None else min(needed, known)

    def pairs(i: int, j: int) -> Iterator[tuple[int, int]]:
        return ((a, b) for a in blocks[i] for b in blocks[j] if items[a].meets(items[b]))

    gaps: list[dict[int, tuple[int, int]]] = [{} for _ in blocks]
    for i in range(len(blocks)):
        for j in range(i):
            if pieces[i].first > pieces[j].last or pieces[j].first > pieces[i].last:
                continue
            found = list(pairs(i, j))
            if found:
                below = max(above(a, b) for a, b in found)
                over = max(above(b, a) for a, b in found)
                gaps[i][j], gaps[j][i] = (below, over), (over, below)
    return gaps


def check(result: MemoryPlan) -> None:
    """Make sure that no two tensors share memory while both are needed, except where a kernel gives leave.

    Raises
    ------
    CompileError
        If the planner has made a mistake; generating wrong code would be worse.
    """
    leave = {(reuse.output, reuse.input): reuse for reuse in result.reuses}
    for i, one in enumerate(result.tensors):
        if one.offset < 0 or one.offset % ALIGNMENT or one.offset + one.bytes > result.arena_bytes:
            raise _broken(f"'{one.name}' lies outside the arena")
        for other in result.tensors[i + 1 :]:
            if not (one.meets(other) and one.touches(other)):
                continue
            if not any(
                reuse is not None and output.first == source.last and reuse.allows(output, source)
                for output, source in ((one, other), (other, one))
                for reuse in (leave.get((output.tensor, source.tensor)),)
            ):
                raise _broken(f"'{one.name}' and '{other.name}' overlap")


def _broken(what: str) -> CompileError:
    return CompileError(f"internal error in the memory plan: {what}", "please report this with the .tflite file")
