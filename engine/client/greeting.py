"""The first words of a client to a host, and a visit that is no more than one question."""

from __future__ import annotations

from typing import Any

from engine import __version__
from engine.api import EngineError
from engine.client import wire
from engine.client.address import Address
from engine.client.channel import Channel, NoHost, dial

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


def result_of(message: wire.Message) -> wire.Message:
    error = message.get("error")
    if isinstance(error, dict) and isinstance(error.get("data"), dict):
        raise wire.error_from_json(error)
    result = message.get("result")
    if not isinstance(result, dict):
        raise ValueError("it gives no answer that an engine gives")
    return result
