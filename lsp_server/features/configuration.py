"""workspace/didChangeConfiguration: pushed settings, or pulled where the client keeps them."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as t

from lsp_server.session import Session
from lsp_server.settings import SECTION

# In initializationOptions beside the settings: what the client can show, not what a user sets.
CLIENT_OPTIONS = ("drafts", "status")


async def changed(session: Session, params: t.DidChangeConfigurationParams) -> None:
    settings = params.settings
    if isinstance(settings, dict) and SECTION in settings:
        session.configure(settings[SECTION])
    elif session.support.configuration:
        items = [t.ConfigurationItem(section=SECTION)]
        answer = await session.server.workspace_configuration_async(t.ConfigurationParams(items))
        session.configure(answer[0] if answer else None)


def section(options: Any) -> Any:
    """The settings in initializationOptions, which may name the section or be it."""
    if not isinstance(options, dict):
        return options
    if SECTION in options:
        return options[SECTION]
    return {name: value for name, value in options.items() if name not in CLIENT_OPTIONS}
