"""digits, MNIST, CIFAR-10: what is read is what was written, and damaged files are named."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from groundup.data import cifar10, digits, fashion_mnist, load, mnist
from groundup.data.pickles import DataUnpickler
from groundup.data.vision.cifar import read_cifar_archive
from groundup.data.vision.image_files import open_file_tree
from groundup.data.vision.image_folder import read_class_folders
from groundup.data.vision.mnist import read_idx

NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]


# -- digits ------------------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns():
    train, test = digits()
    source = load_digits()
    assert (len(train), len(test)) == (1438, 359)
    for data in (train, test):
        assert data.images.shape[1:] == (1, 8, 8)
        assert data.images.dtype == torch.uint8
    # Every image with its label occurs as often as in the source.
    ours = sorted((bytes(x.flatten().tolist()), int(y)) for data in (train, test) for x, y in data)
    scaled = np.rint(source.images * 255 / 16).astype(np.uint8)
    assert ours == sorted((x.tobytes(), int(y)) for x, y in zip(scaled, source.target))
    shares = test.labels.bincount() / (train.labels.bincount() + test.labels.bincount())
    assert (shares - 0.2).abs().max() < 1 / 150


# -- IDX ---------------------------------------------------------------------------------------------------------


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), compresslevel=1)


@pytest.fixture
def mnist_files(put):
    """put_part(part, count): random images with every label, in the cache."""
    rng = np.random.default_rng(0)

    def put_part(part, count, folder="mnist"):
        images, labels = rng.integers(0, 256, (count, 28, 28)), np.arange(count) % 10
        put(f"{folder}/{part}-images-idx3-ubyte.gz", idx(images))
        put(f"{folder}/{part}-labels-idx1-ubyte.gz", idx(labels))
        return torch.as_tensor(images), torch.as_tensor(labels)

    return put_part


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (0, 5)])
def test_idx_round_trip(tmp_path, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    (tmp_path / "a.gz").write_bytes(idx(array))
    assert torch.equal(read_idx(tmp_path / "a.gz"), torch.as_tensor(array).to(torch.uint8))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], "is not a whole gzip file"),
        (lambda whole: b"plain text", "is not a whole gzip file"),
        (lambda whole: whole[:-8] + bytes(8), "is not a whole gzip file"),  # checksum
        (lambda whole: gzip.compress(b"\0\0"), "is not an IDX file.*begins with 00 00"),
        (lambda whole: idx(np.zeros((2, 2)), kind=13), "is not an IDX file of unsigned bytes.*00 00 0d 02"),
        (lambda whole: gzip.compress(b"\0\0\x08\x03\0\0\0\x01"), "ends inside its header, after 8 bytes"),
        (lambda whole: gzip.compress(gzip.decompress(whole)[:-1]), r"must hold 1,000 values.*\(10, 100\).*got 999"),
        (lambda whole: gzip.compress(gzip.decompress(whole) + b"x"), "must hold 1,000 values.*got 1,001"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, damage, message):
    whole = idx(np.random.default_rng(0).integers(0, 256, (10, 100)))
    (tmp_path / "damaged.gz").write_bytes(damage(whole))
    with pytest.raises(ValueError, match=f"damaged.gz {message}"):
        read_idx(tmp_path / "damaged.gz")


@pytest.mark.parametrize(("function", "folder"), [(mnist, "mnist"), (fashion_mnist, "fashion_mnist")])
def test_the_standard_split_when_the_training_files_are_there(mnist_files, caplog, function, folder):
    expected = [mnist_files("train", 60, folder), mnist_files("t10k", 20, folder)]
    for data, (images, labels) in zip(function(), expected):
        assert torch.equal(data.images[:, 0].long(), images)
        assert torch.equal(data.labels, labels)
        assert (data.name, data.note, len(data.class_names)) == (folder, "", 10)
    assert caplog.text == ""


def test_the_test_files_alone_are_split_and_it_says_so(mnist_files, caplog, cache):
    images, _ = mnist_files("t10k", 50)
    train, test = mnist()
    assert (len(train), len(test)) == (40, 10)
    assert test.labels.bincount().tolist() == [1] * 10
    both = torch.cat([train.images, test.images]).flatten(1).long()
    assert torch.equal(both.unique(dim=0), images.flatten(1).unique(dim=0))
    for data in (train, test):
        assert data.note == "the training files are not available: 50 test images split 40 / 10"
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("groundup", "WARNING")
    assert record.getMessage() == f"mnist: {train.note}; for the standard split put mnist/train-* into {cache}"
    assert torch.equal(mnist(seed=0)[1].images, test.images)
    assert not torch.equal(mnist(seed=1)[1].images, test.images)


def test_damaged_training_files_are_not_passed_over(mnist_files, cache):
    mnist_files("train", 20)
    mnist_files("t10k", 20)
    (cache / "mnist/train-labels-idx1-ubyte.gz").write_bytes(b"")
    with pytest.raises(OSError, match=r"train-labels-idx1-ubyte\.gz is not the published file"):
        mnist()


def test_nothing_at_all(cache):
    with pytest.raises(OSError, match=r"mnist/t10k-images-idx3-ubyte.gz \(1.6 MB\) is not in the cache"):
        mnist()


def test_images_and_labels_that_do_not_belong_together(put, mnist_files):
    mnist_files("t10k", 20)
    put("mnist/t10k-labels-idx1-ubyte.gz", idx(np.zeros(19)))
    with pytest.raises(ValueError, match="one label for each of the 20 images"):
        mnist()
    put("mnist/t10k-images-idx3-ubyte.gz", idx(np.zeros((20, 784))))
    with pytest.raises(ValueError, match=r"images of shape \(N, H, W\), got \(20, 784\)"):
        mnist()


def test_real_mnist(real):
    real("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")
    train, test = mnist()
    counts = torch.tensor([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])  # the published test set
    assert torch.equal(train.labels.bincount() + test.labels.bincount(), counts)
    assert (len(train), len(test)) == (8000, 2000)
    assert (test.labels.bincount() - 0.2 * counts).abs().max() < 1
    assert len(torch.cat([train.images, test.images]).flatten(1).unique(dim=0)) == 10_000
    assert train.images.shape[1:] == (1, 28, 28)


# -- CIFAR-10 ----------------------------------------------------------------------------------------------------


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, and NumPy's function under the name that it then had."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    def save_function(self, value):
        self.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")

    dispatch[bytes] = save_string
    dispatch[type(np.empty(0).__reduce__()[0])] = save_function


def pickled(value):
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def cifar_archive(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def cifar_members(per_batch=20):
    rng = np.random.default_rng(0)
    batches = {
        name: {
            b"data": rng.integers(0, 256, (per_batch, 3072), np.uint8),
            b"labels": [i % 10 for i in range(per_batch)],
        }
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    }
    return batches, {name: pickled(batch) for name, batch in batches.items()} | {
        "batches.meta": pickled({b"label_names": NAMES})
    }


def test_the_python_archive(put):
    batches, members = cifar_members()
    put("cifar10/cifar-10-python.tar.gz", cifar_archive(members))
    train, test = cifar10()
    assert (len(train), len(test)) == (100, 20)
    assert train.class_names == tuple(name.decode() for name in NAMES)
    row = batches["data_batch_3"][b"data"][7]
    for channel in range(3):  # planes of red, green, blue; rows from the top
        for y, x in [(0, 0), (0, 31), (13, 5)]:
            assert train.images[47, channel, y, x] == row[1024 * channel + 32 * y + x]
    assert train.labels.tolist() == [i % 10 for i in range(20)] * 5
    assert torch.equal(test.images.flatten(1), torch.as_tensor(batches["test_batch"][b"data"]))
    assert test.note == ""


def test_an_archive_without_a_batch(tmp_path):
    _, members = cifar_members()
    del members["data_batch_4"]
    (tmp_path / "c.tar.gz").write_bytes(cifar_archive(members))
    with pytest.raises(ValueError, match="must hold the file cifar-10-batches-py/data_batch_4"):
        read_cifar_archive(tmp_path / "c.tar.gz")


class Evil:
    """Unpickled the usual way, it runs a program that leaves a file."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"echo > {self.trace}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_a_program_is_refused_by_name(tmp_path, protocol):
    evil = pickle.dumps({"data": Evil(tmp_path / "trace")}, protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"asks for (posix|nt)\.system, which is no data"):
        DataUnpickler(io.BytesIO(evil), "ASCII").load()
    assert not (tmp_path / "trace").exists()
    pickle.loads(evil)
    assert (tmp_path / "trace").exists()  # so that the test above could have failed


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_this_numpy_are_unpickled(protocol):
    value = {"x": np.arange(6.0).reshape(2, 3), "y": [1, (2, None, True)]}
    loaded = DataUnpickler(io.BytesIO(pickle.dumps(value["y"], protocol)), "ASCII").load()
    assert loaded == value["y"]
    stream = io.BytesIO()
    Python2Pickler(stream, protocol).dump(value["x"])
    assert np.array_equal(DataUnpickler(io.BytesIO(stream.getvalue()), encoding="bytes").load(), value["x"])


def test_an_evil_batch_in_an_archive(tmp_path):
    _, members = cifar_members()
    members["data_batch_2"] = pickle.dumps(Evil(tmp_path / "trace"), 2)
    (tmp_path / "c.tar.gz").write_bytes(cifar_archive(members))
    with pytest.raises(pickle.UnpicklingError, match=r"\.system"):
        read_cifar_archive(tmp_path / "c.tar.gz")


def jpeg_zip(colours):
    """A class folder for each name, with one even image of its colour; JPEG keeps grey levels almost exactly."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, level in colours.items():
            image = io.BytesIO()
            Image.new("RGB", (32, 32), (level,) * 3).save(image, "JPEG")
            archive.writestr(f"{name}/0001.jpg", image.getvalue())
    return stream.getvalue()


def test_the_jpeg_zips_are_used_when_only_they_are_there(put):
    names = [name.decode() for name in NAMES]
    put("cifar10/train.zip", jpeg_zip({name: 20 * i for i, name in enumerate(names)}))
    put("cifar10/test.zip", jpeg_zip({name: 20 * i + 5 for i, name in enumerate(names)}))
    train, test = cifar10()
    assert train.class_names == tuple(names)
    assert "lossy" in train.note
    assert "lossy" in test.note
    for data, offset in ((train, 0), (test, 5)):
        levels = data.labels.view(-1, 1, 1, 1) * 20 + offset
        assert (data.images.long() - levels).abs().max() <= 1
    _, members = cifar_members()
    put("cifar10/cifar-10-python.tar.gz", cifar_archive(members))
    assert len(cifar10()[0]) == 100  # the original pixels come first


def test_cifar_without_files_or_network(cache):
    with pytest.raises(OSError, match=r"cifar10/cifar-10-python.tar.gz \(170.5 MB\) is not in the cache"):
        cifar10()


def test_real_cifar_jpegs(real, cache):
    real("cifar10/test.zip")
    tree = open_file_tree(cache / "cifar10" / "test.zip")
    assert Counter(name[0] for name in tree.files) == {name.decode(): 1000 for name in NAMES}
    tree = replace(tree, files=tree.files[::20])
    (data,) = read_class_folders([tree])
    assert data.class_names == tuple(name.decode() for name in NAMES)
    assert data.labels.tolist() == [label for label in range(10) for _ in range(50)]
    for i in range(len(data)):
        pixels = np.asarray(Image.open(io.BytesIO(tree.read(tree.files[i]))))
        assert torch.equal(data.images[i], torch.tensor(pixels).permute(2, 0, 1))
        assert data.class_names[data.labels[i]] == tree.files[i][0]


# -- load --------------------------------------------------------------------------------------------------------


def test_load_by_name(mnist_files):
    mnist_files("train", 20)
    mnist_files("t10k", 10)
    assert [len(data) for data in load("mnist")] == [20, 10]
    assert torch.equal(load("digits", seed=4)[1].images, digits(4)[1].images)


def test_load_a_path(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (4, 4), i).save(tmp_path / "own" / name / f"{i}.png")
    for path in (tmp_path / "own", str(tmp_path / "own")):
        assert [len(data) for data in load(path, size=8, test_fraction=0.4)] == [6, 4]


def test_load_what_is_not_there():
    with pytest.raises(
        ValueError, match=r"'cifar10', 'digits', 'mnist', 'fashion_mnist', or the path.*'svhn' is neither"
    ):
        load("svhn")


def test_folder_options_beside_a_name():
    with pytest.raises(ValueError, match="size apply to a folder of images, not to 'digits'"):
        load("digits", size=8)
