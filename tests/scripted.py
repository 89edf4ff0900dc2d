"""An engine that answers from a script, for tests of everything above a model.

`load` is the factory: `--factory tests.scripted:load --model script.json`. A script is

    {"fills": [rule, ...], "load": loading, "info": fields, "journal": path}

Loading is {"seconds": 0, "holds": 0, "error": {"kind", "message"}}: how long it takes, how many
seconds of that no other Python code can run, and what it ends with.

"info" has what else the engine tells of itself, by the names of EngineInfo's fields.

A rule answers the requests whose prefix ends with `after`, whose suffix starts with `before`, and
whose path ends with `path` (each optional); the first that fits wins, and without one the fill is
empty. What a rule can do:

    text / texts     the answer; `{n}` in it is the number of fills begun so far
    steps, delay     denoising steps, and the seconds each takes; drafts show more text by the step
    confidence       of the fill
    others           texts of other candidates, best first
    doubts           the confidences of those, 1 where there is none
    error            {"kind": "out_of_memory", "message": ...}: raised after the steps
    raises           a Python exception's name, raised after the steps
    exit             os._exit with this status, after the steps
    hang             true: never look at anything again
    print            text for stdout, which must never reach the protocol

The journal, one JSON object a line, tells a test what the engine did, across processes:
{"event": "begin" | "step" | "cancelled" | "end" | "load", "fill": n, "pid": ..., ...}.
"""

from __future__ import annotations

import ctypes
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.api import (
    Alternative,
    Cancelled,
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    IsCancelled,
    OnDraft,
    Span,
)
from engine.client.wire import KINDS

Script = dict[str, Any]


def load(model: str, device: str | None = None) -> ScriptedEngine:
    script = json.loads(Path(model).read_text()) if model.endswith(".json") else {}
    engine = ScriptedEngine(script, device or "script")
    loading = script.get("load", {})
    engine.note("load")
    time.sleep(loading.get("seconds", 0))
    if "holds" in loading:  # as where a library is read from a slow disk
        ctypes.PyDLL(None).usleep(int(1e6 * loading["holds"]))
    if "error" in loading:
        raise KINDS[loading["error"]["kind"]](loading["error"]["message"])
    return engine


class ScriptedEngine:
    def __init__(self, script: Script, device: str = "script") -> None:
        self.info = EngineInfo(**{"model": "scripted", "device": device, **script.get("info", {})})
        self._rules = script.get("fills", [])
        self._journal = script.get("journal")
        self._begun = 0

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        started = time.perf_counter()
        self._begun += 1
        number = self._begun
        rule = next((rule for rule in self._rules if _fits(rule, request)), {"text": ""})
        texts = tuple(rule.get("texts", [rule.get("text", "")] * request.holes))
        texts = tuple(text.replace("{n}", str(number)) for text in texts)
        steps = min(rule.get("steps", 1), request.steps or rule.get("steps", 1))
        self.note(
            "begin",
            fill=number,
            tail=request.texts[0][-20:],
            shape=request.shape,
            context=[each.path for each in request.context],
            proposals=[each.text for each in request.proposals],
            choices=[each and each.choices for each in request.constraints],
        )
        if "print" in rule:
            print(rule["print"], flush=True)
            with suppress(OSError):  # as a library in C would
                os.write(1, rule["print"].encode())
        for step in range(1, steps + 1):
            if cancelled is not None and cancelled():
                self.note("cancelled", fill=number, step=step)
                raise Cancelled("cancelled")
            time.sleep(rule.get("delay", 0))
            while rule.get("hang"):
                time.sleep(1)
            self.note("step", fill=number, step=step)
            if on_draft is not None:
                on_draft(_draft(texts, step, steps))
        if "exit" in rule:
            os.write(2, b"the script says exit\n")
            os._exit(rule["exit"])
        if "error" in rule:
            raise KINDS[rule["error"]["kind"]](rule["error"]["message"])
        if "raises" in rule:
            raise getattr(__import__("builtins"), rule["raises"])("the script raises")
        self.note("end", fill=number)
        return Fill(
            texts=texts,
            confidence=rule.get("confidence", 1.0),
            steps=steps,
            canvas_tokens=32,
            seconds=time.perf_counter() - started,
            alternatives=tuple(
                Alternative(candidate, -rank, confidence)
                for rank, (candidate, confidence) in enumerate(
                    [(texts, rule.get("confidence", 1.0)), *_others(rule, request.holes)]
                )
            )
            if "others" in rule
            else (),
        )

    def note(self, event: str, **facts: Any) -> None:
        if self._journal is None:
            return
        line = json.dumps({"event": event, "pid": os.getpid(), **facts})
        with Path(self._journal).open("a") as journal:
            journal.write(line + "\n")


def _others(rule: Script, holes: int) -> list[tuple[tuple[str, ...], float]]:
    others, doubts = rule["others"], rule.get("doubts", [])
    confidences = [*doubts, *[1.0] * (len(others) - len(doubts))]
    return [((text,) * holes, each) for text, each in zip(others, confidences, strict=True)]


def _fits(rule: Script, request: FillRequest) -> bool:
    return (
        request.texts[0].endswith(rule.get("after", ""))
        and request.texts[-1].startswith(rule.get("before", ""))
        and (request.path or "").endswith(rule.get("path", ""))
    )


def _draft(texts: tuple[str, ...], step: int, of: int) -> Draft:
    shown = tuple(text[: len(text) * step // of] for text in texts)
    spans = tuple((Span(0, len(text), step / of),) for text in shown)
    return Draft(shown, step, of, spans)
