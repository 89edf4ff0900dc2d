"""Any server with OpenAI's chat API: the file with a mark for the gap is shown, and the answer is
what belongs there. The last resort: a chat was not taught to fill gaps."""

from __future__ import annotations

import re
from typing import Any

from engine.api import FillRequest, IsCancelled, OnDraft, Shape
from engine.remote import openai
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.window import name_of
from engine.remote.writing import Meant, Written, write

GAP = "<|gap|>"
TASK = f"You complete source code. The user shows a file in which {GAP} stands for missing text."
IN_WORDS = (
    f"{TASK} Answer with exactly the text that belongs there, in one fenced code block, with its"
    " indentation, without repeating what stands before or after it, and without a word more."
)
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
THOUGHT = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
REPEATED_LINES = 8  # of those before the gap, at most
TOKENS_AROUND = 32  # for the fence, and the line that a chat repeats


class Chat:
    """Every server is taken to know this one; what it answers shows."""

    constrains = False  # an answer has words of its own around what is meant

    def __init__(self, served: Served, why: str, better: str) -> None:
        self._served = served
        self.way = Way("chat", why, better)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        body = {
            **chat(self._served.model, request, IN_WORDS),
            "max_tokens": request.max_tokens + TOKENS_AROUND,
            "temperature": 0,
            "seed": request.seed,
            "logprobs": True,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        path = f"{self._served.path}/chat/completions"
        pieces = openai.pieces(self._served, path, body, cancelled)
        return write(pieces, request, show, missing_text)


def chat(model: str, request: FillRequest, system: str) -> dict[str, Any]:
    """The messages. Files go by their names: where they are is nobody's business."""
    prefix, suffix = request.texts
    name = f"File: {name_of(request.path)}\n" if request.path else ""
    shown = f"{name}```{request.language or ''}\n{prefix}{GAP}{suffix}\n```"
    context = "".join(
        f"For reference {name_of(each.path)}:\n```\n{each.text}\n```\n\n"
        for each in request.context
    )
    if request.shape is Shape.LINE:
        system += " It is the rest of one line."
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": context + shown},
        ],
    }


def missing_text(answer: str, request: FillRequest) -> Meant:
    """What of an answer a chat means for the hole: the fenced block if there is one, else
    everything, without a thought and without what it repeats of the text before the hole. Nothing
    where it shows the gap again."""
    thought = THOUGHT.match(answer)
    start = thought.end() if thought else 0
    end = len(answer)
    fenced = FENCE.search(answer, start)
    if fenced:
        start, end = fenced.span(1)
    elif answer[start:].lstrip().startswith("```"):
        return Meant(end, end, False)
    if GAP in answer[start:end]:
        return Meant(end, end, fenced is not None)
    repeated, is_settled = _repeated(answer[start:end], request.texts[0])
    return Meant(start + repeated, end, fenced is not None and is_settled)


def _repeated(text: str, prefix: str) -> tuple[int, bool]:
    """How many characters of `text` say the last lines of `prefix` again, whatever the spaces; and
    whether that is settled, because what comes later cannot make them more."""
    lines = prefix.split("\n")
    letters = "".join(text.split())
    is_settled = True
    for first in range(max(0, len(lines) - REPEATED_LINES), len(lines)):
        before = "".join("\n".join(lines[first:]).split())
        if before and lines[first].strip() and letters.startswith(before):
            return _past(text, len(before), lines[-1]), is_settled
        is_settled = is_settled and not before.startswith(letters)
    return 0, is_settled


def _past(text: str, letters: int, line: str) -> int:
    """Where `text` goes on after so many characters that are no spaces, and after the spaces that
    end the cursor's line, or that make it up."""
    at = 0
    for character in text:
        if not letters:
            break
        letters -= not character.isspace()
        at += 1
    rest = text[at:]
    if line.strip():
        spaces = len(line) - len(line.rstrip())
        return at + min(spaces, len(rest) - len(rest.lstrip(" \t")))
    line_end = re.match(r"\s*\n", rest)
    at += line_end.end() if line_end else 0
    indentation = re.match(r"[ \t]*", text[at:])
    return at + min(len(line), len(indentation[0]) if indentation else 0)
