"""What is right goes in as it is, in a file that only the gap has broken: neither filter nor guard
may take it for a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.suggest.choose import best_by_hand, first_sound
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse

# Name: language, and the text with the right fill between marks.
CASES = {
    "closer, javascript": (
        "javascript",
        "class A {\n  start(e) {\n    if (!this.at) {\n      this.at = now();\n    «}»\n\n"
        "    this.draw(e);\n  }\n\n  stop() {\n    this.at = 0;\n  }\n}\n",
    ),
    "closer, java": (
        "java",
        "class A {\n    String get(String key) {\n        String value = map.get(key);\n"
        "        if (value != null) {\n            return value;\n        «}»\n"
        "        return fallback;\n    }\n\n    int size() {\n        return 0;\n    }\n}\n",
    ),
    "closer, rust": (
        "rust",
        "impl Set {\n    pub fn set(&mut self, byte: u8) {\n        self.0[byte as usize] = 1;\n"
        "    «}»\n\n    /// The class of `byte`.\n    pub fn get(&self, byte: u8) -> u8 {\n"
        "        self.0[byte as usize]\n    }\n}\n",
    ),
    "opener of a call, rust": (
        "rust",
        "fn show(buf: &mut String, kind: Kind) {\n    match kind {\n"
        "        Kind::Find { got } => {\n"
        '            «write!(»\n                buf,\n                "expected {:?}",\n'
        "                got\n            )\n        }\n        _ => {}\n    }\n}\n",
    ),
    "opener of an import, typescript": (
        "typescript",
        "import type { Api } from './api'\n«import type {»\n  Definition,\n  Options,\n"
        "} from './types'\n\nexport const made = 1\n",
    ),
    "opener of a signature, python": (
        "python",
        "import os\n\n\n«def render(»\n    scope: str,\n    *,\n    title: str | None = None,\n"
        ") -> str:\n    return os.path.join(scope, title or '')\n",
    ),
    "opener of a function, lua": (
        "lua",
        "local function each(list)\n  if list then\n    local at = 0\n    «return function()»\n"
        "      at = at + 1\n      return list[at]\n    end\n  end\nend\n",
    ),
    "head of a function in a file broken elsewhere, c": (
        "c",
        "«int encode(const char *text,»\n           int length) {\n"
        "    return text[length];\n}\n\nint odd = = 3;\n",
    ),
    "middle of a table, c": (
        "c",
        "static const int table[] = {\n  Start | Letter | Inside,             // 181\n"
        "  «Start | Letter | Inside,             // 182»\n"
        "  Start | Letter | Inside,             // 183\n};\n",
    ),
    "middle of a series, javascript": (
        "javascript",
        "function is(info) {\n  return (\n    info[0].isNumber(first) &&\n"
        "    «info[1].isNumber(first) &&»\n    info[2].isNumber(first) &&\n"
        "    info[3].isNumber(first)\n  );\n}\n",
    ),
}


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("name", CASES)
async def test_the_right_fill_goes_in_as_it_is(name: str, by_hand: bool) -> None:
    language, marked = CASES[name]
    before, _, rest = marked.partition("«")
    right, _, after = rest.partition("»")
    document = Document("file:///a", 0, language, before + after)
    gap = replace(cut(document, len(before), tree=parse(document)), shape=Shape.LINE)
    parsing = Parsing()
    try:
        if by_hand:
            found = await best_by_hand([(right, 0.9)], gap, parsing)
        else:
            # Nothing of one character is shown to who has not asked.
            found = await first_sound(
                [(right, 0.9)], gap, parsing, 1, lambda _: True,
                automatic=len(right) > 1, may_overwrite=True,
            )  # fmt: skip
    finally:
        parsing.close()
    assert [(each.what.text, each.breaks) for each in found] == [(right, False)]
