"""A vLLM with DiffusionGemma, as a real one (0.32.0) was seen to refuse and to answer.

A token is a character, except for the special ones. The "model" writes letters into a hole, and an
end of text after `WRITTEN` of them; pinned positions come back as something else than their pins.
"""

from __future__ import annotations

import re
from typing import Any

from tests.engine.remote.team import Handler, Team, stream

DIFFUSION = "google/diffusiongemma-26B-A4B-it"
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>")
VOCABULARY = 300
WRITTEN = 6
UNSUPPORTED = (
    "The temperature, min_p, seed, min_tokens, logit_bias, bad_words, and allowed_token_ids"
    " sampling parameters are not yet supported with diffusion models."
)


class DiffusionServer:
    """Put on a Team; `canvas` is the served length."""

    def __init__(self, team: Team, canvas: int = 128) -> None:
        self.canvas = canvas
        self.knows_canvases = True
        team.models = [
            {"id": "some/coder", "owned_by": "vllm", "max_model_len": 8192},
            {"id": DIFFUSION, "owned_by": "vllm", "max_model_len": 8192},
        ]
        team.chat(self.chat)
        team.on("/tokenize", lambda handler: handler.json({"tokens": tokens(handler)}))
        team.on("/detokenize", lambda handler: handler.json({"prompt": text(handler)}))

    def chat(self, handler: Handler) -> None:
        body = handler.body
        refusal = self._refusal(body)
        if refusal is not None and body.get("stream"):
            handler.begin_stream()
            error = {"message": refusal, "type": "BadRequestError", "code": 400}
            handler.event({"error": error})
            handler.raw(b"data: [DONE]\n\n")
        elif refusal is not None:
            error = {"message": refusal, "type": "BadRequestError", "param": None, "code": 400}
            handler.json({"error": error}, 400)
        elif body.get("stream"):
            stream("```py\n", "a +", " b", "\n```")(handler)
        else:
            handler.json(self._read(body))

    def _refusal(self, body: dict[str, Any]) -> str | None:
        if body["model"] != DIFFUSION:
            return None
        if body.get("temperature", 1) != 1 or "seed" in body or body.get("min_p"):
            return UNSUPPORTED
        options = body.get("vllm_xargs") or {}
        if not self.knows_canvases or not options:
            return None
        width = options.get("diffusion_canvas_length")
        if width is not None and not 0 < width <= self.canvas:
            return (
                "diffusion_canvas_length must be a positive integer no larger than the served"
                " canvas."
            )
        seed, expected = options.get("diffusion_seed_canvas"), width or self.canvas
        if seed is not None and not all(0 <= each < VOCABULARY for each in seed):
            return f"diffusion_seed_canvas ids must be in [0, {VOCABULARY})."
        if seed is not None and len(seed) != expected:
            return f"diffusion_seed_canvas must hold exactly {expected} ids, got {len(seed)}."
        if not all(0 <= each < expected for each in options.get("diffusion_pinned", [])):
            return "diffusion_pinned positions must lie inside the canvas."
        return None

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        options = body.get("vllm_xargs") or {}
        if body["model"] != DIFFUSION or not self.knows_canvases or not options:
            return {"choices": [{"message": {"content": "hm"}, "finish_reason": "length"}]}
        pinned = set(options["diffusion_pinned"])
        ids, written = [], 0
        for at in range(len(options["diffusion_seed_canvas"])):
            if at in pinned:
                ids.append(ord("?"))
            else:
                ids.append(_id_of_hole(written))
                written += 1
        # A hole that has a little room behind the text is what the model likes best.
        logprob = -0.1 if WRITTEN < written < 2 * WRITTEN else -2.0
        content = [{"token": f"token_id:{id}", "logprob": logprob} for id in ids]
        assert options["diffusion_read_only"] == 1  # else an end of text ends the content, too
        return {"choices": [{"logprobs": {"content": content}, "message": {"content": ""}}]}


def _id_of_hole(at: int) -> int:
    if at == WRITTEN:
        return SPECIAL.index("<eos>")
    return ord("a") + at if at < WRITTEN else SPECIAL.index("<mask>")


def tokens(handler: Handler) -> list[int]:
    parts = re.split(f"({'|'.join(map(re.escape, SPECIAL))})", handler.body["prompt"])
    return [
        id
        for part in parts
        for id in ([SPECIAL.index(part)] if part in SPECIAL else map(ord, part))
    ]


def text(handler: Handler) -> str:
    """Special tokens are spelled out."""
    return "".join(SPECIAL[id] if id < len(SPECIAL) else chr(id) for id in handler.body["tokens"])
