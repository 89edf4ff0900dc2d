"""The indexes of a window's folders: who keeps them, and what is found in them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from lsp_server.child import command, environment
from lsp_server.context.asked import Asked, Gathered
from lsp_server.context.gather import gather
from lsp_server.index.reader import Reader

log = logging.getLogger(__name__)

PATIENCE = 0.05  # seconds that a fill waits for its context
MOST_NAMED = 100  # files that have changed at once
MOST_UNREAD = 1 << 18  # bytes that a keeper has not read yet
MOST_FOLDERS = 8  # of one window that are indexed

Warn = Callable[[str, str], None]


class Workspace:
    """On the event loop; what reads files and databases runs in one thread of its own, and what
    builds indexes in processes of their own."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._pool: ThreadPoolExecutor | None = None
        self._readers: dict[Path, Reader] = {}  # of the thread
        self._keepers: dict[Path, asyncio.Task[None]] = {}
        self._told: dict[Path, asyncio.StreamWriter] = {}  # the keepers that listen
        self.states: dict[Path, dict[str, Any]] = {}

    def keep(self, folders: Iterable[Path]) -> None:
        """Keep the indexes of these folders, and no others, from now on."""
        wanted = [each for each in folders if _is_worth_keeping(each)][:MOST_FOLDERS]
        for root in [each for each in self._keepers if each not in wanted]:
            self._keepers.pop(root).cancel()
            self.states.pop(root, None)
        for root in wanted:
            if root not in self._keepers:
                self._keepers[root] = asyncio.ensure_future(self._keep(root))

    def changed(self, paths: Iterable[str]) -> None:
        """Files have been written, made or removed: their indexes need not wait for the next look
        at all files."""
        named = [*islice(paths, MOST_NAMED + 1)]
        if len(named) > MOST_NAMED:  # another branch: to sort them would hold up the loop
            for each in self._told:
                self._tell(each, changed=True)
            return
        within: dict[Path, list[str]] = {}
        for path in named:
            root = _innermost(self._told, path)
            if root is not None:
                within.setdefault(root, []).append(Path(path).relative_to(root).as_posix())
        for root, some in within.items():
            self._tell(root, changed=some)

    def _tell(self, root: Path, **message: object) -> None:
        """A keeper that is behind with reading finds what has changed when it looks at all."""
        keeper = self._told[root]
        if keeper.transport.get_write_buffer_size() < MOST_UNREAD:
            keeper.write(json.dumps(message).encode() + b"\n")

    async def gather(self, asked: Asked, sources: frozenset[str]) -> Gathered:
        """What the sources have; nothing where that takes longer than a user should wait."""
        if not sources and not asked.by_hand:
            return Gathered()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "context")
        root = _innermost(self._keepers, asked.path)
        work = asyncio.get_running_loop().run_in_executor(
            self._pool, self._gather, asked, root, sources
        )
        try:
            return await asyncio.wait_for(asyncio.shield(work), PATIENCE)
        except TimeoutError:
            log.info("the context was not there in %g s, the fill goes on without", PATIENCE)
            return Gathered()

    def close(self) -> None:
        self.keep(())
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _gather(self, asked: Asked, root: Path | None, sources: frozenset[str]) -> Gathered:
        reader = None
        if root is not None:
            reader = self._readers.setdefault(root, Reader(root))
        return gather(asked, reader, sources)

    async def _keep(self, root: Path) -> None:
        """The process that keeps the index of `root`, until it ends or the task is cancelled."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command("lsp_server.index", str(root)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(),
            )
        except OSError as error:
            log.warning("there is no index of %s: %s", root, error)
            return
        assert process.stdout is not None
        assert process.stdin is not None
        self._told[root] = process.stdin
        try:
            async for line in process.stdout:
                with suppress(ValueError):
                    self._heard(root, json.loads(line))
            log.warning("the process that keeps the index of %s has ended", root)
        finally:
            self._told.pop(root, None)
            with suppress(ProcessLookupError):
                process.kill()

    def _heard(self, root: Path, message: dict[str, Any]) -> None:
        self.states[root] = message
        if message.get("state") == "failed":
            self._warn(str(message.get("reason")), f"index {root}")
        elif message.get("read") or message.get("gone"):
            log.info("the index of %s: %s", root, message)


def _innermost(roots: Iterable[Path], path: str | None) -> Path | None:
    """The innermost folder that holds `path`; for a document that is no file, the first."""
    known = list(roots)
    if path is None:
        return known[0] if known else None
    holding = [root for root in known if Path(path).is_relative_to(root)]
    return max(holding, key=lambda root: len(root.parts), default=None)


def _is_worth_keeping(folder: Path) -> bool:
    """Nobody means all that they have by a folder that an editor happens to be in."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    return folder.is_dir() and folder != Path(folder.anchor) and folder != home
