"""Which operators a TFLite graph is made of, and whether a station takes them. For the throwaway process alone."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edge_app.bundle import ModelBundle
from edge_app.errors import BundleError

CORAL = "edgetpu-custom-op"
_MOST_CODES = 256

# What computes and nothing else: no variables, tables, calls of other graphs, random numbers, strings or custom code.
ALLOWED = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO
    CAST CEIL CONCATENATION CONV_2D CONV_3D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP
    EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL
    HARD_SWISH L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL
    ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE RANK REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD
    RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT
    SCATTER_ND SELECT SELECT_V2 SHAPE SIGN SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT
    SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK WHERE
    ZEROS_LIKE
    """.split()
)
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def operators(graph: bytes) -> set[str]:
    """The names of a graph's operators; a custom one by its own name after "custom: ".

    Raises:
        BundleError: it cannot be read, or has more than one graph in it.
    """
    try:
        model = schema.Model.GetRootAs(graph, 0)
        if model.SubgraphsLength() != 1:
            raise BundleError(f"{model.SubgraphsLength()} graphs in one file, and one is expected")
        if not 0 < model.OperatorCodesLength() <= _MOST_CODES:
            raise BundleError(
                f"{model.OperatorCodesLength()} kinds of operators, and at most {_MOST_CODES} are expected"
            )
        # Every one that is listed, used or not. Only these few fields are read: a damaged file may claim any length.
        return {_name(model.OperatorCodes(index)) for index in range(model.OperatorCodesLength())}
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"not a readable graph ({type(error).__name__})") from error


def check_operators(bundle: ModelBundle) -> None:
    """Refuse a bundle whose graphs use an operator that no detector needs.

    In the file that the manifest calls compiled for an Edge TPU, the one custom operator that does its work is taken.

    Raises:
        BundleError: which operator, in which file.
    """
    coral = bundle.manifest.delegates.coral
    for name, graph in bundle.files.items():
        if not name.endswith(".tflite"):
            continue
        try:
            compiled = coral is not None and name == coral.compiled
            strange = operators(graph) - ALLOWED - ({f"custom: {CORAL}"} if compiled else set())
        except BundleError as error:
            raise BundleError(f"{bundle.bundle_id}: the model cannot be loaded: {name}: {error}") from error
        if strange:
            raise BundleError(
                f"{bundle.bundle_id}: {name} uses operators that are not taken here ({', '.join(sorted(strange))})"
            )


def _name(code: schema.OperatorCode) -> str:
    # Older files have their number in the other field, which is a byte.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        custom = code.CustomCode() or b""
        return f"custom: {custom[:80].decode('utf-8', 'replace')}"
    return str(_NAMES.get(number, f"number {number}"))
