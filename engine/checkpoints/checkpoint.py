"""A model folder, understood and checked: where each weight of the model is, and in what format.

Nothing but `config.json` and file headers is read. What the model does not use (the encoder's
duplicates, the vision tower, scales for activations) is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.api import ModelMissing
from engine.checkpoints.added_tokens import added_tokens
from engine.checkpoints.files import AGAIN, Stored, read_json, read_tensors
from engine.checkpoints.formats import PLAIN, Field, Format, Unsupported, recognise
from engine.checkpoints.gguf import RUNTIME, gguf_document, gguf_of, gguf_tensors
from engine.checkpoints.tuned import ADAPTER, base_of
from engine.models.family import Architecture, architecture_of, build, loader_of, model_types

DEFAULT_TYPE = "diffusion_gemma"  # of a config.json that names none
BFLOAT16 = "fetch the bfloat16 version of the model"


@dataclass(frozen=True, slots=True)
class Placed:
    """A weight of the model: its format, and for each expert (one, where there are none) the
    matrices its rows are made of, as stored tensors by role."""

    name: str
    shape: tuple[int, ...]
    format: Format
    matrices: tuple[tuple[Mapping[str, Stored], ...], ...]

    @property
    def first(self) -> Stored:
        return next(iter(self.matrices[0][0].values()))

    @property
    def nbytes(self) -> int:
        """As stored."""
        return sum(
            stored.nbytes
            for parts in self.matrices
            for roles in parts
            for stored in roles.values()
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that has everything the model needs. `placed` is in the order of the files;
    `adapter` is a file of what a tuned model adds to the weights, which are its base's."""

    folder: Path
    config: Architecture
    placed: tuple[Placed, ...]
    adapter: Path | None = None

    @property
    def format(self) -> str:
        """That of most of its bytes; of routed experts, where there are any: they are nearly all of
        a real model."""
        experts = [each for each in self.placed if self.config.parts_of(each.name)]
        sizes: dict[str, int] = {}
        for each in experts or self.placed:
            plain = each.format is PLAIN
            name = each.first.dtype.lower() if plain else each.format.name
            sizes[name] = sizes.get(name, 0) + each.nbytes
        return max(sizes, key=lambda name: sizes[name])

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self.placed)


def open_checkpoint(folder: Path, runtime: str | None = None) -> Checkpoint:
    """`runtime` as engine.models.family has it. Raises ModelMissing, naming the file or the tensor
    that is missing, cut short, of the wrong shape or type, or stored in a format that cannot be
    run."""
    base = base_of(folder)
    config = read_config(folder, runtime)
    packed = gguf_of(folder)
    stored = read_tensors(base or folder) if packed is None else gguf_tensors(packed)
    config = config.given(stored)
    if loader_of(config) is not None:
        if base is not None:
            raise ModelMissing(
                f"{folder} was tuned, which only this package's own code adds to a model's weights;"
                f" use it without {runtime}"
            )
        whole = [
            Placed(name, tensor.shape, PLAIN, (({"values": tensor},),))
            for name, tensor in stored.items()
        ]
        return Checkpoint(folder, config, tuple(whole))
    with torch.device("meta"):
        model = build(config)
    wanted = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    tensors = _Tensors(folder, config, stored)
    placed = [tensors.place(name, tuple(tensor.shape)) for name, tensor in wanted.items()]
    placed.sort(key=lambda each: (each.first.path, each.first.start))
    return Checkpoint(folder, config, tuple(placed), None if base is None else folder / ADAPTER)


def read_config(folder: Path, runtime: str | None = None) -> Architecture:
    """What the folder's `config.json` means; raises ModelMissing when it is absent or not
    understood."""
    path = folder / "config.json"
    try:
        document = read_document(folder)
        if "gguf" in document and runtime is None:
            runtime = RUNTIME
        return architecture_of(document, DEFAULT_TYPE, runtime)
    except LookupError as error:
        known = " or ".join(model_types())
        raise ModelMissing(
            f"{path} describes a {document.get('model_type')} model; choose a folder that holds a"
            f" {known} model"
        ) from error
    except ValueError as error:
        raise ModelMissing(f"{path} cannot be used: {error}; {AGAIN}, or choose another") from error


def read_document(folder: Path) -> dict[str, Any]:
    """The contents of `config.json`, or what a GGUF file says instead, with what
    engine.models.family.Family wants to know beside it. Raises ModelMissing."""
    path, generation, packed = folder / "config.json", folder / "generation_config.json", None
    beside = read_json(generation) if generation.exists() else {}
    document: dict[str, Any] = {"added_tokens": {}, "generation_config": beside}
    if (packed := gguf_of(folder)) is not None:
        document |= gguf_document(packed)
    if packed is None or path.exists():
        document |= read_json(path)
    document["added_tokens"] = {**document["added_tokens"], **added_tokens(folder)}
    return document


class _Tensors:
    """The stored tensors, by module and suffix."""

    def __init__(self, folder: Path, config: Architecture, stored: Mapping[str, Stored]) -> None:
        self.folder, self.config, self.stored = folder, config, stored
        self.modules: dict[str, dict[str, Stored]] = {}
        for name, tensor in stored.items():
            module, _, suffix = name.rpartition(".")
            self.modules.setdefault(module, {})[suffix] = tensor

    def place(self, name: str, shape: tuple[int, ...]) -> Placed:
        stored = self._stored_name(name)
        module, _, suffix = stored.rpartition(".")
        parts = self.config.parts_of(name)
        if parts and stored not in self.stored and self._has_experts(module, parts):
            return self._place_experts(name, shape, module, parts)
        if suffix == "weight" and len(shape) == 2:
            format, roles = self._matrix(module, shape)
            return Placed(name, shape, format, ((roles,),))
        return Placed(name, shape, PLAIN, (({"values": self._plain(stored, shape)},),))

    def _stored_name(self, name: str) -> str:
        """The first of the names that the file knows; quantised weights have no tensor of the very
        name, but others beside it."""
        names = self.config.stored_as(name)
        return next((each for each in names if each.rpartition(".")[0] in self.modules), names[0])

    def _has_experts(self, module: str, parts: Sequence[str]) -> bool:
        return any(f"{module}.0.{part}" in self.modules for part in parts)

    def _place_experts(
        self, name: str, shape: tuple[int, ...], module: str, parts: tuple[str, ...]
    ) -> Placed:
        count, rows, columns = shape
        each = (rows // len(parts), columns)
        formats: dict[str, str] = {}
        matrices = []
        format = PLAIN
        for expert in range(count):
            row = []
            for part in parts:
                format, roles = self._matrix(f"{module}.{expert}.{part}", each)
                formats.setdefault(format.name, f"{module}.{expert}.{part}")
                row.append(roles)
            matrices.append(tuple(row))
        if len(formats) > 1:
            listed = " and ".join(f"{at} as {name}" for name, at in formats.items())
            raise ModelMissing(
                f"{self.folder} stores experts of one layer in several formats: {listed}; {AGAIN}"
            )
        return Placed(name, shape, format, tuple(matrices))

    def _matrix(
        self, module: str, shape: tuple[int, ...]
    ) -> tuple[Format, Mapping[str, Stored]]:  # fmt: skip
        """A matrix [out, in] in whatever format it is stored."""
        stored = self.modules.get(module, {})
        try:
            format = recognise(stored)
            fields = format.fields(shape)
        except ValueError as error:
            at = next(iter(stored.values())).path if stored else self.folder
            kind = "" if isinstance(error, Unsupported) else "a shape that cannot be: "
            raise ModelMissing(f"{at}: {module} is stored as {kind}{error}; {BFLOAT16}") from error
        if format is PLAIN:
            return format, {"values": self._plain(f"{module}.weight", shape)}
        return format, {field.role: self._field(module, field) for field in fields}

    def _plain(self, name: str, shape: tuple[int, ...]) -> Stored:
        module, _, suffix = name.rpartition(".")
        field = PLAIN.fields(shape)[0]
        return self._field(module, Field(field.role, suffix, field.shapes, field.dtypes))

    def _field(self, module: str, field: Field) -> Stored:
        name = f"{module}.{field.suffix}"
        stored = self.stored.get(name)
        if stored is None:
            raise ModelMissing(f"{self.folder} lacks the tensor {name}; {AGAIN}")
        if stored.dtype not in field.dtypes:
            fix = BFLOAT16 if stored.dtype.startswith(("F8", "U", "I")) else AGAIN
            raise ModelMissing(
                f"{stored.path}: tensor {name} is stored as {stored.dtype}, and"
                f" {' or '.join(field.dtypes)} is what can be used there; {fix}"
            )
        if stored.shape not in field.shapes:
            raise ModelMissing(
                f"{stored.path}: tensor {name} has shape {list(stored.shape)}, config.json implies"
                f" {list(field.shapes[0])}: the files do not belong together; {AGAIN}"
            )
        return stored
