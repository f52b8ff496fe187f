"""Records as JUnit XML, which CI systems show as tests: a cell is a test case, a condition that it breaks a failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from foldtiny.report import columns
from foldtiny.report.gates import Violation

# XML 1.0 has no way to write other control characters.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(records: Sequence[dict[str, Any]], violations: Sequence[Violation] = ()) -> str:
    """Return one test suite; figures are properties of the test cases.

    Parameters
    ----------
    records : sequence of dict
    violations : sequence of Violation
        What ``gates.check`` and ``gates.compare`` found.
    """
    broken: dict[str, list[Violation]] = {}
    for violation in violations:
        if violation.gate != "status":
            broken.setdefault(violation.id, []).append(violation)
    errors = sum(record["status"] != "ok" for record in records)
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name="foldtiny",
        tests=str(len(records)),
        failures=str(len(broken)),
        errors=str(errors),
        skipped="0",
        time=f"{sum(record['seconds'] for record in records):.3f}",
    )
    for record in records:
        _case(suite, record, broken.get(record["id"], []))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, record: dict[str, Any], broken: Sequence[Violation]) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(f"foldtiny.{record['cell']['board']}"),
        name=_clean(columns.title(record)),
        time=f"{record['seconds']:.3f}",
    )
    properties = ElementTree.SubElement(case, "properties")
    for name, value in columns.figures(record).items():
        if value is not None:
            ElementTree.SubElement(properties, "property", name=name, value=_clean(str(value)))
    if record["status"] != "ok":
        error = record["error"]
        element = ElementTree.SubElement(case, "error", type=_clean(error["type"]), message=_clean(error["message"]))
        element.text = _clean(error["hint"])
    elif broken:
        message = _clean("; ".join(violation.text for violation in broken))
        element = ElementTree.SubElement(case, "failure", type="gate", message=message)
        element.text = _clean("\n".join(violation.text for violation in broken))
    ElementTree.SubElement(case, "system-out").text = _clean(record["command"])


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
