"""What placeholders and comments look like: `...`, `???`, `TODO`, and each language's own."""

from __future__ import annotations

import re
from functools import cache

_SAYS = r"(?i:not[ _-]?(?:yet[ _-])?implemented|unimplemented|to ?do|implement)"
_QUOTED = "(?:" + "|".join(rf"{q}[^\r\n{q}]*?{_SAYS}[^\r\n{q}]*{q}" for q in "\"'`") + ")"
# What each language has of its own, as one whole statement or expression.
_JAVASCRIPT = rf"throw\s+(?:new\s+)?Error\s*\(\s*{_QUOTED}\s*\)"
_BASH = r"(?<![^\s;]):(?=[ \t]*(?:$|[;#\r\n]))"
_C = rf"assert\s*\(\s*(?:0|false)\s*&&\s*{_QUOTED}\s*\)"
OWN: dict[str, str] = {
    "python": r"raise\s+NotImplementedError\b(?:\s*\([^\r\n]*\))?",
    "javascript": _JAVASCRIPT,
    "javascriptreact": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "typescriptreact": _JAVASCRIPT,
    "go": rf"panic\(\s*{_QUOTED}\s*\)",
    "rust": rf"(?:todo|unimplemented)!\s*\([^\r\n]*?\)|panic!\s*\(\s*{_QUOTED}\s*\)",
    "c": _C,
    "cpp": rf"{_C}|throw\s+(?:\w+::)*\w+\s*[({{]\s*{_QUOTED}\s*[)}}]",
    "java": (
        r"throw\s+new\s+(?:\w+\.)*UnsupportedOperationException\s*\([^\r\n]*?\)"
        rf"|throw\s+new\s+(?:\w+\.)*\w+\s*\(\s*{_QUOTED}\s*\)"
    ),
    "lua": rf"error\s*\(\s*{_QUOTED}\s*\)",
    "ruby": rf"raise\s+NotImplementedError\b[^\r\n#]*?(?=\s*(?:$|#|;|end\b))|raise\s+{_QUOTED}",
}
# Says nothing elsewhere, but where it is all of a body there is no body.
NOTHING = {"python": r"pass\b", "shellscript": _BASH, "bash": _BASH, "sh": _BASH}
_ANYWHERE = r"(?<![.\w])\.\.\.(?![.\w])|(?<!\?)\?\?\?(?!\?)|(?<![\w.])TODO\b(?:\(\))?(?![\w.])"

_LINE = {"python": "#", "ruby": "#", "lua": "--", "shellscript": "#", "bash": "#", "sh": "#"}
_BLOCK = {"lua": r"--\[\[[\s\S]*?\]\]", "ruby": None, "python": None}
TODO = re.compile(r"\b(?:TODO|FIXME)\b(?:\([^)\r\n]*\))?[ \t]*[:\-]?[ \t]*([^\r\n]*)")


def line_comment(language: str) -> str:
    return _LINE.get(language, "//")


@cache
def in_body(language: str) -> re.Pattern[str]:
    own = [OWN.get(language), NOTHING.get(language), r"\.\.\.", r"\?\?\?", r"TODO\b(?:\(\))?"]
    return _pattern(language, "|".join(f"(?:{each})" for each in own if each))


@cache
def in_code(language: str) -> re.Pattern[str]:
    own = [OWN.get(language), _ANYWHERE]
    return _pattern(language, "|".join(f"(?:{each})" for each in own if each))


def _pattern(language: str, placeholder: str) -> re.Pattern[str]:
    line = re.escape(line_comment(language)) + r"[^\r\n]*"
    block = _BLOCK.get(language, r"/\*[\s\S]*?\*/")
    comment = f"{block}|{line}" if block else line
    return re.compile(f"(?P<comment>{comment})|(?P<placeholder>{placeholder})")
