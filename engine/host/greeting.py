"""The first words between a client and a host, and a visit that is no more than one question."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from dataclasses import dataclass
from typing import Any

from engine import __version__, wire
from engine.api import EngineError
from engine.host.address import Address
from engine.host.channel import Channel, NoHost, dial, is_proof, peer, prove
from engine.host.client import Client

log = logging.getLogger("engine.host")

VISIT_PATIENCE = 3.0


def say_hello(channel: Channel, role: str, **more: Any) -> wire.Message:
    """Introduce oneself; who serves. Raises ValueError when what answers is no host, EngineError
    when it is one of another version, NoHost and TimeoutError."""
    me = {"protocol": wire.PROTOCOL, "version": __version__, "role": role, **more}
    try:
        channel.send({"id": 0, "method": "hello", "params": me})
        host = result_of(channel.hear())
    except TimeoutError:
        raise
    except OSError as error:
        raise NoHost(str(error)) from error
    if not isinstance(host.get("pid"), int):
        raise ValueError("it does not say who it is")
    if host.get("protocol") != wire.PROTOCOL:
        raise EngineError(
            f"the engine that runs (process {host['pid']}) is of infill-ls {host.get('version')},"
            f" this is {__version__}: run `infill-ls engine stop`"
        )
    return host


def visit(address: Address, method: str, patience: float = VISIT_PATIENCE) -> wire.Message:
    """Ask a host one thing; raises as `say_hello` does."""
    channel = dial(address, patience)
    try:
        say_hello(channel, "visitor")
        channel.send({"id": 1, "method": method})
        return result_of(channel.hear())
    except TimeoutError:
        raise
    except OSError as error:
        raise NoHost(str(error)) from error
    finally:
        channel.close()


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client has said of itself; `window` is None for a visitor."""

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


def result_of(message: wire.Message) -> wire.Message:
    error = message.get("error")
    if isinstance(error, dict) and isinstance(error.get("data"), dict):
        raise wire.error_from_json(error)
    result = message.get("result")
    if not isinstance(result, dict):
        raise ValueError("it gives no answer that an engine gives")
    return result
