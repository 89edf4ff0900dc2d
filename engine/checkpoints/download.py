"""Pulling a model from a Hugging Face hub: resumable, checked, and never half. Imports no torch.

`huggingface_hub` knows the hub: endpoints, tokens, proxies, gated repositories, retries. What it
does not do is here: going on after a run that was ended (it drops its partial files), checking
bytes against the hub's checksums, and one folder that is either whole or not there.

    store/NAME.partial/FILE.<checksum>.part     what has come of a file
    store/NAME.partial/FILE                     a file that is whole, its checksum verified
    store/NAME/                                 the model, renamed into place with its receipt
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BufferedRandom
from pathlib import Path
from typing import Any, cast

from engine.api import EngineError
from engine.checkpoints.catalog import GB, RECEIPT, Entry, receipt

WANTED = ("config.json", "generation_config.json", "hf_quant_config.json", "tokenizer.json",
          "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
          "merges.txt", "chat_template.jinja", "*.safetensors", "*.safetensors.index.json",
          "LICENSE*", "README.md")  # fmt: skip
# Of each of these one has to be there: Dream's releases have the parts of a tokenizer alone.
NEEDED = (("config.json",), ("tokenizer.json", "vocab.json"))
WEIGHTS = ".safetensors"
SPARE = 200_000_000  # bytes of disk left alone
ATTEMPTS = 2  # of a file whose bytes turn out wrong


class PullFailed(EngineError):
    """The model was not pulled; what has come is kept. The message names the cause and the fix."""

    kind = "pull_failed"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub lists it: `checksum` is sha256, or git's sha1 for a small one."""

    name: str
    size: int
    checksum: str

    @property
    def hash(self) -> Any:
        if len(self.checksum) == 64:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of the whole model: what is here, how many there are, and the file that is coming."""

    done: int
    of: int
    file: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository as the hub has it now: its commit, the files of it that are wanted, small ones
    first, and the licence that its card names, None where it names none."""

    revision: str
    files: list[Remote]
    licence: str | None

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self.files)


OnProgress = Callable[[Progress], None]
Examine = Callable[[Path], None]


def look_up(entry: Entry, endpoint: str | None = None) -> Listing:
    """What the hub has of a model, of which nothing is fetched. Raises PullFailed."""
    return _list(entry, _hub(endpoint))


def pull(
    entry: Entry,
    store: Path,
    on_progress: OnProgress | None = None,
    endpoint: str | None = None,
    examine: Examine | None = None,
) -> Path:
    """Bring a model into `store`, and return its folder. Raises PullFailed.

    A run that was ended goes on where it was. `endpoint` is the hub, by default `$HF_ENDPOINT`.
    `examine` is shown the folder as soon as all of the model but its weights is there; what it
    raises ends the pull.
    """
    folder = store / entry.name
    if receipt(folder) is not None:
        return folder
    if folder.exists():
        raise PullFailed(f"{folder} is there and is no whole model: remove it, and pull again")
    endpoint = _hub(endpoint)
    partial = store / f"{entry.name}.partial"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with _alone(store / f"{entry.name}.lock", entry.name):
            listing = _list(entry, endpoint)
            _check_space(partial, listing.files)
            _fetch(entry, listing, partial, endpoint, on_progress, examine)
            return _finish(entry, listing.revision, listing.files, partial, folder)
    except OSError as error:
        raise PullFailed(_disk_fault(error, store)) from error


def _hub(endpoint: str | None) -> str:
    """Its address; raises PullFailed where nothing is to be fetched."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise PullFailed("HF_HUB_OFFLINE is set, so nothing is fetched: unset it and pull again")
    return endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _fetch(
    entry: Entry,
    listing: Listing,
    partial: Path,
    endpoint: str,
    on_progress: OnProgress | None,
    examine: Examine | None,
) -> None:
    total, whole = listing.nbytes, 0
    # The weights last: what they belong to is looked at before they are fetched.
    for file in sorted(listing.files, key=lambda file: file.name.endswith(WEIGHTS)):
        if examine is not None and file.name.endswith(WEIGHTS):
            examine(partial)
            examine = None
        before = whole

        def show(here: int, before: int = before, name: str = file.name) -> None:
            if on_progress is not None:
                on_progress(Progress(before + here, total, name))

        if not _is_whole(partial, file):
            _fetch_file(entry, listing.revision, file, partial, endpoint, show)
        whole += file.size
        show(file.size)


def _fetch_file(
    entry: Entry,
    revision: str,
    file: Remote,
    partial: Path,
    endpoint: str,
    show: Callable[[int], None],
) -> None:
    """Bring one file, from where its part ends; its name says that it is whole and right."""
    from huggingface_hub import file_download, hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        disable_progress_bars,
    )

    disable_progress_bars()
    url = hf_hub_url(entry.repository, file.name, revision=revision, endpoint=endpoint)
    part = partial / f"{file.name}.{file.checksum[:12]}.part"
    for _ in range(ATTEMPTS):
        with _Part.open(part, file, show) as target:
            try:
                file_download.http_get(
                    url,
                    cast(Any, target),
                    resume_size=target.tell(),
                    headers=build_hf_headers(library_name="infill-ls"),
                    expected_size=file.size,
                )
            except Exception as error:
                if not _is_wrong_length(error):
                    raise _explain(error, entry, endpoint) from error
            right = target.checksum() == file.checksum
        if right:
            part.replace(partial / file.name)
            return
        part.unlink()
    raise PullFailed(
        f"{file.name} of {entry.repository} has come with wrong bytes {ATTEMPTS} times (its"
        f" checksum is not {file.checksum[:12]}...): something between here and {endpoint} changes"
        " them; pull again later or over another network"
    )


class _Part:
    """A file that grows, hashed as it does: what `http_get` writes to."""

    def __init__(self, file: BufferedRandom, remote: Remote, show: Callable[[int], None]) -> None:
        self._file, self._remote, self._show = file, remote, show
        self._hash = remote.hash

    @classmethod
    @contextmanager
    def open(cls, path: Path, remote: Remote, show: Callable[[int], None]) -> Iterator[_Part]:
        with path.open("r+b" if path.exists() else "w+b") as file:
            part = cls(file, remote, show)
            part._take_in()
            yield part
            file.flush()
            os.fsync(file.fileno())

    def _take_in(self) -> None:
        """Hash what an earlier run left; of one that is too long nothing is kept."""
        if self._file.seek(0, os.SEEK_END) > self._remote.size:
            self._file.truncate(0)
        self._file.seek(0)
        while chunk := self._file.read(1 << 20):
            self._hash.update(chunk)
            self._show(self._file.tell())

    def write(self, chunk: bytes) -> int:
        written = self._file.write(chunk)
        self._hash.update(chunk)
        self._show(min(self._file.tell(), self._remote.size))
        return written

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, at: int) -> int:
        return self._file.seek(at)

    def truncate(self) -> int:
        """`http_get` goes back to the start, and nowhere else, when a server has no ranges."""
        if self._file.tell():
            raise PullFailed("the download went back to the middle of a file: pull again")
        self._hash = self._remote.hash
        return self._file.truncate()

    def checksum(self) -> str:
        return str(self._hash.hexdigest())


def _list(entry: Entry, endpoint: str) -> Listing:
    from huggingface_hub import HfApi

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        info = HfApi(endpoint=endpoint, library_name="infill-ls").model_info(
            entry.repository, files_metadata=True
        )
    except Exception as error:
        raise _explain(error, entry, endpoint) from error
    files = []
    for each in info.siblings or ():
        name = each.rfilename
        if "/" in name or "\\" in name or not any(fnmatchcase(name, want) for want in WANTED):
            continue
        checksum = each.lfs.sha256 if each.lfs is not None else each.blob_id
        if each.size is None or checksum is None:
            raise PullFailed(f"{endpoint} gives no size and checksum for {name}: use another hub")
        files.append(Remote(name, each.size, checksum))
    names = {file.name for file in files}
    missing = [" or ".join(choice) for choice in NEEDED if names.isdisjoint(choice)]
    if info.sha is None or missing or not any(name.endswith(WEIGHTS) for name in names):
        lacking = ", ".join(missing) or "*.safetensors"
        raise PullFailed(f"{entry.repository} at {endpoint} has no {lacking}: it is no such model")
    card: Any = info.card_data or {}
    licence = card.get("license_name") or card.get("license")
    by_size = sorted(files, key=lambda file: (file.size, file.name))
    return Listing(info.sha, by_size, None if licence is None else str(licence))


def _check_space(partial: Path, files: list[Remote]) -> None:
    here = sum(path.stat().st_size for path in partial.iterdir() if path.is_file())
    wanted = max(0, sum(file.size for file in files) - here)
    free = shutil.disk_usage(partial).free
    if wanted and wanted + SPARE > free:
        raise PullFailed(
            f"{_gb(wanted)} are still to come and {partial.parent} has {_gb(free)} free: free"
            f" {_gb(wanted + SPARE - free)}, or set INFILL_MODELS to a folder with more room"
        )


def _is_whole(partial: Path, file: Remote) -> bool:
    """Names without `.part` were given after the checksum was verified, of some revision: a file
    of the same size may yet be another."""
    path = partial / file.name
    if not path.exists():
        return False
    found = file.hash
    with path.open("rb") as content:
        while chunk := content.read(1 << 20):
            found.update(chunk)
    return bool(found.hexdigest() == file.checksum)


def _finish(entry: Entry, revision: str, files: list[Remote], partial: Path, folder: Path) -> Path:
    for leftover in partial.glob("*.part"):
        leftover.unlink()
    pulled = {
        "name": entry.name,
        "repository": entry.repository,
        "revision": revision,
        "files": {file.name: {"size": file.size, "checksum": file.checksum} for file in files},
    }
    (partial / RECEIPT).write_text(json.dumps(pulled, indent=2) + "\n", encoding="utf-8")
    partial.rename(folder)
    return folder


@contextmanager
def _alone(path: Path, name: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as busy:
        raise PullFailed(f"{name} is being pulled by another process: wait for it") from busy


def _is_wrong_length(error: Exception) -> bool:
    """More or fewer bytes than the hub says; the checksum then says so too."""
    return isinstance(error, OSError) and "Consistency check failed" in str(error)


def _explain(error: Exception, entry: Entry, endpoint: str) -> Exception:
    """What went wrong as PullFailed, or the disk's own OSError."""
    from huggingface_hub import errors

    page = f"{endpoint}/{entry.repository}"
    kept = "what has come is kept: run the same pull again to go on"
    if isinstance(error, (PullFailed, KeyboardInterrupt)):
        return error
    if isinstance(error, errors.GatedRepoError):
        why = f"{page} asks for its terms to be accepted"
        fix = "accept them there, then set HF_TOKEN or run `hf auth login`"
    elif isinstance(error, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError)):
        why = f"{page} is not there, or only for those who may see it"
        fix = "set HF_TOKEN or run `hf auth login` if it is private; check HF_ENDPOINT"
    elif isinstance(error, errors.OfflineModeIsEnabled):
        why, fix = "HF_HUB_OFFLINE is set, so nothing is fetched", "unset it and pull again"
    elif isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", "an error")
        why, fix = f"{page} answers {status}", kept
        if status in (401, 403):
            fix = "set HF_TOKEN or run `hf auth login`"
        elif status == 404:
            fix = "the file is gone from the hub: pull again to see what it has now"
    elif isinstance(error, OSError) and error.errno is not None:
        return error
    else:
        brief = (str(error) or type(error).__name__).splitlines()[0]
        why, fix = f"{endpoint} cannot be reached or was cut off ({brief})", kept
    return PullFailed(f"{why}: {fix}")


def _disk_fault(error: OSError, store: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{store} is full: free some room and pull again; what has come is kept, and is"
            " not taken for a whole model"
        )
    return f"{store} cannot be written ({error.strerror or error}): fix that and pull again"


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
