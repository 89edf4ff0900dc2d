"""Asking other programs: how a check runs one, and what it gets when that goes wrong."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

from lsp_server import child

# What of the engine is asked, and for how many seconds at most. Raises NoAnswer.
AskEngine = Callable[[float, str], dict[str, Any]]


class NoAnswer(Exception):
    """The program could not be run, failed, or took too long; the text is its last word."""


def ask(command: list[str], seconds: float, env: dict[str, str] | None = None) -> str:
    """What `command` prints. Raises NoAnswer; after `seconds` the program is ended."""
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=env,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from None
    if run.returncode != 0:
        output = [line.strip() for line in (run.stderr + run.stdout).splitlines() if line.strip()]
        raise NoAnswer(output[-1] if output else f"it ended with status {run.returncode}")
    return run.stdout


class Diagnosis:
    """`engine.measure.diagnosis` in one process, which imports torch once for all that it is asked.

    `ask` may be called on several threads, and waits for the one answer. Where the process dies,
    answers that it gave before are kept.
    """

    def __init__(self, looks: Sequence[str], model: str, device: str | None) -> None:
        chosen = ["--model", model, *(["--device", device] if device else [])]
        self._answers: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._last_words: str | None = None  # once it has ended
        self._command = child.command("engine.measure.diagnosis", *looks, *chosen)
        threading.Thread(target=self._read, name="diagnosis", daemon=True).start()

    def ask(self, seconds: float, look: str) -> dict[str, Any]:
        """Raises NoAnswer."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: look in self._answers or self._last_words is not None, seconds
            )
            if look in self._answers:
                return self._answers[look]
            raise NoAnswer(
                self._last_words or "it says nothing"
                if there
                else f"no answer within {seconds:g} s"
            )

    def _read(self) -> None:
        last_words = ""
        try:
            with subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=child.environment(),
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    last_words = self._take(line) or last_words
        except OSError as error:
            last_words = error.strerror or str(error)
        with self._changed:
            self._last_words = last_words or "it ended without an answer"
            self._changed.notify_all()

    def _take(self, line: str) -> str:
        """Keeps an answer; what is none is returned."""
        try:
            answer = json.loads(line)
            look, found = answer["look"], dict(answer["found"])
        except (ValueError, TypeError, KeyError):
            return line.strip()
        with self._changed:
            self._answers[look] = found
            self._changed.notify_all()
        return ""


def ask_module(seconds: float, module: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a module of the engine prints, in a process of its own."""
    output = ask(child.command(module, *arguments), seconds, child.environment())
    try:
        report = json.loads(output)
    except ValueError:
        raise NoAnswer("it answered nonsense") from None
    return dict(report)
