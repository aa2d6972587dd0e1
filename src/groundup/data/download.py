"""Downloads of published files, and the cache folder that holds them.

    GROUNDUP_DATA     the cache folder; if unset, the platform's own (`~/.cache/groundup` on Linux)

A file is saved as `<cache>/<name>`, for example `mnist/train-images-idx3-ubyte.gz`. A file of the cache with the right
SHA-256 is used without network access, and the folder may be read-only. Everything else is an error with a remedy.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

_TIMEOUT_SECONDS = (10, 60)  # to connect to an address, and between two pieces of the answer
_CHUNK_BYTES = 2**16


class DownloadError(OSError):
    """The file is not in the cache and could not be downloaded."""


class DamagedFileError(OSError):
    """The file in the cache is not the published one; it is neither used nor overwritten."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Args:
        size: bytes; 0 if the publisher does not state it.
        sha256: SHA-256, or its first digits, as many as the publisher states.
        addresses: addresses in the order in which they are tried; without one, the file can only be put into the
            cache by hand.
    """

    size: int
    sha256: str
    addresses: tuple[str, ...] = ()

    @property
    def bytes(self) -> str:
        """The size in words; "" if it is not known."""
        return f" ({self.size:,} bytes)" if self.size else ""


#: Every file that `fetch` knows, by its name in the cache; the data sets register theirs.
FILES: dict[str, RemoteFile] = {}


def register_files(folder: str, files: dict[str, tuple[int, str]], *addresses: str) -> None:
    """Let `fetch` know the files of a data set.

    Args:
        folder: folder of the cache that the files are saved in.
        files: file name → (size in bytes, 0 if it is not known, SHA-256).
        addresses: addresses of folders that hold all of the files, in the order in which they are tried.
    """
    for name, (size, sha256) in files.items():
        FILES[f"{folder}/{name}"] = RemoteFile(size, sha256, tuple(address + name for address in addresses))


def cache_folder() -> Path:
    """Return the folder that `GROUNDUP_DATA` names, or else the platform's cache folder for groundup."""
    if chosen := os.environ.get("GROUNDUP_DATA"):
        return Path(chosen).expanduser().absolute()
    return Path(_pooch().os_cache("groundup"))


def find_cached(name: str) -> Path | None:
    """Return the path of a registered file in the cache, or None if it is not there.

    Raises `DamagedFileError` if a file of that name is there and is not the published one.
    """
    return _check_cached(name, _look_up(name))


def fetch(name: str) -> Path:
    """Return the path of a registered file in the cache, downloaded if need be; its SHA-256 is checked either way.

    Args:
        name: name in the cache, as "mnist/train-images-idx3-ubyte.gz".

    Raises `ValueError` for an unknown name, `DamagedFileError` if a file of that name is not the published one, and
    `DownloadError`, which says where to put the file by hand.
    """
    return retrieve(name, _look_up(name))


def retrieve(name: str, file: RemoteFile) -> Path:
    """Return the path of a file that is not registered, saved as `name` in the cache; otherwise as `fetch`."""
    if (path := _check_cached(name, file)) is not None:
        return path
    path = cache_folder() / name
    if (obstacle := _unwritable(path.parent)) is not None:
        raise DownloadError(by_hand(name, file, [obstacle]))
    failures = []
    for address in file.addresses:
        try:
            _download(address, name, file)
            return path
        except (OSError, ValueError) as failure:  # the network and the disk; a wrong hash
            failures.append(f"{address}: {_shorten(failure)}")
    raise DownloadError(by_hand(name, file, failures or ["it is published under no address of its own"]))


def _check_cached(name: str, file: RemoteFile) -> Path | None:
    path = cache_folder() / name
    if not path.is_file():
        return None
    if file.sha256 and not (found := sha256(path)).startswith(file.sha256):
        raise DamagedFileError(
            f"{path} is not the published file: expected sha256 {file.sha256}{file.bytes}, "
            f"got {found} ({path.stat().st_size:,} bytes); delete it to have it downloaded again"
        )
    return path


def _download(address: str, name: str, file: RemoteFile) -> None:
    """Download to a temporary file, check it, and rename it: an incomplete or wrong file never has the name."""
    path = cache_folder() / name
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        # pooch puts the size that the server states in the place of `total`, which must not be 0.
        with tqdm(total=file.size or 1, desc=name, unit="B", unit_scale=True, leave=False, delay=0.5) as bar:
            _pooch().HTTPDownloader(progressbar=bar, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS)(
                address, temporary, None
            )
        if not (found := sha256(temporary)).startswith(file.sha256):
            raise ValueError(f"expected sha256 {file.sha256}, what came has {found}")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shorten(failure: Exception) -> str:
    """Return the message of a failure; that of a failed connection, with the history of all retries, is shortened."""
    return "no connection" if type(failure).__name__ in ("ConnectionError", "ConnectTimeout") else str(failure)


def _look_up(name: str) -> RemoteFile:
    if name not in FILES:
        raise ValueError(f"name must be one of {', '.join(FILES)}; got {name!r}")
    return FILES[name]


def _unwritable(folder: Path) -> str | None:
    """Create `folder` if need be; return the reason why nothing can be saved in it, or None."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        return f"the cache folder cannot be made: {failure}"
    return None if os.access(folder, os.W_OK) else f"the cache folder cannot be written: {folder}"


def by_hand(name: str, file: RemoteFile, reasons: list[str], what: str = "file") -> str:
    """Return the message for a file, or a folder, that could not be downloaded: the reasons, and where to put it."""
    size = f" ({file.size / 1e6:.1f} MB)" if file.size >= 100_000 else f" ({file.size:,} bytes)" if file.size else ""
    source = f" from {file.addresses[0]}" if file.addresses else ""
    return "\n  ".join(
        (
            f"{name}{size} is not in the cache and could not be downloaded:",
            *reasons,
            f"Put the {what}{source} at {cache_folder() / name} by hand,",
            f"or set GROUNDUP_DATA to a folder that holds {name}.",
        )
    )


def _pooch() -> ModuleType:
    try:
        import pooch
    except ImportError as missing:
        raise ImportError(
            "downloading data needs pooch: pip install 'groundup[data]' (or set GROUNDUP_DATA to a folder "
            "that holds the files)"
        ) from missing
    pooch.get_logger().setLevel("WARNING")  # the progress bar says the same
    return pooch
