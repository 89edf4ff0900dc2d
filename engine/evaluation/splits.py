"""Which packages nothing is trained on, and what each of them is for (engine/training/corpus.toml).

    tune     ranks, calibrations and thresholds are fitted on them, and choices are made by them
    report   numbers that are reported come from them, and nothing else
    fresh    the same, of packages first published in 2026: no base can have read them

What something was fitted on is never what a number is reported on. A package is in one split.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Split = Literal["tune", "report", "fresh", "train"]
TUNE: Split = "tune"
REPORT: Split = "report"
FRESH: Split = "fresh"
TRAIN: Split = "train"
SPLITS: tuple[Split, ...] = get_args(Split)
HELD_OUT: tuple[Split, ...] = (REPORT, FRESH, TUNE)
REGISTRIES = ("pypi", "npm", "debian")
MANIFEST = Path(__file__).parents[1] / "training" / "corpus.toml"


def split_of(package: str) -> Split | None:
    """None for a package that the manifest does not name."""
    return _splits(MANIFEST).get(package)


@cache
def _splits(manifest: Path) -> Mapping[str, Split]:
    tables = tomllib.loads(manifest.read_text(encoding="utf-8"))
    return splits_by_package(tables)


def splits_by_package(tables: Mapping[str, Mapping[str, Mapping[str, object]]]) -> dict[str, Split]:
    """The split of each package of a manifest. Raises ValueError where one is in two."""
    found: dict[str, Split] = {}
    for registry in REGISTRIES:
        if unknown := set(tables.get(registry, {})) - set(SPLITS):
            raise ValueError(f"{registry} has splits {sorted(unknown)}: choose of {SPLITS}")
        for split in SPLITS:
            for package in tables.get(registry, {}).get(split, {}):
                if found.setdefault(package, split) != split:
                    raise ValueError(f"{package} is named twice, in {found[package]} and {split}")
    return found
