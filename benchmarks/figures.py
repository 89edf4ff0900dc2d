"""Figures in the documentation, from the results that they are of.

    python -m benchmarks.figures            name what differs; exit status 1 if anything does
    python -m benchmarks.figures --write    write it

A number stands between two comments, which no reader of the page sees:

    <!-- number fill cases.typing.p50 {:.0f} ms -->132 ms<!-- /number -->

The first word is the result: `fill` is benchmarks/results/fill.json, and `card` what the embedded
model's card is written from (engine/embedded/evaluation.json), `training` training.json beside it.
The second says where in it: keys with dots between them (`_` for a space in one), of a list the
element with some values (`held-out.report[method=checked,part=lines].exact.mean`) or its index, and
`@count` for how many there are. Two of them, or one and a number, with a `/`, `-` or `+` between
are a quotient, a difference or a sum. What follows is how it is written, as `str.format` takes it.

A whole table stands between `<!-- table NAME -->` and `<!-- /table -->`: benchmarks/tables.py.
"""

from __future__ import annotations

import argparse
import json
import operator
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.tables import TABLES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
EMBEDDED = ROOT / "engine" / "embedded"
OTHER_SOURCES = {"card": EMBEDDED / "evaluation.json", "training": EMBEDDED / "training.json"}
PAGES = ("README.md", "docs/*.md", "editors/*.md", "editors/*/README.md")
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "/": operator.truediv, "-": operator.sub, "+": operator.add
}  # fmt: skip

MARKED = re.compile(
    r"(?P<open><!-- number (?P<source>[\w-]+) (?P<place>\S+(?: [/+-] \S+)?) (?P<format>[^>]*?) -->)"
    r"(?P<text>.*?)(?P<close><!-- /number -->)",
    re.DOTALL,
)
TABLE = re.compile(
    r"(?P<open><!-- table (?P<name>[\w-]+) -->)(?P<text>.*?)(?P<close><!-- /table -->)", re.DOTALL
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
STEP = re.compile(r"(?:^|\.)([\w@-]+)|\[([^\]]+)\]")


class NoSuchNumber(ValueError):
    """A mark names a result or a place in one that is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A number of a page that is not what its result says."""

    page: Path
    line: int
    mark: str
    found: str
    expected: str

    def __str__(self) -> str:
        at = f"{self.page.relative_to(ROOT)}:{self.line}"
        return f"{at}: {self.found!r} should be {self.expected!r} ({self.mark})"


def pages() -> list[Path]:
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def differences(page: Path) -> Iterator[Difference]:
    """Raises NoSuchNumber."""
    text = page.read_text(encoding="utf-8")
    for found in MARKED.finditer(text):
        expected = value_of(found["source"], found["place"], found["format"])
        if found["text"] != expected:
            line = text.count("\n", 0, found.start()) + 1
            mark = f"{found['source']} {found['place']}"
            yield Difference(page, line, mark, found["text"], expected)
    for found in TABLE.finditer(text):
        if found["text"] != table_of(found["name"]):
            line = text.count("\n", 0, found.start()) + 1
            yield Difference(page, line, f"table {found['name']}", "a table", "as its results are")


def written(text: str) -> str:
    """The text of a page with every number and table as its result has it. Raises NoSuchNumber."""
    text = MARKED.sub(
        lambda m: m["open"] + value_of(m["source"], m["place"], m["format"]) + m["close"], text
    )
    return TABLE.sub(lambda m: m["open"] + table_of(m["name"]) + m["close"], text)


def table_of(name: str) -> str:
    """The rows of a table, between line breaks. Raises NoSuchNumber."""
    try:
        return f"\n{TABLES[name]()}\n"
    except (KeyError, StopIteration, OSError) as error:
        raise NoSuchNumber(f"there is no table {name}, or no result for it: {error!r}") from error


def value_of(source: str, place: str, format: str) -> str:
    """What stands at `place` in the result `source`, written by `format`. Raises NoSuchNumber."""
    result = read_result(source)
    first, *rest = place.split(" ")
    value = look_up(result, first, source)
    if rest:
        other = float(rest[1]) if NUMBER.fullmatch(rest[1]) else look_up(result, rest[1], source)
        value = OPERATORS[rest[0]](value, other)
    return format.format(value)


@cache
def read_result(source: str) -> Any:
    path = OTHER_SOURCES.get(source, RESULTS / f"{source}.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NoSuchNumber(f"there is no result {source}: {error}") from error


def look_up(result: Any, place: str, source: str) -> Any:
    """The value at `place` in a JSON document. Raises NoSuchNumber."""
    if "".join(step[0] for step in STEP.finditer(place)) != place:
        raise NoSuchNumber(f"{source}: {place} is no place: keys with dots, [name=value] of lists")
    value = result
    for step in STEP.finditer(place):
        key, wanted = step.groups()
        try:
            value = _element(value, wanted) if wanted is not None else _member(value, key)
        except (LookupError, TypeError, ValueError, StopIteration):
            raise NoSuchNumber(f"{source} has no {step[0]} of {place}") from None
    return value


def _member(value: Any, key: str) -> Any:
    if key == "@count":
        return len(value)
    if isinstance(value, list):
        return value[int(key)]
    return value[key] if key in value else value[key.replace("_", " ")]


def _element(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    pairs = [pair.partition("=")[::2] for pair in wanted.split(",")]
    return next(
        row for row in rows
        if all(str(row[name]) == value.replace("_", " ") for name, value in pairs)
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write what differs")
    write = parser.parse_args(arguments).write
    try:
        found = [each for page in pages() for each in differences(page)]
        if write:
            for page in {each.page for each in found}:
                page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
    except NoSuchNumber as error:
        print(error, file=sys.stderr)
        return 1
    for each in found:
        print(each if not write else f"{each.mark}: {each.found!r} is now {each.expected!r}")
    return 1 if found and not write else 0


if __name__ == "__main__":
    sys.exit(main())
