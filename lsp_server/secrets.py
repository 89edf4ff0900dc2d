"""The one gate between text and the engine: what may hold secrets passes by no door.

The engine may be a server in the network. So nothing in lsp_server hands it a request but
`Cleared.submit`, and nothing makes a `Cleared` but `cleared`, which wants to know of which
documents the text is. A test looks that there is no other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from engine.api import Draft, EngineError, FillRequest, Priority

if TYPE_CHECKING:
    from engine.client.connect import HostEngine, Job

_NAME = re.compile(
    r"\.env(\..*|rc)?|.*\.env|.*\.(pem|key|p12|pfx|jks|keystore|kdbx?|gpg|asc|ppk|pgpass|tfvars|tfstate)"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_.*)?|\.(netrc|npmrc|pypirc|htpasswd|pgpass|git-credentials)"
    r"|_netrc|credentials(\..*)?|secrets?(\.(json|ya?ml|toml|ini))?|.*\.secrets?(\..*)?",
    re.I,
)
_FOLDERS = frozenset(
    (".aws", ".ssh", ".gnupg", ".kube", ".azure", ".gcloud", "secrets", ".secrets")
)
_SEPARATORS = re.compile(r"[/\\:]")


class Withheld(EngineError):
    """The text may hold secrets, and nobody has said that it may go out all the same."""

    kind = "withheld"


@dataclass(frozen=True, slots=True)
class Cleared:
    """A request that has passed the gate. Only `cleared` makes one."""

    request: FillRequest

    def submit(
        self,
        engine: HostEngine,
        on_draft: Callable[[Draft], None] | None = None,
        priority: Priority = Priority.FOREGROUND,
    ) -> Job:
        return engine.submit(self.request, on_draft, priority=priority)


def cleared(request: FillRequest, sources: Iterable[str], *, anyway: bool = False) -> Cleared:
    """`request`, without such context as may hold secrets.

    `sources` are the URIs or paths of every document that the request's own texts are of. Raises
    Withheld where one of them may hold secrets, unless the user has said `anyway`.
    """
    reason = None if anyway else withheld_because(*sources, request.path or "")
    if reason is not None:
        raise Withheld(reason)
    context = tuple(each for each in request.context if not is_secret(each.path or ""))
    return Cleared(request if context == request.context else replace(request, context=context))


def withheld_because(*sources: str) -> str | None:
    """Words for the user, where one of these documents may hold secrets."""
    for source in sources:
        if is_secret(source):
            name = _SEPARATORS.split(unquote(source).rstrip("/"))[-1]
            return f"{name} may hold secrets, so none of its text is given to the model"
    return None


def is_secret(uri: str) -> bool:
    """By name alone, of a path or of any other kind of document.

    A `?` or `#` may begin what follows a URI's path, or be a letter of a path: either is looked at.
    """
    whole = unquote(uri)
    before_query = unquote(uri.partition("?")[0].partition("#")[0])
    return any(map(_is_secret_path, {uri, whole, before_query}))


def _is_secret_path(path: str) -> bool:
    *folders, name = _SEPARATORS.split(path)
    return _NAME.fullmatch(name) is not None or not _FOLDERS.isdisjoint(map(str.lower, folders))
