"""`python -m engine.checkpoints.kind FOLDER`: what model a folder holds, before its weights are
there, as one JSON object; for processes that must not load torch."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.api import EngineError
from engine.checkpoints.checkpoint import read_config
from engine.checkpoints.tokenizer import tokenizer_of


def kind_of(folder: Path) -> dict[str, Any]:
    """`fault` says why the model cannot be used, None where nothing speaks against it; `masked` is
    how it fills masks, None for another kind of noise."""
    try:
        config = read_config(folder)
        tokenizer_of(folder)
    except EngineError as error:
        return {"fault": str(error), "masked": None}
    return {"fault": None, "masked": None if config.masked is None else asdict(config.masked)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m engine.checkpoints.kind")
    parser.add_argument("folder", type=Path)
    print(json.dumps(kind_of(parser.parse_args().folder)))
