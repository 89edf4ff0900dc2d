"""How a command fails: one line that names the cause and the fix, and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.api import EngineError

USAGE = 2  # the command line, or a file it names, is not usable as given
FAILED = 1  # the command was right and still could not be done


class CommandError(Exception):
    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def engine_fault(error: EngineError) -> CommandError:
    """What the user asked for (a model, a length) is theirs to fix; the rest is a failure."""
    from engine.api import BadRequest, ModelMissing  # not for a server that starts

    asked_wrongly = isinstance(error, (BadRequest, ModelMissing))
    return CommandError(_brief(str(error)), USAGE if asked_wrongly else FAILED)


def one_line(message: str) -> str:
    """A path or an engine's message may hold anything; a terminal must not obey it."""
    return visible(" ".join(message.split()))


def visible(text: str) -> str:
    """`text` with control characters (but newline and tab) as pictures, so they do nothing."""
    return text.translate(_PICTURES)


_PICTURES = {
    code: 0x2400 + code if code < 0x20 else 0x2421 if code == 0x7F else 0xFFFD
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\n\t"
}


def _brief(message: str) -> str:
    """The first line, and of the last words that follow it the last: where a traceback speaks."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if len(lines) < 2:
        return "".join(lines) or "the engine failed and gave no reason"
    return f"{lines[0]} ({lines[-1]})"
