"""What fills flash and RAM, by the names of symbols."""

from __future__ import annotations

from foldtiny.device import parts

_SYMBOLS = [
    ("model_weights_0_stream", 900),
    ("model_weights_0_rescaling", 24),
    ("model_weights_10_stream", 50),
    ("model_weights_2_stream", 40),
    ("model_weights_output_0", 8),
    ("model_table_3_lut", 256),
    ("model_invoke", 100),
    ("ft_conv_2d.constprop.0", 700),
    ("fw_loop", 300),
    ("main", 6),
    ("memcpy", 60),
]


def test_every_byte_of_flash_belongs_to_one_part() -> None:
    found = parts.flash(_SYMBOLS, 2500)
    assert sum(part["bytes"] for part in found) == 2500
    assert [(part["group"], part["name"], part["bytes"]) for part in found] == [
        ("model", "layer 0", 924),
        ("model", "layer 2", 40),
        ("model", "layer 10", 50),
        ("engine", "kernels", 700),
        ("firmware", "firmware", 306),
        ("engine", "tables", 256),
        ("engine", "generated code", 100),
        ("library", "libraries", 60),
        ("unnamed", "unnamed", 56),
        ("model", "model", 8),
    ]


def test_many_layers_keep_the_largest() -> None:
    many = parts.flash([(f"model_weights_{i}_w", 1000 - i) for i in range(130)], sum(1000 - i for i in range(130)))
    found = parts.merge_layers(many, 100)
    assert len(found) == 101
    assert sum(part["bytes"] for part in found) == sum(part["bytes"] for part in many)
    assert found[-1]["name"] == "30 small layers"
    assert parts.merge_layers(many[:20]) == many[:20]


def test_the_arena_is_part_of_bss() -> None:
    found = parts.ram(arena=7456, data=0, bss=8332, stack=576)
    assert [(part["name"], part["bytes"]) for part in found] == [("arena", 7456), (".bss", 876), ("stack", 576)]
    assert sum(part["bytes"] for part in parts.ram(0, 300, 5000, 736)) == 6036
