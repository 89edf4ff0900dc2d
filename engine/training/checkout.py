"""Packages as folders of their sources: what the suite `repositories` cuts gaps from
(engine/evaluation/repositories.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.evaluation.splits import MANIFEST, Split
from engine.training.corpus import read_manifest
from engine.training.languages import language_of
from engine.training.overlap import without_near_duplicates
from engine.training.packages import Package, members
from engine.training.reading import normalise
from engine.training.source import Source


def check_out(
    split: Split, archives: Path, folder: Path, manifest: Path = MANIFEST
) -> Iterator[tuple[str, int]]:
    """Write every package of `split` into a folder of its own below `folder`; each name, and how
    many files it has.

    Files of which most stands in another one are left out: a second build of the same sources
    would hold the answer to every gap in the first.
    """
    for package in read_manifest(manifest):
        if package.split != split:
            continue
        sources = list(without_near_duplicates(_sources(package, archives)))
        for source in sources:
            path = folder / package.name.replace("/", "-") / source.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source.text, encoding="utf-8", newline="\n")
        yield package.name, len(sources)


def _sources(package: Package, archives: Path) -> Iterator[Source]:
    for path, content in sorted(members(package, archives).items()):
        text, language = normalise(content), language_of(path)
        if text is not None and text.strip() and language is not None:
            yield Source(package.name, path, text, language)
