"""What a fill's confidence is worth: fitted to a model on a user's own files, else a default.

`infill-ls eval files --calibrate` writes what it found beside the pulled models, for any model and
for any server; whoever fills with that model reads it. It belongs to those weights: with others
under the same name it counts no more.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.checkpoints.catalog import store
from engine.typed import check_types

log = logging.getLogger("engine.calibration")

LEAST_PROBABILITY = 1e-13
SERVER_FEATURES = ("constant", "log probability", "block")  # what is known of a server's fill


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of a logistic regression of "the fill is exactly right" by the names of features.

    `identity` is that of the weights it was fitted to, "" for a server's. `items`: gaps it was
    fitted to. `error` and `error_before`: by how much a confidence is off on average, on gaps that
    a fit of the others had not seen, with it and without.
    """

    model: str
    identity: str
    weights: Mapping[str, float]
    items: int
    error: float
    error_before: float

    def __post_init__(self) -> None:
        check_types(self)

    def confidence(self, features: Mapping[str, float]) -> float:
        return weighed(self.weights, features)


def weighed(weights: Mapping[str, float], features: Mapping[str, float]) -> float:
    """The probability that `weights` give to `features`; one without a weight says nothing."""
    return logistic(sum(weights.get(name, 0.0) * x for name, x in features.items()))


def logistic(odds: float) -> float:
    """The probability of log-odds, which are bounded so that it stays below 1."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def probability_of_a_line(log_probability: float, lines: int) -> float:
    """What stands in for a confidence that was fitted to nothing: the probability of a line, of the
    log-probability of all of a text's tokens the geometric mean over its `lines`.

    For a line it is the probability of exactly this text, so that the same threshold can be held
    against it, and a block is not worse for being long. It is not calibrated: likelier texts have
    more of it. What a threshold shows by it of two models, and how much of that is right,
    benchmarks/confidence.py measured: benchmarks/results/confidence.json.
    """
    return math.exp(min(0.0, log_probability / max(1, lines)))


def server_features(probability: float, *, is_block: bool) -> dict[str, float]:
    """What is known of a server's fill: the probability of a line of it, and its shape."""
    return dict(
        zip(
            SERVER_FEATURES,
            (1.0, math.log(max(probability, LEAST_PROBABILITY)), float(is_block)),
            strict=True,
        )
    )


def path_of(model: str) -> Path:
    """Where what was fitted to `model`, a name, a folder or an address, is kept."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", model).strip("-")[-40:]
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return store().parent / "calibrations" / f"{name}-{digest}.json"


def identity_of(folder: Path) -> str:
    """Which weights a folder holds. By its files' names, sizes and times: they may be 50 GB."""
    found = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.glob("*.safetensors"))
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def write(calibration: Calibration) -> Path:
    """Keep it; raises OSError."""
    path = path_of(calibration.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(calibration), indent=2) + "\n", encoding="utf-8")
    return path


def read(model: str, identity: str, names: Collection[str] | None = None) -> Calibration | None:
    """What was fitted to these weights of `model`; None without, where it is damaged, and where it
    weighs other features than `names`, as one of another version may."""
    path = path_of(model)
    try:
        found = Calibration(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        log.warning("%s is left out: %s; fit it again with --calibrate", path, error)
        return None
    if found.identity != identity:
        log.info("%s was fitted to other weights of %s", path, model)
        return None
    if names is not None and found.weights.keys() != set(names):
        log.warning("%s weighs features of another version; fit it again with --calibrate", path)
        return None
    return found


__all__ = [
    "SERVER_FEATURES",
    "Calibration",
    "identity_of",
    "logistic",
    "path_of",
    "probability_of_a_line",
    "read",
    "server_features",
    "weighed",
    "write",
]
