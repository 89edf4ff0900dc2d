"""All checks, side by side, each with an end to its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lsp_server.commands.doctor import (
    card,
    configuration,
    editors,
    host,
    index,
    models,
    packages,
    tuning,
)
from lsp_server.commands.doctor.asking import Diagnosis
from lsp_server.commands.doctor.finding import Finding, wrong

Look = Callable[[], Finding | Iterable[Finding]]
REPORT = "report it, with what `infill-ls doctor` prints"


@dataclass(frozen=True, slots=True)
class Check:
    """`seconds` is how long it may take, beyond what it allows itself for other programs."""

    name: str
    look: Look
    seconds: float


@dataclass(slots=True)
class _Running:
    check: Check
    found: list[Finding] = field(default_factory=list)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        # A thread that never ends must not keep the command from ending.
        self.thread = threading.Thread(target=self._run, name=self.check.name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            looked = self.check.look()
            self.found += [looked] if isinstance(looked, Finding) else list(looked)
        except Exception as error:
            message = f"the check itself failed: {type(error).__name__}: {error}"
            self.found.append(wrong(self.check.name, message, REPORT))


def checks(model: str, device: str | None, verify: bool) -> tuple[Check, ...]:
    """In the order of what rests on what."""
    reading = 3600.0 if verify else 30.0  # tens of gigabytes, from a slow disk
    # What may end the process comes last; a server's address is no model of this machine.
    looks = ("torch", "kernel") if models.is_address(model) else ("torch", "model", "kernel")
    ask = Diagnosis(looks, model, device).ask
    return (
        Check("python", packages.python, 5.0),
        Check("command", packages.command, 5.0),
        Check("triton", packages.triton, 5.0),
        Check("driver", card.driver, card.DRIVER_PATIENCE + 5),
        Check("torch", lambda: card.torch(device, ask), card.TORCH_PATIENCE + 5),
        Check("kernel", lambda: card.kernel(ask), card.KERNEL_PATIENCE + 5),
        Check("model", lambda: models.model(model, ask), models.PATIENCE + 5),
        Check("models", lambda: models.pulled(verify), reading),
        Check("socket", lambda: host.socket_folder(model, device), 10.0),
        Check("engine", host.hosts, 30.0),
        Check("editors", editors.editors, 60.0),
        Check("index", index.indexes, 90.0),
        Check("tuning", tuning.tuning, 10.0),
        Check("settings", configuration.settings, 10.0),
        Check("environment", configuration.environment, 5.0),
    )


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Findings in the order of `checks`, each as soon as it and those before it are there."""
    for running in [_Running(check) for check in checks]:
        running.thread.join(running.check.seconds)
        if running.thread.is_alive():
            name, limit = running.check.name, running.check.seconds
            yield wrong(name, f"the check took more than {limit:g} s and was given up", REPORT)
        else:
            yield from running.found
