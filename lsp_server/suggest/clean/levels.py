"""Where indentation is syntax, every line of the fill stands on a level that is open there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.fill.structure import width
from lsp_server import languages
from lsp_server.suggest.clean.around import Around
from lsp_server.suggest.clean.statements import STATEMENTS, Statement

_WINDOW = 4000
# Nothing is open above a line that begins so: from there on the text can be read.
_OUTERMOST = re.compile(r"^(?:(?:async )?def |class |import |from |@\w|[\w-]+:)", re.M)
LEAST = 2  # columns of a block, where nothing else tells one from a slip
DEFAULT_UNIT = "    "
_GOES_ON = re.compile(r"(?:else|elif|except|finally)\b")


@dataclass(frozen=True, slots=True)
class _Level:
    """The fill has it at `column`, and `lead` stands before its lines in the document."""

    column: int
    lead: str


def fit_to_open_levels(text: str, around: Around) -> str:
    """A line that is indented a little too far, or too little, moves to the nearest open level.

    Deeper it may stand where the statement before it opens a block. Brackets and strings that go
    on are left alone. Where the cursor stands on no level that is open, there is no fill.
    """
    kind = languages.of(around.language).levels
    statements = STATEMENTS[kind] if kind is not None else None
    is_inside = "\n" not in text and around.line_before.strip()
    if statements is None or is_inside or not text.strip():
        return text
    before = _readable(around.prefix)
    at = len(before) - len(around.line_before)
    whole = before + text + around.line_after
    found = list(statements(whole))
    leads = [each.lead for each in found if each.lead and each.start < at]
    levels = _Levels(min(leads, key=len, default=DEFAULT_UNIT), _next(around))
    # Behind the last block that begins, nothing may end the one that the line below stands in.
    last = max((each.start for each in found if each.opens is not False), default=-1)
    floor = _floor(around)
    parts, written = [], len(before)
    for each in found:
        if each.start + len(each.lead) > len(before) + len(text):
            break  # white space that stands in the document is not the fill's to change
        if each.start < at or (each.start == at and around.line_before.strip()):
            levels.read(each)
            continue
        goes_on = _GOES_ON.match(whole, each.start + len(each.lead)) is not None
        least = floor if each.start > last else 0
        lead = levels.lead(each, around.line_before if each.start == at else "", goes_on, least)
        if lead is None:
            return ""
        own = max(each.start, len(before))
        lead = lead[len(around.line_before) :] if each.start == at else lead
        parts += [whole[written:own], lead]
        written = each.start + len(each.lead)
    return "".join(parts) + whole[written : len(before) + len(text)]


class _Levels:
    def __init__(self, unit: str, below: str | None) -> None:
        self._unit = unit
        self._below = below
        self._open: list[_Level] = []
        self._opens: bool | None = False
        self._last: _Level | None = None

    def read(self, each: Statement) -> None:
        """What stands above the fill is as it is."""
        if each.is_comment:
            return
        while self._open and self._open[-1].column > each.column:
            self._open.pop()
        self._enter(each, _Level(each.column, each.lead))

    def lead(self, each: Statement, before: str, goes_on: bool, least: int) -> str | None:
        """The white space that is to stand before `each`; it begins with `before`, which is there.

        None where there is no level to begin with that. `goes_on`: `each` belongs to a statement
        above it, as `else` does. `least` columns it stands in, where such a level is open.
        """
        if self._last is None or (each.is_comment and self._opens is not False):
            return each.lead
        level = self._deeper(each, before, self._last) or self._nearest(
            each, before, goes_on, least
        )
        if level is None:
            return None
        if not each.is_comment:
            while self._open and _column(self._open[-1].lead) > _column(level.lead):
                self._open.pop()
            self._enter(each, level)
        self._below = None
        return level.lead

    def _deeper(self, each: Statement, before: str, outer: _Level) -> _Level | None:
        """The level of a block, where the last statement opens one."""
        extra = each.column - outer.column
        if self._opens is False or (self._opens is None and extra < LEAST):
            return None
        if self._below is not None and _column(self._below) > _column(outer.lead):
            lead = self._below  # the block stands there already
        elif _column(before) > _column(outer.lead):
            lead = before
        elif extra < 1:
            lead = outer.lead + self._unit
        elif outer.column == _column(outer.lead) and each.lead.startswith(outer.lead):
            lead = each.lead
        else:
            lead = outer.lead + ("\t" if "\t" in outer.lead else " " * extra)
        return _Level(each.column, lead) if lead.startswith(before) else None

    def _nearest(self, each: Statement, before: str, goes_on: bool, least: int) -> _Level | None:
        """Of two that are equally near the deeper one, but for what goes on."""
        fitting = [level for level in self._open if level.lead.startswith(before)]
        fitting = [level for level in fitting if _column(level.lead) >= least] or fitting
        ordered = fitting if goes_on else fitting[::-1]
        return min(ordered, key=lambda level: abs(level.column - each.column), default=None)

    def _enter(self, each: Statement, level: _Level) -> None:
        if not self._open or _column(self._open[-1].lead) < _column(level.lead):
            self._open.append(level)
        for column in each.inner:
            self._open.append(_Level(column, level.lead + " " * (column - each.column)))
        self._last = _Level(each.column, self._open[-1].lead if each.inner else level.lead)
        self._opens = each.opens


def _readable(prefix: str) -> str:
    """The end of `prefix`, from the last line on above which nothing is open, if that is near."""
    start = prefix.find("\n", len(prefix) - _WINDOW) + 1 if len(prefix) > _WINDOW else 0
    *_, last = [start, *(each.start() for each in _OUTERMOST.finditer(prefix, start))]
    return prefix[last:]


def _next(around: Around) -> str | None:
    """The white space before the line below, if the gap has its line for itself."""
    below = around.lines_below
    if around.line_after.strip() or not below:
        return None
    return below[0][: len(below[0]) - len(below[0].lstrip(" \t"))]


def _floor(around: Around) -> int:
    """The column of the next line that is not blank, if the gap has its line for itself."""
    if around.line_after.strip():
        return 0
    line = next((line for line in around.lines_below if line.strip()), "")
    return _column(line[: len(line) - len(line.lstrip(" \t"))]) if line else 0


def _column(lead: str) -> int:
    return width(lead + "x")
