"""The filters in their order, and how they are run."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from lsp_server.gap import Gap
from lsp_server.suggest.clean.around import Around, Filter
from lsp_server.suggest.clean.balance import cut_at_surplus_closer
from lsp_server.suggest.clean.before import drop_repeat_of_what_is_before
from lsp_server.suggest.clean.below import (
    drop_repeat_of_line_above,
    drop_repeat_of_lines_below,
    trim_tail_that_lines_below_repeat,
)
from lsp_server.suggest.clean.indent import drop_double_indent, match_indent_style, trim_line_ends
from lsp_server.suggest.clean.junk import (
    drop_empty_comments,
    strip_code_fence,
    strip_file_marks,
    strip_special_tokens,
)
from lsp_server.suggest.clean.levels import fit_to_open_levels
from lsp_server.suggest.clean.overlap import drop_repeat_of_rest_of_line, overwritten
from lsp_server.suggest.clean.repetition import (
    cut_looping_tail,
    drop_repeated_blocks,
    drop_repeated_lines,
)
from lsp_server.suggest.clean.scope import limit_scope
from lsp_server.suggest.clean.size import drop_blank, drop_too_short, keep_few_lines, keep_one_line

log = logging.getLogger(__name__)

PIPELINE: tuple[Filter, ...] = (
    strip_special_tokens,
    strip_code_fence,
    strip_file_marks,
    drop_repeat_of_what_is_before,
    keep_one_line,
    match_indent_style,
    drop_double_indent,
    fit_to_open_levels,
    drop_repeat_of_rest_of_line,
    drop_repeated_blocks,
    drop_repeated_lines,
    cut_looping_tail,
    limit_scope,
    cut_at_surplus_closer,
    trim_tail_that_lines_below_repeat,
    drop_repeat_of_lines_below,
    drop_repeat_of_line_above,
    drop_empty_comments,
    keep_few_lines,
    trim_line_ends,
    drop_too_short,
    drop_blank,
)

# Far more than any text has needed: two filters that disagree must not go on for ever.
MOST_ROUNDS = 20

# What these cut may turn out to have been needed: the parser has the last word.
DISPUTABLE = frozenset(
    each.__name__
    for each in (limit_scope, cut_at_surplus_closer, trim_tail_that_lines_below_repeat)
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` goes into the gap and replaces `covers` characters after it too; "" for nothing.

    `fired` names the filters that changed something.
    """

    text: str
    covers: int = 0
    fired: frozenset[str] = frozenset()


def clean(text: str, gap: Gap) -> str:
    """`text` as it goes into the gap's document and replaces nothing else; "" for nothing."""
    return cleaned(text, gap).text


def cleaned(
    text: str,
    gap: Gap,
    *,
    may_overwrite: bool = False,
    automatic: bool = False,
    max_lines: int | None = None,
    doubtful: bool = False,
    without: Collection[str] = (),
) -> Cleaned:
    """`text` as it goes into the gap's document. `without` names filters that are left out,
    `doubtful` is for `Around`."""
    prefix, suffix = gap.sides()
    around = Around(
        prefix,
        suffix,
        gap.shape,
        language=gap.document.language,
        replaced=gap.replaced.replace("\r\n", "\n"),
        path=gap.document.path,
        may_overwrite=may_overwrite,
        automatic=automatic,
        max_lines=max_lines,
        doubtful=doubtful,
    )
    fired: set[str] = set()
    text = filtered(text.replace("\r\n", "\n"), around, without, fired)
    covers = overwritten(text, around) if may_overwrite and text else 0
    if covers and text == around.line_after[:covers]:
        text, covers = "", 0
    return Cleaned(text.replace("\n", gap.document.newline), covers, frozenset(fired))


def filtered(
    text: str, around: Around, without: Collection[str] = (), fired: set[str] | None = None
) -> str:
    """All filters, in order, until none of them fires: what has been cleaned stays as it is."""
    for _ in range(MOST_ROUNDS):
        started_with = text
        for each in PIPELINE:
            if each.__name__ in without:
                continue
            before, text = text, each(text, around)
            if text != before:
                log.debug("%s: %d characters became %d", each.__name__, len(before), len(text))
                if fired is not None:
                    fired.add(each.__name__)
        if text == started_with:
            break
    return text
