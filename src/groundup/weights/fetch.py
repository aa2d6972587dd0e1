"""From the address of weights to a path on this machine.

    https://…                  into <cache>/weights/, checked against the publisher's hash
    hf://owner/repo/file       one file of a repository on the Hugging Face hub, in the hub's own cache
    owner/repo                 its weights and configuration, as a folder

A file put by hand under <cache>/weights/ is taken before the network is asked; for the hub, as
<cache>/weights/owner/repo/file. <cache> is `groundup.data.cache_folder()`.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import torch

from groundup.data.download import DamagedFileError, DownloadError, RemoteFile, by_hand, cache_folder, retrieve, sha256
from groundup.weights.files import ENDINGS

# A repository may hold the same weights in other forms and precisions, gigabytes of them.
_BESIDE = ["config.json", "tokenizer.json", "tokenizer.model"]
_FORMS = (
    ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"],
    ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"],
    ["consolidated.*.pth", "params.json"],
)


def fetch(address: str, digits: str = "") -> Path:
    """The file at an https or hf address; `digits` are the first of its SHA-256.

    Without them, those in a name like resnet50-0676ba61.pth are taken, as is the custom of torchvision's publisher.
    Raises `DownloadError`, which says where to put the file by hand, and `DamagedFileError` for another file than
    the published one.
    """
    if address.startswith("hf://"):
        owner, repository, *parts = address.removeprefix("hf://").split("/")
        if not parts or not all((owner, repository, *parts)) or ".." in parts:
            raise ValueError(f"address must be hf://owner/repository/file, got {address!r}")
        return _hub_file(f"{owner}/{repository}", "/".join(parts), digits)
    name = Path(urlsplit(address).path).name
    if not address.startswith(("https://", "http://")) or not name:
        raise ValueError(f"address must begin with https:// or hf:// and end in the name of a file, got {address!r}")
    stated = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    digits = digits or (stated[1] if stated else "")
    theirs = Path(torch.hub.get_dir()) / "checkpoints" / name
    if digits and theirs.is_file() and sha256(theirs).startswith(digits):
        return theirs  # torchvision or timm fetched it before
    return retrieve(f"weights/{name}", RemoteFile(0, digits, (address,)))


def fetch_folder(repository: str) -> Path:
    """A folder with the weights and the configuration of a repository on the hub, "owner/name"."""
    own = cache_folder() / "weights" / repository
    if own.is_dir():
        return own
    hub = _hub()
    try:
        for form in _FORMS:
            folder = Path(hub.snapshot_download(repository, allow_patterns=[*_BESIDE, *form]))
            # What was fetched before is there, too: other forms, and files of training that end as weights do.
            if any(file.suffix in ENDINGS and any(map(file.match, form)) for file in folder.iterdir()):
                return folder
    except (OSError, ValueError) as failure:
        page = RemoteFile(0, "", (f"https://huggingface.co/{repository}",))
        raise DownloadError(by_hand(f"weights/{repository}", page, [_short(failure)], "files")) from failure
    raise ValueError(
        f"{repository} on the hub has neither model.safetensors nor pytorch_model.bin nor consolidated.00.pth; "
        "name a file of it"
    )


def _hub_file(repository: str, file: str, digits: str) -> Path:
    name = f"weights/{repository}/{file}"
    path = cache_folder() / name
    if not path.is_file():
        try:
            path = Path(_hub().hf_hub_download(repository, file))
        except (OSError, ValueError) as failure:
            there = RemoteFile(0, digits, (f"https://huggingface.co/{repository}/resolve/main/{file}",))
            raise DownloadError(by_hand(name, there, [_short(failure)])) from failure
    if digits and not (found := sha256(path)).startswith(digits):
        raise DamagedFileError(f"{path} is not the published file: expected sha256 {digits}, got {found}; delete it")
    return path


def _short(failure: Exception) -> str:
    if type(failure).__name__ in ("LocalEntryNotFoundError", "OfflineModeIsEnabled"):
        return "no connection to huggingface.co, and its cache does not hold it"
    return textwrap.shorten(str(failure), 240, placeholder=" …")


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as missing:
        raise ImportError("weights from the Hugging Face hub need huggingface_hub: pip install 'groundup[hub]'") from (
            missing
        )
    return huggingface_hub
