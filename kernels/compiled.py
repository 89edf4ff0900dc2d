"""What a launch becomes on a card that is not here: its cubin's registers, spills, shared memory.

Triton compiles for any card without one. Nothing here runs where kernels run.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kernels.backend import Launch, triton

# Tensor-core instructions: mma.sync, wgmma and tcgen05 as PTX names them. "kind::" and ".kind" tell
# the block-scaled FP4 ones from the others.
_TENSOR_CORE = re.compile(r"\b(mma\.sync|wgmma\.mma_async|tcgen05\.mma)[\w.:]*")
_POINTERS = {
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.float32: "*fp32",
    torch.float8_e4m3fn: "*fp8e4nv",
    torch.uint8: "*u8",
    torch.bool: "*i1",
    torch.int32: "*i32",
    torch.int64: "*i64",
}


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one compiled kernel. Spills are counted in the machine code: stores and loads of local
    memory, anywhere in the kernel."""

    name: str
    registers: int
    spills: int
    shared_memory: int
    threads: int
    tensor_cores: tuple[str, ...]


def compile_launch(launched: Launch, capability: int) -> Resources:
    """Compile one recorded launch for a card of `capability`, 89 for 8.9."""
    compiler = triton.compiler
    target = triton.backends.compiler.GPUTarget("cuda", capability, 32)
    signature, constants, attributes = _specialised(launched)
    source = compiler.ASTSource(
        fn=launched.kernel, signature=signature, constexprs=constants, attrs=attributes
    )
    options = {
        "num_warps": launched.num_warps,
        "num_stages": launched.num_stages,
        "enable_fp_fusion": True,
    }
    built = triton.compile(source, target=target, options=options)
    registers, spills = _read(built.asm["cubin"])
    return Resources(
        name=launched.kernel.__name__.lstrip("_"),
        registers=registers,
        spills=spills,
        shared_memory=built.metadata.shared,
        threads=32 * built.metadata.num_warps,
        tensor_cores=_instructions(built.asm["ptx"]),
    )


def _specialised(launched: Launch) -> tuple[dict[str, str], dict[Any, Any], dict[Any, Any]]:
    """Types, constants and divisibility, as Triton itself derives them from arguments."""
    names = launched.kernel.arg_names
    signature: dict[str, str] = {}
    constants: dict[Any, Any] = {}
    attributes: dict[Any, Any] = {}
    given = dict(zip(names, launched.arguments, strict=False)) | launched.constants
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"{launched.kernel.__name__} was launched without {missing}")
    for index, name in enumerate(names):
        value = given[name]
        if name in launched.constants or value is None or (type(value) is int and value == 1):
            signature[name] = "constexpr"
            constants[(index,)] = value
        elif isinstance(value, torch.Tensor):
            signature[name] = _POINTERS[value.dtype]
            attributes[(index,)] = [["tt.divisibility", 16]]
        elif type(value) is float:
            signature[name] = "fp32"
        elif type(value) is int:
            signature[name] = "i32" if -(2**31) <= value < 2**31 else "i64"
            if value % 16 == 0:
                attributes[(index,)] = [["tt.divisibility", 16]]
        else:
            raise TypeError(f"{name} = {value!r} of {launched.kernel.__name__}")
    return signature, constants, attributes


def _read(cubin: bytes) -> tuple[int, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        printed = [
            subprocess.run(
                [str(tool), option, file.name], capture_output=True, text=True, check=True
            ).stdout
            for option in ("--dump-resource-usage", "--dump-sass")
        ]
    registers = re.search(r"REG:(\d+)", printed[0])
    if registers is None:
        raise ValueError(f"cuobjdump did not say how many registers there are: {printed[0]!r}")
    return int(registers[1]), len(re.findall(r"\b(?:STL|LDL)\b", printed[1]))


def _instructions(ptx: str) -> tuple[str, ...]:
    found = {match[0] for match in _TENSOR_CORE.finditer(ptx)}
    return tuple(sorted(found))
