"""Models that `transformers` runs, behind the family's protocol: slower than a family of ours, and
right. For what no family of ours knows, and as an oracle for what one does.

config           what it can run, and what follows from a config.json
masked           a language model of it that was taught to fill masks, read in both directions
block_diffusion  a *ForBlockDiffusion: an encoder that reads the prompt, a decoder for the canvas
rows             canvases of several lengths in one look
library          the library itself, which is an optional one

Nothing that a model folder brings along is ever run: `transformers` has the model's class, or the
model is not for it.
"""

from __future__ import annotations

from engine.models.family import Family, Runtime, register_runtime
from engine.models.through_transformers.config import Config, knows, read
from engine.models.through_transformers.library import NAME
from engine.models.through_transformers.load import build, load

register_runtime(NAME, Runtime(Family(NAME, Config, read, build, load=load), knows))

__all__ = ["Config"]
