"""Which format a matrix is stored in, from the tensors under its name."""

from __future__ import annotations

from collections.abc import Mapping

from engine.checkpoints.files import Stored
from engine.checkpoints.formats.field import Format
from engine.checkpoints.formats.fp8 import FP8
from engine.checkpoints.formats.grouped import grouped
from engine.checkpoints.formats.int8 import INT8
from engine.checkpoints.formats.nvfp4 import COMPRESSED_TENSORS, MODELOPT
from engine.checkpoints.formats.plain import PLAIN


class Unsupported(ValueError):
    """The matrix is stored in a way that cannot be run here; the text says which, and why."""


def recognise(stored: Mapping[str, Stored]) -> Format:
    """The format of a matrix whose tensors are `stored`, by suffix ("weight", "weight_scale").

    One that is incomplete gets the format its other tensors belong to, so that the one which is
    missing can be named. Raises Unsupported.
    """
    if "weight_low" in stored and "weight_step" in stored:
        (_, half), (_, groups) = stored["weight_low"].shape, stored["weight_step"].shape
        return grouped(5 if "weight_high" in stored else 4, max(1, 2 * half // max(1, groups)))
    dtype = stored["weight"].dtype if "weight" in stored else None
    packed = stored["weight_packed"].dtype if "weight_packed" in stored else None
    if packed not in (None, "U8"):
        raise Unsupported(
            "integers packed into 32 bits (compressed-tensors pack-quantized, AWQ made by"
            " llm-compressor), for which there is no kernel here"
        )
    if packed or "weight_global_scale" in stored:
        return COMPRESSED_TENSORS
    if "weight_scale_2" in stored:
        return MODELOPT
    if "qweight" in stored:
        raise Unsupported("AWQ or GPTQ, whose integer groups have no kernel here")
    if "scales" in stored or dtype == "U32":
        raise Unsupported("MLX's groups of integers, which only Apple's MLX runs")
    if "absmax" in stored or "weight.absmax" in stored:
        raise Unsupported("bitsandbytes, which packs values in an order of its own")
    if "weight_scale_inv" in stored:
        raise Unsupported("FP8 with a scale per tile; only one per output channel can be run")
    if dtype == "F8_E5M2":
        raise Unsupported("F8_E5M2; of the 8-bit floats only F8_E4M3 can be run")
    if dtype == "I8":
        if "weight_zero_point" in stored:
            raise Unsupported("8-bit integers with a zero point; they can be read only without one")
        return INT8
    if dtype == "U8":
        raise Unsupported("bytes without the scales of NVFP4 (MXFP4, perhaps)")
    if dtype == "F8_E4M3" or "weight_scale" in stored:
        return FP8
    return PLAIN
