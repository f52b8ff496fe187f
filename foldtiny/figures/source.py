"""What figures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foldtiny.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from foldtiny.fold.methods import Study

Images = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Source:
    """A trained network and images for it.

    Attributes
    ----------
    name : str
        Its title in pictures.
    module : nn.Module
    input_shape : tuple
        Channels, height, width.
    images : float array [N, C, H, W], optional
        Test images.
    labels : int array [N], optional
    dataset : str
        What the images are called.
    unlabelled : float array, optional
        Images for the repair with data.
    """

    name: str
    module: nn.Module
    input_shape: tuple[int, int, int]
    images: Images | None = None
    labels: npt.NDArray[np.int64] | None = None
    dataset: str = ""
    unlabelled: Images | None = None
    _folders: dict[int, Folder] = field(default_factory=dict, compare=False, repr=False)

    def folder(self, seed: int) -> Folder:
        """Return what folds this network, one for all figures: inverting it takes longer than all the rest."""
        if seed not in self._folders:
            self._folders[seed] = Folder(self, seed)
        return self._folders[seed]


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """What to draw; None takes the figure's own choice.

    Attributes
    ----------
    layer : str, optional
        For figure 1.
    sparsities : tuple of float, optional
        For figures 4 and 5.
    seed : int
    """

    layer: str | None = None
    sparsities: tuple[float, ...] | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise a UsageError for a sparsity that is none."""
        for sparsity in self.sparsities or ():
            if not 0 <= sparsity < 1:
                raise UsageError(
                    f"--sparsity is {sparsity:g} (allowed: from 0 up to, but not including, 1)",
                    "give fractions of the parameters, such as --sparsity 0.25 --sparsity 0.5",
                )


def labelled(source: Source, figure: int) -> tuple[Images, npt.NDArray[np.int64]]:
    """Return test images with their labels.

    Raises
    ------
    UsageError
        If there are none.
    """
    if source.images is None or source.labels is None:
        raise UsageError(
            f"figure {figure} shows accuracy, and there are no labelled images for {source.name}",
            "give some with --data, such as fashion-mnist or npz:FILE",
        )
    return source.images, source.labels


class Folder:
    """Folds one network again and again: traced once, measured once, and inverted at most once.

    Parameters
    ----------
    source : Source
    seed : int
    """

    def __init__(self, source: Source, seed: int) -> None:
        import torch

        from foldtiny.fold import engine

        self._source = source
        self._planned = engine.plan(source.module, torch.zeros(1, *source.input_shape), seed=seed)
        self._seed = seed
        self._studies: dict[str, Study] = {"": engine.study(self._planned, seed=seed)}

    def fold(self, sparsity: float, method: str, repair: str, progress: Any = None) -> nn.Module:
        """Return the network folded with uniform widths, in eval mode.

        ``repair`` is one of the repairs of `foldtiny.fold.fold`. Images of ``dir`` are those of the dense network, so
        they are found once and used for every sparsity and method.
        """
        from foldtiny.fold import engine
        from foldtiny.fold.network import restore

        key = "data" if repair == "data" else ""
        if key not in self._studies:
            self._studies[key] = engine.study(self._planned, images=self._source.unlabelled, seed=self._seed)
        widths = engine.choose_widths(self._studies[""], self._planned.costs, sparsity, "uniform")
        folding = engine.fold_to(
            self._planned, widths, method, seed=self._seed, studied=self._studies[key], repair=repair, progress=progress
        )
        return restore(folding.work, self._source.module)
