"""The key that a server asks for: where it is kept, and that nobody else reads it.

Looked for in this order, and never logged:

    INFILL_API_KEY      in the environment of whoever starts the engine
    a file              that is the user's alone: INFILL_API_KEY_FILE, or
                        ~/.config/infill-ls/api-key
    the system's keyring, service "infill-ls", user "machine:port", where the package `keyring` is
                        installed
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any

from engine.api import EngineError
from engine.packages import how_to_add

log = logging.getLogger("engine.remote")

SERVICE = "infill-ls"


def find_key(server: str) -> str | None:
    """The key for `server` ("machine:port"). Raises EngineError for one that must not be used, or
    that cannot be read where it is."""
    return _from_environment() or _from_file(key_file()) or _from_keyring(server)


def forget_key() -> None:
    """It was refused: look again next time."""
    _from_keyring.cache_clear()


def how_to_give_one(server: str) -> str:
    """What to do about a server that refuses us, in words."""
    if importlib.util.find_spec("keyring") is None:
        keyring = f"; the system's keyring is used too after `{how_to_add('keyring')}`"
    else:
        keyring = f", or run `keyring set {SERVICE} {server}`"
    return (
        f"put the key into {key_file()} (for you alone: mode 600){keyring}; INFILL_API_KEY counts"
        " from the next start of the engine on (`infill-ls engine stop`)"
    )


def key_file() -> Path:
    if given := os.environ.get("INFILL_API_KEY_FILE"):
        return Path(given)
    configuration = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(configuration) / "infill-ls" / "api-key"


def _from_environment() -> str | None:
    return _checked(os.environ.get("INFILL_API_KEY", ""), "INFILL_API_KEY")


def _from_file(path: Path) -> str | None:
    try:
        found = path.stat()
        if os.name == "posix" and (stat.S_IMODE(found.st_mode) & 0o077):
            raise EngineError(f"others can read the key in {path}: run `chmod 600 {path}`")
        return _checked(path.read_text(), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"the key in {path} cannot be read: {error}") from error


@cache  # a keyring may ask its user to unlock it: once is enough
def _from_keyring(server: str) -> str | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring: Any = importlib.import_module("keyring")
    errors: Any = importlib.import_module("keyring.errors")
    try:
        found = keyring.get_password(SERVICE, server)
    except errors.NoKeyringError:
        log.info("this system has no keyring to look for a key in")
        return None
    except errors.KeyringError as error:
        raise EngineError(
            f"the system's keyring does not give the key for {server}"
            f" ({type(error).__name__}): unlock it, or put the key into {key_file()}"
        ) from error
    return _checked(found or "", "the system's keyring")


def _checked(key: str, where: str) -> str | None:
    """Without the spaces around it; a header can hold nothing but ASCII."""
    key = key.strip()
    if not key.isascii() or not key.isprintable():
        raise EngineError(f"{where} holds no key")
    return key or None
