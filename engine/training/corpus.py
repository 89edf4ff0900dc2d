"""Text to train on: source files of permissively licensed packages, named in `corpus.toml`.

The same pins give the same corpus, on the same Python (its grammar decides which files parse).
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import get_args

from engine.evaluation.splits import HELD_OUT, MANIFEST, SPLITS, TRAIN, Split, splits_by_package
from engine.training.languages import language_of
from engine.training.overlap import apart, without_near_duplicates
from engine.training.packages import Package, Registry, fetch, members
from engine.training.reading import is_copyleft, normalise, rejection
from engine.training.source import Source, write_sources

PACKAGE_SHARE = 0.03  # of a language's train bytes, for any one package ...
PACKAGE_FLOOR = 4_000_000  # ... but a language with few packages keeps this much of each
TESTS_SHARE = 0.15  # of a package's train bytes


def build(
    dest: Path = Path("build/corpus"), manifest: Path = MANIFEST, registries: Sequence[str] = ()
) -> None:
    """Write train.jsonl, held_out.jsonl and corpus.json into `dest`; archives stay in it too.

    `held_out.jsonl` holds all splits but `train`: which one a package is in, the manifest says. A
    line of jsonl is {"package", "path", "text", "language"}; `registries` (none named: all) says
    which to build from. Raises CalledProcessError if a registry has no such version and ValueError
    if a package declares a copyleft licence.
    """
    packages = [p for p in read_manifest(manifest) if not registries or p.registry in registries]
    archives = dest / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(3) as downloads:
        list(downloads.map(partial(fetch, archives=archives), packages))

    dropped: Counter[str] = Counter()
    kept: dict[Split, list[Source]] = {split: [] for split in SPLITS}
    with ProcessPoolExecutor(2) as readers:
        read = readers.map(partial(usable_sources, archives=archives), packages)
        for package, (sources, rejected) in zip(packages, read, strict=True):
            kept[package.split] += sources
            dropped += rejected

    # Of two files alike, the one that is told of stays, and the one that is fitted on goes.
    held_out_all = [source for split in HELD_OUT for source in kept[split]]
    measured = list(without_near_duplicates(held_out_all))
    clean = apart(kept[TRAIN], measured, 0.2)
    unique = list(without_near_duplicates(clean))
    balanced = balance(unique)
    train = [source for source in balanced if not is_copyleft(source.text)]
    held_out = apart(measured, train, 0.1)  # typer carries a copy of click, which is trained on
    dropped["train: in held-out"] = len(kept[TRAIN]) - len(clean)
    dropped["train: near duplicate"] = len(clean) - len(unique)
    dropped["train: over a share"] = len(unique) - len(balanced)
    dropped["train: copyleft file"] = len(balanced) - len(train)
    dropped["held-out: near duplicate"] = len(held_out_all) - len(measured)
    dropped["held-out: in train"] = len(measured) - len(held_out)

    write_sources(train, dest / "train.jsonl")
    write_sources(held_out, dest / "held_out.jsonl")
    summary: dict[str, object] = {
        "train": summarise(train),
        "held-out": summarise(held_out),
        **{str(split): summarise(_of(split, packages, held_out)) for split in HELD_OUT},
        "dropped": dict(sorted(dropped.items())),
        "packages": [asdict(package) for package in packages],
    }
    (dest / "corpus.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def read_manifest(manifest: Path = MANIFEST) -> list[Package]:
    """Raises ValueError where a package is named in two splits."""
    tables = tomllib.loads(manifest.read_text(encoding="utf-8"))
    splits_by_package(tables)
    registries: tuple[Registry, ...] = get_args(Registry)
    return [
        _package(name, split, registry, pin)
        for registry in registries
        for split in SPLITS
        for name, pin in sorted(tables.get(registry, {}).get(split, {}).items())
    ]


def _of(split: Split, packages: Sequence[Package], sources: Sequence[Source]) -> list[Source]:
    names = {package.name for package in packages if package.split == split}
    return [source for source in sources if source.package in names]


def usable_sources(package: Package, archives: Path) -> tuple[list[Source], Counter[str]]:
    """The files worth reading in a package, in path order, and why the others are not."""
    sources, dropped = [], Counter[str]()
    for path, content in sorted(members(package, archives).items()):
        text = normalise(content)
        reason = rejection(path, text)
        language = language_of(path)
        if reason is None and text is not None and language is not None:
            sources.append(Source(package.name, path, text, language))
        else:
            dropped[str(reason)] += 1
    return sources, dropped


def summarise(sources: list[Source]) -> dict[str, object]:
    sizes, languages = Counter[str](), Counter[str]()
    for source in sources:
        sizes[source.package] += source.size
        languages[source.language] += source.size
    return {
        "files": len(sources),
        "bytes": sizes.total(),
        "test_bytes": sum(source.size for source in sources if source.is_test),
        "bytes_by_language": dict(sorted(languages.items())),
        "bytes_by_package": dict(sorted(sizes.items())),
    }


def balance(sources: list[Source]) -> list[Source]:
    """The sources left when no package and no package's tests pass their share of a language."""
    by_language: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda source: source.shuffled):
        by_language.setdefault(source.language, []).append(source)
    return [source for group in by_language.values() for source in _balance(group)]


def _balance(sources: list[Source]) -> list[Source]:
    by_package: dict[str, list[Source]] = {}
    for source in sources:
        by_package.setdefault(source.package, []).append(source)
    code = {n: sum(s.size for s in ss if not s.is_test) for n, ss in by_package.items()}
    tests = {n: sum(s.size for s in ss if s.is_test) for n, ss in by_package.items()}
    tests_per_code = TESTS_SHARE / (1 - TESTS_SHARE)
    sizes = [code[n] + min(tests[n], int(tests_per_code * code[n])) for n in by_package]
    cap = max(package_cap(sizes), PACKAGE_FLOOR)
    kept: list[Source] = []
    for name, group in by_package.items():
        budget = int(min(TESTS_SHARE * cap, tests_per_code * code[name]))
        some_tests = _within([s for s in group if s.is_test], budget)
        budget = cap - sum(source.size for source in some_tests)
        kept += some_tests + _within([s for s in group if not s.is_test], budget)
    return kept


def package_cap(sizes: list[int]) -> int:
    """The largest size that is at most PACKAGE_SHARE of the sum of `sizes` capped to it.

    Fewer packages than 1 / PACKAGE_SHARE get equal shares instead.
    """
    share = max(PACKAGE_SHARE, 1 / len(sizes))
    cap = max(sizes)
    while (smaller := int(share * sum(min(size, cap) for size in sizes))) < cap:
        cap = smaller
    return cap


def _within(sources: list[Source], budget: int) -> list[Source]:
    taken = []
    for source in sources:
        if source.size <= budget:
            budget -= source.size
            taken.append(source)
    return taken


def _package(name: str, split: Split, registry: Registry, pin: dict[str, object]) -> Package:
    lists = {
        key: tuple(value) if isinstance(value, list) else (value,)
        for key, value in pin.items()
        if key in ("languages", "inside")
    }
    return Package(name, split=split, registry=registry, **{**pin, **lists})  # type: ignore[arg-type]


if __name__ == "__main__":
    build(Path(*sys.argv[1:2] or ["build/corpus"]))
