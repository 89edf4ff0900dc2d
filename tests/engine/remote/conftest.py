"""A local server, and nowhere a key for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from engine.remote.key import forget_key
from tests.engine.remote.team import Team


class Errors(ModuleType):
    """As `keyring.errors` has them."""

    class KeyringError(Exception):
        pass

    class NoKeyringError(KeyringError, RuntimeError):
        pass

    class KeyringLocked(KeyringError):
        pass


class Keyring(ModuleType):
    """As `keyring` answers: with a key, with None, or with an error. `asked` is what it was for."""

    def __init__(self, answer: str | Exception | None) -> None:
        super().__init__("keyring")
        self.__spec__ = ModuleSpec("keyring", None)
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, user: str) -> str | None:
        self.asked.append((service, user))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keyring]:
    def install(answer: str | Exception | None) -> Keyring:
        ring = Keyring(answer)
        monkeypatch.setitem(sys.modules, "keyring", ring)
        monkeypatch.setitem(sys.modules, "keyring.errors", Errors("keyring.errors"))
        return ring

    forget_key()
    install(None)
    return install


@pytest.fixture
def team(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keyring: Callable[..., Keyring]
) -> Iterator[Team]:
    """A server, and nowhere a key for it: not even in the keyring of whoever runs this."""
    monkeypatch.delenv("INFILL_API_KEY", raising=False)
    monkeypatch.setenv("INFILL_API_KEY_FILE", str(tmp_path / "api-key"))
    team = Team()
    thread = threading.Thread(target=team.serve_forever, args=(0.02,))
    thread.start()
    yield team
    team.shutdown()
    thread.join()
    team.server_close()
