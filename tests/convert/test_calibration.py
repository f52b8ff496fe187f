"""Which images are used, what the report says, and what the synthetic ones look like."""

from __future__ import annotations

import numpy as np
import pytest

from foldtiny.convert.calibration import chosen_images, synthetic_images


def test_synthetic_images_are_seeded_images() -> None:
    """In [0, 1], reaching both ends, the same for the same seed and others for another."""
    images = synthetic_images(16, (3, 20, 24), seed=3)
    assert images.shape == (16, 3, 20, 24) and images.dtype == np.float32
    assert images.min() == 0.0 and images.max() == pytest.approx(1.0, abs=1e-6)
    assert np.array_equal(images, synthetic_images(16, (3, 20, 24), seed=3))
    assert not np.array_equal(images, synthetic_images(16, (3, 20, 24), seed=4))


def test_synthetic_images_are_smooth() -> None:
    """Neighbouring pixels resemble each other more than distant ones, and channels resemble each other."""
    images = synthetic_images(32, (3, 32, 32), seed=0)
    near = np.abs(np.diff(images, axis=-1)).mean()
    far = np.abs(images[..., 16:] - images[..., :16]).mean()
    assert near < 0.6 * far
    assert all(np.corrcoef(image[0].ravel(), image[1].ravel())[0, 1] > 0.5 for image in images)


def test_other_shapes_get_uniform_noise() -> None:
    """A vector is no image."""
    vectors = synthetic_images(8, (40,), seed=0)
    assert vectors.shape == (8, 40) and vectors.min() >= 0 and vectors.max() < 1


def test_texts_and_counts() -> None:
    """The text says which images; too many are thinned out evenly, first and last included."""
    images = np.arange(1000, dtype=np.float32).reshape(1000, 1, 1, 1)
    few, probes, text = chosen_images(images[:64], (1, 1, 1), 0)
    assert (len(few), len(probes), text) == (64, 64, "64 images given")
    many, probes, text = chosen_images(images, (1, 1, 1), 0)
    assert (len(many), len(probes)) == (128, 256)
    assert text == "128 of the 1000 images given, evenly spread"
    assert many[0, 0, 0, 0] == 0 and many[-1, 0, 0, 0] == 999
    _, _, text = chosen_images(None, (1, 8, 8), 5)
    assert text == "synthetic: 64 images of smooth noise in [0, 1], seed 5"
