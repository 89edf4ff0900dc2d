"""A model by its name -> the engine that fills with it."""

from __future__ import annotations

import logging

import torch

from engine.api import EngineInfo
from engine.checkpoints import calibration, catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.load import compute_dtype, load_weights
from engine.checkpoints.profile import FEATURES
from engine.checkpoints.suited import suited
from engine.checkpoints.tokenizer import tokenizer_of
from engine.fill.infill import LocalEngine
from engine.models.family import prepared

log = logging.getLogger("engine.load")


def load_engine(
    model: str = "embedded", device: str | None = None, *, calibrated: bool = True
) -> LocalEngine:
    """The engine of a model: "embedded", a pulled one's name, "diffusiongemma" for the one of
    them that suits the device best, or a folder in Hugging Face layout; with "transformers:" before
    it, by way of that library.

    Its profile is cut down to the memory that is free; a confidence that was fitted to the model on
    the user's files takes the place of the profile's, unless not `calibrated`. Raises ModelMissing
    when there is no such model or its files are no use, OutOfMemory when not even the least use of
    it fits.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    runtime, name = catalog.by_way_of(model)
    name = suited(name, chosen)
    model = name if runtime is None else f"{runtime}:{name}"
    folder = catalog.folder_of(model)
    checkpoint, dtype = open_checkpoint(folder, runtime), compute_dtype(chosen)
    profile = profile_of(folder, checkpoint.config, chosen.type)
    if calibrated:
        fitted = calibration.read(model, calibration.identity_of(folder), FEATURES)
        if fitted is not None:
            profile = profile.but(calibration=dict(fitted.weights))
    fitting = plan.fit(model, checkpoint, profile, chosen, dtype)
    log.info("%s on %s: %s; needs %s", model, chosen, fitting, fitting.needs)
    weights = load_weights(checkpoint, chosen, dtype, narrow=fitting.narrow)
    return LocalEngine(
        prepared(weights),
        tokenizer_of(folder),
        fitting.profile,
        EngineInfo(
            model,
            str(chosen),
            confidence="calibrated" if fitting.profile.ranking.calibration else "not calibrated",
        ),
        kept_tokens=fitting.use.context,
    )
