"""A file of the corpus, and the `.jsonl` files that hold many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from engine.training.languages import is_test


@dataclass(frozen=True, slots=True)
class Source:
    package: str
    path: str
    text: str
    language: str = "python"

    @property
    def is_test(self) -> bool:
        return is_test(self.path)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.text.encode())

    @property
    def shuffled(self) -> bytes:
        """Its place in the corpus: any stretch of it is a fair sample of the whole."""
        return blake2b(f"{self.package}/{self.path}".encode(), digest_size=8).digest()


def read_sources(path: Path) -> Iterator[Source]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Source(**json.loads(line))


def write_sources(sources: Iterable[Source], path: Path) -> None:
    """One JSON object a line, in the order of `shuffled`."""
    partial_path = path.with_suffix(".partial")
    with partial_path.open("w", encoding="utf-8", newline="\n") as out:
        for source in sorted(sources, key=lambda source: source.shuffled):
            out.write(json.dumps(asdict(source), ensure_ascii=False) + "\n")
    partial_path.replace(path)
