"""Packages of PyPI, npm and Debian: fetched by the registry's own client, read, never run.

A Python package that is installed at the pinned version is read where it lies; everything else
comes as an archive. Debian carries the sources of Go, Rust and Lua libraries.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Literal

from engine.evaluation.splits import Split
from engine.training.languages import language_of

Registry = Literal["pypi", "npm", "debian"]

COPYLEFT = r"(?i)\b(A|L)?GPL|\bGNU\b|Mozilla|\bMPL|\bEUPL|\bSSPL|Proprietary"
_VENDORED = re.compile(
    r"(^|/)(_?(vendor|vendored|vendored_packages|third_party|extern|externals?)|node_modules)/"
)


@dataclass(frozen=True, slots=True)
class Package:
    """A package and what is read of it: files of `languages` (none named: Python of PyPI, all of
    the others) in the folders `inside` (none named: all)."""

    name: str
    version: str
    licence: str  # SPDX
    split: Split
    registry: Registry = "pypi"
    languages: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if re.search(COPYLEFT, self.licence):
            raise ValueError(f"{self.name}: {self.licence} is not permissive")

    def offers(self, path: str) -> bool:
        """Whether the file at `path` is one to read."""
        language = language_of(path)
        if language is None or _VENDORED.search(path) or not path.startswith(self.inside or ""):
            return False
        return self.reads(language)

    def reads(self, language: str) -> bool:
        if self.languages:
            return language in self.languages
        return self.registry != "pypi" or language == "python"


def fetch(package: Package, archives: Path) -> Path | None:
    """The package's archive, downloaded unless it is there; None if it is installed as pinned.

    Raises CalledProcessError where the registry's client finds no such version.
    """
    if package.registry == "pypi" and _installed(package):
        return None
    folder = archives / package.registry
    folder.mkdir(parents=True, exist_ok=True)
    if found := _archive(package, folder):
        return found
    {"pypi": _from_pypi, "npm": _from_npm, "debian": _from_debian}[package.registry](
        package, folder
    )
    found = _archive(package, folder)
    if found is None:
        name = f"{package.name} {package.version}"
        raise FileNotFoundError(f"{name} of {package.registry} came under another name")
    return found


def members(package: Package, archives: Path) -> dict[str, bytes]:
    """The files to read of a package, by path.

    Raises ValueError if it declares a copyleft licence, whatever its pin says.
    """
    archive = fetch(package, archives)
    found: dict[str, bytes] = {}
    for path, content in read_archive(package, archive) if archive else _read_installed(package):
        name = PurePosixPath(path).name
        if _is_metadata(package, path) and declares_copyleft(name, content):
            raise ValueError(f"{package.name} {package.version} declares a copyleft licence")
        if package.offers(path):
            found[path] = content
    return found


def read_archive(package: Package, archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files to read and the metadata, by path in the archive; nothing is written to disk."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if _wanted(package, name):
                    yield name, wheel.read(name)
        return
    if archive.suffix == ".deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking,
            tarfile.open(fileobj=unpacking.stdout, mode="r|") as tree,
        ):
            yield from _read_tar(package, tree)
        return
    with tarfile.open(archive) as tree:
        yield from _read_tar(package, tree)


def declares_copyleft(name: str, content: bytes) -> bool:
    """Whether the metadata file called `name` names a copyleft licence for the whole package."""
    text = content.decode("utf-8", "replace")
    claims = {"package.json": _npm_claims, "copyright": _debian_claims}.get(name, _python_claims)
    return any(re.search(COPYLEFT, claim) for claim in claims(text))


def _python_claims(text: str) -> list[str]:
    """A long License field is not judged: it quotes the licences of bundled C libraries."""
    headers = HeaderParser().parsestr(text)
    licence = headers.get("License") or ""
    licence = licence if len(licence) < 100 else ""
    claims = [c for c in headers.get_all("Classifier") or () if c.startswith("License")]
    return [*claims, headers.get("License-Expression") or "", licence]


def _npm_claims(text: str) -> list[str]:
    try:
        return [str(json.loads(text).get("license", ""))]
    except (ValueError, AttributeError):
        return []


def _debian_claims(text: str) -> list[str]:
    """Of the stanza for all files; the packaging itself often has a licence of its own."""
    stanza = re.search(r"^Files: \*$.*?^License: *([^\n]*)", text, re.MULTILINE | re.DOTALL)
    # Of "Expat or GPL-2", the first can be chosen.
    return [stanza[1]] if stanza and " or " not in stanza[1] else []


def _read_tar(package: Package, tree: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tree:
        # The first folder is the archive's own; a Debian one begins with "./".
        path = member.name.partition("/")[2]
        if not member.isfile() or not _wanted(package, path):
            continue
        content = tree.extractfile(member)
        if content is not None:
            yield path, content.read()


def _read_installed(package: Package) -> Iterator[tuple[str, bytes]]:
    for path in metadata.distribution(package.name).files or ():
        located = Path(str(path.locate()))
        inside = ".." not in path.parts
        if inside and _wanted(package, path.as_posix()) and located.is_file():
            yield path.as_posix(), located.read_bytes()


def _wanted(package: Package, path: str) -> bool:
    return package.offers(path) or _is_metadata(package, path)


def _is_metadata(package: Package, path: str) -> bool:
    if package.registry == "npm":
        return path == "package.json"
    if package.registry == "debian":
        return path == f"usr/share/doc/{package.name}/copyright"
    return PurePosixPath(path).name in ("METADATA", "PKG-INFO") and not _VENDORED.search(path)


def _installed(package: Package) -> bool:
    try:
        version = metadata.version(package.name)
    except metadata.PackageNotFoundError:
        return False
    return version.partition("+")[0] == package.version  # a torch wheel says +cpu or +cu128


def _archive(package: Package, folder: Path) -> Path | None:
    stem = _plain(f"{package.name.removeprefix('@')}-{package.version}-".replace("/", "-"))
    for path in sorted(folder.iterdir()):
        name = re.sub(r"\.(whl|zip|tgz|deb|tar\.\w+)$", "-", path.name.replace("%3a", ":"))
        if _plain(name).startswith(stem):
            return path
    return None


def _plain(name: str) -> str:
    return name.replace("_", "-").lower()


def _from_pypi(package: Package, folder: Path) -> None:
    wheel, sdist = "--only-binary=:all:", "--no-binary=:all:"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--ignore-requires-python", "--dest", str(folder)]
    pin = f"{package.name}=={package.version}"
    if subprocess.run([*command, wheel, pin], check=False).returncode:
        subprocess.run([*command, sdist, pin], check=True)


def _from_npm(package: Package, folder: Path) -> None:
    command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    subprocess.run(
        [*command, f"{package.name}@{package.version}"], check=True, stdout=subprocess.DEVNULL
    )


def _from_debian(package: Package, folder: Path) -> None:
    pin = f"{package.name}={package.version}"
    subprocess.run(["apt-get", "download", "-qq", pin], check=True, cwd=folder)
