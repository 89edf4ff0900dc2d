"""The key that a server asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.api import EngineError
from engine.remote import key, load_remote
from engine.remote.key import forget_key
from tests.engine.remote.conftest import Errors, Keyring
from tests.engine.remote.team import LINE, Team, status, stream


@pytest.mark.parametrize(
    ("environment", "file", "sent"),
    [
        (None, None, None),
        ("from-env", None, "Bearer from-env"),
        (None, "from-file\n", "Bearer from-file"),
        ("from-env", "from-file", "Bearer from-env"),
        (" ", "", None),
        ("\t from-env \n", None, "Bearer from-env"),
    ],
)
def test_the_key(
    team: Team,
    environment: str | None,
    file: str | None,
    sent: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    if environment is not None:
        monkeypatch.setenv("INFILL_API_KEY", environment)
    if file is not None:
        (tmp_path / "api-key").write_text(file)
        (tmp_path / "api-key").chmod(0o600)
    team.chat(status(401))
    with pytest.raises(EngineError) as caught:
        load_remote(team.address).fill(LINE)
    assert {headers.get("Authorization") for _, _, headers in team.asked} == {sent}
    for secret in ("from-env", "from-file"):
        assert secret not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("from-ring", "Bearer from-ring"),
        (" from-ring\n", "Bearer from-ring"),
        (None, None),
        ("", None),
        (Errors.NoKeyringError("none"), None),
    ],
    ids=repr,
)
def test_the_key_of_a_keyring(
    team: Team,
    keyring: Callable[..., Keyring],
    answer: str | Exception | None,
    sent: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    ring = keyring(answer)
    team.chat(stream("a + b"))
    engine = load_remote(team.address)
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a + b",)
    assert {headers.get("Authorization") for _, _, headers in team.asked} == {sent}
    assert ring.asked == [("infill-ls", team.address.removeprefix("http://"))]  # once
    assert "from-ring" not in caplog.text


def test_a_key_that_was_refused_is_looked_for_again(
    team: Team, keyring: Callable[..., Keyring]
) -> None:
    ring = keyring("old-key")
    team.chat(status(401), stream("a + b"))
    engine = load_remote(team.address)
    address = team.address.removeprefix("http://")
    with pytest.raises(EngineError, match=f"keyring set infill-ls {address}") as caught:
        engine.fill(LINE)
    assert "old-key" not in str(caught.value)
    ring.answer = "new-key"
    assert engine.fill(LINE).texts == ("a + b",)
    assert team.asked[-1][2]["Authorization"] == "Bearer new-key"


def test_a_keyring_that_stays_locked(team: Team, keyring: Callable[..., Keyring]) -> None:
    keyring(Errors.KeyringLocked("the old-key is locked"))
    with pytest.raises(EngineError, match=r"KeyringLocked.*unlock it") as caught:
        load_remote(team.address)
    assert "old-key" not in str(caught.value)
    assert team.asked == []


def test_without_a_keyring_its_fix_adds_the_package(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key.importlib.util, "find_spec", lambda _: None)
    forget_key()
    team.chat(status(401))
    with pytest.raises(EngineError, match=r"pip install .*keyring"):
        load_remote(team.address).fill(LINE)


def test_a_key_that_others_can_read_is_not_sent(team: Team, tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("key")
    (tmp_path / "api-key").chmod(0o644)
    with pytest.raises(EngineError, match="chmod 600"):
        load_remote(team.address)
    assert team.asked == []
