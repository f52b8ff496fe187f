"""Folding a network: trace, check, budget, then cluster and merge group by group."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from foldtiny.errors import UsageError
from foldtiny.fold import budget as budgets
from foldtiny.fold.check import verify
from foldtiny.fold.groups import Group, find
from foldtiny.fold.merge import Matrix, apply, map_outputs, shifted, weight_of
from foldtiny.fold.methods import METHODS, REFITTED, Study
from foldtiny.fold.network import Costs, as_inputs, macs, parameters, profile, restore, working_copy
from foldtiny.fold.refit import STRENGTH_REAL, STRENGTH_SYNTHETIC, most_images, refit
from foldtiny.fold.repair import (
    NEED_IMAGES,
    REPAIRS,
    absorb,
    has_norms,
    recalibrate,
)
from foldtiny.fold.report import FoldReport, GroupReport, SkippedGroup
from foldtiny.fold.synthetic import batch_size, check_images, fill

Progress = Callable[[str, float], None]

BUDGETS = ("uniform", "params")
#: Images of a deep inversion.
INVERTED = 128


@dataclass(frozen=True, slots=True)
class FoldedModel:
    """A folded network and the report of what was done.

    Attributes
    ----------
    module : nn.Module
        A smaller network of the same class, in eval mode, on the device and in the number type of the original.
    report : FoldReport
    images : float32 array [N, C, H, W], optional
        What the dense network was inverted to, with ``repair="dir"``.
    """

    module: nn.Module
    report: FoldReport
    images: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A traced and checked network, ready to be folded any number of times."""

    work: nn.Module
    inputs: tuple[Any, ...]
    groups: tuple[Group, ...]
    skipped: tuple[SkippedGroup, ...]
    costs: Costs
    positions: Mapping[str, int]
    order: tuple[str, ...]


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
    return Plan(
        work, inputs, good, skipped + bad + narrow, Costs(work, good, record.positions), record.positions, record.order
    )


def fold(
    model: nn.Module,
    example_inputs: Any,
    *,
    sparsity: float,
    method: str = "combination",
    budget: str = "uniform",
    repair: str = "none",
    images: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> FoldedModel:
    """Fold similar channels of a network into one; see `foldtiny.fold.fold`."""
    sparsity = budgets.check_sparsity(sparsity)
    _choose("method", method, METHODS)
    _choose("budget", budget, dict.fromkeys(BUDGETS))
    _choose("repair", repair, dict.fromkeys(REPAIRS))
    if repair in NEED_IMAGES and images is None:
        hint = "give some, or repair with 'ls', 'ar' or 'dir'"
        raise UsageError(f"repair {repair!r} needs images (found: none)", hint)
    report = progress or _silent
    report("trace", 0.0)
    planned = plan(model, example_inputs, seed=seed)
    report("widths", 0.1)
    studied = study(planned, images=images, seed=seed)
    widths = choose_widths(studied, planned.costs, sparsity, budget)
    folding = fold_to(planned, widths, method, seed=seed, studied=studied, repair=repair, progress=report)
    report("check", 0.95)
    summary = _report(planned, folding, sparsity, method, budget, repair, widths)
    folded = restore(folding.work, model)
    report("done", 1.0)
    return FoldedModel(folded, summary, folding.images)


def choose_widths(studied: Study, costs: Costs, sparsity: float, budget: str) -> dict[str, int]:
    """Return a width per group by one of the `BUDGETS`."""
    if budget == "uniform":
        return budgets.uniform(costs, sparsity)
    budgets.target_parameters(costs, sparsity)  # refuses what cannot be reached before anything is measured
    errors = {group.name: studied.errors(group).tolist() for group in studied.groups}
    return budgets.searched(costs, sparsity, errors)


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
    """A folded working copy.

    Attributes
    ----------
    work : nn.Module
    methods : dict
        How each group was folded; those that kept their width are missing.
    notes : tuple of str
        What the user should know about the repair.
    images : float32 array, optional
        Images of the deep inversion.
    """

    work: nn.Module
    methods: dict[str, str]
    notes: tuple[str, ...] = ()
    images: npt.NDArray[np.float32] | None = None


def fold_to(
    planned: Plan,
    widths: Mapping[str, int],
    method: str,
    *,
    seed: int = 0,
    studied: Study | None = None,
    repair: str = "none",
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
        To reuse its measurements; its images are what repairs use.
    repair : str
        One of `REPAIRS`.
    """
    studied = studied or study(planned, seed=seed)
    work = copy.deepcopy(planned.work)
    done: dict[str, str] = {}
    outputs: dict[str, Matrix] = {}
    fit = repair == "ls"
    with torch.no_grad():
        waiting = list(planned.groups)
        for number, dense in enumerate(planned.groups):
            group = waiting.pop(0)
            (progress or _silent)(f"fold {group.name}", 0.1 + 0.8 * number / len(planned.groups))
            width = widths.get(group.name, group.width)
            if width < group.width:
                with torch.enable_grad():
                    merge, done[group.name] = METHODS[method](studied, dense, width)
                fit |= method in REFITTED and not studied.exact(dense, width)
                if repair == "ar" and method not in REFITTED:  # those keep their producers as they are
                    absorb(work, group, merge)
                map_outputs(work, group, merge, outputs)
                apply(work, group, merge)
                waiting = shifted(waiting, group, merge)
    return _repaired(planned, studied, Folding(work, done), outputs, repair, fit, progress or _silent)


def _repaired(
    planned: Plan,
    studied: Study,
    folding: Folding,
    outputs: dict[str, Matrix],
    repair: str,
    fit: bool,
    progress: Progress,
) -> Folding:
    """Refit what reads folded channels (if ``fit``) and apply the repairs of BatchNorm statistics."""
    norms = has_norms(planned.work)
    if repair in ("ar", "dir", "data") and not norms:
        folding = replace(folding, notes=(f"repair {repair!r} had nothing to do: the network has no BatchNorm",))
    real = studied.images is not None
    images: Any = None
    if norms and repair == "dir":
        images = studied.inverted(INVERTED, lambda label, part: progress(label, 0.9 + 0.03 * part))
        folding = replace(folding, images=images)
    if fit:
        images = studied.sample if images is None else np.concatenate([images, studied.sample])
        images = images[: most_images(planned.costs.total_macs // batch_size(planned.inputs))]
    if fit or folding.images is not None:
        progress("fit", 0.94)
        readers = {m.layer for group in planned.groups if group.name in folding.methods for m in group.having("in")}
        dense, work = copy.deepcopy(planned.work).float(), folding.work.float()
        refit(
            dense,
            work,
            outputs,
            fill(_like(work, planned.inputs), images, np.random.default_rng(studied.seed)),
            layers=tuple(name for name in planned.order if fit and name in readers),
            strength=STRENGTH_REAL if real and folding.images is None else STRENGTH_SYNTHETIC,
            seed=studied.seed,
        )
        folding = replace(folding, work=work)
    if norms and real and repair in ("data", "ls"):
        recalibrate(folding.work.float(), torch.from_numpy(studied.images))
    return folding


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
    after = profile(work, _like(work, planned.inputs))
    dense, folded = costs.total, parameters(work)
    reached = 1.0 - folded / dense if dense else 0.0
    notes = list(folding.notes)
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


def _like(work: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return inputs in the precision of a network (repairs leave it in single)."""
    dtype = next((p.dtype for p in work.parameters() if p.is_floating_point()), torch.float64)
    return tuple(v.to(dtype) if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in inputs)


def _choose(option: str, value: str, known: Mapping[str, Any]) -> Any:
    if value not in known:
        raise UsageError(f"{option} is {value!r} (allowed: {', '.join(known)})", f"choose one of these as the {option}")
    return known[value]


def _silent(label: str, fraction: float) -> None:
    del label, fraction
