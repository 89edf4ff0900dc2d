"""Whether a fill breaks what it touches: a sound file as a whole, else the function around it.

The one judge of who asks by hand, for ghost text and for code actions alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lsp_server.document import Document
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.touched import statement, touched
from lsp_server.syntax.tree import SyntaxTree

# As plain as it gets: what these leave wrong is not a fill's fault.
PLAIN = ("", "x", "x;")


@dataclass(frozen=True, slots=True)
class Guard:
    """`part` is what is touched, as offsets from both ends of the document, and None where all of
    `tree` is sound; `fewest` are the errors it has by itself whatever stands in the holes.

    `around` judges the function where `part` is only a statement of it. What an error has made of
    the statement may end too early or too late, and a fill that mends the function proves it.
    """

    parsing: Parsing
    tree: SyntaxTree | None
    part: tuple[int, int] | None = None
    fewest: int = 0
    around: Guard | None = None

    @classmethod
    async def of(
        cls,
        parsing: Parsing,
        document: Document,
        tree: SyntaxTree | None,
        holes: Sequence[tuple[int, int]],
        filled: Callable[[str], str],
    ) -> Guard:
        """`holes` are ranges of `document`; `filled` is its text with something in each of them.
        Without a `tree` nothing is known, and nothing breaks."""
        if tree is None or not tree.errors():
            return cls(parsing, tree)
        first, last = holes[0][0], holes[-1][1]
        plain = [document.text, *(filled(text) for text in PLAIN)]
        of_function = touched(document, tree, first, last)
        guard = await cls._of_touched(parsing, tree, of_function, plain)
        if guard.fewest == 0:
            return guard
        # The function is broken in another place too: its statement may not be.
        of_statement = statement(tree, first, last)
        if of_statement is None:
            return guard
        nearer = await cls._of_touched(parsing, tree, of_statement, plain)
        return replace(nearer, around=guard) if nearer.fewest < guard.fewest else guard

    @classmethod
    async def _of_touched(
        cls, parsing: Parsing, tree: SyntaxTree, part: tuple[int, int], plain: Sequence[str]
    ) -> Guard:
        start, end = part
        guard = cls(parsing, tree, (start, len(plain[0]) - end))
        counts = [await guard._of_part(each) for each in plain]
        known = [count for count in counts if count is not None]
        return replace(guard, fewest=min(known, default=tree.errors()))

    async def judge(self, filled: str, errors: int | None = None) -> tuple[int, bool]:
        """The errors of the text `filled`, of the whole or of what is touched, and whether that is
        more than there would be with anything plain. `errors` are those of the whole, if known."""
        if self.tree is None:
            return 0, False
        if self.part is not None:
            count = await self._of_part(filled)
            if count is None or count <= self.fewest:
                return self.fewest if count is None else count, False
            if self.around is not None and await self.around._of_part(filled) == 0:
                return 0, False
            return count, True
        if errors is not None:
            return errors, errors > 0
        whole = replace(self.tree.document, text=filled, line_starts=())
        made = await self.parsing.variant(whole, self.tree)
        count = made.errors() if made is not None else 0
        return count, count > 0

    async def _of_part(self, text: str) -> int | None:
        assert self.part is not None
        assert self.tree is not None
        start, behind = self.part
        part = text[start : len(text) - behind]
        tree = await self.parsing.alone(replace(self.tree.document, text=part, line_starts=()))
        return tree.errors() if tree is not None else None
