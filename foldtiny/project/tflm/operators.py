"""The operators that TFLite Micro's resolver knows, and what its methods are called."""

from __future__ import annotations

from collections.abc import Sequence

from foldtiny.errors import CompileError

# The resolver of the versions from 2024 on; what it lacks, no version of the interpreter can run.
_LIST = """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV
    ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER
    GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT
    LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU
    QUANTIZE READ_VARIABLE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT_V2
    SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQUARE SQUARED_DIFFERENCE SQRT SQUEEZE
    STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE
    ZEROS_LIKE
"""
KNOWN = frozenset(_LIST.split())
# Where the method's name does not follow from the operator's.
_NAMES = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def methods(operators: Sequence[str]) -> tuple[str, ...]:
    """Return the resolver's method for each operator of a network, each once, in the order of their first use.

    Raises
    ------
    CompileError
        If TFLite Micro has no such operator.
    """
    used = tuple(dict.fromkeys(operators))
    for name in used:
        if name not in KNOWN:
            raise CompileError(
                f"operator {name} is not known to TFLite Micro (allowed: {', '.join(sorted(KNOWN))})",
                "build the network from these operators and export it again",
            )
    return tuple(f"Add{_NAMES.get(name) or _camel(name)}" for name in used)


def _camel(name: str) -> str:
    return "".join(word.capitalize() if word.isalpha() else word.upper() for word in name.split("_")).replace(
        "RELU6", "Relu6"
    )
