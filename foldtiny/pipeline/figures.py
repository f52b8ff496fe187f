"""``foldtiny figures``: open networks and images, then draw."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from foldtiny.data import ImageSet, balanced
from foldtiny.errors import UsageError
from foldtiny.figures import FIGURES, FigureOptions, Source, draw
from foldtiny.pipeline import steps
from foldtiny.pipeline.model import model_name
from foldtiny.pipeline.request import Shape
from foldtiny.progress import ProgressFn
from foldtiny.resources import make_dir
from foldtiny.stages import StageOutput


@dataclass(frozen=True, slots=True)
class FiguresRequest:
    """What to draw; the fields are the options of ``foldtiny figures``.

    Without ``figures``: all that the networks allow.
    """

    figures: tuple[int, ...] = ()
    models: tuple[str, ...] = ("default",)
    weights: Path | None = None
    input_shape: Shape | None = None
    data: str | None = None
    limit: int = 2000
    output: Path = Path("figures")
    options: FigureOptions = field(default_factory=FigureOptions)

    def check(self) -> None:
        """Raise a UsageError for a value that nothing could be drawn from."""
        for number in self.figures:
            if number not in FIGURES:
                raise UsageError(
                    f"--figure is {number} (allowed: {', '.join(map(str, FIGURES))})",
                    "choose one of these; figure 3 of the paper is a drawing of the method",
                )
        if self.limit < 0:
            raise UsageError(f"--limit is {self.limit} (allowed: 0 or more)", "0 takes all test images")
        if self.weights is not None and len(self.models) > 1:
            raise UsageError("--weights goes with one --model", "give checkpoints, or draw one network at a time")
        self.options.check()


def figures(request: FiguresRequest, progress: ProgressFn) -> StageOutput:
    """Draw figures; the result names the files of each, and what was left out and why.

    Raises
    ------
    UsageError, DataError, FoldError
        See ``foldtiny.figures``.
    """
    request.check()
    progress("loading", 0.0)
    sources = [_source(request, model) for model in request.models]
    repeated = Counter(source.name for source in sources)
    if max(repeated.values()) > 1:
        sources = [
            dataclasses.replace(source, name=f"{source.name} ({number})")
            for number, source in enumerate(sources, start=1)
        ]
    wanted = tuple(dict.fromkeys(request.figures)) or tuple(FIGURES)
    make_dir(request.output)
    files: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for place, number in enumerate(wanted):

        def part(label: str, fraction: float, place: int = place) -> None:
            progress(label, (place + fraction) / len(wanted))

        try:
            found = draw(number, sources, request.options, request.output, part)
        except UsageError as error:
            if request.figures:
                raise
            left_out[str(number)] = str(error)
            continue
        files[str(number)] = [str(path) for path in found]
    lines = [f"figure {number}: {', '.join(paths)}" for number, paths in files.items()]
    lines += [f"figure {number} left out: {why}" for number, why in left_out.items()]
    return StageOutput({"figures": files, "left_out": left_out}, "\n".join(lines))


def _source(request: FiguresRequest, model: str) -> Source:
    from foldtiny.zoo import checkpoint

    loaded = checkpoint.load_model(model, request.weights, request.input_shape)
    spec = request.data or steps.own_data(loaded.metadata.get("data"))
    images = steps.test_images(spec, loaded.input_shape, loaded.classes)
    if images is not None and request.limit and len(images.images) > request.limit:
        images = _some(images, request.limit)
    return Source(
        name=model_name(model),
        module=loaded.module,
        input_shape=loaded.input_shape,
        images=None if images is None else images.images,
        labels=None if images is None else images.labels,
        dataset="" if images is None else images.name,
        unlabelled=steps.calibration_images(spec, loaded.input_shape),
    )


def _some(images: ImageSet, limit: int) -> ImageSet:
    """Return a part of some images with each class in it alike."""
    chosen = balanced(images.labels, len(images.images), limit)
    labels = None if images.labels is None else images.labels[chosen]
    return dataclasses.replace(images, images=images.images[chosen], labels=labels)
