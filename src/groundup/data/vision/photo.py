"""One image file as a batch of one."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from groundup import checks
from groundup.data.vision.image_files import decode, import_pillow


def read_photo(
    path: str | PathLike[str], channels: int = 3, size: int | tuple[int, int] | None = None
) -> UInt8[Tensor, "1 channels height width"]:
    """The pixels of an image file, in colour, or in grey with `channels` 1: upright, transparent parts over white.

    `size`, an int or (height, width), stretches the image, exactly as `image_folder(size=)` does; None keeps its size.
    Raises `FileNotFoundError`, and `ValueError` naming the file when it is no image or a damaged one.
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
    """An image of 1 or 3 channels as a file, PNG by its name: `read_photo` gives the same pixels back."""
    checks.rank("image", checks.tensor("image", image), 3, layout="(C, H, W)")
    checks.require(
        image.dtype == torch.uint8 and image.size(0) in (1, 3),
        f"image must be uint8 with 1 or 3 channels, got {image.dtype} with {image.size(0)}",
    )
    pixels = image.squeeze(0) if image.size(0) == 1 else image.permute(1, 2, 0)
    image_module, _ = import_pillow()
    image_module.fromarray(pixels.cpu().contiguous().numpy()).save(path)
