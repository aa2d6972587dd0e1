"""The files below a folder or inside a zip, and how one of them becomes pixels.

A zip is read member by member in memory; nothing is ever extracted to the disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Name = tuple[str, ...]  # ("cat", "1.jpg") is cat/1.jpg

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")  # and every name that begins with a dot


@dataclass(frozen=True)
class FileTree:
    """Files and folders below `source`, sorted, without what operating systems leave behind."""

    source: Path
    files: tuple[Name, ...]
    folders: tuple[Name, ...]
    read: Callable[[Name], bytes]
    size: Callable[[Name], int]  # of a file, in bytes
    root: Name = ()

    def below(self, folder: str) -> FileTree:
        """The part of the tree inside the folder of that name at the root."""
        root = (*self.root, folder)

        def inside(names: tuple[Name, ...]) -> tuple[Name, ...]:
            return tuple(name for name in names if name[: len(root)] == root and name != root)

        return replace(self, files=inside(self.files), folders=inside(self.folders), root=root)

    def children(self) -> tuple[str, ...]:
        """The names of the folders at the root."""
        return tuple(name[-1] for name in self.folders if len(name) == len(self.root) + 1)

    def __str__(self) -> str:
        return str(self.source.joinpath(*self.root))


def file_tree(path: Path) -> FileTree:
    """The tree of a folder or a zip file.

    Raises `FileNotFoundError` when there is nothing at `path`, and `ValueError` when it is neither, is damaged, or
    when a member of the zip points outside of it.
    """
    if path.is_dir():
        walk = [(Path(at).relative_to(path).parts, *names) for at, *names in os.walk(path, followlinks=True)]
        files = [(*at, name) for at, _, names in walk for name in names]
        folders = [(*at, name) for at, names, _ in walk for name in names]
        return _tree(
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
            raise ValueError(f"{path} has a member that points outside of it, {member!r}; pack it anew")
        members[name] = member
    files = [name for name, member in members.items() if not member.endswith("/")]
    folders = [name for name, member in members.items() if member.endswith("/")]
    return _tree(
        path,
        files,
        folders,
        read=lambda name: archive.read(members[name]),
        size=lambda name: archive.getinfo(members[name]).file_size,
    )


def _tree(
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
    """The pixels of an image file: uint8, (H, W) in grey or (H, W, 3) in colour.

    Turned upright as its EXIF orientation says; transparent parts over white; 16-bit greys scaled to 8; the first
    frame of several. `channels` None keeps grey images grey; `size` (height, width) stretches (bilinear, averaging
    when it shrinks). Raises some exception, Pillow's or Python's, when it cannot be decoded.
    """
    pillow, ops = import_pillow()
    try:
        opened = pillow.open(io.BytesIO(content))
    except pillow.UnidentifiedImageError:
        raise ValueError("not an image in a format that Pillow reads") from None
    with opened:
        image = _eight_bits(ops.exif_transpose(opened), opened.format, pillow)
        grey = image.mode in ("1", "L", "LA", "La")
        if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
            paper = pillow.new("RGBA", image.size, "white")
            image = pillow.alpha_composite(paper, image.convert("RGBA"))
        image = image.convert("L" if channels == 1 or (channels is None and grey) else "RGB")
        if size is not None and image.size != size[::-1]:
            image = image.resize(size[::-1], pillow.Resampling.BILINEAR)
        return np.asarray(image)


def _eight_bits(image: Any, file_format: str | None, pillow: ModuleType) -> Any:
    """16-bit grey values v as round(v / 257), which takes 65535 to 255; Pillow itself would clip them."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in ("PNG", "PPM")):
        return pillow.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no set range; save the image with 8 or 16 bits")
    return image


def import_pillow() -> tuple[ModuleType, ModuleType]:
    """Pillow's `Image` and `ImageOps`, or an ImportError that says how to install it."""
    try:
        from PIL import Image, ImageOps
    except ImportError as missing:
        raise ImportError("reading images needs Pillow: pip install 'groundup[data]'") from missing
    return Image, ImageOps
