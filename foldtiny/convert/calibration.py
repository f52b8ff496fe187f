"""The images that set the int8 ranges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foldtiny.errors import ConvertError

Images = npt.NDArray[np.float32]

CALIBRATION_LIMIT = 128
"""More images widen the ranges no further, and each costs time."""
CHECK_LIMIT = 256
SYNTHETIC_COUNT = 64


def chosen_images(given: Images | None, input_shape: tuple[int, ...], seed: int) -> tuple[Images, Images, str]:
    """Return the images for calibration, those for the checks, and a text that says which they are.

    Parameters
    ----------
    given : ndarray, optional
        The user's images, ``[N, *input_shape]``; spread evenly where there are more than needed.
    input_shape : tuple[int, ...]
        Shape of one image.
    seed : int
        Of the synthetic images, where none are given.

    Raises
    ------
    ConvertError
        If the given images have another shape, or values that are not finite.
    """
    if given is None:
        images = synthetic_images(SYNTHETIC_COUNT, input_shape, seed)
        return images, images, f"synthetic: {len(images)} images of smooth noise in [0, 1], seed {seed}"
    images = np.asarray(given, np.float32)
    if images.ndim != len(input_shape) + 1 or images.shape[1:] != input_shape or len(images) == 0:
        raise ConvertError(
            f"the calibration images have shape {list(images.shape)} (allowed: [N, {_text(input_shape)}], N > 0)",
            "give images of the network's input shape",
        )
    if not np.isfinite(images).all():
        raise ConvertError(
            "the calibration images contain NaN or infinite values (allowed: finite numbers)", "mend the images"
        )
    calibration = _spread(images, CALIBRATION_LIMIT)
    count = f"{len(images)} images given"
    text = count if len(calibration) == len(images) else f"{len(calibration)} of the {count}, evenly spread"
    return calibration, _spread(images, CHECK_LIMIT), text


def synthetic_images(count: int, shape: tuple[int, ...], seed: int) -> Images:
    """Return random images that look, to a network, somewhat like photographs.

    Natural images have little energy at high spatial frequencies: their amplitude falls as 1/f. Each image is such
    noise with its own slope between 1/f^0.5 and 1/f^2, contrast stretched to [0, 1] and raised to a random gamma;
    every second one is cut out by a smooth mask, as an object before a black background. Channels share most of
    their structure, as colours do. Shapes that are no images get uniform noise.

    Parameters
    ----------
    count : int
        How many.
    shape : tuple[int, ...]
        (C, H, W), or any other.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    ndarray
        float32 ``[count, *shape]`` in [0, 1].
    """
    random = np.random.default_rng(seed)
    if len(shape) != 3:
        return random.random((count, *shape), np.float32)
    images = np.empty((count, *shape), np.float32)
    for index in range(count):
        slope = random.uniform(0.5, 2.0)
        common = _smooth(random, shape[1:], slope)
        planes = np.stack([common + 0.3 * _smooth(random, shape[1:], slope) for _ in range(shape[0])])
        stretched = _stretched(planes) ** random.uniform(0.5, 2.0)
        if index % 2:
            mask = _stretched(_smooth(random, shape[1:], 2.0))
            stretched = stretched * np.clip(4.0 * (mask - 0.4), 0.0, 1.0)
        images[index] = stretched
    return images


def _smooth(random: np.random.Generator, size: tuple[int, ...], slope: float) -> npt.NDArray[np.float64]:
    """Return noise of zero mean and unit variance whose amplitude falls as 1/f^slope."""
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    frequency[0, 0] = 1.0 / max(size)
    spectrum = np.fft.rfft2(random.standard_normal(size)) / frequency**slope
    field = np.fft.irfft2(spectrum, s=size)
    return np.asarray((field - field.mean()) / (field.std() + 1e-12))


def _stretched(field: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = field.min(), field.max()
    return np.asarray((field - low) / (high - low + 1e-12))


def _spread(images: Images, limit: int) -> Images:
    if len(images) <= limit:
        return images
    return images[np.linspace(0, len(images) - 1, limit).round().astype(int)]


def _text(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
