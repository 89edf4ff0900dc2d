"""Any server with OpenAI's chat API: the file with a mark for the gap is shown, and the answer is
what belongs there. The last resort: a chat was not taught to fill gaps."""

from __future__ import annotations

import re
from typing import Any

from engine.api import Fill, FillRequest, IsCancelled, OnDraft, Shape
from engine.remote import openai
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.window import name_of
from engine.remote.writing import Meant, write

GAP = "<|gap|>"
TASK = f"You complete source code. The user shows a file in which {GAP} stands for missing text."
IN_WORDS = (
    f"{TASK} Answer with exactly the text that belongs there, in one fenced code block, with its"
    " indentation, without repeating what stands before or after it, and without a word more."
)
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
THOUGHT = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
TOKENS_AROUND = 32  # for the fence, and the line that a chat repeats


class Chat:
    """Every server is taken to know this one; what it answers shows."""

    def __init__(self, served: Served, why: str, better: str) -> None:
        self._served = served
        self.way = Way("chat", why, better)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Fill:
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
    everything, without a thought and without the line before the hole, which it may repeat."""
    thought = THOUGHT.match(answer)
    start = thought.end() if thought else 0
    end = len(answer)
    if fenced := FENCE.search(answer, start):
        start, end = fenced.span(1)
    elif answer[start:].lstrip().startswith("```"):
        return Meant(end, end, False)
    line = request.texts[0].rpartition("\n")[2]
    if line.strip():
        for repeated in (line, line.lstrip()):
            if answer.startswith(repeated, start, end):
                start += len(repeated)
                break
    return Meant(start, end, fenced is not None)
