"""The first words between a host and its clients, from the host's side: who may come in, and who
it is."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from dataclasses import dataclass
from typing import Any

from engine import __version__
from engine.api import EngineError
from engine.client import wire
from engine.client.channel import is_proof, peer, prove
from engine.host.client import Client

log = logging.getLogger("engine.host")


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client has reported of itself; `window` is None for a visitor."""

    id: Any
    window: str | None
    habits: Any


async def is_same_user(client: Client, reader: asyncio.StreamReader, secret: bytes | None) -> bool:
    """The host's side of `dial`: who may come in at all."""
    if secret is None:
        uid, _ = peer(client.socket)
        if uid is None or uid == os.geteuid():
            return True
        log.error("a process of user %d was turned away", uid)
        return False
    try:
        asked = wire.decode_line(await reader.readline())
        mine, theirs = secrets.token_hex(16), str(asked["params"]["nonce"])
        client.answer(asked.get("id"), {"proof": prove(secret, "host", theirs), "nonce": mine})
        answer = wire.decode_line(await reader.readline())["params"]["proof"]
    except (ValueError, KeyError, TypeError):
        return False
    return is_proof(secret, "client", mine, answer)


async def hear_hello(client: Client, reader: asyncio.StreamReader) -> Hello | None:
    """The host's side of `say_hello`. None when no hello came that we understand; whoever sent
    something else has been told."""
    line = await reader.readline()
    if not line:
        return None
    try:
        message = wire.decode_line(line)
        params = message["params"]
        theirs, role = params["protocol"], params["role"]
    except (ValueError, KeyError, TypeError) as error:
        log.error("a client did not say hello, and is dropped: %s", error)
        client.refuse(None, wire.PARSE_ERROR, error)
        return None
    if message.get("method") != "hello" or theirs != wire.PROTOCOL:
        other = EngineError(
            f"the engine that runs (process {os.getpid()}) is of infill-ls {__version__} and"
            f" does not understand this one ({params.get('version')}): run `infill-ls engine stop`"
        )
        client.answer(message.get("id"), other)
        return None
    window = str(params.get("window") or id(client)) if role == "window" else None
    return Hello(message.get("id"), window, params.get("habits"))
