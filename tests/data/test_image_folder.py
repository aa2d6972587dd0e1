"""Your own images: every format and layout that is promised, and a clear word on everything else."""

import io
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from groundup.data import image_folder

RNG = np.random.default_rng(0)


def write(path, array=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = RNG.integers(0, 256, (4, 6, 3), np.uint8) if array is None else array
    Image.fromarray(array).save(path, **options)
    return torch.tensor(array)


@pytest.fixture
def pets(tmp_path):
    """A folder of 10 cats and 5 dogs, and the pixels of each by its name."""
    pixels = {}
    for name, count in (("dog", 5), ("cat", 10)):
        for i in range(count):
            pixels[f"{name}/{i}.png"] = write(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets", pixels


def zipped(folder):
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def rows(*parts):
    """(class, pixels) of every image, in an order of their own."""
    return sorted(
        (data.class_names[y], bytes(x.permute(1, 2, 0).flatten().tolist())) for data in parts for x, y in data
    )


def expected(pixels):
    return sorted((name.split("/")[0], bytes(array.flatten().tolist())) for name, array in pixels.items())


def test_a_folder_is_read_and_split(pets):
    folder, pixels = pets
    train, test = image_folder(folder)
    assert train.class_names == test.class_names == ("cat", "dog")
    assert train.images.shape == (12, 3, 4, 6)
    assert test.labels.tolist() == [0, 0, 1]
    assert rows(train, test) == expected(pixels)
    assert (train.name, train.note) == ("pets", "")


def test_a_zip_is_the_same_as_its_folder(pets):
    folder, _ = pets
    for ours, theirs in zip(image_folder(zipped(folder), seed=5), image_folder(folder, seed=5)):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)


def test_nothing_is_written(pets):
    folder, _ = pets
    path = zipped(folder)
    before = sorted(folder.parent.rglob("*"))
    image_folder(path)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("test_name", ["test", "val", "Valid"])
def test_a_split_of_ones_own(tmp_path, test_name):
    pixels = {}
    for part, count in (("train", 3), (test_name, 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                pixels[part, f"{name}/{i}.png"] = write(tmp_path / "own" / part / name / f"{i}.png")
    for path in (tmp_path / "own", zipped(tmp_path / "own")):
        train, test = image_folder(path)
        assert rows(train) == expected({name: a for (part, name), a in pixels.items() if part == "train"})
        assert rows(test) == expected({name: a for (part, name), a in pixels.items() if part == test_name})
        assert train.note == ""


def test_a_third_part_is_left_aside_and_noted(tmp_path):
    for part in ("train", "test", "val"):
        for name in ("cat", "dog"):
            write(tmp_path / part / name / "0.png")
    train, test = image_folder(tmp_path)
    assert (len(train), len(test)) == (2, 2)
    assert train.note == test.note == "train and test used, not val"


def test_train_alone_is_split_like_any_folder(tmp_path):
    for name in ("cat", "dog"):
        for i in range(5):
            write(tmp_path / "train" / name / f"{i}.png")
    assert [len(data) for data in image_folder(tmp_path)] == [8, 2]


def test_hidden_files_are_passed_over_and_loose_ones_noted(pets):
    folder, pixels = pets
    (folder / ".DS_Store").write_bytes(b"junk")
    (folder / "cat" / "._0.png").write_bytes(b"junk")
    (folder / "cat" / "Thumbs.db").write_bytes(b"junk")
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    (folder / "__MACOSX" / "cat" / "0.png").write_bytes(b"junk")
    for path in (folder, zipped(folder)):
        train, test = image_folder(path)
        assert rows(train, test) == expected(pixels)
        assert train.note == ""
    (folder / "README.txt").write_text("about")
    assert image_folder(folder)[0].note == "1 files outside of the class folders not used"


def test_files_may_lie_deeper(pets):
    folder, pixels = pets
    pixels["cat/more/x.png"] = write(folder / "cat" / "more" / "x.png")
    assert rows(*image_folder(folder)) == expected(pixels)


# -- pixels ------------------------------------------------------------------------------------------------------


def read(tmp_path, *names, **options):
    """The images of the files, which lie in a folder of class folders, as the one part "train" of a split."""
    for name in ("a", "b"):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        shutil.copy(tmp_path / name, tmp_path / "train" / "a" / f"{i}-{name}")
    for part in ("train/b", "test/a", "test/b"):
        shutil.copy(tmp_path / names[0], tmp_path / part / names[0])
    return image_folder(tmp_path, **options)[0].images[: len(names)]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "gif"])
def test_formats_without_loss(tmp_path, suffix):
    grey = RNG.integers(0, 256, (4, 6), np.uint8)
    write(tmp_path / f"x.{suffix}", grey)
    assert torch.equal(read(tmp_path, f"x.{suffix}")[0, 0], torch.tensor(grey))


def test_one_colour_image_makes_all_of_them_colour(tmp_path):
    grey = write(tmp_path / "grey.png", RNG.integers(0, 256, (4, 6), np.uint8))
    colour = write(tmp_path / "colour.png")
    images = read(tmp_path, "grey.png", "colour.png")
    assert torch.equal(images[0], grey.expand(3, 4, 6))
    assert torch.equal(images[1], colour.permute(2, 0, 1))
    assert read(tmp_path, "grey.png", "colour.png", channels=1).shape == (2, 1, 4, 6)
    assert read(tmp_path, "grey.png", channels=3).shape == (1, 3, 4, 6)


def test_grey_from_colour_is_pillows(tmp_path):
    colour = write(tmp_path / "x.png").numpy()
    assert np.array_equal(read(tmp_path, "x.png", channels=1)[0, 0], Image.fromarray(colour).convert("L"))


def test_sixteen_bits_are_scaled(tmp_path):
    wide = np.array([[0, 128, 129, 257, 25700, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "x.png")
    assert read(tmp_path, "x.png").flatten().tolist() == [0, 0, 1, 1, 100, 255]


def test_transparency_is_laid_over_white(tmp_path):
    write(tmp_path / "x.png", np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], np.uint8))
    assert read(tmp_path, "x.png")[0, :, 0].T.tolist() == [[255, 255, 255], [10, 20, 30]]
    write(tmp_path / "y.png", np.array([[[10, 0], [10, 255]]], np.uint8))
    assert read(tmp_path, "y.png", channels=1).shape[1] == 1


def test_photographs_are_turned_upright(tmp_path):
    upright = RNG.integers(0, 256, (4, 6), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    write(tmp_path / "x.png", np.ascontiguousarray(np.rot90(upright)), exif=exif)
    assert torch.equal(read(tmp_path, "x.png")[0, 0], torch.tensor(upright))


def test_size_is_pillows_bilinear(tmp_path):
    array = write(tmp_path / "x.png", RNG.integers(0, 256, (32, 48, 3), np.uint8)).numpy()
    write(tmp_path / "y.png", RNG.integers(0, 256, (9, 5, 3), np.uint8))
    images = read(tmp_path, "x.png", "y.png", size=(8, 10))
    wanted = np.asarray(Image.fromarray(array).resize((10, 8), Image.Resampling.BILINEAR))
    assert images.shape == (2, 3, 8, 10)
    assert torch.equal(images[0], torch.tensor(wanted).permute(2, 0, 1))


def test_large_files_are_decoded_in_threads_and_keep_their_order(tmp_path):
    arrays = []
    for i in range(12):
        arrays.append(
            write(tmp_path / "own" / "train" / "ab"[i % 2] / f"{i:02}.png", RNG.integers(0, 256, (60, 60, 3), np.uint8))
        )
    for name in "ab":
        write(tmp_path / "own" / "test" / name / "0.png", RNG.integers(0, 256, (60, 60, 3), np.uint8))
    images = image_folder(tmp_path / "own")[0].images
    assert torch.equal(images, torch.stack(arrays[0::2] + arrays[1::2]).permute(0, 3, 1, 2))


# -- what cannot be read -----------------------------------------------------------------------------------------


def test_unreadable_files_are_named(pets):
    folder, _ = pets
    (folder / "cat" / "3.png").write_bytes(b"no image")
    whole = (folder / "dog" / "1.png").read_bytes()
    (folder / "dog" / "1.png").write_bytes(whole[: len(whole) // 2])
    for path in (folder, zipped(folder)):
        with pytest.raises(ValueError, match=r"2 of 15 files of .* are not readable images") as raised:
            image_folder(path)
        message = str(raised.value)
        assert str(path) in message
        assert re.search(r"cat/3\.png: not an image in a format that Pillow reads", message)
        assert re.search(r"dog/1\.png: .*truncated", message, re.IGNORECASE)
        assert 'on_unreadable="skip"' in message


def test_the_rest_survives_when_asked(pets, caplog):
    folder, pixels = pets
    for name in ("cat/3.png", "dog/1.png"):
        (folder / name).write_bytes(b"no image")
        del pixels[name]
    train, test = image_folder(folder, on_unreadable="skip")
    assert rows(train, test) == expected(pixels)
    assert train.note == test.note == "2 unreadable files left out: cat/3.png, dog/1.png"
    (record,) = caplog.records
    assert record.getMessage() == f"{folder}: {train.note}"


def test_at_most_ten_are_listed(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name / "good.png")
        for i in range(7):
            (tmp_path / name / f"{i}.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="and 4 more") as raised:
        image_folder(tmp_path)
    assert str(raised.value).count("not an image in") == 10


def test_a_class_that_loses_all_its_images(tmp_path):
    write(tmp_path / "cat" / "0.png")
    write(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="class folders without a readable image: dog"):
        image_folder(tmp_path, on_unreadable="skip")
    (tmp_path / "dog" / "0.png").unlink()
    with pytest.raises(ValueError, match="class folders without a readable image: dog"):
        image_folder(tmp_path)


def test_floating_point_pixels_are_refused(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name / "0.tiff", np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match=r"a/0\.tiff: 32-bit pixels"):
        image_folder(tmp_path)


def test_unequal_sizes_name_two_files(pets):
    folder, _ = pets
    write(folder / "dog" / "9.png", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(ValueError, match=r"cat/0\.png is 4x6 and dog/9\.png is 5x6 .*give size="):
        image_folder(folder)
    assert image_folder(folder, size=4)[0].images.shape[-2:] == (4, 4)


def test_an_encrypted_zip_is_named(tmp_path, pets):
    folder, _ = pets
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")  # the last member's directory entry: set its encryption flag
    content[at + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"1 of 15 files.*\n.*encrypted"):
        image_folder(path)


# -- layouts that are refused ------------------------------------------------------------------------------------


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is nothing at .*nowhere"):
        image_folder(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="at least two class folders, there is none"):
        image_folder(tmp_path)


def test_images_without_class_folders(tmp_path):
    write(tmp_path / "0.png")
    with pytest.raises(ValueError, match="there is none; sort the images into one folder for each class"):
        image_folder(tmp_path)


def test_one_class(tmp_path):
    write(tmp_path / "pets" / "cat" / "0.png")
    with pytest.raises(ValueError, match="the only one is 'cat'"):
        image_folder(tmp_path / "pets")


def test_a_test_class_that_train_lacks(tmp_path):
    for name in ("train/a", "train/b", "test/a", "test/c"):
        write(tmp_path / name / "0.png")
    with pytest.raises(ValueError, match=r"test has classes that .*train has not: c"):
        image_folder(tmp_path)


def test_a_file_that_is_no_zip(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"a folder or a zip file, got .*x\.zip"):
        image_folder(tmp_path / "x.zip")


@pytest.mark.parametrize("member", ["../../evil.png", "/etc/evil.png", "cat/../../evil.png"])
def test_a_zip_that_points_outside_of_itself(tmp_path, member):
    image = io.BytesIO()
    Image.new("L", (2, 2)).save(image, "PNG")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("cat/0.png", "dog/0.png", member):
            archive.writestr(name, image.getvalue())
    with pytest.raises(ValueError, match=f"points outside of it, '{re.escape(member)}'"):
        image_folder(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels must be None, 1 or 3, got 2"),
        ({"on_unreadable": "ignore"}, "on_unreadable must be one of 'raise', 'skip'"),
        ({"size": 0}, "size must be at least 1"),
        ({"test_fraction": 1.0}, "fraction must be strictly between 0 and 1"),
    ],
)
def test_bad_options(pets, options, message):
    with pytest.raises(ValueError, match=message):
        image_folder(pets[0], **options)
