"""Where the demo looks: drawn by a seed over files that nothing was trained on or fitted to.

They belong to packages that are installed because this one needs them, and that the manifest of the
corpus keeps for reports. They are read where they lie; nothing is copied or changed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path

from engine.api import Shape
from engine.evaluation.cutting import Text
from engine.evaluation.pauses import Pause, draw_pauses
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.document import Document
from lsp_server.gap import Gap, cut

PACKAGES = ("rich", "typer")
LINES = range(20, 1500)  # of a file; in less there is little to see, in more a parse takes long
# A function, up to the next line that is indented less; and what its lines assign or return.
_FUNCTION = re.compile(r"^( *)(?:async )?def \w+\(.*\n(?:\1 +.*\n|\s*\n)+", re.MULTILINE)
_VALUE = re.compile(r"^ +(?:\w+ = |return )(?P<value>[^\n=#'\"]{4,60})$", re.MULTILINE)
LONGEST = 900  # characters of a function that is shown whole


@dataclass(frozen=True, slots=True)
class Places:
    """`pauses` for the walk; a gap for the canvas and one for the fill by hand; a function with two
    holes, as the texts around them and what its author wrote there."""

    files: int
    pauses: list[Pause]
    live: Gap
    by_hand: Gap
    around: tuple[str, str, str]
    written: tuple[str, str]
    name: str


def draw_places(count: int, seed: int) -> Places:
    """Raises CommandError where the packages are not here."""
    texts = list(read_packages())
    *walk, live, by_hand = draw_pauses(texts, count + 2, seed)
    rng = random.Random(seed)
    around, written, name = _two_holes(texts, rng)
    return Places(len(texts), walk, _gap(live), _gap(by_hand), around, written, name)


def read_packages() -> Iterator[Text]:
    for package in PACKAGES:
        spec = util.find_spec(package)
        if spec is None or spec.origin is None:
            raise CommandError(f"{package} is not installed: run `make demo`", FAILED)
        folder = Path(spec.origin).parent
        version = metadata.version(package)
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
            if text.count("\n") in LINES:
                name = f"{package}-{version}/{path.relative_to(folder).as_posix()}"
                yield Text(name, text, "python")


def _gap(pause: Pause) -> Gap:
    """The rest of the line that the pause is in, its first line where it is on a new one."""
    wanted = pause.wanted.split("\n")[0]
    rest = pause.wanted.removeprefix(wanted)
    start = len(pause.prefix)
    name = pause.id.partition("#")[0]
    uri = f"file:///{name}"
    document = Document(uri, 0, pause.language, pause.prefix + wanted + rest + pause.suffix)
    return replace(cut(document, start, start + len(wanted)), shape=Shape.LINE)


def _two_holes(
    texts: Sequence[Text], rng: random.Random
) -> tuple[tuple[str, str, str], tuple[str, str], str]:
    for text in rng.sample(texts, len(texts)):
        functions = [
            (each, values)
            for each in _FUNCTION.finditer(text.text)
            if len(each.group()) <= LONGEST and len(values := list(_values(each.group()))) > 1
        ]
        if functions:
            function, values = rng.choice(functions)
            (a, b), (c, d) = sorted(rng.sample(values, 2))
            whole, start = text.text, function.start()
            holes = whole[start + a : start + b], whole[start + c : start + d]
            around = whole[: start + a], whole[start + b : start + c], whole[start + d :]
            return around, holes, text.name
    raise CommandError("no function with two values was found: choose another --seed", FAILED)


def _values(function: str) -> Iterator[tuple[int, int]]:
    """Where a value of one line stands, its brackets balanced."""
    for found in _VALUE.finditer(function):
        value = found.group("value")
        if all(value.count(opener) == value.count(closer) for opener, closer in ("()", "[]", "{}")):
            yield found.span("value")
