"""How often are fills right that a model gives a probability, before anybody has calibrated it?

    python benchmarks/confidence.py HELD_OUT [--base FOLDER] [--limit 300] [--json]

HELD_OUT are the packages of `infill-ls eval tune`, on none of which anything is reported. Two
models fill their gaps and say how probable a line of the fill is, as a model without a calibration
does (engine/checkpoints/calibration.py):

    embedded    the model that ships, as if nothing had been fitted to it: gaps of a line and blocks
    base        a language model in Hugging Face layout, by way of `transformers`: it writes on from
                what is before a gap until the line ends, and is a coder model on a server in small

To each a logistic regression of "exactly right" on the logarithm of that probability is fitted.
`gates` says what a threshold on the probability itself shows, and how much of that is right.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from engine.checkpoints.calibration import LEAST_PROBABILITY, logistic
from engine.evaluation.calibration import calibration
from engine.evaluation.exactness import is_exact
from engine.evaluation.items import Item
from engine.evaluation.logistic import fit_calibration
from engine.evaluation.methods import request_for
from engine.evaluation.suites import TUNE, read_items
from engine.fill.load import load_engine

PROMPT = 512  # tokens of what is before a gap
LONGEST = 24  # tokens of a line

Judged = list[tuple[float, bool]]  # (probability of a line, whether the fill is exact)


def embedded(items: Sequence[Item]) -> Judged:
    engine = load_engine("embedded", "cpu")
    engine.profile = engine.profile.but(weights={}, calibration={})
    judged = []
    for item in items:
        rolled = engine.roll(request_for(item))
        assert rolled is not None, "one hole fits on every canvas"
        best = rolled.candidates[0]
        judged.append((best.probability_of_a_line(), is_exact(item, best.texts[0])))
    return judged


@torch.no_grad()
def language_model(folder: Path, items: Sequence[Item]) -> Judged:
    """Gaps of a line alone: it has no way to end a block."""
    from transformers import AutoModelForCausalLM

    from engine.checkpoints.tokenizer import tokenizer_of

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = tokenizer_of(folder)
    judged = []
    for item in items:
        if item.block:
            continue
        ids = tokenizer.encode(item.prefix).ids[-PROMPT:]
        given = torch.tensor([ids])
        cache, written, log_probability = None, list[int](), 0.0
        while len(written) < LONGEST:
            out = model(given, past_key_values=cache, use_cache=True)
            cache, log_p = out.past_key_values, out.logits[0, -1].log_softmax(-1)
            token = int(log_p.argmax())
            text = tokenizer.decode([*written, token])
            if "\n" in text and text.strip():
                break
            written.append(token)
            log_probability += float(log_p[token])
            given = torch.tensor([[token]])
        text = tokenizer.decode(written)
        judged.append((math.exp(log_probability), is_exact(item, text)))
    return judged


def facts(judged: Judged) -> dict[str, Any]:
    """`weights`: the constant, and that of the logarithm of the probability."""

    def log(probability: float) -> float:
        return math.log(max(probability, LEAST_PROBABILITY))

    constant, weight = fit_calibration([(1.0, log(p)) for p, _ in judged], [x for _, x in judged])
    fitted = [(logistic(constant + weight * log(p)), exact) for p, exact in judged]
    return {
        "n": len(judged),
        "exact": sum(exact for _, exact in judged) / len(judged),
        "weights": (constant, weight),
        "as it is": calibration(judged),
        "fitted": calibration(fitted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", type=Path, help="a language model's folder")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    items = read_items(TUNE, given.data, given.limit)
    judged = {"embedded": embedded(items)}
    if given.base is not None:
        judged["base"] = language_model(given.base, items)
    models = {name: facts(each) for name, each in judged.items()}
    result = {"date": date.today().isoformat(), "models": models}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for name, each in models.items():
        off = {way: each[way]["error"] for way in ("as it is", "fitted")}
        told = ", ".join(f"{100 * error:.1f} points off {way}" for way, error in off.items())
        print(f"{name}: {each['n']} gaps, {100 * each['exact']:.0f}% exact; {told}")


if __name__ == "__main__":
    main()
