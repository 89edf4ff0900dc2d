"""`python -m engine.evaluation`: a suite from beginning to end, reported as JSON lines on stdout.

    {"total": N, "done": K}     N answers to give, K known from a run before
    {"done": K}                 after each
    {"calibrated": {...}}       with --calibrate, instead of a report: what was fitted, and its file
    {"report": [...], "baselines": ..., "calibration": ..., "gains": ..., "asked": ...,
     "results": FILE}

Answers are kept in a file named after all that they depend on (engine/evaluation/question.py), so
that the same command goes on where a run was ended, and begins anew where a model, its profile, the
data or the code has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from engine.api import EngineError, Fill
from engine.checkpoints.catalog import store
from engine.evaluation.baselines import baselines
from engine.evaluation.items import BadData, Item
from engine.evaluation.measure import Answer, judge
from engine.evaluation.question import changed, digests
from engine.evaluation.report import calibrations, report
from engine.evaluation.repositories import gains
from engine.evaluation.suites import FILES, REPOSITORIES, SPLIT_OF, SUITES, TWO_HOLES, read_items

EXTRA_FORWARDS = 2  # besides the steps: the prompt, and the ranking
USUAL_METHODS = ("searched", "fixed", "oracle")
OF_PACKAGES = ("searched", "alone", "checked", "any")
OF_PAIRS = ("searched", "together")


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    usual = {**dict.fromkeys(SPLIT_OF, OF_PACKAGES), TWO_HOLES: OF_PAIRS}
    options.methods = options.methods or usual.get(options.suite, USUAL_METHODS)
    try:
        if (options.suite == REPOSITORIES) != (options.around is not None):
            raise BadData(f"the suite {REPOSITORIES} needs --around, and no other does")
        if options.calibrate:
            fit(options)
        else:
            evaluate(options)
    except (BadData, EngineError, OSError) as error:
        _report({"error": str(error)})
        return 1
    return 0


def fit(options: argparse.Namespace) -> None:
    """The confidence of a model or a server, fitted and kept."""
    from engine.checkpoints import calibration
    from engine.checkpoints.catalog import folder_of
    from engine.evaluation import calibrate
    from engine.remote.engine import is_address, load_remote

    if options.suite != FILES:
        raise BadData(f"--calibrate needs your own files: the suite {FILES}")
    without = [_named(options.without)] if options.without else []
    items = read_items(options.suite, options.data, options.limit, options.seed, *without)
    _report({"total": len(items), "done": 0})
    names: Sequence[str]
    if is_address(options.model):
        server = load_remote(options.model, calibrated=False)
        look, names = calibrate.look_at_server(server), calibrate.SERVER_FEATURES
        prior = calibrate.FIRST
        model, identity = f"{server.info.device}#{server.info.model}", ""
    else:
        from engine.fill.load import load_engine

        model, options.device = _chosen(options.model, options.device)
        engine = load_engine(model, options.device, calibrated=False)
        look, names = calibrate.look_at_model(engine), calibrate.FEATURES
        prior = calibrate.prior_of_model(engine)
        identity = calibration.identity_of(folder_of(model))
    found = calibrate.calibrate(
        *(look, names, items, model, identity),
        progress=lambda done: _report({"done": done}),
        prior=prior,
    )
    _report({"calibrated": {**asdict(found), "file": str(calibration.write(found))}})


def evaluate(options: argparse.Namespace) -> None:
    items = read_items(
        *(options.suite, options.data, options.limit, options.seed),
        *([_named(options.without)] if options.without else []),
    )
    options.model, options.device = _chosen(options.model, options.device)
    asked = {
        "suite": options.suite,
        "model": options.model,
        "device": options.device,
        "limit": options.limit,
        "seed": options.seed,
        "steps": options.steps,
        "execute": options.execute,
        "context_tokens": options.context_tokens,
        **digests(options.model, items, (options.parser, options.editor, options.around)),
    }
    path = options.results or _default_results(asked)
    answers = _read_results(path, asked)
    known = {(answer.id, answer.method) for answer in answers}
    jobs = [
        (item, method)
        for item in items
        for method in options.methods
        if (item.id, method) not in known
    ]  # fmt: skip
    _report({"total": len(items) * len(options.methods), "done": len(answers)})
    if jobs:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as results:
            if not answers and results.tell() == 0:
                _write(results, {"asked": asked})
            answers += _answer(options, jobs, results, len(answers))
    summary = {
        "asked": asked,
        "gate": options.gate,
        "report": report(answers, options.seed, options.gate),
        "baselines": baselines(items),
        "calibration": calibrations(answers),
        "gains": gains(answers, options.seed),
        "results": str(path),
    }
    _report(summary)


def _answer(
    options: argparse.Namespace, jobs: list[tuple[Item, str]], results: TextIO, done: int
) -> list[Answer]:
    filler, parser = _filler(options), _named(options.parser)
    answers = []
    for item, method in jobs:
        fill: Fill = filler.fill(item, method)
        forwards = fill.steps + EXTRA_FORWARDS
        answers.append(
            judge(
                *(item, method, fill.texts[0], forwards, fill.seconds),
                execute=options.execute,
                parser=parser,
                confidence=fill.confidence,
            )
        )
        _write(results, asdict(answers[-1]))
        _report({"done": done + len(answers)})
    return answers


def _chosen(model: str, device: str | None) -> tuple[str, str]:
    """The model of a family that is loaded, and where, so that answers are kept apart by them."""
    import torch

    from engine.checkpoints.suited import suited

    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return suited(model, chosen), str(chosen)


def _filler(options: argparse.Namespace) -> Any:
    from engine.evaluation.methods import Filler, FillerInRepository
    from engine.fill.load import load_engine

    engine = load_engine(options.model, options.device)
    if options.context_tokens is not None:
        engine.profile = engine.profile.but(context_tokens=options.context_tokens)
    if options.around is not None:
        return FillerInRepository(
            engine, _named(options.around), options.data, options.methods, options.steps
        )
    return Filler(engine, options.steps, _named(options.parser), _named(options.editor))


def _named(named: str | None) -> Any:
    """Grammars, and what is made of fills, belong to who asks; this package knows neither."""
    if named is None:
        return None
    module, _, function = named.partition(":")
    return getattr(importlib.import_module(module), function)


def _default_results(asked: dict[str, Any]) -> Path:
    named = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return store().parent / "evaluations" / f"{asked['suite']}-{named}.jsonl"


def _read_results(path: Path, asked: dict[str, Any]) -> list[Answer]:
    """Answers of earlier runs; a last line that was cut off is dropped. Raises BadData when they
    are answers to something else."""
    if not path.exists() or not path.stat().st_size:
        return []
    content = path.read_text(encoding="utf-8")
    whole = content[: content.rfind("\n") + 1]
    lines = whole.splitlines()
    try:
        question = json.loads(lines[0])["asked"]
        answers = [Answer(**json.loads(line)) for line in lines[1:]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadData(f"{path} holds no answers of an evaluation: name another file") from error
    if question != asked:
        differs = ", ".join(changed(question, asked))
        raise BadData(
            f"{path} holds answers to another question (not the same: {differs}): name another file"
        )
    if whole != content:
        path.write_text(whole, encoding="utf-8")
    return answers


def _write(results: TextIO, record: dict[str, Any]) -> None:
    results.write(json.dumps(record) + "\n")
    results.flush()


def _report(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation")
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--execute", action="store_true")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--gate", type=float, default=0.0)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--parser", help="module:function that says whether a text parses")
    parser.add_argument("--without", help="module:function that says which files are not read")
    parser.add_argument("--editor", help="module:function that says what is put into a gap")
    parser.add_argument("--context-tokens", type=int, help="of the prompt, for other files")
    parser.add_argument("--around", help="module:function that says what a repository knows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
