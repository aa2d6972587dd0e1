"""Models saved with what was done to their images, and loaded from the folder alone, with nothing executed."""

import json

import pytest
import torch
from torch import nn

from groundup import layers
from groundup.data import (
    CenterCrop,
    Compose,
    ImagePreprocessing,
    Normalize,
    Pad,
    RandomCrop,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
    digits,
)
from groundup.models.convolutional_networks import SimpleCNN
from groundup.models.residual_networks import ResNet
from groundup.models.saved import load_model, save_model
from groundup.weights import Preprocessing

EVERY = Compose(
    ResizeShortest(20, interpolation="bicubic"),
    CenterCrop((18, 16)),
    Compose(Resize(12, antialias=False), Pad((2, 1), 3.0)),
    ToFloat(),
    Rescale(-1.0, 2.5),
    Normalize((0.1, 0.2, 0.3), (1.0, 2.0, 0.5)),
)


@pytest.mark.parametrize(
    "given",
    [
        EVERY,
        ToFloat(),
        ImagePreprocessing(EVERY, size=(24, 30), channels=3),
        ImagePreprocessing(ToFloat(), size=32),
        Preprocessing(24, 28, interpolation="bicubic"),
    ],
)
def test_preprocessing_there_and_back(given, tmp_path):
    model = SimpleCNN(3)
    model.save_pretrained(tmp_path / "f", preprocessing=given, class_names=["a", "b", "ü"])
    loaded = load_model(tmp_path / "f")
    expected = given if isinstance(given, (ImagePreprocessing, Preprocessing)) else ImagePreprocessing(given)
    assert loaded.preprocessing == expected
    assert loaded.class_names == ("a", "b", "ü")
    x = torch.randint(0, 256, (2, 3, 24, 30), dtype=torch.uint8)
    assert torch.equal(loaded.preprocessing.transform()(x), expected.transform()(x))
    assert model.preprocessing is None
    again = loaded.save_pretrained(tmp_path / "g")  # what was loaded is saved along
    assert (again / "config.json").read_text() == (tmp_path / "f" / "config.json").read_text()


class Doubled(ToFloat):
    pass


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda x, generator=None: x, TypeError, "which a file can hold as names and numbers; <function"),
        (Compose(ToFloat(), Doubled()), TypeError, r"Doubled\(\) is none of them: express it by these, or save"),
        (Compose(RandomCrop(8), ToFloat()), ValueError, "RandomCrop is random: give the transform of the evaluation"),
        (5, TypeError, "preprocessing must be a transform or an ImagePreprocessing, got 5"),
        (ImagePreprocessing(ToFloat(), channels=1), ValueError, "decodes images with 1 channels, SimpleCNN takes 3"),
    ],
)
def test_preprocessing_that_no_file_can_hold(untyped, given, error, words, tmp_path):
    with pytest.raises(error, match=words):
        SimpleCNN(3).save_pretrained(tmp_path / "f", preprocessing=given)
    assert not (tmp_path / "f").exists()


def test_what_does_not_fit_is_refused_at_once():
    with pytest.raises(ValueError, match="x must have 3 channels"):
        ImagePreprocessing(ToFloat(), Normalize((0.1, 0.2, 0.3), 1.0), size=8, channels=1)
    with pytest.raises(ValueError, match="channels must be None, 1 or 3, got 4"):
        ImagePreprocessing(ToFloat(), channels=4)


@pytest.mark.parametrize(("names", "error"), [(["a"], ValueError), ("abc", TypeError), ([1, 2, 3], TypeError)])
def test_names_that_do_not_fit(untyped, names, error, tmp_path):
    with pytest.raises(error, match="class_names must"):
        SimpleCNN(3).save_pretrained(tmp_path / "f", class_names=names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transforms": [{"name": "RandomCrop", "size": 3}]}, "there is no transform 'RandomCrop'"),
        ({"transforms": [{"name": "Resize", "size": 3, "way": 1}]}, "unexpected keyword argument 'way'"),
        ({"transforms": [{"name": "Resize", "size": "3"}]}, "size must be an int"),
        ({"transforms": [{"name": "Resize", "size": 3, "antialias": "yes"}]}, "antialias must be True or False"),
        ({"transforms": ["ToFloat"]}, "cannot be understood"),
        ({"size": [0, 4]}, "size must be at least 1"),
        ({"channels": 2}, "channels must be None, 1 or 3"),
        ({"more": 1}, "preprocessing must hold size, channels and transforms"),
    ],
)
def test_a_garbled_preprocessing_is_named(untyped, change, words, tmp_path):
    SimpleCNN(3).save_pretrained(tmp_path / "f", preprocessing=ToFloat())
    file = tmp_path / "f" / "config.json"
    content = json.loads(file.read_text())
    content["preprocessing"] |= change
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=words):
        load_model(tmp_path / "f")


def test_a_sequential_of_layers_there_and_back(tmp_path):
    torch.manual_seed(0)
    inner = nn.Sequential(layers.Conv2d(4, 6, (3, 1), stride=2, padding=1, bias=False), layers.BatchNorm2d(6, eps=1e-3))
    model = nn.Sequential(
        *(layers.Conv2d(1, 4, 3, padding_mode="reflect", padding=1), layers.GELU("tanh"), layers.MaxPool2d(2)),
        *(inner, layers.AvgPool2d(2, divisor_override=3), layers.LocalResponseNorm(3, k=2.0)),
        *(layers.Flatten(), layers.Dropout(0.3), layers.GLU(6 * 1 * 1, 5), layers.RMSNorm(5), layers.Linear(5, 10)),
    )
    images = digits()[1].images[:4] / 255
    model(images)  # moves the running statistics
    save_model(
        model, tmp_path / "f", preprocessing=ToFloat(), class_names=["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    )
    state = torch.get_rng_state()
    loaded = load_model(tmp_path / "f")
    assert torch.equal(torch.get_rng_state(), state)
    assert not loaded.training
    assert str(loaded) == str(model)
    assert torch.equal(loaded(images), model.eval()(images))
    assert loaded.preprocessing == ImagePreprocessing(ToFloat())
    assert loaded.class_names == tuple("0123456789")
    assert load_model(tmp_path / "f", dtype=torch.float64)(images.double()).dtype == torch.float64


class Scaled(layers.Linear):
    pass


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Linear(2, 2), "layer 1 is a torch.nn.modules.linear.Linear: .*made of groundup.layers"),
        (Scaled(2, 2), "layer 1 is a .*Scaled"),
        (layers.PositionalEncoding(8, 4), "layer 1, a PositionalEncoding, does not show the arguments"),
    ],
)
def test_a_layer_that_no_file_can_describe(layer, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        save_model(nn.Sequential(layers.Flatten(), layer), tmp_path / "f")
    with pytest.raises(TypeError, match="model must be a model of"):
        save_model(nn.ModuleList([layer]), tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": {"0": {"class": "Module", "arguments": {}}}}, "there is no layer 'Module' in groundup.layers"),
        ({"layers": {"0": {"class": "nn", "arguments": {}}}}, "there is no layer 'nn'"),
        ({"layers": {"0": ["Flatten"]}}, "layer 0 must have a class and arguments"),
        ({"layers": {"0": {"class": "Linear", "arguments": {"in_features": 2, "out_features": 3}}}}, "has the shape"),
    ],
)
def test_a_garbled_sequential_is_named(untyped, change, words, tmp_path):
    save_model(nn.Sequential(layers.Linear(2, 2)), tmp_path / "f")
    file = tmp_path / "f" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"arguments": change}))
    with pytest.raises(ValueError, match=words):
        load_model(tmp_path / "f")


def test_a_folder_that_does_not_say_what_it_holds(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_model(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="does not say which model it holds"):
        load_model(tmp_path / "empty")


def test_a_class_of_ones_own_and_the_folder_of_a_run(tmp_path):
    class Mine(ResNet):
        pass

    model = Mine(3, 1, block="basic", depths=(1, 0, 0, 0), width=4, stem="cifar")
    model.save_pretrained(tmp_path / "run" / "model")
    assert type(load_model(tmp_path / "run")) is Mine
