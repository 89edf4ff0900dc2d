"""How families of code models were taught to see a gap: their own tokens, in their own order.

Read in each model's card and paper, and in the templates that llama.cpp and Ollama carry for them.
Other files come before, where a family has a form for them (repository tokens), else as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.api import FillRequest, ModelMissing, Snippet
from engine.remote.window import name_of


@dataclass(frozen=True, slots=True)
class Family:
    """`template` has a {prefix} and a {suffix}. A prompt with other files is `opening`, a `snippet`
    ({name}, {text}) for each, `file` ({name}), then the template; with `inside`, all of that stands
    in the template before the prefix. `hint` is found in the names of such models; `ends` are the
    tokens that end a fill, beside the template's own."""

    name: str
    hint: str
    template: str
    ends: tuple[str, ...] = ()
    opening: str = ""
    snippet: str = "{text}\n\n"
    file: str = ""
    inside: bool = False

    @property
    def marks(self) -> list[str]:
        return [mark for mark in re.split(r"\{\w+\}|\s+", self.template) if mark]

    @property
    def tokens(self) -> list[str]:
        """The marks, and the tokens around other files: what tells one family from another."""
        return [*self.marks, *re.findall(r"<[^<>{}\s]+>", self.opening + self.snippet + self.file)]

    @property
    def stops(self) -> list[str]:
        return [*self.marks, *self.ends]

    def prompt(self, request: FillRequest) -> str:
        """Of a request with one hole."""
        prefix, suffix = map(self._as_text, request.texts)
        before = self._before(request.context, name_of(request.path))
        if self.inside:
            return self.template.format(prefix=before + prefix, suffix=suffix)
        return before + self.template.format(prefix=prefix, suffix=suffix)

    def _as_text(self, text: str) -> str:
        """A server reads the names of special tokens in a prompt as those tokens; in the user's own
        text, such as a program that works with such models, they get a space."""
        special = re.compile("|".join(map(re.escape, {*self.tokens, *self.ends})))
        return special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _before(self, snippets: Sequence[Snippet], name: str) -> str:
        if not snippets:
            return ""
        shown = (
            self.snippet.format(
                name=name_of(each.path) or "snippet",
                text=self._as_text(each.text.strip("\n")),
            )
            for each in snippets
        )
        return self.opening + "".join(shown) + self.file.format(name=name or "file")


FAMILIES = (
    Family(
        "qwen",
        r"qwen.*coder|codeqwen",
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ends=("<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_end|>"),
        opening="<|repo_name|>workspace\n",
        snippet="<|file_sep|>{name}\n{text}\n",
        file="<|file_sep|>{name}\n",
    ),
    Family(
        "codegemma",
        r"codegemma",
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ends=("<|file_separator|>", "<eos>"),
        snippet="{text}\n<|file_separator|>",
    ),
    Family(
        "starcoder2",
        r"starcoder-?2",
        "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
        ends=("<|endoftext|>", "<file_sep>"),
        opening="<repo_name>workspace",
        snippet="<file_sep>{name}\n{text}",
        file="<file_sep>",
    ),
    Family(
        "starcoder",
        r"starcoder|stable-?code|granite|refact|santacoder",
        "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
        ends=("<|endoftext|>", "<fim_pad>", "<filename>"),
    ),
    Family(
        "granite4",
        r"granite-?4",
        "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>",
        ends=("<|end_of_text|>", "<|fim_pad|>"),
    ),
    Family(
        "deepseek",
        r"deepseek.*coder",
        "<｜fim▁begin｜>{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>",
        ends=("<｜end▁of▁sentence｜>",),
        snippet="#{name}\n{text}\n",
        file="#{name}\n",
        inside=True,
    ),
    Family(
        "codellama",
        r"code-?llama",
        "<PRE> {prefix} <SUF>{suffix} <MID>",
        ends=("<EOT>",),
        inside=True,
    ),
    Family(
        "codestral",
        r"codestral|devstral",
        "[SUFFIX]{suffix}[PREFIX]{prefix}",
        ends=("</s>",),
        snippet="+++++ {name}\n{text}\n",
        file="+++++ {name}\n",
        inside=True,
    ),
)


def likely(name: str) -> list[Family]:
    """Every family, those first whose models have such names. A name proves nothing."""
    return sorted(FAMILIES, key=lambda each: re.search(each.hint, name.lower()) is None)


def family_named(name: str) -> Family:
    """A family by its name, or one's own as `PREFIX,SUFFIX,MIDDLE`. Raises ModelMissing."""
    for family in FAMILIES:
        if family.name == name:
            return family
    marks = name.split(",")
    if len(marks) == 3 and all(marks) and not any(each in name for each in "{}"):
        before, after, middle = marks
        return Family("your own", "", f"{before}{{prefix}}{after}{{suffix}}{middle}")
    raise ModelMissing(
        f"no way to fill is called {name}: give canvas, infill, generate, mistral, chat,"
        f" {', '.join(family.name for family in FAMILIES)}, or your tokens as PREFIX,SUFFIX,MIDDLE"
    )
