"""White space: the buffer's style, not twice, and none at the ends of lines."""

from __future__ import annotations

import re
from math import gcd

from lsp_server import languages
from lsp_server.suggest.clean.around import Around

_LEAD = re.compile(r"^([ \t]+)(?=\S)", re.M)
_WINDOW = 20_000
DEFAULT_UNIT = 4


def match_indent_style(text: str, around: Around) -> str:
    """Tabs or spaces as the buffer has them, where it has any."""
    leads = _LEAD.findall(around.prefix[-_WINDOW:] + around.suffix[:_WINDOW])
    before = around.line_before
    if before and not before.strip():
        leads.append(before)
    leads = [lead for lead in leads if lead[0] == "\t" or len(lead) > 1]
    tabbed = sum("\t" in lead for lead in leads)
    if languages.of(around.language).needs_tabs and not leads:
        leads, tabbed = ["\t"], 1  # as in the recipes of a makefile
    if not leads or (tabbed and tabbed < len(leads)):
        return text  # nothing to go by, or as mixed as it may be
    first, newline, more = text.partition("\n")
    if not before.strip():
        first = _styled(first, bool(tabbed), leads, more)
    return first + newline + _styled(more, bool(tabbed), leads, more)


def drop_double_indent(text: str, around: Around) -> str:
    """White space before the cursor is not written again."""
    before = around.line_before
    if not before.strip():
        return text.removeprefix(before) if before else text
    return text.lstrip(" \t") if before[-1] in " \t" else text


def trim_line_ends(text: str, around: Around) -> str:
    """No white space before a line's end, nor doubled before white space that is there."""
    *lines, last = text.split("\n")
    text = "\n".join([*(line.rstrip() for line in lines), last])
    rest = around.line_after
    if not rest.strip():
        return text.rstrip()
    return text.rstrip(" \t") if rest[0] in " \t" and last.strip() else text


def _styled(text: str, tabs: bool, leads: list[str], more: str) -> str:
    if tabs:
        widths = [len(lead) for lead in _LEAD.findall(more) if "\t" not in lead and len(lead) > 1]
        common = gcd(*widths) or DEFAULT_UNIT
        unit = DEFAULT_UNIT if common % DEFAULT_UNIT == 0 else common
        return _LEAD.sub(lambda m: _tabbed(m.group(), unit), text)
    unit = min((len(lead) for lead in leads), default=DEFAULT_UNIT)
    return _LEAD.sub(lambda m: m.group().replace("\t", " " * unit), text)


def _tabbed(lead: str, unit: int) -> str:
    if "\t" in lead or len(lead) < unit:
        return lead  # ` * ` of a block comment, or aligned already
    return "\t" * (len(lead) // unit) + " " * (len(lead) % unit)
