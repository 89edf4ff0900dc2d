"""One window's tie to the engine: connect, load ahead, repeat after a loss, give up, pause."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from lsprotocol.types import MessageType

from engine.api import Cancelled, Draft, EngineError, Fill, HostLost
from engine.client.connect import HostEngine, connect
from engine.client.habits import Habits
from engine.tuning.kept import tuned_for
from lsp_server.filling import Filling
from lsp_server.notify.messages import Messages
from lsp_server.notify.status import Status
from lsp_server.secrets import Cleared
from lsp_server.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0  # seconds, for a model that was tuned meanwhile, or forgotten


class Link:
    """On the event loop. Connects when first needed, and shows in `status` what becomes of it.

    Where the model was tuned for one of `folders`, those of the window, it is that one.
    """

    def __init__(
        self,
        settings: Settings,
        status: Status,
        messages: Messages,
        factory: str | None = None,
        folders: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        self._settings = settings
        self._status = status
        self._messages = messages
        self._factory = factory
        self._folders = folders
        self._tuned: str | None = None
        self._looked = 0.0
        self._look: asyncio.Future[str | None] | None = None  # for what was tuned
        self._begun: asyncio.Future[None] | None = None
        self._engine: HostEngine | None = None
        self._filling = Filling(self._connected)
        self._paused = False
        self._may_repeat = True  # no host has been lost since the last fill

    def configure(self, settings: Settings) -> bool:
        """Take settings in. True where they have ended a connection, and another one begins:
        another model or device, or other habits of the engine's process."""
        before, self._settings = self._settings, settings
        if _of_engine(settings) == _of_engine(before) or self._engine is None:
            return False
        self._tuned = self._look = None
        self._messages.forget()
        waits = not self._filling.idle
        self.disconnect()
        if waits:  # what is under way is asked of it now; what was tuned is looked for after
            self._load()
        else:
            self.warm_up()
        return True

    @property
    def paused(self) -> bool:
        """Nothing is to be filled: the user has paused us, or switched us off."""
        return self._paused

    def pause(self, paused: bool) -> None:
        """While paused there is no engine, and so no model in memory."""
        self._paused = paused
        self._status.paused(paused)
        if paused:
            self.disconnect()
        else:
            self.warm_up()

    @property
    def is_idle(self) -> bool:
        """Nobody waits for a fill, and the user has not paused us."""
        return self._filling.idle and not self._paused

    def warm_up(self) -> None:
        """Let the engine load its model ahead of the first request, as soon as is known which."""
        if self._look is not None and self._look.done():
            self._load()
        else:
            self._begun = asyncio.ensure_future(self._look_and_load())

    async def _look_and_load(self) -> None:
        await self._follow_tuning()
        self._load()

    def _load(self) -> None:
        if self._paused:
            return
        engine = self._connected()
        engine.start()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            """Waits for the model, on a thread of its own since it may take minutes."""
            try:
                info = engine.info
            except EngineError as error:
                message = str(error)
                report(lambda: self._status.failed(message))
            else:
                report(lambda: self._status.ready(info))
                if (disagreement := engine.disagreement) is not None:
                    report(lambda: self._messages.warn_once(disagreement))

        def report(what: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lambda: what() if self._engine is engine else None)

        threading.Thread(target=watch, name="engine-watch", daemon=True).start()

    async def fill(self, request: Cleared, on_draft: Callable[[Draft], None] | None = None) -> Fill:
        """Asks again where the engine has gone meanwhile: no editor does before the next key.

        But not a second time before there has been a fill: this request may be what hosts die of.
        Raises an EngineError. Cancelling the caller's task stops the engine's work.
        """
        await self._follow_tuning()
        engine, fill = self._connected(), None
        try:
            fill = await self._filling.fill(request, on_draft)
        except HostLost as error:
            self._again(engine, error)
        if fill is None:
            fill = await self._filling.fill(request, on_draft)
        self._may_repeat = True
        return fill

    async def fill_ahead(self, request: Cleared) -> Fill:
        """A fill that nobody has asked for yet: gives way to any other. Raises an EngineError."""
        await self._follow_tuning()
        return await self._filling.fill(request, background=True)

    def report(self, error: EngineError) -> None:
        """The user is shown each cause once, the log each time."""
        log.info("no fill: %s: %s", error.kind, error)
        # How a lost host died differs each time, in its last words at least.
        cause = error.kind if isinstance(error, HostLost) else f"{error.kind} {error}"
        self._messages.show_once(str(error), MessageType.Error, cause)

    def disconnect(self) -> None:
        """Give the engine up. Its end may take a moment, which the event loop does not wait for."""
        engine, self._engine = self._engine, None
        if engine is not None:
            threading.Thread(target=engine.close, name="engine-close").start()

    def _again(self, engine: HostEngine, error: HostLost) -> None:
        """Connect anew where nobody has done so since `engine` was lost. Raises where the request
        is not to be repeated."""
        if self._engine is None:
            raise Cancelled("the engine has been given up") from error
        if self._engine is engine:
            may_repeat, self._may_repeat = self._may_repeat, False
            if not may_repeat:
                raise error
            self.report(error)
            self._status.starting(self._settings.model)
            self.warm_up()

    def _connected(self) -> HostEngine:
        if self._engine is None:
            self._engine = connect(
                self._tuned or self._settings.model,
                self._settings.device,
                self._factory,
                _habits_of(self._settings),
            )
            self._status.starting(self._settings.model)
        return self._engine

    async def _follow_tuning(self) -> None:
        """Go over to a model that was tuned since we connected, or back where it was forgotten:
        nobody has to start anything anew for it. Not while a fill is under way."""
        now, look = time.monotonic(), self._look
        if look is None or (look.done() and now - self._looked >= LOOK_EVERY):
            # Files are read, and the folders of the window are the event loop's.
            given = self._settings, [*self._folders()]
            look = asyncio.ensure_future(asyncio.to_thread(_look_for_tuned, *given))
            self._looked, self._look = now, look
        found = await asyncio.shield(look)
        if look is not self._look or found == self._tuned:
            return
        if self._engine is None:
            self._tuned = found
        elif self._filling.idle:
            self._tuned = found
            log.info("the model is now %s", found or self._settings.model)
            self.disconnect()
            self._load()


def _look_for_tuned(settings: Settings, folders: Iterable[Path]) -> str | None:
    """What the model of `settings` was tuned to for the first of these folders. Reads files."""
    if not settings.tuned:
        return None
    for folder in folders:
        if (found := tuned_for(folder, settings.model)) is not None:
            return str(found)
    return None


def _habits_of(settings: Settings) -> Habits:
    return Habits(60.0 * settings.linger, 60.0 * settings.unload_after or None)


def _of_engine(settings: Settings) -> tuple[object, ...]:
    """What of `settings` is the engine's: its model, its device, how its process behaves."""
    return settings.model, settings.tuned, settings.device, _habits_of(settings)
