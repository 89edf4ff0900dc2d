"""Which files of a folder are indexed: source files that git does not ignore and that hold no
secrets."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from lsp_server import languages
from lsp_server.secrets import is_secret

log = logging.getLogger(__name__)

LARGEST = 512 * 1024  # bytes of a file: a larger one is generated, or data
# Where there is no git, whatever it would ignore would be found: folders that nobody commits.
SKIPPED = frozenset(
    (".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache",
     ".pytest_cache", ".ruff_cache", ".cache", "build", "dist", "target", "site-packages")
)  # fmt: skip
GIT_PATIENCE = 60.0  # seconds


class Unlisted(Exception):
    """The folder's files cannot be known. The message names the cause and the fix."""


def listed(root: Path) -> Iterator[str]:
    """Paths relative to `root`, with slashes, of the files to index, in no order.

    In a repository they are those that git does not ignore, tracked or not. Raises Unlisted.
    """
    for path in _of_git(root) if _is_in_repository(root) else _walked(root):
        # Not for the folders above: who works in a folder called secrets has chosen it.
        if languages.of_file(Path(path)) is not None and not is_secret(path):
            yield path


def those_listed(root: Path, paths: Iterable[str]) -> list[str]:
    """Which of some files are to be indexed; as `listed` says, without listing all. Raises
    Unlisted."""
    within: dict[Path | None, list[str]] = {}
    for path in paths:
        if languages.of_file(Path(path)) is not None and not is_secret(path):
            within.setdefault(_repository_within(root, path), []).append(path)
    found: list[str] = []
    for folder, some in within.items():
        if folder is None:
            found += _those(root, some)
        elif _those(root, [folder.as_posix()]):
            inner = [Path(path).relative_to(folder).as_posix() for path in some]
            found += [(folder / each).as_posix() for each in _those(root / folder, inner)]
    return found


def _those(root: Path, paths: list[str]) -> list[str]:
    """Which of some files, or repositories, a folder has, those in its repositories aside."""
    if not _is_in_repository(root):
        return [path for path in paths if not SKIPPED.intersection(Path(path).parts)]
    command = ("--literal-pathspecs", "ls-files", *_NOT_IGNORED, "--", *paths)
    named = {os.fsdecode(name).rstrip("/") for name in _git(root, *command).split(b"\0")}
    return [path for path in paths if path in named]


def _repository_within(root: Path, path: str) -> Path | None:
    """The innermost repository below `root` that a file is in."""
    *folders, _ = Path(path).parents
    return next((each for each in folders if (root / each / ".git").exists()), None)


_NOT_IGNORED = ("-z", "--cached", "--others", "--exclude-standard", "--deduplicate")


def _is_in_repository(folder: Path) -> bool:
    return any((each / ".git").exists() for each in (folder, *folder.parents))


def _of_git(root: Path) -> Iterator[str]:
    for name in _git(root, "ls-files", *_NOT_IGNORED).split(b"\0"):
        path = os.fsdecode(name)
        if path.endswith("/") or (name and (root / path).is_dir()):
            inner = root / path.rstrip("/")  # a repository within this one, or a submodule
            if (inner / ".git").exists():
                yield from (f"{path.rstrip('/')}/{each}" for each in _of_git(inner))
        elif path:
            yield path


def _git(root: Path, *arguments: str) -> bytes:
    # What a repository's own settings name is not run: a monitor of its files can be any command.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=GIT_PATIENCE, env=environment, check=False
        )
    except FileNotFoundError:
        raise Unlisted(
            f"{root} is a git repository and there is no git, so what it ignores is not known:"
            " install git"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unlisted(f"git cannot list {root} ({error}): run `git ls-files` there") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[0] if said else f"it ended with {done.returncode}"
        raise Unlisted(f"git cannot list {root} ({why}): run `git ls-files` there")
    return done.stdout


def _walked(root: Path) -> Iterator[str]:
    """Of a folder outside any repository; repositories in it are listed by git."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        if here != root and (here / ".git").exists():
            folders.clear()
            yield from (prefix + each for each in _of_git(here))
            continue
        folders[:] = [each for each in folders if each not in SKIPPED]
        yield from (prefix + each for each in files)
