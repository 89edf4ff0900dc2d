"""The library, which is not there unless its user wanted it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from engine.api import ModelMissing
from engine.packages import how_to_add

NAME = "transformers"


def transformers() -> ModuleType:
    """The module, silenced. Raises ModelMissing saying how to get it."""
    if find_spec(NAME) is None:
        raise ModelMissing(
            f"this model is run by {NAME}, which is not installed; `{how_to_add(NAME)}`"
        )
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def configuration(model_type: str, values: Mapping[str, Any]) -> Any:
    """The library's own, of a model of this type. Raises ModelMissing where it has no such model,
    or cannot make sense of the values."""
    library = transformers()
    try:
        return library.AutoConfig.for_model(model_type, **values)
    except Exception as error:  # whatever a model's own checks raise
        brief = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelMissing(
            f"{NAME} {library.__version__} has no {model_type} model with such a config.json"
            f" ({brief}); choose another, or a later version of it"
        ) from error


__all__ = ["NAME", "configuration", "transformers"]
