"""What the editor can do, as far as we act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsprotocol import types as t

from lsp_server.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class ClientSupport:
    versioned_edits: bool = False
    progress: bool = False
    configuration: bool = False
    markdown: bool = False
    resolves_actions: bool = False
    applies_edits: bool = False
    drafts: bool = False
    status: bool = False
    ghost_text: bool = False
    watches_files: bool = False

    @classmethod
    def of(cls, capabilities: t.ClientCapabilities, options: Any = None) -> ClientSupport:
        """`options` are initializationOptions: `drafts` and `status` ask for notifications."""
        given = options if isinstance(options, dict) else {}
        workspace, window = capabilities.workspace, capabilities.window
        watched = workspace.did_change_watched_files if workspace else None
        edit = workspace.workspace_edit if workspace else None
        document = capabilities.text_document
        completion = document.completion if document else None
        item = completion.completion_item if completion else None
        action = document.code_action if document else None
        resolve = action.resolve_support if action and action.data_support else None
        return cls(
            versioned_edits=bool(edit and edit.document_changes),
            progress=bool(window and window.work_done_progress),
            configuration=bool(workspace and workspace.configuration),
            markdown=bool(item and t.MarkupKind.Markdown in (item.documentation_format or ())),
            resolves_actions=bool(resolve and "edit" in resolve.properties),
            applies_edits=bool(workspace and workspace.apply_edit),
            drafts=given.get("drafts") is True,
            status=given.get("status") is True,
            watches_files=bool(watched and watched.dynamic_registration),
            ghost_text=document is not None and document.inline_completion is not None,
        )


WATCHED = "infill.files", t.WORKSPACE_DID_CHANGE_WATCHED_FILES  # what is asked for: an id, a method


def watched_files() -> t.DidChangeWatchedFilesRegistrationOptions:
    """Those that an index may have: changes of others are not worth a message."""
    ends = sorted({end for language in LANGUAGES for end in language.extensions})
    pattern = f"**/*.{{{','.join(ends)}}}"
    return t.DidChangeWatchedFilesRegistrationOptions([t.FileSystemWatcher(pattern)])
