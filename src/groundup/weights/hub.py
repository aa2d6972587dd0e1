"""Locations of weights: paths, addresses and hub repositories, turned into paths on this machine.

    https://…                  into <cache>/weights/, checked against the publisher's hash
    hf://owner/repo/file       one file of a repository on the Hugging Face hub, in the hub's own cache
    owner/repo                 its weights and configuration, as a folder

A file put by hand under <cache>/weights/ is used without asking the network; for the hub, as
<cache>/weights/owner/repo/file. <cache> is `groundup.data.cache_folder()`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import torch

from groundup.data.download import DamagedFileError, DownloadError, RemoteFile, by_hand, cache_folder, retrieve, sha256
from groundup.weights import registry
from groundup.weights.weight_files import ENDINGS

# A repository may hold the same weights in several forms and precisions, of gigabytes each: one form is fetched.
_OTHER_FILES = ["config.json", "tokenizer.json", "tokenizer.model"]
_FORMS = (
    ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"],
    ["pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"],
    ["consolidated.*.pth", "params.json"],
)


def locate(name: str, aliases: Mapping[str, str] | None = None) -> Path:
    """Return the path of weights, fetched if need be.

    Args:
        name: a path, an address, or a repository of the hub; an existing path is preferred.
        aliases: short names of addresses and repositories.

    Raises `ValueError` for a name that is none of these.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    name = (aliases or {}).get(name, name)
    if name.startswith(("https://", "http://", "hf://")):
        return fetch(name)
    owner = name.split("/")[0]
    addresses = [row.address for row in registry.published_weights() if row.name.split("/")[0] == owner]
    elsewhere = addresses and not any(address.startswith("hf://") for address in addresses)
    is_repository = re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) and path.suffix not in ENDINGS
    if is_repository and not elsewhere:
        return fetch_folder(name)
    raise ValueError(
        f"{name!r} is neither a file or folder on this machine, nor an address, nor the name of published weights"
        f"{registry.suggest_names(name)}"
    )


def fetch(address: str, digits: str = "") -> Path:
    """Return the path of the file at an https or hf address.

    Args:
        address: https://… or hf://owner/repository/file.
        digits: first digits of the file's SHA-256; by default those in a name like resnet50-0676ba61.pth, as
            torchvision's publisher names its files.

    Raises `DownloadError`, which says where to put the file by hand, and `DamagedFileError` for a file other than the
    published one.
    """
    if address.startswith("hf://"):
        owner, repository, *parts = address.removeprefix("hf://").split("/")
        if not parts or not all((owner, repository, *parts)) or ".." in parts:
            raise ValueError(f"address must be hf://owner/repository/file, got {address!r}")
        return _fetch_hub_file(f"{owner}/{repository}", "/".join(parts), digits)
    name = Path(urlsplit(address).path).name
    if not address.startswith(("https://", "http://")) or not name:
        raise ValueError(f"address must begin with https:// or hf:// and end in the name of a file, got {address!r}")
    stated = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    digits = digits or (stated[1] if stated else "")
    theirs = Path(torch.hub.get_dir()) / "checkpoints" / name
    if digits and theirs.is_file() and sha256(theirs).startswith(digits):
        return theirs  # torchvision or timm has downloaded it before
    return retrieve(f"weights/{name}", RemoteFile(0, digits, (address,)))


def fetch_folder(repository: str) -> Path:
    """Return a folder with the weights and the configuration of a hub repository "owner/name"."""
    own = cache_folder() / "weights" / repository
    if own.is_dir():
        return own
    hub = _import_hub()
    try:
        for form in _FORMS:
            folder = Path(hub.snapshot_download(repository, allow_patterns=[*_OTHER_FILES, *form]))
            # The folder also holds what was fetched before: other forms, and training files with the same endings.
            if any(file.suffix in ENDINGS and any(map(file.match, form)) for file in folder.iterdir()):
                return folder
    except (OSError, ValueError) as failure:
        page = RemoteFile(0, "", (f"https://huggingface.co/{repository}",))
        raise DownloadError(by_hand(f"weights/{repository}", page, [_shorten(failure)], "files")) from failure
    raise ValueError(
        f"{repository} on the hub has neither model.safetensors nor pytorch_model.bin nor consolidated.00.pth; "
        "name a file of it"
    )


def _fetch_hub_file(repository: str, file: str, digits: str) -> Path:
    name = f"weights/{repository}/{file}"
    path = cache_folder() / name
    if not path.is_file():
        try:
            path = Path(_import_hub().hf_hub_download(repository, file))
        except (OSError, ValueError) as failure:
            there = RemoteFile(0, digits, (f"https://huggingface.co/{repository}/resolve/main/{file}",))
            raise DownloadError(by_hand(name, there, [_shorten(failure)])) from failure
    if digits and not (found := sha256(path)).startswith(digits):
        raise DamagedFileError(f"{path} is not the published file: expected sha256 {digits}, got {found}; delete it")
    return path


def _shorten(failure: Exception) -> str:
    if type(failure).__name__ in ("LocalEntryNotFoundError", "OfflineModeIsEnabled"):
        return "no connection to huggingface.co, and its cache does not hold it"
    return textwrap.shorten(str(failure), 240, placeholder=" …")


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as missing:
        raise ImportError("weights from the Hugging Face hub need huggingface_hub: pip install 'groundup[hub]'") from (
            missing
        )
    return huggingface_hub
