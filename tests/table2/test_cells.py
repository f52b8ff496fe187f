"""Differences, factors and the shape of the JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from foldtiny.table2.cells import K
from tests.table2.conftest import Make, cell, figures, table


def test_factors_are_the_poster_over_the_deployment(make: Make) -> None:
    factors = make().factors()
    # 1000 / 20 ms, 40 / 8 K, 2 / 0.5 M.
    assert factors["paper"] == {"ms": 50.0, "ram": 5.0, "flash": 4.0}
    # 3000 / 20 ms; 40 / 8 K of whole firmwares, without the interpreter that ours does not have; 1.95 / 0.5 M.
    assert factors["poster_config"] == pytest.approx({"ms": 150.0, "ram": 5.0, "flash": 3.9}, rel=1e-6)


def test_times_of_different_sources_are_not_divided(make: Make) -> None:
    measured = make(deployed=figures(source="hardware", ms=10.0))
    assert "ms" not in measured.factors()["poster_config"]
    assert measured.factors()["paper"]["ms"] == 100.0


def test_differences_are_ours_less_the_posters(make: Make) -> None:
    found = make().differences()
    assert found["ram_k"] == pytest.approx(0.1, abs=1 / K) and found["flash_m"] == pytest.approx(-0.05, abs=1e-6)


def test_the_json_has_what_was_promised(make: Make) -> None:
    content = json.loads(json.dumps(table(make()).to_dict()))
    (found,) = content["cells"]
    assert found["board"] == "esp-eye" and found["sparsity"] == 0.5
    assert found["paper"] == {"ms": 1000, "ram_k": 40.0, "flash_m": 2.0, "source": "paper"}
    assert {"ms", "ram_k", "flash_m", "fits", "source"} <= set(found["poster_config"])
    assert {"ms", "ram_k", "flash_m", "accuracy", "source"} <= set(found["deployed"])
    assert found["deployed"]["ram_k"] == 8.0 and found["deployed"]["flash_m"] == 0.5
    assert found["poster_config"]["ram_k"] == pytest.approx(40.1, abs=1 / K)
    for configuration in ("poster_config", "deployed"):
        assert all(found[configuration]["sources"][what] for what in ("ms", "ram_k", "flash_m", "accuracy"))
    assert content["units"] == {"K": 1024, "M": 1024 * 1024}


def test_a_failed_configuration_keeps_the_rest(make: Make) -> None:
    broken = make(deployed=None, errors={"deployed": "no board"})
    found = broken.to_dict()
    assert found["deployed"] is None and found["errors"] == {"deployed": "no board"} and found["factors"] == {}
    assert found["poster_config"]["fits"] is True
    assert not table(make(), broken).complete and table(make()).complete


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"poster_config": figures(ram=round(40.3 * K), precision="float32")}, "+0.30 K of RAM from the poster's"),
        ({"poster_config": figures(ram=40 * K, flash=1_900_000, precision="float32")}, "-0.19 M of flash from"),
    ],
)
def test_what_is_off_by_more_than_the_tolerance_is_named(changes: dict[str, object], words: str) -> None:
    assert any(words in note and note.startswith("esp-eye at 50%") for note in table(cell(**changes)).notes)


def test_notes_say_only_what_applies(make: Make) -> None:
    said = " ".join(table(make()).notes)
    assert "not measured on a board" in said and "no floating-point unit" in said
    assert "C library" not in said and "enlarged" not in said and "from the poster's, more" not in said
    hardware = make("nano33ble", poster_config=None, deployed=figures(source="hardware"))
    assert "not measured on a board" not in " ".join(table(hardware).notes)
    linux = make("jetson-nano", deployed=dataclasses.replace(figures(), library=(600_000, 47_104)))
    assert "0.6 M and 46 K of the C library" in " ".join(table(linux).notes)
