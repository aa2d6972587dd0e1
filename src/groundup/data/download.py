"""The files that are downloaded, in one table, and the cache folder that holds them.

    GROUNDUP_DATA     the cache folder; unset, the platform's own (`~/.cache/groundup` on Linux)

A file lies at `<cache>/<name>`, as `mnist/train-images-idx3-ubyte.gz`. One that is there already with the
right SHA-256 is used as it is: no network, and the folder may be read-only. Anything else is said aloud.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

_TIMEOUT = (10, 60)  # seconds to connect to an address, and between two pieces of the answer
_CHUNK = 2**16  # bytes


class DownloadError(OSError):
    """A file is not in the cache and could not be downloaded."""


class DamagedFileError(OSError):
    """A file in the cache is not the published one; it is neither used nor overwritten."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file: bytes, SHA-256, and addresses in the order in which they are tried.

    Of the SHA-256, as many of the first digits as its publisher states; size 0 where it is not stated.
    Without an address, the file can only be put into the cache by hand.
    """

    size: int
    sha256: str
    addresses: tuple[str, ...] = ()

    @property
    def bytes(self) -> str:
        """The size in words, or nothing."""
        return f" ({self.size:,} bytes)" if self.size else ""


_MNIST = {
    "train-images-idx3-ubyte.gz": (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
_FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    "train-labels-idx1-ubyte.gz": (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    "t10k-images-idx3-ubyte.gz": (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    "t10k-labels-idx1-ubyte.gz": (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
}
_CIFAR10 = {
    "cifar-10-python.tar.gz": (170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
}
_CIFAR10_JPEG = {  # the same images as class folders of JPEG files; see groundup.data.vision.cifar
    "train.zip": (51_241_273, "8724a1fba54c41956b17ed0b3e39517016a2375c332b312dd5959618261d6ae2"),
    "test.zip": (10_249_684, "f6b62287187b5537a55b38aa0a2d889ec2ce9b466d58dceefa720a91f9f7b05f"),
}
_PLANETOID = {
    "ind.cora.allx": (257_305, "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"),
    "ind.cora.ally": (47_959, "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"),
    "ind.cora.graph": (59_847, "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"),
    "ind.cora.test.index": (5_000, "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"),
    "ind.cora.tx": (148_025, "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"),
    "ind.cora.ty": (28_135, "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"),
    "ind.cora.x": (22_119, "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab"),
    "ind.cora.y": (4_054, "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1"),
}
_GIN = {
    "MUTAG/MUTAG.txt": (32_377, "5897dae243f6c773aab54ec99e86551c3b1e8601acef254714073042c632d30e"),
    "PTC/PTC.txt": (89_912, "711729eaf2a5308752aa7c11062dd99f645f978afc400909a5927051b314ec55"),
    "PROTEINS/PROTEINS.txt": (642_021, "ed0730f9bf9da68aa6a8c80f2f2b6ecea5d05791ca254c709f3efab3b45d937b"),
    "IMDBBINARY/IMDBBINARY.txt": (581_321, "1068c698677c07c04f3ad56fc4a175cb2161523c840abfdaf50e101ecc30504f"),
}
_ENZYMES = {
    "ENZYMES_A.txt": (885_124, "5553c84f8f562f3e199dfd27192174f485e85c44c1357661098668937a739cbf"),
    "ENZYMES_graph_indicator.txt": (74_914, "95ba0fa47eba6f02e6b754a215dc66d5b49de3f45f57a128514301a8d7ed5f46"),
    "ENZYMES_graph_labels.txt": (1_200, "04743e08967e61e65cdacbb90f8df6ee53742b3d2e7b84675b85ebac70506856"),
    "ENZYMES_node_attributes.txt": (3_876_850, "305a8fc3b12f79fb844ef3374d6a3c8ceeb4887dd4f86bbfe37932c4c5434e7b"),
    "ENZYMES_node_labels.txt": (39_160, "8263eb9b64efa231a5886343483ccfc0342f2407014763a8f738fd51c32ce770"),
}
_TINY_SHAKESPEARE = {
    "input.txt": (1_115_394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
}
_MULTI30K = {
    "train.de.gz": (637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "train.en.gz": (568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "val.de.gz": (24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.en.gz": (21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "test_2016_flickr.de.gz": (22_890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    "test_2016_flickr.en.gz": (21_077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
}
_GITHUB = "https://raw.githubusercontent.com/"
_GOOGLE = "https://storage.googleapis.com/"


def _published(folder: str, files: dict[str, tuple[int, str]], *addresses: str) -> dict[str, RemoteFile]:
    """The files as they lie in `folder` of the cache, all of them found at each of the addresses."""
    return {
        f"{folder}/{name}": RemoteFile(size, sha256, tuple(address + name for address in addresses))
        for name, (size, sha256) in files.items()
    }


#: Every file that `fetch` knows, by its name in the cache.
FILES: dict[str, RemoteFile] = {
    **_published("mnist", _MNIST, "https://ossci-datasets.s3.amazonaws.com/mnist/", f"{_GOOGLE}cvdf-datasets/mnist/"),
    **_published(
        "fashion_mnist",
        _FASHION_MNIST,
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        f"{_GOOGLE}tensorflow/tf-keras-datasets/",
    ),
    **_published("cifar10", _CIFAR10, "https://www.cs.toronto.edu/~kriz/", f"{_GOOGLE}tensorflow/tf-keras-datasets/"),
    **_published("cifar10", _CIFAR10_JPEG),
    **_published("planetoid", _PLANETOID, f"{_GITHUB}kimiyoung/planetoid/master/data/"),
    **_published("gin", _GIN, f"{_GITHUB}muhanzhang/pytorch_DGCNN/master/data/"),
    **_published("tu/ENZYMES", _ENZYMES, f"{_GITHUB}RexYing/diffpool/master/data/ENZYMES/"),
    **_published("tinyshakespeare", _TINY_SHAKESPEARE, f"{_GITHUB}karpathy/char-rnn/master/data/tinyshakespeare/"),
    **_published("multi30k", _MULTI30K, f"{_GITHUB}multi30k/dataset/master/data/task1/raw/"),
}


def cache_folder() -> Path:
    """The folder that `GROUNDUP_DATA` names, or else the platform's cache folder for groundup."""
    if chosen := os.environ.get("GROUNDUP_DATA"):
        return Path(chosen).expanduser().absolute()
    return Path(_pooch().os_cache("groundup"))


def cached(name: str) -> Path | None:
    """Where the file lies in the cache, or None when it is not there.

    Raises `DamagedFileError` when a file of that name is there and is not the published one.
    """
    return _present(name, _known(name))


def fetch(name: str) -> Path:
    """The path of a file of the table, from the cache or else downloaded, its SHA-256 checked either way.

    Raises `DamagedFileError` (see `cached`) and `DownloadError`, which says where to put the file by hand.
    """
    return retrieve(name, _known(name))


def retrieve(name: str, file: RemoteFile) -> Path:
    """`fetch` of a file that is in no table: to be found, or saved, under `name` in the cache."""
    if (path := _present(name, file)) is not None:
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
            failures.append(f"{address}: {_short(failure)}")
    raise DownloadError(by_hand(name, file, failures or ["it is published under no address of its own"]))


def _present(name: str, file: RemoteFile) -> Path | None:
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
    """Written beside the target, checked, renamed: never a half file, nor a wrong one, under the name."""
    path = cache_folder() / name
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        # pooch puts the size that the server states in the place of `total`, which must not be 0.
        with tqdm(total=file.size or 1, desc=name, unit="B", unit_scale=True, leave=False, delay=0.5) as bar:
            _pooch().HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT)(address, temporary, None)
        if not (found := sha256(temporary)).startswith(file.sha256):
            raise ValueError(f"expected sha256 {file.sha256}, what came has {found}")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _short(failure: Exception) -> str:
    """requests tells the story of every retry; that there is no way to the address is enough."""
    return "no connection" if type(failure).__name__ in ("ConnectionError", "ConnectTimeout") else str(failure)


def _known(name: str) -> RemoteFile:
    if name not in FILES:
        raise ValueError(f"name must be one of {', '.join(FILES)}; got {name!r}")
    return FILES[name]


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be saved in `folder`, which is created when it can be; None when all is well."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        return f"the cache folder cannot be made: {failure}"
    return None if os.access(folder, os.W_OK) else f"the cache folder cannot be written: {folder}"


def by_hand(name: str, file: RemoteFile, reasons: list[str], what: str = "file") -> str:
    """Why the file, or the files of a folder, could not be had, and where to put it."""
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
