"""Where a person who types stops to think, and what an editor has to say there. Imports no torch.

Someone writes a block from top to bottom into a file whose rest is there already. They pause behind
an operator, a bracket or a keyword, on a new line, and in a new body; the lines of the block that
follow are not written yet. What is suggested is held against what they go on to write.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.evaluation.cutting import Text, is_comment
from engine.evaluation.exactness import similarity
from engine.evaluation.intervals import Proportion
from engine.evaluation.items import BadData

PauseKind = Literal["operator", "bracket", "keyword", "new line", "new body"]
KINDS: tuple[PauseKind, ...] = get_args(PauseKind)
SIMILAR = 0.8  # edit similarity from which a suggestion is one that a person would take and correct

_WITHIN_LINE: dict[PauseKind, re.Pattern[str]] = {
    "operator": re.compile(
        r"(?<=[\w\])\"'] )(?:=|:=|[-+*/%<>|&]|==|!=|<=|>=|\+=|-=|=>|->|&&|\|\|) "
    ),
    "bracket": re.compile(r"(?<=\w)[(\[{]"),
    "keyword": re.compile(
        r"\b(?:return|import|from|if|elif|in|not|and|or|await|yield|raise|throw|new|case|await|let"
        r"|const|var|for|while|match|switch|local|func|fn|def|class) "
    ),
}
_OPENS_BODY = re.compile(r"(?:[:{]|\b(?:then|do|else))\s*$|^\s*(?:local )?function\b.*\)\s*$")


@dataclass(frozen=True, slots=True)
class Pause:
    """The cursor stands between `prefix` and `suffix`; `wanted` is what is written there in the
    end, up to the end of the block."""

    id: str
    kind: PauseKind
    language: str
    prefix: str
    suffix: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What was suggested at a pause; `text` is None where nothing was."""

    pause: Pause
    text: str | None

    @property
    def spoken(self) -> bool:
        return self.text is not None

    @property
    def exact(self) -> bool:
        """As many lines as were suggested are what is written there."""
        return self.text is not None and self.text.strip() == self._wanted().strip()

    @property
    def similar(self) -> bool:
        if self.text is None or self.exact:
            return False
        return similarity(self.text.strip(), self._wanted().strip()) > SIMILAR

    @property
    def wrong(self) -> bool:
        return self.spoken and not self.exact and not self.similar

    @property
    def saved(self) -> int:
        """Keys that need not be pressed: those of an exact text, less the one that takes it."""
        return len((self.text or "").strip()) - 1 if self.exact else 0

    def _wanted(self) -> str:
        count = (self.text or "").strip("\n").count("\n") + 1
        return "\n".join(self.pause.wanted.lstrip("\n").split("\n")[:count])


def find_pauses(text: Text) -> Iterator[Pause]:
    """Every pause of a file, in order. Lines that are blank or comments have none."""
    lines = text.text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    before = ""  # the last line with code on it
    for number, line in enumerate(lines):
        code = line.strip()
        if not code or is_comment(line, text.language):
            continue
        end = starts[_end_of_block(lines, number)]
        for kind, column in _columns(line, before):
            at = starts[number] + column
            wanted = text.text[at:end].rstrip()
            if wanted:
                name, suffix = f"{text.name}#{at}", text.text[at + len(wanted) :]
                yield Pause(name, kind, text.language, text.text[:at], suffix, wanted)
        before = line


def _columns(line: str, before: str) -> Iterator[tuple[PauseKind, int]]:
    """Kinds and columns of the pauses in a line of code behind the line of code `before`."""
    indent = len(line) - len(line.lstrip())
    deeper = indent > len(before) - len(before.lstrip())
    yield ("new body" if deeper and _OPENS_BODY.search(before) else "new line"), indent
    for kind, pattern in _WITHIN_LINE.items():
        for found in pattern.finditer(line, indent):
            if line[found.end() :].strip():
                yield kind, found.end()


def _end_of_block(lines: Sequence[str], number: int) -> int:
    """The line at which the file goes on that is there already: the first one that is indented
    less; at the top level the first one behind a blank line."""
    indent = len(lines[number]) - len(lines[number].lstrip())
    for at in range(number + 1, len(lines)):
        line = lines[at]
        width = len(line) - len(line.lstrip())
        if line.strip() and (
            width < indent or (indent == width == 0 and not lines[at - 1].strip())
        ):
            return at
    return len(lines)


def draw_pauses(texts: Iterable[Text], count: int, seed: int = 0) -> list[Pause]:
    """`count` pauses, kinds in turn, files drawn evenly, all different. Raises BadData where the
    texts have too few of a kind."""
    by_kind: dict[PauseKind, dict[str, list[Pause]]] = {kind: {} for kind in KINDS}
    for text in texts:
        for pause in find_pauses(text):
            by_kind[pause.kind].setdefault(text.name, []).append(pause)
    rng = random.Random(seed)
    drawn = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        files = by_kind[kind]
        if not files:
            raise BadData(f"the data have too few pauses of the kind {kind}: ask for fewer")
        name = rng.choice(sorted(files))
        drawn.append(files[name].pop(rng.randrange(len(files[name]))))
        if not files[name]:
            del files[name]
    return drawn


def summarise(heard: Sequence[Heard]) -> list[dict[str, Any]]:
    """A row for all pauses and one for each kind: of so many, how many were spoken to, and were
    exact, similar and wrong (proportions of all pauses); `right`, the exact ones of the spoken;
    and `saved`, characters per 100 pauses."""
    rows = []
    for kind in ("all", *KINDS):
        these = [each for each in heard if kind in ("all", each.pause.kind)]
        if these:
            spoken = [each for each in these if each.spoken]
            rows.append(
                {
                    "kind": kind,
                    "n": len(these),
                    "spoken": Proportion(len(spoken), len(these)).as_json(),
                    "exact": Proportion.of([each.exact for each in these]).as_json(),
                    "similar": Proportion.of([each.similar for each in these]).as_json(),
                    "wrong": Proportion.of([each.wrong for each in these]).as_json(),
                    "right": Proportion.of([each.exact for each in spoken]).as_json(),
                    "saved": 100 * sum(each.saved for each in these) / len(these),
                }
            )
    return rows
