"""What stands above the charts of a record: its figures in words, and how it came about."""

from __future__ import annotations

from foldtiny.report import text as say
from foldtiny.report.case import Case


def facts(case: Case) -> list[tuple[str, str]]:
    """Return what stands above the charts of a record: a name and a text each."""
    result = case.result
    found: list[tuple[str, str]] = []
    if case.accuracy is not None:
        folded = say.number(say.dig(result, "accuracy", "folded"))
        before = f" (dense {say.percent(case.dense, 2)}, folded {say.percent(folded, 2)})" if case.dense else ""
        over = f" over {say.exact(case.images, 'images')} of {case.dataset}" if case.images else ""
        found.append(("accuracy", f"{say.percent(case.accuracy, 2)}{before}{over}, by the generated C"))
    for name, label in (("parameters", "parameters"), ("macs", "multiply-accumulates")):
        after, before_ = (say.number(say.dig(result, name, key)) for key in ("folded", "dense"))
        if after is not None:
            of = f" of {say.exact(before_, '')}" if before_ is not None and before_ != after else ""
            found.append((label, say.exact(after, "") + of))
    if case.instructions is not None:
        found.append(("instructions", f"{say.exact(case.instructions, '')}, {case.source}"))
    if case.ms is not None:
        runs = say.number(say.dig(result, "latency", "runs"))
        spread = f", p95 {say.ms(case.p95)}" if case.p95 is not None else ""
        over = f", median of {say.exact(runs, '')}" if runs else ""
        found.append(("time", f"{say.ms(case.ms)}{over}{spread}: {case.basis or case.time_source}"))
    if case.low is not None:
        model = say.dig(result, "latency", "estimated", "model") or "a timing model"
        found.append(("estimated time", f"{say.ms_range(case.low, case.high)} by {model}"))
    checked, same = (say.number(say.dig(result, "bit_exact", name)) for name in ("checked", "matching"))
    if checked:
        found.append(
            (
                "equal outputs",
                f"{say.exact(same, '')} of {say.exact(checked, '')}, against "
                f"{say.dig(result, 'bit_exact', 'reference') or 'the reference'}",
            )
        )
    found.append(("device", ", ".join(part for part in (case.device, case.source) if part)))
    how = ", ".join(p for p in (case.precision, case.runtime, say.dig(result, "optimize")) if isinstance(p, str) and p)
    found.append(("compiled as", how))
    return [(name, text) for name, text in found if text]


def stages(case: Case) -> list[tuple[str, str, str]]:
    """Return a name, a text and a time for each stage, for what the estimate assumes, and for the notes."""
    found = []
    given = case.result.get("stages")
    for stage in given if isinstance(given, list) else []:
        if isinstance(stage, dict):
            seconds = say.number(stage.get("seconds"))
            took = "reused" if stage.get("reused") else "" if seconds is None else f"{seconds:.1f} s"
            found.append((str(stage.get("name", "")), str(stage.get("summary", "")), took))
    assumed = say.dig(case.result, "latency", "estimated", "assumptions")
    found += [("the estimate assumes", str(text), "") for text in assumed] if isinstance(assumed, list | tuple) else []
    notes = case.result.get("notes")
    found += [("", str(note), "") for note in notes] if isinstance(notes, list) else []
    return found
