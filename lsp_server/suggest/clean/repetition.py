"""The model has written something, and then written it again."""

from __future__ import annotations

import re

from lsp_server.suggest.clean.around import REPEATABLE, Around

# A line that is there twice in a row is a mistake from this length on, three times from any.
LONG = 12
_TOKEN = re.compile(r"\w+|[^\w\s]")
# (period, tokens): a tail of that many tokens that repeats itself at most so far apart is a loop.
_LOOPS = ((1, 10), (10, 30), (20, 45), (30, 60))
_TAILS = (re.compile(r"(.{3,}?)\1{5,}$"), re.compile(r"(.{10,}?)\1{3,}$"))


def drop_repeated_blocks(text: str, around: Around) -> str:
    """Of paragraphs that are the same and follow each other one is kept."""
    blocks = text.split("\n\n")
    kept = blocks[:1]
    for block in blocks[1:]:
        if not block.strip() or block.strip() != kept[-1].strip() or _is_repeatable(block):
            kept.append(block)
    return "\n\n".join(kept)


def drop_repeated_lines(text: str, around: Around) -> str:
    """Of lines that are the same and follow each other one is kept."""
    lines = text.split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line, end = lines[at].strip(), at + 1
        while end < len(lines) and lines[end].strip() == line:
            end += 1
        count = end - at
        is_mistake = count > 2 or (count == 2 and len(line) >= LONG)
        kept += lines[at : at + 1] if is_mistake and not _is_repeatable(line) else lines[at:end]
        at = end
    return "\n".join(kept)


def cut_looping_tail(text: str, around: Around) -> str:
    """A tail that repeats itself is cut after its first round."""
    body = text.rstrip()
    last = body[body.rfind("\n") + 1 :]
    for tail in _TAILS:
        found = tail.search(last)
        if found is not None and len(set(found.group(1))) > 1:
            is_repeated = last[: found.start()].endswith(found.group(1).strip())
            end = found.start() if is_repeated else found.end(1)
            return body[: len(body) - len(last) + end]
    tokens = list(_TOKEN.finditer(text))
    words = [token.group() for token in reversed(tokens)]
    for period, count in _LOOPS:
        if len(words) < count:
            break
        shift = _period(words[:count])
        if shift > period or (len(set(words[:count])) == 1 and not words[0].isalnum()):
            continue
        end = count
        while end < len(words) and words[end] == words[end - shift]:
            end += 1
        first = len(words) - end  # from the front: the first token of the first round
        return text[: tokens[first + shift - 1].end()]
    return text


def _period(words: list[str]) -> int:
    """The smallest shift at which `words` agrees with itself: KMP's prefix function."""
    longest = [0] * len(words)
    for index in range(1, len(words)):
        length = longest[index - 1]
        while length and words[index] != words[length]:
            length = longest[length - 1]
        longest[index] = length + (words[index] == words[length])
    return len(words) - longest[-1]


def _is_repeatable(line: str) -> bool:
    return not line.strip() or REPEATABLE.fullmatch(line.strip()) is not None
