"""Image files: the files of a folder or zip, their decoding into pixels, and single photos.

A zip is read member by member in memory; nothing is extracted to the disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from groundup import checks

Name = tuple[str, ...]  # ("cat", "1.jpg") is cat/1.jpg

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")  # and every name that begins with a dot


@dataclass(frozen=True)
class FileTree:
    """Sorted files and folders below `source`, without hidden files and those that operating systems create.

    Args:
        source: folder or zip file.
        files, folders: names as tuples of parts: ("cat", "1.jpg") is cat/1.jpg.
        read: returns the bytes of a file.
        size: returns the number of bytes of a file.
        root: folder inside `source` that the tree is restricted to.
    """

    source: Path
    files: tuple[Name, ...]
    folders: tuple[Name, ...]
    read: Callable[[Name], bytes]
    size: Callable[[Name], int]
    root: Name = ()

    def below(self, folder: str) -> FileTree:
        """Return the part of the tree inside a folder at the root."""
        root = (*self.root, folder)

        def inside(names: tuple[Name, ...]) -> tuple[Name, ...]:
            return tuple(name for name in names if name[: len(root)] == root and name != root)

        return replace(self, files=inside(self.files), folders=inside(self.folders), root=root)

    def children(self) -> tuple[str, ...]:
        """Return the names of the folders at the root."""
        return tuple(name[-1] for name in self.folders if len(name) == len(self.root) + 1)

    def __str__(self) -> str:
        return str(self.source.joinpath(*self.root))


def open_file_tree(path: Path) -> FileTree:
    """Return the tree of a folder or a zip file.

    Raises `FileNotFoundError` if there is nothing at `path`, and `ValueError` if it is neither a folder nor a zip, is
    damaged, or a member of the zip points outside of it.
    """
    if path.is_dir():
        walk = [(Path(at).relative_to(path).parts, *names) for at, *names in os.walk(path, followlinks=True)]
        files = [(*at, name) for at, _, names in walk for name in names]
        folders = [(*at, name) for at, names, _ in walk for name in names]
        return _build_tree(
            path,
            files,
            folders,
            read=lambda name: path.joinpath(*name).read_bytes(),
            size=lambda name: path.joinpath(*name).lstat().st_size,  # of a broken link too
        )
    if not path.exists():
        raise FileNotFoundError(f"path must be a folder or a zip file; there is nothing at {path}")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as failure:
        raise ValueError(f"path must be a folder or a zip file, got {path}: {failure}") from failure
    members: dict[Name, str] = {}
    for member in archive.namelist():
        name = tuple(part for part in member.split("/") if part not in ("", "."))
        if member.startswith("/") or ".." in name:
            raise ValueError(f"{path} has a member that points outside of it, {member!r}; pack it again")
        members[name] = member
    files = [name for name, member in members.items() if not member.endswith("/")]
    folders = [name for name, member in members.items() if member.endswith("/")]
    return _build_tree(
        path,
        files,
        folders,
        read=lambda name: archive.read(members[name]),
        size=lambda name: archive.getinfo(members[name]).file_size,
    )


def _build_tree(
    source: Path,
    files: list[Name],
    folders: list[Name],
    read: Callable[[Name], bytes],
    size: Callable[[Name], int],
) -> FileTree:
    files = sorted(name for name in files if not _is_junk(name))
    above = {name[:depth] for name in files for depth in range(1, len(name))}  # a zip need not list its folders
    every = above.union(name for name in folders if not _is_junk(name))
    return FileTree(source, tuple(files), tuple(sorted(every)), read, size)


def _is_junk(name: Name) -> bool:
    return any(part.startswith(".") or part in _JUNK for part in name)


def decode(content: bytes, size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    """Decode an image file to uint8 pixels, (H, W) in grey or (H, W, 3) in colour.

    Args:
        content: bytes of the file.
        size: (height, width) that the image is stretched to, bilinearly, with averaging when it shrinks; None keeps
            the size.
        channels: 1 for grey, 3 for colour; None keeps grey images grey.

    The EXIF orientation is applied, transparent parts are put over white, 16-bit grey values are scaled to 8 bits, and
    the first of several frames is used. Raises an exception of Pillow or Python if the file cannot be decoded.
    """
    pillow, ops = import_pillow()
    try:
        opened = pillow.open(io.BytesIO(content))
    except pillow.UnidentifiedImageError:
        raise ValueError("not an image in a format that Pillow reads") from None
    with opened:
        image = _to_eight_bits(ops.exif_transpose(opened), opened.format, pillow)
        grey = image.mode in ("1", "L", "LA", "La")
        if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
            paper = pillow.new("RGBA", image.size, "white")
            image = pillow.alpha_composite(paper, image.convert("RGBA"))
        image = image.convert("L" if channels == 1 or (channels is None and grey) else "RGB")
        if size is not None and image.size != size[::-1]:
            image = image.resize(size[::-1], pillow.Resampling.BILINEAR)
        return np.asarray(image)


def _to_eight_bits(image: Any, file_format: str | None, pillow: ModuleType) -> Any:
    """Return 16-bit grey values v as round(v / 257), which maps 65535 to 255; Pillow itself would clip them."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in ("PNG", "PPM")):
        return pillow.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no set range; save the image with 8 or 16 bits")
    return image


def import_pillow() -> tuple[ModuleType, ModuleType]:
    """Import Pillow's `Image` and `ImageOps`. Raises `ImportError` that says how to install it."""
    try:
        from PIL import Image, ImageOps
    except ImportError as missing:
        raise ImportError("reading images needs Pillow: pip install 'groundup[data]'") from missing
    return Image, ImageOps


def read_photo(
    path: str | PathLike[str], channels: int = 3, size: int | tuple[int, int] | None = None
) -> UInt8[Tensor, "1 channels height width"]:
    """Read an image file as a batch of one image, uint8; upright, with transparent parts over white.

    Args:
        path: file in any format that Pillow reads.
        channels: 3 for colour, 1 for grey.
        size: int or (height, width) that the image is stretched to, exactly as by `image_folder(size=)`; None keeps
            its size.

    Raises `FileNotFoundError`, and `ValueError`, naming the file, if it is no image or damaged.

    Example:
        >>> path = getfixture("tmp_path") / "grey.png"
        >>> write_photo(torch.full((1, 4, 6), 128, dtype=torch.uint8), path)
        >>> read_photo(path).shape, read_photo(path, channels=1, size=3).shape
        (torch.Size([1, 3, 4, 6]), torch.Size([1, 1, 3, 3]))
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}")
    wanted = None if size is None else checks.pair("size", size)
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise ValueError(f"{file} is a folder; name an image file in it") from None
    except (OSError, ValueError) as failure:  # no permission, a name that no file can have
        reason = getattr(failure, "strerror", None) or str(failure)
        raise ValueError(f"{str(file)[:80]} cannot be read: {reason}") from None
    try:
        pixels = decode(content, wanted, channels)
    except ImportError:
        raise
    except Exception as failure:  # Pillow's decoders raise what they like
        raise ValueError(f"{file} cannot be read as an image: {failure}") from failure
    image = torch.from_numpy(pixels.copy())
    return (image[None, None] if channels == 1 else image.permute(2, 0, 1)[None]).contiguous()


def write_photo(image: UInt8[Tensor, "channels height width"], path: str | PathLike[str]) -> None:
    """Write an image as a file in the format of its ending; `read_photo` returns the same pixels of a PNG.

    Args:
        image: (C, H, W) uint8 with 1 or 3 channels.
        path: file to write, as "photo.png".
    """
    checks.rank("image", checks.tensor("image", image), 3, layout="(C, H, W)")
    checks.require(
        image.dtype == torch.uint8 and image.size(0) in (1, 3),
        f"image must be uint8 with 1 or 3 channels, got {image.dtype} with {image.size(0)}",
    )
    pixels = image.squeeze(0) if image.size(0) == 1 else image.permute(1, 2, 0)
    image_module, _ = import_pillow()
    image_module.fromarray(pixels.cpu().contiguous().numpy()).save(path)
