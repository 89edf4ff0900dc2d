"""textDocument/completion and its resolve: fills for editors without ghost text.

One item, ranked below the editor's own. Its text is there from the start, since the protocol lets
resolve change none of what is inserted; resolve adds the preview.
"""

from __future__ import annotations

import re

from lsprotocol import types as t

from lsp_server.anchor import Placed
from lsp_server.document import Document
from lsp_server.notify.progress import FillProgress
from lsp_server.session import Session
from lsp_server.suggest.suggestions import Ask

LABEL_LENGTH = 60
LONGEST_WORD = 200


async def answer(
    session: Session, document: Document, params: t.CompletionParams
) -> t.CompletionList | None:
    wanted = session.settings.completion
    if wanted is False or (wanted is None and session.support.ghost_text):
        return None
    return await session.newest.run(
        ("completion", document.uri), _completion(session, document, params)
    )


async def resolve(session: Session, item: t.CompletionItem) -> t.CompletionItem:
    if isinstance(item.data, dict) and isinstance(item.data.get("text"), str):
        language, text = item.data.get("language", ""), item.data["text"]
        if session.support.markdown:
            item.documentation = t.MarkupContent(t.MarkupKind.Markdown, fenced(text, language))
        else:
            item.documentation = text
    return item


async def _completion(
    session: Session, document: Document, params: t.CompletionParams
) -> t.CompletionList | None:
    offset = document.offset(params.position)
    # The list is asked for again with every key while it is open: nobody has called for that.
    kind = params.context.trigger_kind if params.context is not None else None
    by_hand = kind is not t.CompletionTriggerKind.TriggerForIncompleteCompletions
    trigger = session.suggestions.trigger(document, by_hand)
    async with FillProgress(session.server, "Filling", token=params.work_done_token) as progress:
        ask = Ask(document, offset, trigger, ghost=False, on_draft=progress.on_draft)
        suggested = await session.suggestions.suggest(ask)
    if not suggested:
        return None
    # What comes next depends on everything typed: the list is never complete.
    return t.CompletionList(is_incomplete=True, items=[_item(each) for each in suggested])


def _item(placed: Placed) -> t.CompletionItem:
    """Replaces from the start of the word at the cursor, as editors match what they filter by."""
    document = placed.document
    word = word_before(document.text, placed.start)
    text = word + placed.text
    is_lines = "\n" in text or "\r" in text
    label = _label(word, placed.text)
    return t.CompletionItem(
        label=f"{label} …" if is_lines else label,
        kind=t.CompletionItemKind.Snippet if is_lines else t.CompletionItemKind.Text,
        detail="infill",
        sort_text="~",
        filter_text=_filter_text(text, label),
        insert_text_format=t.InsertTextFormat.PlainText,
        insert_text_mode=t.InsertTextMode.AsIs,
        text_edit=t.TextEdit(document.range(placed.start - len(word), placed.end), text),
        data={"text": text, "language": document.language},
    )


def _label(word: str, text: str) -> str:
    """The first line that says something; it begins with `word` if it stands on the same line."""
    first, *more = text.splitlines()
    if first.strip():
        return (word + first).strip()[:LABEL_LENGTH]
    held = (line.strip() for line in more)
    return next((line for line in held if line), word)[:LABEL_LENGTH]


def _filter_text(text: str, label: str) -> str:
    """What stands on the cursor's line; where that is nothing, an editor filters by the label."""
    return text.splitlines()[0].rstrip() or label


def word_before(text: str, offset: int) -> str:
    """The word that ends at `offset`; none where it is too long to be one."""
    start = offset
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
        if offset - start > LONGEST_WORD:
            return ""
    return text[start:offset]


def fenced(text: str, language: str) -> str:
    """A Markdown code block that `text` cannot end early."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
