"""Folding a network: trace, check, budget, then cluster and merge group by group."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from foldtiny.errors import UsageError
from foldtiny.fold import budget as budgets
from foldtiny.fold.check import verify
from foldtiny.fold.evidence import check_images
from foldtiny.fold.groups import Group, find
from foldtiny.fold.merge import apply, shifted, weight_of
from foldtiny.fold.methods import METHODS, Study
from foldtiny.fold.network import Costs, as_inputs, macs, parameters, profile, restore, working_copy
from foldtiny.fold.report import FoldReport, GroupReport, SkippedGroup

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FoldedModel:
    """A folded network and the report of what was done.

    Attributes
    ----------
    module : nn.Module
        A smaller network of the same class, in eval mode, on the device and in the number type of the original.
    report : FoldReport
    """

    module: nn.Module
    report: FoldReport


@dataclass(frozen=True, slots=True)
class Plan:
    """A traced and checked network, ready to be folded any number of times."""

    work: nn.Module
    inputs: tuple[Any, ...]
    groups: tuple[Group, ...]
    skipped: tuple[SkippedGroup, ...]
    costs: Costs
    positions: Mapping[str, int]


def plan(model: nn.Module, example_inputs: Any, *, seed: int = 0) -> Plan:
    """Trace a network and check its groups (`fold` without the folding).

    Raises
    ------
    FoldError
        If the network cannot be copied, run or traced, or holds NaN or infinite weights.
    """
    work, inputs = working_copy(model, as_inputs(example_inputs))
    record = profile(work, inputs)
    found, skipped = find(work, inputs, record.order)
    good, bad = verify(work, inputs, found, seed)
    narrow = tuple(SkippedGroup(g.name, "it has a single channel") for g in good if g.width == 1)
    good = tuple(group for group in good if group.width > group.unit)
    return Plan(work, inputs, good, skipped + bad + narrow, Costs(work, good, record.positions), record.positions)


def fold(
    model: nn.Module,
    example_inputs: Any,
    *,
    sparsity: float,
    method: str = "combination",
    budget: str = "uniform",
    repair: str = "none",
    seed: int = 0,
    progress: Progress | None = None,
) -> FoldedModel:
    """Fold similar channels of a network into one; see `foldtiny.fold.fold`."""
    sparsity = budgets.check_sparsity(sparsity)
    _choose("method", method, METHODS)
    choose_widths = _choose("budget", budget, {"uniform": budgets.uniform})
    _choose("repair", repair, {"none": None})
    report = progress or _silent
    report("trace", 0.0)
    planned = plan(model, example_inputs, seed=seed)
    report("widths", 0.1)
    widths = choose_widths(planned.costs, sparsity)
    folding = fold_to(planned, widths, method, seed=seed, progress=report)
    report("check", 0.95)
    summary = _report(planned, folding, sparsity, method, budget, repair, widths)
    folded = restore(folding.work, model)
    report("done", 1.0)
    return FoldedModel(folded, summary)


def study(planned: Plan, *, images: Any = None, seed: int = 0) -> Study:
    """Return the study of a traced network that methods work on."""
    return Study(
        planned.work,
        planned.inputs,
        planned.groups,
        planned.costs.total_macs,
        check_images(images, planned.inputs),
        seed,
    )


@dataclass(frozen=True, slots=True)
class Folding:
    """A folded working copy and how each group was folded (its method; nothing for those that kept their width)."""

    work: nn.Module
    methods: dict[str, str]


def fold_to(
    planned: Plan,
    widths: Mapping[str, int],
    method: str,
    *,
    seed: int = 0,
    studied: Study | None = None,
    progress: Progress | None = None,
) -> Folding:
    """Fold a traced network to given widths; the result is still on the CPU and in the working precision.

    Parameters
    ----------
    planned : Plan
        Not changed.
    widths : mapping
        A width per group, a multiple of its ``unit``; groups that are missing keep theirs.
    method : str
        A key of `METHODS`. All merges are found on the dense network.
    studied : Study, optional
        To reuse its measurements.
    """
    studied = studied or study(planned, seed=seed)
    work = copy.deepcopy(planned.work)
    done: dict[str, str] = {}
    with torch.no_grad():
        waiting = list(planned.groups)
        for number, dense in enumerate(planned.groups):
            group = waiting.pop(0)
            (progress or _silent)(f"fold {group.name}", 0.1 + 0.8 * number / len(planned.groups))
            width = widths.get(group.name, group.width)
            if width < group.width:
                with torch.enable_grad():
                    merge, done[group.name] = METHODS[method](studied, dense, width)
                apply(work, group, merge)
                waiting = shifted(waiting, group, merge)
    return Folding(work, done)


def count(model: nn.Module, example_inputs: Any) -> tuple[int, int]:
    """Return the parameters of a network and its multiply-accumulates on some inputs."""
    return parameters(model), macs(model, profile(model, as_inputs(example_inputs)).positions)


def _report(
    planned: Plan,
    folding: Folding,
    sparsity: float,
    method: str,
    budget: str,
    repair: str,
    widths: Mapping[str, int],
) -> FoldReport:
    costs, work = planned.costs, folding.work
    after = profile(work, planned.inputs)
    dense, folded = costs.total, parameters(work)
    reached = 1.0 - folded / dense if dense else 0.0
    notes = []
    if reached - sparsity > budgets.TOLERANCE:
        notes.append(
            f"sparsity {sparsity:g} was asked for and {reached:.4f} reached: one channel more or less of the narrow "
            "layers is over 1 % of the parameters"
        )
    layers = {
        name: (len(weight_of(planned.work.get_submodule(name))), len(weight_of(work.get_submodule(name))))
        for name in planned.positions
    }
    return FoldReport(
        method=method,
        budget=budget,
        repair=repair,
        sparsity_requested=sparsity,
        sparsity=reached,
        parameters_dense=dense,
        parameters_folded=folded,
        macs_dense=costs.total_macs,
        macs_folded=macs(work, after.positions),
        groups=tuple(
            GroupReport(g.name, g.layers, g.width, widths[g.name], folding.methods.get(g.name, "kept"))
            for g in planned.groups
        ),
        skipped=planned.skipped,
        layers=layers,
        notes=tuple(notes),
    )


def _choose(option: str, value: str, known: Mapping[str, Any]) -> Any:
    if value not in known:
        raise UsageError(f"{option} is {value!r} (allowed: {', '.join(known)})", f"choose one of these as the {option}")
    return known[value]


def _silent(label: str, fraction: float) -> None:
    del label, fraction
