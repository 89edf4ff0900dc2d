"""Files that hold keys and passwords: nothing is suggested there, and nothing read from them."""

from __future__ import annotations

import re
from urllib.parse import unquote

_NAME = re.compile(
    r"\.env(\..*|rc)?|.*\.env|.*\.(pem|key|p12|pfx|jks|keystore|kdbx?|gpg|asc|ppk|pgpass|tfvars|tfstate)"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_.*)?|\.(netrc|npmrc|pypirc|htpasswd|pgpass|git-credentials)"
    r"|_netrc|credentials(\..*)?|secrets?(\.(json|ya?ml|toml|ini))?|.*\.secrets?(\..*)?",
    re.I,
)
_FOLDERS = frozenset(
    (".aws", ".ssh", ".gnupg", ".kube", ".azure", ".gcloud", "secrets", ".secrets")
)


def is_secret(uri: str) -> bool:
    """By name alone, of a path or of any other kind of document."""
    *folders, name = re.split(r"[/\\:]", unquote(uri.partition("?")[0].partition("#")[0]))
    return _NAME.fullmatch(name) is not None or not _FOLDERS.isdisjoint(map(str.lower, folders))
