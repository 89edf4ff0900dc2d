"""workspace/didChangeConfiguration: pushed settings, or pulled where the client keeps them."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as t

from lsp_server.session import Session

SECTION = "infill"


async def changed(session: Session, params: t.DidChangeConfigurationParams) -> None:
    settings = params.settings
    if isinstance(settings, dict) and SECTION in settings:
        session.configure(settings[SECTION])
    elif session.support.configuration:
        items = [t.ConfigurationItem(section=SECTION)]
        answer = await session.server.workspace_configuration_async(t.ConfigurationParams(items))
        session.configure(answer[0] if answer else None)


def section(options: Any) -> Any:
    """Our part of initializationOptions, which may name the section or be it."""
    if isinstance(options, dict) and SECTION in options:
        return options[SECTION]
    return options
