"""The prompt for a model that answers in turns: the file and its gap described, the answer begun.

    prompt   <bos> user turn: what to do, snippets, the file with a mark for the gap; an empty
             thought, so that the model does not think aloud
    canvas   ```python                        pinned: the answer's fence,
             lines before, the line so far    pinned
             the hole                         open
             rest of the line, lines after    pinned,
             ```<turn|><eos><eos>...          and its end

The model was trained to answer so, but never with parts of its answer given. Nothing of this has
been measured on real weights: every choice is in the profile or below, to be changed when it is.
"""

from __future__ import annotations

from tokenizers import Tokenizer

from engine.api import FillRequest, ModelMissing, Snippet
from engine.checkpoints.profile import Profile
from engine.fill.prompt import (
    Prompt,
    encode,
    encoding_of,
    heal_seams,
    ids_before,
    start_of_head,
)
from engine.fill.seams import Seam, Vocabulary
from engine.fill.segments import CHARACTERS_PER_TOKEN, snippet_segments

MARK = "<<<GAP>>>"
FENCE = "```"
TASK = (
    "Fill in what is missing from {where}, where it says {mark}. Answer with one code block: the"
    " lines around the gap as they are, with the gap filled in. Explain nothing.\n\n"
)
SNIPPET = "For reference, from {where}:\n\n{fence}\n{text}\n{fence}\n\n"
TURNS = ("<|turn>", "<turn|>", "<|channel>", "<channel|>")

# Shares of the prompt's tokens: what other files say, and what follows the gap.
CONTEXT_SHARE = 0.2
AFTER_SHARE = 0.25


def build_chat_prompt(
    request: FillRequest,
    tokenizer: Tokenizer,
    profile: Profile,
    vocabulary: Vocabulary | None = None,
) -> Prompt:
    """As `engine.fill.prompt.build_prompt`, for a profile of style "chat"."""
    texts = request.texts
    line_start = start_of_head(texts[0], tokenizer, profile)
    fence = f"{FENCE}{request.language or ''}\n"
    after, is_whole = _after(texts[-1], tokenizer, profile)
    pinned = [
        fence + texts[0][_around_start(texts[0], line_start, fence, tokenizer, profile) :],
        *texts[1:-1],
        after,
    ]
    seams = [Seam()] * request.holes
    if vocabulary is not None:
        pinned, seams = heal_seams(
            pinned, tokenizer, vocabulary, right=profile.tokens.slack is None
        )
    head, *between, suffix = (encode(tokenizer, text) for text in pinned)
    return Prompt(
        ids=_turns(_question(request, line_start, tokenizer, profile), tokenizer, profile),
        head=head,
        between=between,
        suffix=suffix,
        end_of_text=is_whole,
        texts=tuple(pinned),
        seams=tuple(seams),
    )


def _question(
    request: FillRequest, line_start: int, tokenizer: Tokenizer, profile: Profile
) -> list[int]:
    """The user's turn. What changes as a user types on the gap's line is not in it."""
    texts, budget = request.texts, profile.canvas.prompt_tokens
    where = request.path or "a file"
    around = [TASK.format(where=where, mark=MARK)]
    segments = snippet_segments(
        request.context, int(budget * CONTEXT_SHARE), lambda text: encode(tokenizer, text), _quoted
    )
    context = "".join(each.text for each in segments)
    opening = encode(tokenizer, "".join(around) + context + f"{FENCE}{request.language or ''}\n")
    rest = MARK + MARK.join(texts[1:])
    most = int(budget * AFTER_SHARE)
    after = encode(tokenizer, rest[: most * CHARACTERS_PER_TOKEN])[:most]
    closing = encode(tokenizer, f"\n{FENCE}\n")
    room = max(1, budget - len(opening) - len(after) - len(closing))
    before = ids_before(texts[0][:line_start], tokenizer, profile.but(bos=None, prompt_tokens=room))
    return [*opening, *before, *after, *closing]


def _quoted(snippet: Snippet) -> str:
    text = snippet.text.strip("\n")
    where = snippet.path or "another file"
    return SNIPPET.format(where=where, text=text, fence=FENCE) if text.strip() else ""


def _turns(question: list[int], tokenizer: Tokenizer, profile: Profile) -> list[int]:
    """The turns as the model's chat template writes them, with an empty thought."""
    turn, turn_end, channel, channel_end = (_id(name, tokenizer) for name in TURNS)
    return [
        *([profile.tokens.bos] if profile.tokens.bos is not None else []),
        *(turn, *encode(tokenizer, "user\n"), *question, turn_end),
        *(*encode(tokenizer, "\n"), turn, *encode(tokenizer, "model\n")),
        *(channel, *encode(tokenizer, "thought\n"), channel_end),
    ]


def _id(name: str, tokenizer: Tokenizer) -> int:
    token: int | None = tokenizer.token_to_id(name)
    if token is None:
        raise ModelMissing(
            f"tokenizer.json has no {name}, which a chat needs; fetch the model again, or"
            ' give it a profile.json of style "plain"'
        )
    return token


def _around_start(
    prefix: str, line_start: int, fence: str, tokenizer: Tokenizer, profile: Profile
) -> int:
    """Where the lines begin that are pinned before the gap: whole ones, as many as fit."""
    start = line_start
    if start and prefix[start - 1] not in "\r\n":
        return start  # the line so far is too long to be there from its start
    for _ in range(profile.canvas.around_lines):
        if not start:
            break
        earlier = prefix.rfind("\n", 0, start - 1) + 1
        if _tokens(fence + prefix[earlier:], profile.canvas.head_tokens, tokenizer) is None:
            break
        start = earlier
    return start


def _after(suffix: str, tokenizer: Tokenizer, profile: Profile) -> tuple[str, bool]:
    """What is pinned after the gap: the rest of its line, whole lines, the fence; and whether the
    fence is there. Of a line longer than the canvas there is only a part, and no fence."""
    lines = suffix[: profile.canvas.tail_tokens * CHARACTERS_PER_TOKEN].splitlines(keepends=True)
    if len(suffix) > profile.canvas.tail_tokens * CHARACTERS_PER_TOKEN:
        lines = lines[:-1]  # it may have been cut
    lines = lines[: 1 + profile.canvas.around_lines]
    while lines or not suffix:
        text = "".join(lines)
        closed = text + ("" if text.endswith("\n") else "\n") + FENCE
        if _tokens(closed, profile.canvas.tail_tokens, tokenizer) is not None:
            return closed, True
        lines = lines[:-1]
    return suffix[: profile.canvas.tail_tokens * CHARACTERS_PER_TOKEN], False


def _tokens(text: str, most: int, tokenizer: Tokenizer) -> int | None:
    """How many tokens `text` has; None for more than `most`."""
    if len(text) > most * CHARACTERS_PER_TOKEN:
        return None
    count = len(encoding_of(tokenizer, text).ids)
    return count if count <= most else None
