"""From a Keras model to .tflite bytes, through TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from foldtiny.convert.calibration import Images
from foldtiny.convert.quiet import native_silence, tensorflow
from foldtiny.errors import ConvertError

_DETAIL_LINES = 3


class Converter:
    """Converts one Keras model, to float32 and to int8.

    Parameters
    ----------
    model : keras.Model
        With a fixed batch of 1.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        tf = tensorflow()
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        shape = model.inputs[0].shape
        with native_silence():
            function = tf.function(
                lambda image: model(image, training=False),
                input_signature=[tf.TensorSpec(shape, tf.float32, name="input")],
                autograph=False,
            )
            # Frozen weights: else they stay variables, and fully connected layers become BATCH_MATMUL.
            self._function = convert_variables_to_constants_v2(function.get_concrete_function())

    def float32(self) -> bytes:
        """Return the float32 .tflite file."""
        return self._run(self._new())

    def int8(self, images: Images, progress: Callable[[float], None]) -> bytes:
        """Return the int8 .tflite file: per-channel weights, int8 input and output.

        Parameters
        ----------
        images : ndarray
            float32 ``[N, C, H, W]``; each activation's range is what these reach.
        progress : Callable
            Called with the fraction of images seen.
        """
        tf, converter = tensorflow(), self._new()
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8

        def batches() -> Iterator[list[Images]]:
            for index, image in enumerate(channels_last(images)):
                progress(index / len(images))
                yield [image[None]]

        converter.representative_dataset = batches
        return self._run(converter)

    def _new(self) -> Any:
        converter = tensorflow().lite.TFLiteConverter.from_concrete_functions([self._function], self._model)
        # The function is frozen already: a detour through a SavedModel on disk would only cost time and space.
        converter.experimental_lower_to_saved_model = False
        return converter

    @staticmethod
    def _run(converter: Any) -> bytes:
        try:
            with native_silence() as said:
                return bytes(converter.convert())
        except Exception as error:
            lines = [line.strip() for line in f"{error}\n{said.getvalue()}".splitlines() if line.strip()]
            detail = "; ".join(lines[:_DETAIL_LINES]) or type(error).__name__
            raise ConvertError(
                f"TensorFlow's converter refuses the network: {detail}", "report this with the network's source"
            ) from error


def channels_last(images: Images) -> Images:
    """Return ``[N, C, H, W]`` as ``[N, H, W, C]`` (and other ranks alike)."""
    return images if images.ndim < 3 else np.ascontiguousarray(np.moveaxis(images, 1, -1))
