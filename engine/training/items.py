"""Held-out gaps to fill, cut from real files the model never saw; one seed, one set."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.training.data import Corpus

KINDS = ("rest_of_line", "whole_line")
WITH_BLOCKS = (*KINDS, *KINDS, "lines")  # as often as they are asked for
COMMENTS = ("#", "//", "/*", "* ", "--", "<!--")


@dataclass(frozen=True, slots=True)
class Item:
    """A gap and what stood in it."""

    kind: str
    prefix: str
    middle: str
    suffix: str
    language: str = "python"


def held_out_items(
    path: Path,
    count: int,
    seed: int,
    kinds: tuple[str, ...] = KINDS,
    languages: Mapping[str, float] | None = None,
) -> list[Item]:
    """`count` gaps from a `.jsonl` of sources, kinds in turn, languages by weight (None: by what
    the file holds of them), files by their length.

    rest_of_line: the cursor is anywhere in the code of a line with something after it, the rest of
    the line is cut out. whole_line: the cursor is at the line's indentation. lines: two to six
    whole ones. Blank lines and comments are not asked for, nor may a block begin with one.
    """
    rng = random.Random(seed)
    corpus = Corpus(path, languages)
    items: list[Item] = []
    while len(items) < count:
        language, text = corpus.draw_with_language(rng)
        item = cut_item(text, kinds[len(items) % len(kinds)], rng)
        if item is not None:
            items.append(replace(item, language=language))
    return items


def cut_item(text: str, kind: str, rng: random.Random) -> Item | None:
    """One gap of `kind` at a random line; None when the line is no use."""
    at = rng.randrange(len(text))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    line = text[start:end].rstrip()
    indent = len(line) - len(line.lstrip())
    if not line.strip() or line.lstrip().startswith(COMMENTS):
        return None
    if kind == "lines":
        for _ in range(rng.randint(1, 5)):
            end = max(end, text.find("\n", end + 1))
        return Item(kind, text[:start], text[start:end], text[end:])
    end = start + len(line)
    cursor = start + indent
    if kind == "rest_of_line":
        if len(line) - indent < 2:
            return None
        cursor = rng.randrange(start + indent + 1, end)
    return Item(kind, text[:cursor], text[cursor:end], text[end:])


def trivial_fills(item: Item, frequent: str) -> dict[str, str]:
    """What a baseline without a model would write into the gap.

    A copied line continues from the cursor when it begins like the cursor's line.
    """
    so_far = item.prefix.rsplit("\n", 1)[-1].lstrip()
    return {
        "nothing": "",
        "pass": _rest("pass", so_far),
        "previous line": _rest(_neighbour(item.prefix.split("\n")[-2::-1]), so_far),
        "next line": _rest(_neighbour(item.suffix.split("\n")[1:]), so_far),
        "most frequent": frequent,
    }


def most_frequent(items: Iterable[Item]) -> str:
    """The commonest gap: the most favourable constant there is, chosen with the answers in hand."""
    return Counter(item.middle.strip() for item in items).most_common(1)[0][0]


def _neighbour(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _rest(line: str, so_far: str) -> str:
    return line[len(so_far) :] if line.startswith(so_far) else line
