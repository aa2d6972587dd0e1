"""One image file as a batch of one."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from groundup.data.image_files import decode


def read_photo(path: str | PathLike[str], channels: int = 3) -> UInt8[Tensor, "1 channels height width"]:
    """The pixels of an image file, in colour, or in grey with `channels` 1: upright, transparent parts over white.

    Raises `FileNotFoundError`, and `ValueError` naming the file when it is no image or a damaged one.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}")
    file = Path(path).expanduser()
    if file.is_dir():
        raise ValueError(f"{file} is a folder; name an image file in it")
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {file}") from None
    try:
        pixels = decode(content, None, channels)
    except ImportError:
        raise
    except Exception as failure:  # Pillow's decoders raise what they like
        raise ValueError(f"{file} cannot be read as an image: {failure}") from failure
    image = torch.from_numpy(pixels.copy())
    return (image[None, None] if channels == 1 else image.permute(2, 0, 1)[None]).contiguous()
