"""What placeholders and comments look like: `...`, `???`, `TODO`, and each language's own."""

from __future__ import annotations

import re
from functools import cache

from lsp_server.syntax.place import line_comment

_SAYS = r"(?i:not[ _-]?(?:yet[ _-])?implemented|unimplemented|to ?do|implement)"
_QUOTED = "(?:" + "|".join(rf"{q}[^\r\n{q}]*?{_SAYS}[^\r\n{q}]*{q}" for q in "\"'`") + ")"
# What each language has of its own, as one whole statement or expression.
_JAVASCRIPT = rf"throw\s+(?:new\s+)?Error\s*\(\s*{_QUOTED}\s*\)"
_BASH = r"(?<![^\s;]):(?=[ \t]*(?:$|[;#\r\n]))"
_C = rf"assert\s*\(\s*(?:0|false)\s*&&\s*{_QUOTED}\s*\)"
OWN: dict[str, str] = {
    "python": r"raise\s+NotImplementedError\b(?:\s*\([^\r\n]{0,300}\))?",
    "javascript": _JAVASCRIPT,
    "javascriptreact": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "typescriptreact": _JAVASCRIPT,
    "go": rf"panic\(\s*{_QUOTED}\s*\)",
    "rust": rf"(?:todo|unimplemented)!\s*\([^\r\n]{{0,300}}?\)|panic!\s*\(\s*{_QUOTED}\s*\)",
    "c": _C,
    "cpp": rf"{_C}|throw\s+(?:\w+::)*\w+\s*[({{]\s*{_QUOTED}\s*[)}}]",
    "java": (
        r"throw\s+new\s+(?:\w+\.)*UnsupportedOperationException\s*\([^\r\n]{0,300}?\)"
        rf"|throw\s+new\s+(?:\w+\.)*\w+\s*\(\s*{_QUOTED}\s*\)"
    ),
    "lua": rf"error\s*\(\s*{_QUOTED}\s*\)",
    "ruby": rf"raise\s+NotImplementedError\b[^\r\n#]*?(?=\s*(?:$|#|;|end\b))|raise\s+{_QUOTED}",
}
# What OWN and NOTHING begin with.
_FIRST = {
    "python": "rp",
    **dict.fromkeys(("javascript", "javascriptreact", "typescript", "typescriptreact"), "t"),
    "go": "p",
    "rust": "tup",
    "c": "a",
    "cpp": "at",
    "java": "t",
    "lua": "e",
    "ruby": "r",
    **dict.fromkeys(("shellscript", "bash", "sh"), ":"),
}
# Says nothing elsewhere, but where it is all of a body there is no body.
NOTHING = {"python": r"pass\b", "shellscript": _BASH, "bash": _BASH, "sh": _BASH}
_ANYWHERE = r"(?<![.\w])\.\.\.(?![.\w])|(?<!\?)\?\?\?(?!\?)|(?<![\w.])TODO\b(?:\(\))?(?![\w.])"

_BLOCK = {
    "lua": (r"--\[\[", r"\]\]"),
    **dict.fromkeys(("python", "ruby", "shellscript", "bash", "sh"), ("", "")),
}
TODO = re.compile(r"\b(?:TODO|FIXME)\b(?:\([^)\r\n]*\))?[ \t]*[:\-]?[ \t]*([^\r\n]*)")


@cache
def in_body(language: str) -> re.Pattern[str]:
    """Groups: `comment`, or `open` for one that nothing closes, and `placeholder`."""
    own = [OWN.get(language), NOTHING.get(language), r"\.\.\.", r"\?\?\?", r"TODO\b(?:\(\))?"]
    return _pattern(language, "|".join(f"(?:{each})" for each in own if each))


@cache
def in_code(language: str) -> re.Pattern[str]:
    """Groups as those of `in_body`."""
    own = [OWN.get(language), _ANYWHERE]
    return _pattern(language, "|".join(f"(?:{each})" for each in own if each))


def _pattern(language: str, placeholder: str) -> re.Pattern[str]:
    line = re.escape(line_comment(language)) + r"[^\r\n]*"
    begin, end = _BLOCK.get(language, (r"/\*", r"\*/"))
    # What is not closed is a comment to the end, and nothing is looked for in it again.
    block = rf"{begin}[\s\S]*?{end}|(?P<open>{begin}[\s\S]*)|" if begin else "(?P<open>(?!))|"
    # What none of them can begin with is passed over by the first look, in a quarter of the time.
    first = re.escape(line_comment(language)[0] + "/.?T" + _FIRST.get(language, ""))
    return re.compile(f"(?=[{first}])(?:(?P<comment>{block}{line})|(?P<placeholder>{placeholder}))")
