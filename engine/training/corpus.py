"""Text to train on: Python files of permissively licensed packages, named in `corpus.toml`.

A package that is installed at the pinned version is read where it lies; the others come through
pip as archives, which are read and never installed or run. The same pins give the same corpus,
on the same Python (its grammar decides which files parse).
"""

import ast
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from functools import partial
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Literal

Split = Literal["train", "held-out"]

PACKAGE_SHARE = 0.03  # of the train bytes, for any one package
TESTS_SHARE = 0.15  # of a package's train bytes
MANIFEST = Path(__file__).with_name("corpus.toml")


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    licence: str  # SPDX
    split: Split

    def __post_init__(self) -> None:
        if re.search(_COPYLEFT, self.licence):
            raise ValueError(f"{self.name}: {self.licence} is not permissive")


@dataclass(frozen=True, slots=True)
class Source:
    package: str
    path: str
    text: str

    @property
    def is_test(self) -> bool:
        *folders, name = PurePosixPath(self.path).parts
        return bool({"test", "tests", "testing"} & set(folders)) or name.startswith("test_")


def build(dest: Path = Path("build/corpus"), manifest: Path = MANIFEST) -> None:
    """Write train.jsonl, held_out.jsonl and corpus.json into `dest`; archives stay in it too.

    A line of jsonl is {"package", "path", "text"}. Files are ordered by a hash of their path, so
    any stretch of a file is a fair sample of it. Raises CalledProcessError if pip finds no such
    version and ValueError if a package declares a copyleft licence.
    """
    packages = read_manifest(manifest)
    archives = dest / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(3) as downloads:
        list(downloads.map(partial(fetch, archives=archives), packages))

    dropped: Counter[str] = Counter()
    kept: dict[Split, list[Source]] = {"train": [], "held-out": []}
    with ProcessPoolExecutor(2) as readers:
        read = readers.map(partial(usable_sources, archives=archives), packages)
        for package, (sources, rejected) in zip(packages, read, strict=True):
            kept[package.split] += sources
            dropped += rejected

    measured = list(without_near_duplicates(kept["held-out"]))
    clean = apart(kept["train"], measured, 0.2)
    unique = list(without_near_duplicates(clean))
    balanced = balance(unique)
    train = [source for source in balanced if not _COPYLEFT_TEXT.search(source.text)]
    held_out = apart(measured, train, 0.1)  # typer carries a copy of click, which is trained on
    dropped["train: in held-out"] = len(kept["train"]) - len(clean)
    dropped["train: near duplicate"] = len(clean) - len(unique)
    dropped["train: over a share"] = len(unique) - len(balanced)
    dropped["train: copyleft file"] = len(balanced) - len(train)
    dropped["held-out: near duplicate"] = len(kept["held-out"]) - len(measured)
    dropped["held-out: in train"] = len(measured) - len(held_out)

    write_sources(train, dest / "train.jsonl")
    write_sources(held_out, dest / "held_out.jsonl")
    summary = {
        "train": summarise(train),
        "held-out": summarise(held_out),
        "dropped": dict(sorted(dropped.items())),
        "packages": [asdict(package) for package in packages],
    }
    (dest / "corpus.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def read_manifest(manifest: Path = MANIFEST) -> list[Package]:
    tables = tomllib.loads(manifest.read_text(encoding="utf-8"))
    splits: tuple[Split, Split] = ("held-out", "train")
    packages = [Package(n, split=s, **pin) for s in splits for n, pin in sorted(tables[s].items())]
    twice = [name for name, n in Counter(p.name for p in packages).items() if n > 1]
    if twice:
        raise ValueError(f"named twice in {manifest.name}: {twice}")
    return packages


def read_sources(path: Path) -> Iterator[Source]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Source(**json.loads(line))


def write_sources(sources: Iterable[Source], path: Path) -> None:
    partial_path = path.with_suffix(".partial")
    with partial_path.open("w", encoding="utf-8", newline="\n") as out:
        for source in sorted(sources, key=_shuffled):
            out.write(json.dumps(asdict(source), ensure_ascii=False) + "\n")
    partial_path.replace(path)


def summarise(sources: list[Source]) -> dict[str, object]:
    sizes = Counter[str]()
    for source in sources:
        sizes[source.package] += _size(source)
    return {
        "files": len(sources),
        "bytes": sizes.total(),
        "test_bytes": sum(_size(source) for source in sources if source.is_test),
        "bytes_by_package": dict(sorted(sizes.items())),
    }


# Where the text comes from


def fetch(package: Package, archives: Path) -> Path | None:
    """The package's archive, downloaded unless it is there; None if it is installed as pinned."""
    if _installed(package):
        return None
    if found := _archive(package, archives):
        return found
    wheel, sdist = "--only-binary=:all:", "--no-binary=:all:"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--ignore-requires-python", "--dest", str(archives)]
    pin = f"{package.name}=={package.version}"
    if subprocess.run([*command, wheel, pin], check=False).returncode:
        subprocess.run([*command, sdist, pin], check=True)
    found = _archive(package, archives)
    if found is None:
        raise FileNotFoundError(f"pip downloaded {pin}, but under another name")
    return found


def usable_sources(package: Package, archives: Path) -> tuple[list[Source], Counter[str]]:
    """The files worth reading in a package, in path order, and why the others are not."""
    archive = fetch(package, archives)
    members = dict(read_archive(archive) if archive else _read_installed(package))
    for path, content in members.items():
        if PurePosixPath(path).name in ("METADATA", "PKG-INFO") and declares_copyleft(content):
            raise ValueError(f"{package.name} {package.version} declares a copyleft licence")
    sources, dropped = [], Counter[str]()
    for path, content in sorted(members.items()):
        if not path.endswith(".py"):
            continue
        text = normalise(content)
        reason = rejection(path, text)
        if reason is None and text is not None:
            sources.append(Source(package.name, path, text))
        else:
            dropped[str(reason)] += 1
    return sources, dropped


def read_archive(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Python files and metadata of a wheel or an sdist, by path; nothing is written to disk."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if _wanted(name):
                    yield name, wheel.read(name)
        return
    with tarfile.open(archive) as sdist:
        for member in sdist:
            content = sdist.extractfile(member) if _wanted(member.name) else None
            if content is not None:
                yield member.name.partition("/")[2], content.read()


def _read_installed(package: Package) -> Iterator[tuple[str, bytes]]:
    for path in metadata.distribution(package.name).files or ():
        located = Path(str(path.locate()))
        if ".." not in path.parts and _wanted(path.as_posix()) and located.is_file():
            yield path.as_posix(), located.read_bytes()


def _wanted(path: str) -> bool:
    name = PurePosixPath(path).name
    if _VENDORED.search(path):
        return False
    return name.endswith(".py") or name in ("METADATA", "PKG-INFO")


def _installed(package: Package) -> bool:
    try:
        version = metadata.version(package.name)
    except metadata.PackageNotFoundError:
        return False
    return version.partition("+")[0] == package.version  # a torch wheel says +cpu or +cu128


def _archive(package: Package, archives: Path) -> Path | None:
    stem = f"{package.name}-{package.version}-".replace("_", "-").lower()
    for path in sorted(archives.iterdir()):
        name = re.sub(r"\.(whl|zip|tar\.\w+)$", "-", path.name).replace("_", "-").lower()
        if name.startswith(stem):
            return path
    return None


# What is worth reading

_COPYLEFT = r"(?i)\b(A|L)?GPL|\bGNU\b|Mozilla|\bMPL|\bEUPL|\bSSPL|Proprietary"
_COPYLEFT_TEXT = re.compile(r"General Public License|licen[cs]e\s*=\s*['\"][^'\"\n]*GPL")
_VENDORED = re.compile(r"(^|/)_?(vendor|vendored|vendored_packages|third_party|extern|externals?)/")
_GENERATED = re.compile(
    r"(?im)^\W*((this|the|code)( \w+){0,4} )?"
    r"(auto(matically)?[- ]?generated|generated by|do not edit)|@generated\b"
)
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}|\bxox[abprs]-\w"
    r"|\bAIza[\w-]{35}|\bhf_[A-Za-z]{34}\b|\bsk-[A-Za-z0-9]{32,}"
)
# Possessive: the same line could be cut into literals in many ways, and all fail alike.
_DATA_LINE = re.compile(
    r"(?=.*[\d'\"])(?!.*(\"\"\"|'''))"
    r"(?:[][(){},:+*\s-]|\d[\w.]*+|[rbuRBU]{0,2}(?:\"[^\"]*\"|'[^']*')|None\b|True\b|False\b)++$"
)


def declares_copyleft(metadata_file: bytes) -> bool:
    """A long License field is not judged: it quotes the licences of bundled C libraries."""
    headers = HeaderParser().parsestr(metadata_file.decode("utf-8", "replace"))
    licence = headers.get("License") or ""
    claims = [c for c in headers.get_all("Classifier") or () if c.startswith("License")]
    claims += [headers.get("License-Expression") or "", licence if len(licence) < 100 else ""]
    return any(re.search(_COPYLEFT, claim) for claim in claims)


def normalise(content: bytes) -> str | None:
    """The text with \\n line ends and no byte-order mark; None if it is not UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def rejection(path: str, text: str | None) -> str | None:
    """Why a file is not worth learning from; None if it is."""
    if text is None:
        return "not UTF-8"
    if not 300 <= len(text.encode()) <= 200_000:
        return "size"
    lines = text.splitlines()
    if path.endswith(("_pb2.py", "_pb2_grpc.py")) or _GENERATED.search("\n".join(lines[:30])):
        return "generated"
    if max(map(len, lines)) > 400 or sum(map(len, lines)) > 80 * len(lines):
        return "long lines"
    if sum(bool(_DATA_LINE.match(line)) for line in lines) > 0.3 * len(lines):
        return "data"
    if _SECRET.search(text):
        return "secret"
    return None if _parses(text) else "does not parse"


def _parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


# What has been read before


def shingles(text: str, n_lines: int) -> list[bytes]:
    """Hashes of every `n_lines` code lines in a row, blind to indentation, blanks and comments."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    windows = range(max(1, len(lines) - n_lines + 1))
    return [_digest("\n".join(lines[i : i + n_lines])) for i in windows]


def apart(sources: list[Source], others: list[Source], share: float) -> list[Source]:
    """The sources of which at most `share`, in 5-line shingles, is also in `others`."""
    seen = {shingle for other in others for shingle in shingles(other.text, 5)}
    return [source for source in sources if _overlap(shingles(source.text, 5), seen) <= share]


def without_near_duplicates(sources: Iterable[Source]) -> Iterator[Source]:
    """Each source of which at most half, in 8-line shingles, is in the ones already given."""
    seen: set[bytes] = set()
    for source in sources:
        own = shingles(source.text, 8)
        if _overlap(own, seen) <= 0.5:
            seen.update(own)
            yield source


def _overlap(own: list[bytes], seen: set[bytes]) -> float:
    return sum(shingle in seen for shingle in own) / len(own)


# How much of each


def balance(sources: list[Source]) -> list[Source]:
    """The sources left when no package and no package's tests pass their share of the whole."""
    by_package: dict[str, list[Source]] = {}
    for source in sorted(sources, key=_shuffled):
        by_package.setdefault(source.package, []).append(source)

    code = {n: sum(_size(s) for s in ss if not s.is_test) for n, ss in by_package.items()}
    tests = {n: sum(_size(s) for s in ss if s.is_test) for n, ss in by_package.items()}
    tests_per_code = TESTS_SHARE / (1 - TESTS_SHARE)
    sizes = [code[n] + min(tests[n], int(tests_per_code * code[n])) for n in by_package]
    cap = package_cap(sizes)
    kept: list[Source] = []
    for name, group in by_package.items():
        budget = int(min(TESTS_SHARE * cap, tests_per_code * code[name]))
        some_tests = _within([s for s in group if s.is_test], budget)
        budget = cap - sum(map(_size, some_tests))
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
        if _size(source) <= budget:
            budget -= _size(source)
            taken.append(source)
    return taken


def _size(source: Source) -> int:
    return len(source.text.encode())


def _shuffled(source: Source) -> bytes:
    return _digest(f"{source.package}/{source.path}")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:2]))
