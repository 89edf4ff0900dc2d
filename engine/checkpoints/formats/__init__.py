"""The ways a weight is stored, one file each: what tensors it takes, and how kernels get it.

`plain` is a float tensor as it is; `fp8` and `int8` have a scale per output channel; `nvfp4` packs
two values to a byte with a scale per block of 16 and one for the whole; `grouped` is int8 in four
or five bits. A weight's way is recognised from the tensors that are there (`recognise`), never from
a file's or a repository's name.
"""

from __future__ import annotations

from engine.checkpoints.formats.field import Field, Format, Place
from engine.checkpoints.formats.fp8 import FP8
from engine.checkpoints.formats.int8 import INT8
from engine.checkpoints.formats.nvfp4 import COMPRESSED_TENSORS, MODELOPT
from engine.checkpoints.formats.plain import PLAIN
from engine.checkpoints.formats.recognise import Unsupported, recognise
from engine.checkpoints.formats.whole import nbytes, whole

__all__ = [
    "COMPRESSED_TENSORS",
    "FP8",
    "INT8",
    "MODELOPT",
    "PLAIN",
    "Field",
    "Format",
    "Place",
    "Unsupported",
    "nbytes",
    "recognise",
    "whole",
]
