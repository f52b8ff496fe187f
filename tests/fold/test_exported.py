"""Networks from torch.export fold like the modules that they were exported from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import foldtiny.fold
from foldtiny import zoo
from foldtiny.convert import convert
from foldtiny.fold import engine
from foldtiny.zoo import checkpoint, exported
from tests.fold import nets
from tests.fold.test_duplicates import NARROW, assert_fold_undoes_widening

pytestmark = pytest.mark.filterwarnings("ignore")


def network(name: str) -> tuple[nn.Module, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    if name.startswith("random"):
        seed = int(name.removeprefix("random"))
        return nets.shake(nets.random_net(np.random.default_rng(seed)), seed), torch.rand(
            nets.SMALL, generator=generator
        )
    model = nets.shake(zoo.create(name, width=NARROW.get(name, 0.25)), 2)
    return model, torch.rand(2, *zoo.MODELS[name].input_shape, generator=generator)


@pytest.mark.parametrize(
    ("name", "core"),
    [("resnet8", True), ("densenet", False)] + [(f"random{seed}", bool(seed % 2)) for seed in range(6)],
)
def test_export_load_fold_save_load(name: str, core: bool, tmp_path: Path) -> None:
    model, inputs = network(name)
    program = torch.export.export(model, (inputs[:1],))
    torch.export.save(program.run_decompositions() if core else program, tmp_path / "net.pt2")
    module, shape = exported.load(tmp_path / "net.pt2")
    with torch.no_grad():
        torch.testing.assert_close(module(inputs), model(inputs), rtol=1e-5, atol=1e-5)
    found, wanted = ([(g.name, g.width) for g in engine.plan(m, inputs).groups] for m in (module, model))
    # Decomposed, PReLU is no layer: what it is applied to is left alone.
    has_prelu = any(isinstance(layer, nn.PReLU) for layer in model.modules())
    assert found == wanted or (core and has_prelu and len(found) < len(wanted))
    assert_fold_undoes_widening(module, inputs, 0, "ward")
    folded = foldtiny.fold.fold(module, inputs, sparsity=0.3, method="ward").module
    entries = {"config": {}, "input_shape": shape, "classes": 3}
    checkpoint.save(tmp_path / "folded.pt", folded, architecture=exported.ARCHITECTURE, **entries)
    with torch.no_grad():
        assert torch.equal(checkpoint.load(tmp_path / "folded.pt").module(inputs), folded(inputs))


def test_a_program_folds_as_its_module_does_and_converts() -> None:
    model, inputs = network("resnet8")
    program = torch.export.export(model, (inputs[:1],))
    plain = foldtiny.fold.fold(model, inputs, sparsity=0.5, repair="ls").module
    for given in (program, program.module()):
        folded = foldtiny.fold.fold(given, inputs[:1], sparsity=0.5, repair="ls").module
        torch.testing.assert_close(folded(inputs), plain(inputs), rtol=1e-4, atol=1e-4)
    assert foldtiny.fold.count(program, inputs[:1]) == foldtiny.fold.count(model, inputs[:1])
    assert convert(folded, (3, 32, 32)).report.relative_difference < 1e-5
