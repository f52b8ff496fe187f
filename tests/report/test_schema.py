"""The schema holds what bench writes, and refuses what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas
import pytest

from foldtiny.errors import DataError
from foldtiny.report.schema import json_schema, load
from tests.report.records import failed, ok, write


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("record", [ok(), failed(), ok(port="rfc2217://shelf:4000", input_shape=(1, 8, 8))])
def test_records_fit_the_schema(validator: Any, record: dict[str, Any]) -> None:
    validator.validate(json.loads(json.dumps(record)))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema": 2}, "schema"),
        ({"status": "good"}, "status"),
        ({"cell": {"board": "nano33ble"}}, "cell.model"),
        ({"started": "yesterday"}, "started"),
        ({"seconds": -1}, "seconds"),
        ({"error": {"type": "X"}}, "error.message"),
        ({"result": {"board": "nano33ble"}}, "result.source"),
    ],
)
def test_what_does_not_fit_is_refused_by_both(
    validator: Any, tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    record = {**ok(), **change}
    if place != "started":  # formats are not checked by default
        assert not validator.is_valid(record)
    path = tmp_path / "records.json"
    path.write_text(json.dumps([record]))
    with pytest.raises(DataError) as caught:
        load([path])
    assert caught.value.message.startswith(f"record 1 of {path} does not fit the schema at {place}")


def test_every_field_of_a_result_is_in_the_schema(validator: Any) -> None:
    """The schema is made from the result itself, so that it cannot fall behind."""
    parts = json_schema()["$defs"]
    record = ok()
    assert set(record) == set(json_schema()["properties"])
    assert set(record["result"]) == set(parts["DeployResult"]["properties"])
    assert set(record["cell"]) == set(parts["Cell"]["properties"])


def test_the_last_record_of_a_cell_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", failed("nano33ble"), ok(), failed())
    found = load([path])
    assert [record["status"] for record in found] == ["ok", "failed"]


def test_half_a_last_line_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", ok(), ok(sparsity=0.5))
    path.write_bytes(path.read_bytes()[:-40])
    assert len(load([path])) == 1


def test_a_result_of_deploy_is_a_record(tmp_path: Path, validator: Any) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(ok()["result"], indent=2))
    (record,) = load([path])
    validator.validate(record)
    assert record["cell"]["sparsity"] == 0.25
    assert record["seconds"] == 1.5
    assert record["repetitions"]["median_ms"] == 32.26


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "{path} holds no records"),
        ("hello\nworld\n", "line 1 of {path} is not a record"),
        ('{"latency": {}}', "{path} is not a result of foldtiny deploy"),
        ("[]", "{path} holds no records"),
    ],
)
def test_another_file_ends_in_a_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        load([path])
    assert caught.value.message == message.format(path=path)


def test_pandas_reads_records_in_one_line(tmp_path: Path) -> None:
    """The line of docs/bench.md."""
    path = write(tmp_path / "records.jsonl", ok(), ok("esp-eye", 0.5, flash=586_696), failed())
    docs = Path(__file__).parents[2] / "docs" / "bench.md"
    line = 'pandas.json_normalize(pandas.read_json("records.jsonl", lines=True).to_dict("records"))'
    assert line in docs.read_text("utf-8")
    table = eval(line.replace('"records.jsonl"', "path"), {"pandas": pandas, "path": path})
    assert list(table["result.flash_bytes.total"])[:2] == [819_640, 586_696]
    assert list(table["cell.sparsity"]) == [0.25, 0.5, 0.25]
    assert list(table["status"]) == ["ok", "ok", "failed"]
