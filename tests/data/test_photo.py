"""A photo on its way into a network: read, brought to size, cut; each step beside Pillow and torchvision."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from groundup.data import CenterCrop, Compose, Resize, ResizeShortest, ToFloat, read_photo

SIZES = [(20, 31), (31, 20), (480, 640), (333, 500), (24, 24)]
PILLOW = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}


def picture(height, width):
    """Noise over a gradient: hard on interpolation, and never flat."""
    noise = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    ramp = torch.linspace(0, 255, width).to(torch.uint8).expand(1, 3, height, width)
    return torch.where(torch.rand(1, 1, height, width) < 0.5, noise, ramp)


def pillow(x):
    return Image.fromarray(x[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_what_a_network_gets_is_what_torchvision_gives_it(size, interpolation):
    """Shorter side to 24, middle 22: within one level of 255, as Pillow rounds between its two passes."""
    x = picture(*size)
    ours = Compose(ResizeShortest(24, interpolation=interpolation), CenterCrop(22), ToFloat())(x)
    steps = v2.Compose([v2.Resize(24, PILLOW[interpolation]), v2.CenterCrop(22), v2.PILToTensor()])
    theirs = v2.functional.to_dtype(steps(pillow(x)), torch.float32, scale=True)[None]
    assert ours.shape == (1, 3, 22, 22)
    assert (ours - theirs).abs().max() <= 1 / 255 + 1e-6
    assert (ours - theirs).abs().mean() < 0.3 / 255


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_floating_point_equals_torchvisions(interpolation):
    x = torch.rand(2, 3, 37, 53)
    ours = ResizeShortest(16, interpolation=interpolation)(x)
    assert torch.allclose(ours, v2.functional.resize(x, [16], PILLOW[interpolation], antialias=True), atol=1e-6)
    assert ours.shape == (2, 3, 16, 22)  # 22.9 rounded down, as torchvision does


def test_bicubic_overshoot_is_held_to_what_a_byte_holds():
    x = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    x[..., 8:] = 255
    y = Resize(40, interpolation="bicubic")(x)
    theirs = np.asarray(Image.fromarray(x[0, 0].numpy()).resize((40, 40), Image.Resampling.BICUBIC))
    assert (y[0, 0].int() - torch.tensor(theirs).int()).abs().max() <= 1
    assert Resize(40, interpolation="bicubic")(x / 255).max() > 1.01  # floating point keeps it


@pytest.mark.parametrize("size", [(5, 6), (6, 5), (7, 8), (8, 9), (5, 5)])
@pytest.mark.parametrize("crop", [(2, 3), (5, 5), (4, 5)])
def test_the_middle_is_torchvisions(size, crop):
    x = picture(*size)
    assert torch.equal(CenterCrop(crop)(x), v2.functional.center_crop(x, list(crop)))


def test_a_photo_is_read_upright_in_colour_or_grey(tmp_path):
    x = picture(6, 9)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned a quarter clockwise
    pillow(x).save(tmp_path / "photo.png", exif=turned)
    read = read_photo(tmp_path / "photo.png")
    assert read.dtype == torch.uint8
    assert read.is_contiguous()
    assert torch.equal(read, x.rot90(-1, (2, 3)))
    assert read_photo(str(tmp_path / "photo.png"), channels=1).shape == (1, 1, 9, 6)
    grey = torch.arange(12, dtype=torch.uint8).view(3, 4)
    Image.fromarray(grey.numpy()).save(tmp_path / "grey.png")
    assert torch.equal(read_photo(tmp_path / "grey.png"), grey.expand(1, 3, 3, 4))


def test_what_is_no_photo_is_named(tmp_path):
    whole = io.BytesIO()
    pillow(picture(40, 40)).save(whole, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:-500])
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.jpg"):
        read_photo(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be read as an image: .*truncated"):
        read_photo(tmp_path / "cut.jpg")
    for name in ("text.jpg", "empty.png"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as an image: not an image in a format"):
            read_photo(tmp_path / name)
    with pytest.raises(ValueError, match="is a folder; name an image file"):
        read_photo(tmp_path)
    with pytest.raises(ValueError, match=r"channels must be 1 \(grey\) or 3"):
        read_photo(tmp_path / "text.jpg", channels=2)
