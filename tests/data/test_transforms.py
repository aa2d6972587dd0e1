"""Transforms: each equals a plain loop, a law, or PyTorch's own; the random ones draw from their generator alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from groundup.data import (
    CenterCrop,
    Compose,
    Normalize,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
)

RANDOM = [RandomCrop(4, 2), RandomCrop((3, 5)), RandomShift(2), RandomHorizontalFlip(0.5)]
EVERY = [
    ToFloat(),
    Normalize(0.5, 0.25),
    Rescale(-0.1, 1.175),
    Pad(2),
    Resize((5, 3)),
    Resize((5, 3), interpolation="bicubic"),
    ResizeShortest(4),
    CenterCrop((3, 4)),
    *RANDOM,
    Compose(RandomShift(2), *RANDOM[2:]),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=8, channels=3, height=6, width=7, dtype=torch.float64):
    x = torch.rand(count, channels, height, width, dtype=torch.float64)
    return (x * 255).to(torch.uint8) if dtype == torch.uint8 else x.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8])
@pytest.mark.parametrize(
    ("size", "padding"), [((4, 4), (0, 0)), ((6, 7), (4, 4)), ((3, 5), (1, 2)), ((10, 11), (2, 2))]
)
def test_a_crop_is_a_loop_over_the_images(dtype, size, padding):
    x = images(40, dtype=dtype)
    y = RandomCrop(size, padding)(x, generator())
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    rooms = [padded.shape[2] - size[0], padded.shape[3] - size[1]]
    source = generator()
    places = [torch.randint(room + 1, (len(x),), generator=source).tolist() for room in rooms]
    for i, (top, left) in enumerate(zip(*places)):
        assert torch.equal(y[i], padded[i, :, top : top + size[0], left : left + size[1]])
    for room, drawn in zip(rooms, places):
        assert max(drawn) == room  # the last place is reached


def test_every_place_of_a_crop_is_as_likely():
    x = torch.arange(12.0).view(1, 1, 3, 4).expand(24_000, 1, 3, 4)  # 2x2 windows: 2 x 3 places
    corners = RandomCrop(2)(x, generator())[:, 0, 0, 0].long().bincount()
    counts = corners[corners > 0]
    assert len(counts) == 6
    assert (counts - 4000).abs().max() < 5 * (4000 * 5 / 6) ** 0.5  # five standard deviations


def test_a_shift_is_a_crop_of_its_own_size():
    x = images()
    assert torch.equal(RandomShift(2)(x, generator()), RandomCrop((6, 7), 2)(x, generator()))
    assert torch.equal(RandomShift(0)(x, generator()), x)


def test_a_flip_is_one_of_two_and_happens_with_p():
    x = images(4000)
    y = RandomHorizontalFlip(0.3)(x, generator())
    flipped = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(x, y)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(x, y)])
    assert (flipped ^ kept).all()
    assert abs(flipped.double().mean() - 0.3) < 5 * (0.3 * 0.7 / 4000) ** 0.5
    assert torch.equal(RandomHorizontalFlip(0.0)(x, generator()), x)
    assert torch.equal(RandomHorizontalFlip(1.0)(x, generator()), x.flip(-1))


def test_normalised_images_have_the_moments_of_a_normal():
    x = images(50)
    mean, std = x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)
    y = Normalize(mean.tolist(), std.tolist())(x)
    assert y.mean((0, 2, 3)).abs().max() < 1e-12
    assert (y.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-12
    assert torch.equal(Normalize(0.5, 0.25)(x), (x - 0.5) / 0.25)


def test_to_float():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(ToFloat()(levels).flatten(), torch.arange(256) / 255)
    for dtype in (torch.float64, torch.bfloat16):
        x = images(dtype=dtype)
        assert ToFloat()(x) is x


def test_rescale_is_lenets_input():
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64).view(1, 1, 1, 3)
    assert torch.allclose(Rescale(-0.1, 1.175)(x).flatten(), torch.tensor([-0.1, 0.5375, 1.175]).double(), atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8])
def test_pad(dtype):
    x = images(dtype=dtype)
    y = Pad((1, 2), fill=7.0)(x)
    assert y.shape == (8, 3, 8, 11)
    assert torch.equal(y[:, :, 1:-1, 2:-2], x)
    assert (y[:, :, 0] == 7).all()
    assert (y[..., -2:] == 7).all()


@pytest.mark.parametrize("size", [(3, 4), (12, 14), (6, 7), (4, 20)])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_is_torchs_image_by_image(size, antialias):
    x = images()
    y = Resize(size, antialias)(x)
    for image, resized in zip(x, y):
        one = F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=antialias)[0]
        assert torch.allclose(resized, one, atol=1e-14, rtol=0)


@pytest.mark.parametrize("size", [(8, 9), (50, 64)])
def test_resize_is_pillows_within_a_level(size):
    x = images(2, height=20, width=31, dtype=torch.uint8)
    y = Resize(size)(x)
    exact = F.interpolate(x.double(), size, mode="bilinear", align_corners=False, antialias=True)
    assert (y.double() - exact).abs().max() < 0.5 + 1e-4  # rounded, not cut off
    for image, resized in zip(x, y):
        array = image.permute(1, 2, 0).numpy()
        theirs = np.asarray(Image.fromarray(array).resize(size[::-1], Image.Resampling.BILINEAR))
        assert (resized.permute(1, 2, 0).int() - torch.tensor(theirs).int()).abs().max() <= 1


def test_resize_keeps_even_images_even():
    for level in (0, 1, 127, 254, 255):
        x = torch.full((1, 1, 5, 6), level, dtype=torch.uint8)
        assert (Resize((3, 11))(x) == level).all()


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_it_repeats_and_leaves_input_and_global_generator_alone(transform):
    x = images()
    copy, state = x.clone(), torch.get_rng_state()
    assert torch.equal(transform(x, generator(1)), transform(x, generator(1)))
    assert torch.equal(x, copy)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("transform", EVERY, ids=repr)
@pytest.mark.parametrize("count", [0, 1])
def test_small_and_strided_batches(transform, count):
    x = images()
    strided = x.transpose(0, 1).contiguous().transpose(0, 1)
    assert not strided.is_contiguous()
    assert torch.equal(transform(strided, generator()), transform(x, generator()))
    if count or not isinstance(transform, (Resize, ResizeShortest)):  # torch's interpolate has no empty batch
        assert len(transform(x[:count], generator())) == count


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_other_seeds_draw_otherwise(transform):
    x = images(64)
    assert not torch.equal(transform(x, generator(1)), transform(x, generator(2)))


def test_compose_draws_in_order_from_one_generator():
    x, one, other = images(), generator(3), generator(3)
    y = Compose(RandomCrop(4, 1), ToFloat(), RandomHorizontalFlip())(x, one)
    assert torch.equal(y, RandomHorizontalFlip()(RandomCrop(4, 1)(x, other), other))
    assert Compose()(x) is x


def test_reprs():
    text = repr(Compose(RandomCrop(32, 4), RandomHorizontalFlip(), ToFloat(), Normalize(0.5, (0.1, 0.2, 0.3))))
    assert text == (
        "Compose(RandomCrop(size=(32, 32), padding=(4, 4)), RandomHorizontalFlip(p=0.5), ToFloat(), "
        "Normalize(mean=(0.5,), std=(0.1, 0.2, 0.3)))"
    )


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_wrong_input(untyped, transform):
    for x, error, message in [
        (torch.zeros(3, 6, 7), ValueError, r"x must have shape \(N, C, H, W\), got 3 axes"),
        (torch.zeros(2, 3, 6, 7, dtype=torch.int32), TypeError, "x must be uint8 or floating point, got torch.int32"),
        (np.zeros((2, 3, 6, 7)), TypeError, "x must be a torch.Tensor, got ndarray"),
    ]:
        with pytest.raises(error, match=message):
            transform(x, generator())


@pytest.mark.parametrize("transform", [*RANDOM, Compose(*RANDOM[2:])], ids=repr)
def test_a_random_transform_needs_a_generator(untyped, transform):
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator for a random transform, got None"):
        transform(images(), None)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Normalize(0.5, 0.0), ValueError, r"std must be positive.*\(0.0,\)"),
        (lambda: Normalize((0.1, 0.2), (0.1, 0.2, 0.3)), ValueError, "mean and std must have as many entries"),
        (lambda: Normalize((), 1.0), ValueError, "mean must have an entry for every channel"),
        (lambda: Normalize("a", 1.0), TypeError, r"mean\[0\] must be a number"),
        (lambda: Normalize((0.5, 0.5), 1.0)(images()), ValueError, "x must have 2 channels"),
        (lambda: Normalize(0.5, 0.5)(images(dtype=torch.uint8)), TypeError, r"put ToFloat\(\) before"),
        (lambda: Rescale(0.0, 1.0)(images(dtype=torch.uint8)), TypeError, r"put ToFloat\(\) before"),
        (lambda: Rescale(1.0, 1.0), ValueError, "low and high must differ"),
        (lambda: Pad(-1), ValueError, "padding must be at least 0"),
        (lambda: Pad(1, fill=0.5)(images(dtype=torch.uint8)), ValueError, "fill must be a whole number in 0..255"),
        (lambda: Resize(0), ValueError, "size must be at least 1"),
        (lambda: Resize(2.5), TypeError, "size must be an int or a pair"),
        (lambda: Resize(2, interpolation="area"), ValueError, "interpolation must be one of 'bilinear', 'bicubic'"),
        (lambda: ResizeShortest((2, 3)), TypeError, "size must be an int"),
        (lambda: ResizeShortest(2, interpolation="area"), ValueError, "interpolation must be one of"),
        (lambda: ResizeShortest(2)(images(height=0)), ValueError, "x must hold pixels"),
        (lambda: CenterCrop(7)(images()), ValueError, "size must fit the image, 6x7, got 7x7; pad or resize"),
        (lambda: RandomCrop(9)(images(), generator()), ValueError, "size must fit the padded image, 6x7, got 9x9"),
        (lambda: RandomHorizontalFlip(1.5), ValueError, r"p must be a finite number in \[0"),
        (lambda: Compose(ToFloat(), 3), TypeError, r"transforms\[1\] must be callable"),
    ],
)
def test_wrong_arguments(untyped, call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_random_affine_of_nothing_is_nothing_and_of_whole_pixels_exact():
    x = torch.rand(3, 2, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(RandomAffine()(x, torch.Generator().manual_seed(0)), x)
    turned = RandomAffine(degrees=90.0)(x, torch.Generator().manual_seed(0))
    assert turned.shape == x.shape
    again = RandomAffine(degrees=90.0)(x, torch.Generator().manual_seed(0))
    assert torch.equal(turned, again)
    assert not torch.equal(turned, RandomAffine(degrees=90.0)(x, torch.Generator().manual_seed(1)))


def test_random_affine_keeps_shapes_of_oblong_images():
    """A disc stays round when the image is not square: angles are measured in pixels; and it grows as asked."""
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(81.0) - 40, indexing="ij")
    disc = ((x / 8) ** 2 + (y / 8) ** 2 < 1).float()[None, None].expand(20, 1, 41, 81)
    turned = RandomAffine(degrees=180.0)(disc, torch.Generator().manual_seed(0))
    assert (turned - disc).abs().mean() < 0.01
    grown = RandomAffine(scale=(2.0, 2.0))(disc, torch.Generator().manual_seed(0))
    assert grown.sum().item() / disc.sum().item() == pytest.approx(4, rel=0.02)
    bar = ((x.abs() < 10) & (y.abs() < 2)).float()[None, None].expand(200, 1, 41, 81)
    lengths = RandomAffine(degrees=90.0)(bar, torch.Generator().manual_seed(0)).amax(3).sum((1, 2))
    assert lengths.max() > 18  # some stand upright, as long as they lay


def test_random_affine_moves_by_pixels():
    dot = torch.zeros(500, 1, 21, 31)
    dot[:, :, 10, 15] = 1
    moved = RandomAffine(shift=4.0)(dot, torch.Generator().manual_seed(0))
    rows = (moved.sum(3) * torch.arange(21.0)).sum((1, 2)) - 10
    columns = (moved.sum(2) * torch.arange(31.0)).sum((1, 2)) - 15
    for axis in (rows, columns):
        assert 3.8 < axis.abs().max() <= 4.0 + 1e-4
        assert axis.mean().abs() < 0.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"degrees": -1.0}, "degrees must be a finite number in"),
        ({"scale": (0.0, 1.0)}, "scale must be"),
        ({"scale": (2.0, 1.0)}, "scale must be"),
        ({"shift": -1.0}, "shift must be a finite number in"),
    ],
)
def test_random_affine_mistakes(arguments, words):
    with pytest.raises(ValueError, match=words):
        RandomAffine(**arguments)
