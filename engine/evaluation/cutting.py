"""Gaps cut from sources: where they begin and end, and which of them. Imports no torch.

One seed, one set. Blank lines and comments are not asked for, nor may a block begin with one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.evaluation.items import BadData, Item, Kind, within_lines

LANGUAGES = {".py": "python", ".js": "javascript", ".ts": "typescript", ".java": "java",
             ".go": "go", ".rs": "rust", ".c": "c", ".cpp": "cpp", ".lua": "lua",
             ".rb": "ruby", ".sh": "shellscript"}  # fmt: skip
SKIPPED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist"}
LARGEST = 200_000  # characters of a file that gaps are cut from
SHORTEST_LINE = 9  # characters of a line of one's own files that a gap is cut from
LEAST_LINES = 8  # of them in a file
# How often a held-out gap is in a language, where the data have it. Fixed, and none of a training's
# settings: numbers of different models are of the same gaps.
WEIGHTS: Mapping[str, float] = {
    "python": 60, "javascript": 10, "typescript": 9, "rust": 4, "go": 4, "c": 2, "cpp": 3,
    "java": 3, "lua": 1.5, "shellscript": 1, "css": 1.2,
}  # fmt: skip
PAIR_LINES = 6  # from the line of one gap of a pair to that of the other, at most
DRAWS = 60  # for each gap that is wanted, before the data are too few

_SLASHES = ("//", "/*", "* ", "*/")
_COMMENTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("python", "ruby", "shellscript"), ("#",)),
    "lua": ("--",),
    "html": ("<!--",),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A file that gaps are cut from; `name` tells it from all others."""

    name: str
    text: str
    language: str


def draw_gap(
    text: str, kind: Kind, language: str, rng: random.Random, among: range | None = None
) -> tuple[int, int] | None:
    """The characters [start, end) of a gap at a line drawn evenly, `among` the lines of these
    indexes or all; None where that line has none.

    "rest of line": from anywhere behind the first character of a line's code to its end. "whole
    line": from its indentation. "block": two to six whole lines.
    """
    lines = text.splitlines(keepends=True)
    at = rng.choice(among or range(len(lines)))
    line = lines[at].rstrip()
    start = sum(map(len, lines[:at]))
    if not line.strip() or is_comment(line, language):
        return None
    if kind == "block":
        return start, start + sum(map(len, lines[at : at + rng.randint(2, 6)]))
    indent = len(line) - len(line.lstrip())
    if kind == "whole line":
        return start + indent, start + len(line)
    if len(line) - indent < 2:
        return None
    return start + rng.randrange(indent + 1, len(line)), start + len(line)


def is_comment(line: str, language: str) -> bool:
    return line.lstrip().startswith(_COMMENTS.get(language, _SLASHES))


def cut(name: str, text: Text, start: int, end: int, *, block: bool) -> Item:
    """The item of a gap [start, end) of a text."""
    prefix, whole, rest = text.text[:start], text.text[start:end], text.text[end:]
    solution, suffix = within_lines(prefix, whole, rest)
    return Item(name, prefix, suffix, solution, text.language, block)


def cut_held_out(
    texts: Iterable[Text],
    lines: int,
    blocks: int,
    seed: int = 0,
    weights: Mapping[str, float] = WEIGHTS,
) -> list[Item]:
    """`lines` gaps of a line, rests and whole ones in turn, then `blocks`, all different; languages
    by weight, files by their length. Raises BadData where the texts have too few."""
    rng = random.Random(seed)
    files = _Files(texts, weights, rng)
    items: list[Item] = []
    seen: set[tuple[str, str, int]] = set()
    draws = DRAWS * (lines + blocks)
    while len(items) < lines + blocks:
        kind: Kind = "block"
        if len(items) < lines:
            kind = "rest of line" if len(items) % 2 == 0 else "whole line"
        text = files.draw()
        gap = draw_gap(text.text, kind, text.language, rng)
        draws -= 1
        if draws < 0:
            raise BadData(f"only {len(items)} different gaps were found, not {lines + blocks}")
        size = "block" if kind == "block" else "line"
        if gap is None or (text.name, size, gap[0]) in seen:
            continue
        seen.add((text.name, size, gap[0]))
        items.append(cut(f"{text.name}#{size}{gap[0]}", text, *gap, block=kind == "block"))
    return items


def cut_pairs(
    texts: Iterable[Text], pairs: int, seed: int = 0, weights: Mapping[str, float] = WEIGHTS
) -> list[Item]:
    """The gaps of `pairs`, two after each other, each with the other one `beside` it: gaps of a
    line, rests and whole ones, at most PAIR_LINES apart. Texts are drawn as in `cut_held_out`, and
    so is BadData raised."""
    rng = random.Random(seed)
    files = _Files(texts, weights, rng)
    items: list[Item] = []
    seen: set[tuple[str, int]] = set()
    for _ in range(DRAWS * pairs):
        text = files.draw()
        kinds: list[Kind] = rng.choices(["rest of line", "whole line"], k=2)
        first = draw_gap(text.text, kinds[0], text.language, rng)
        if first is None or (text.name, first[0]) in seen:
            continue
        below = len((text.text[: first[0]] + "|").splitlines())
        lines = range(below, min(below + PAIR_LINES, len(text.text.splitlines())))
        second = draw_gap(text.text, kinds[1], text.language, rng, lines) if lines else None
        if second is None:
            continue
        seen.add((text.name, first[0]))
        for gap, other in ((first, second), (second, first)):
            name = f"{text.name}#hole{gap[0]}beside{other[0]}"
            items.append(replace(cut(name, text, *gap, block=False), beside=other))
        if len(items) == 2 * pairs:
            return items
    raise BadData(f"only {len(items) // 2} different pairs were found, not {pairs}")


class _Files:
    """Texts drawn by `rng`: languages by weight, files by their length. Raises BadData."""

    def __init__(
        self, texts: Iterable[Text], weights: Mapping[str, float], rng: random.Random
    ) -> None:
        self._rng = rng
        self._of: dict[str, list[Text]] = {}
        for text in texts:
            if weights.get(text.language) and text.text:
                self._of.setdefault(text.language, []).append(text)
        self._languages = sorted(self._of)
        if not self._languages:
            raise BadData(f"no text is in one of {', '.join(weights)}")
        self._odds = [weights[language] for language in self._languages]
        self._lengths = {
            name: [len(each.text) for each in group] for name, group in self._of.items()
        }

    def draw(self) -> Text:
        language = self._rng.choices(self._languages, self._odds)[0]
        return self._rng.choices(self._of[language], self._lengths[language])[0]


def cut_files(
    folder: Path, seed: int, without: Callable[[str], bool] = lambda path: False
) -> Iterator[Item]:
    """Of each file below `folder` a gap of a line (from somewhere to its end) and one of two to six
    lines; none of those for whose path `without` holds. Raises BadData."""
    for text in read_folder(folder, without):
        rng = random.Random(f"{seed}/{text.name}")
        start, end = _draw_until(text, "rest of line", rng)
        yield cut(f"{text.name}#line", text, start, end, block=False)
        start, end = _draw_until(text, "block", rng)
        yield cut(f"{text.name}#block", text, start, end, block=True)


def read_folder(
    folder: Path, without: Callable[[str], bool] = lambda path: False
) -> Iterator[Text]:
    """The files below `folder` that are worth cutting from, but those for whose path `without`
    holds. Raises BadData."""
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: the suite `files` takes one, of source files")
    for path in sorted(folder.rglob("*")):
        language = LANGUAGES.get(path.suffix)
        inside = path.relative_to(folder)
        if language is None or SKIPPED & set(inside.parts) or without(str(path)):
            continue
        if not path.is_file():
            continue
        try:
            text = Text(inside.as_posix(), path.read_text(encoding="utf-8"), language)
        except (OSError, UnicodeDecodeError):
            continue
        if len(text.text) <= LARGEST and _is_long(text):
            yield text


def _is_long(text: Text) -> bool:
    long = [line for line in text.text.splitlines() if _has_code(line, text.language)]
    return len(long) >= LEAST_LINES


def _has_code(line: str, language: str) -> bool:
    return len(line.strip()) >= SHORTEST_LINE and not is_comment(line, language)


def _draw_until(text: Text, kind: Kind, rng: random.Random) -> tuple[int, int]:
    """A gap in a line with some code on it, of which the text has several."""
    while True:
        gap = draw_gap(text.text, kind, text.language, rng)
        if gap is None:
            continue
        before = text.text[: gap[0]].rpartition("\n")[2]
        line = before + text.text[gap[0] :].partition("\n")[0]
        if _has_code(line, text.language):
            return gap
