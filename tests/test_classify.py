"""`groundup classify`, from a file to names, probabilities and a picture; and what it says when it cannot."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from groundup import cli
from groundup.functional import relu
from groundup.layers import Conv2d, Linear
from groundup.models.classifier import ImageClassifier
from groundup.models.convolutional_networks import SimpleCNN, SimpleFullyCNN
from groundup.tools import classify
from groundup.weights import Preprocessing, Published, Row, class_names, registry


class Toy(ImageClassifier):
    """One convolution, its mean, a linear layer."""

    presets = {"toy": {}}  # noqa: RUF012

    def __init__(self, num_classes=1000, in_channels=3, device=None, dtype=None):
        super().__init__()
        self.num_classes, self.in_channels = num_classes, in_channels
        self.conv = Conv2d(in_channels, 8, 3, device=device, dtype=dtype)
        self.head = Linear(8, num_classes, device=device, dtype=dtype)

    def forward_features(self, x):
        return self.conv(x)

    def forward_head(self, x, pre_logits=False):
        x = relu(x).mean((2, 3))
        return x if pre_logits else self.head(x)


class Their(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 1000)

    def forward(self, x):
        return self.fc(self.features(x).relu().mean((2, 3)))


SEEN = Preprocessing(crop=56, resize=64, interpolation="bicubic")
ROWS = (
    Published("zoo/toy", "Toy", "toy", (Row("features", "conv"), Row("fc", "head")), "https://no.invalid/toy.pth"),
    Published("other/toy.v2", "Toy", "toy", (Row("c", "conv"), Row("l", "head")), "https://no.invalid/toy2.pth"),
)


@pytest.fixture(autouse=True)
def _toys(monkeypatch, tmp_path):
    rows = tuple(replace(row, preprocessing=SEEN) for row in ROWS)
    monkeypatch.setattr(registry, "published_weights", lambda: rows)
    monkeypatch.setattr(classify, "published_weights", lambda: rows)
    monkeypatch.setattr(classify, "image_classifiers", lambda: {"Toy": Toy})
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def photo(tmp_path):
    pixels = torch.randint(0, 256, (90, 120, 3), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).resize((360, 270)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def theirs(tmp_path):
    """A network that someone else wrote, its file in the cache."""
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    model = Their().eval()
    nn.init.normal_(model.fc.weight, std=20.0)
    torch.save(model.state_dict(), tmp_path / "cache" / "weights" / "toy.pth")
    return model


@pytest.fixture
def groundup(monkeypatch, capsys):
    """groundup("classify", …): (exit code, what it said, what it complained about)."""

    def groundup(*arguments):
        monkeypatch.setattr(sys, "argv", ["groundup", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return groundup


def test_the_five_likeliest_are_those_of_the_public_pipeline(groundup, photo, theirs):
    prepare = v2.Compose(
        [
            v2.Resize(64, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(56),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(SEEN.mean, SEEN.std),
        ]
    )
    with torch.no_grad():
        expected = theirs(prepare(Image.open(photo))[None])[0].softmax(0)
    code, said, complaint = groundup("classify", photo, "--model", "toy")
    assert (code, complaint) == (0, "")
    lines = said.splitlines()
    assert lines[:3] == ["Toy with the weights zoo/toy", "", "photo.png"]
    best = expected.topk(5)
    for line, p, i in zip(lines[3:], *best, strict=True):
        share, name = line.split(" %  ")
        assert name == class_names("imagenet1k")[i]
        assert abs(float(share) / 100 - float(p)) < 0.01


def test_your_own_model_with_its_own_names(groundup, photo, tmp_path):
    model = Toy(3, 1)
    model.class_names, model.preprocessing = ("ant", "bee", "cat"), Preprocessing(8, 8, (0.5,), (0.5,))
    model.save_pretrained(tmp_path / "mine")
    code, said, _ = groundup("classify", photo, "--model", "Toy", "--weights", tmp_path / "mine", "--top", 9)
    assert code == 0
    assert f"with the weights {tmp_path}/mine" in said
    assert sorted(line.split()[-1] for line in said.splitlines()[3:]) == ["ant", "bee", "cat"]
    assert "without the preprocessing" not in said


def test_a_bare_file_of_other_classes(groundup, photo, tmp_path):
    torch.save(Toy(3).state_dict(), tmp_path / "mine.pth")
    code, said, complaint = groundup("classify", photo, "--model", "toy", "--weights", tmp_path / "mine.pth")
    assert (code, said) == (2, "")
    assert "it is for 3 classes, pass num_classes=3" in complaint
    arguments = ("classify", photo, "--model", "toy", "--weights", tmp_path / "mine.pth", "--num-classes", 3)
    code, said, complaint = groundup(*arguments)
    assert (code, complaint) == (0, "")
    assert "The model was saved without the preprocessing of its images" in said
    assert "class 2" in said


def test_a_picture_of_what_speaks_for_it(groundup, photo, theirs, tmp_path):
    imread = pytest.importorskip("matplotlib.image").imread
    code, said, _ = groundup("classify", photo, "--model", "toy", "--saliency", tmp_path / "out" / "why.png")
    assert code == 0
    assert said.splitlines()[-1] == f"pixels that decide for the likeliest classes: {tmp_path}/out/why.png"
    picture = imread(tmp_path / "out" / "why.png")
    assert picture.shape[0] > 800
    assert picture[..., :3].std() > 0.05


def test_without_weights_it_says_so_and_where_to_put_them(groundup, photo, tmp_path):
    code, said, complaint = groundup("classify", photo, "--model", "toy")
    assert (code, said) == (2, "")
    assert complaint.splitlines()[0] == ("groundup: weights/toy.pth is not in the cache and could not be downloaded:")
    assert f"Put the file from https://no.invalid/toy.pth at {tmp_path}/cache/weights/toy.pth by hand" in complaint
    assert complaint.splitlines()[-1] == "  Give a file that you have with --weights PATH."
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.jpg",), "there is no file none.jpg"),
        (
            ("PHOTO", "--model", "resnet5000"),
            "no image classifier 'resnet5000'; there are Toy, and the names that weights of them are published",
        ),
        (("PHOTO", "--saliency", "why.txt"), "a picture's name must end in one of .eps, "),
        (("PHOTO", "--top", "0"), "top must be at least 1"),
        (("PHOTO", "--weights", "none.pth"), "'none.pth' is neither a file or folder on this machine"),
    ],
)
def test_a_mistake_is_one_line(groundup, photo, theirs, arguments, words):
    filled = [photo if argument == "PHOTO" else argument for argument in arguments]
    filled += [] if "--model" in arguments else ["--model", "toy"]
    code, said, complaint = groundup("classify", *filled)
    assert (code, said) == (2, "")
    assert words in complaint
    assert len(complaint.strip().splitlines()) == 1


@pytest.mark.parametrize("content", ["{", "[1]", '{"groundup": 1, "class": ["Toy"]}', '{"pretrained_cfg": 5}'])
def test_a_garbled_config_is_one_line(groundup, photo, theirs, tmp_path, content):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(content)
    code, said, complaint = groundup("classify", photo, "--model", "toy", "--weights", tmp_path / "mine")
    assert (code, said) == (2, "")
    assert f"{tmp_path / 'mine' / 'config.json'} cannot be understood" in complaint
    assert len(complaint.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "row"),
    [("zoo/toy", 0), ("toy", 0), ("Toy", 0), ("other/toy.v2", 1), ("toy.v2", 1)],
)
def test_what_a_name_means(name, row):
    cls, found = classify.find(name)
    assert cls is Toy
    assert found.name == ROWS[row].name


def test_available_says_why_it_is_not(caplog):
    assert classify.available("toy") is None
    assert "no weights for toy: weights/toy.pth is not in the cache" in caplog.text


class ToyWide(Toy):
    """A family whose default is published in a class of its own, and not first."""

    presets = {"wide": {}, "wider": {"width": 16}}  # noqa: RUF012

    def __init__(self, num_classes=1000, in_channels=3, width=8, device=None, dtype=None):
        super().__init__(num_classes, in_channels, device, dtype)
        self.conv = Conv2d(in_channels, width, 3, device=device, dtype=dtype)
        self.head = Linear(width, num_classes, device=device, dtype=dtype)


class ToyDefault(ToyWide):
    presets = {"wide": {}}  # noqa: RUF012


def test_a_class_is_no_preset(monkeypatch, tmp_path, groundup, photo):
    """A class name means what the class builds by default; of a file of one's own, the file says which."""
    table = (Row("c", "conv"), Row("l", "head"))
    wider = Published("zoo/toywider", "ToyWide", "wider", table, "https://no.invalid/wider.pth", preprocessing=SEEN)
    wide = replace(wider, name="zoo/toywide8", model="ToyDefault", preset="wide", address="https://no.invalid/wide.pth")
    for module in (registry, classify):
        monkeypatch.setattr(module, "published_weights", lambda: (wider, wide))
    monkeypatch.setattr(classify, "image_classifiers", lambda: {c.__name__: c for c in (Toy, ToyWide, ToyDefault)})
    assert classify.find("ToyWide") == (ToyWide, wide)
    assert classify.find("toywide") == (ToyWide, wide)
    assert classify.find("toywider") == (ToyWide, wider)
    assert classify.find("Toy") == (Toy, None)
    model = ToyWide()
    state = {name.replace("conv", "c").replace("head", "l"): tensor for name, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / "mine.pth")
    code, said, complaint = groundup("classify", photo, "--model", "ToyWide", "--weights", tmp_path / "mine.pth")
    assert (code, complaint) == (0, "")
    assert said.startswith("ToyDefault with the weights")
    code, _, complaint = groundup("classify", photo, "--model", "toywider", "--weights", tmp_path / "mine.pth")
    assert code == 2
    assert "has the shape" in complaint


@pytest.fixture
def own(monkeypatch, tmp_path):
    """own(model): the folder where it is saved; the true classes are to be found."""

    def own(model):
        monkeypatch.setattr(classify, "image_classifiers", lambda: {type(model).__name__: type(model)})
        return "--model", type(model).__name__, "--weights", model.save_pretrained(tmp_path / "own")

    return own


@pytest.mark.parametrize("build", [lambda: Toy(5, 1), SimpleCNN, lambda: SimpleCNN(in_channels=1)])
def test_grey_images_and_a_size_of_its_own(groundup, photo, own, build):
    """Of a model that does not say how its images are to be prepared."""
    code, said, complaint = groundup("classify", photo, *own(build()))
    assert (code, complaint) == (0, "")
    assert "preprocessing=" in said
    assert len(said.splitlines()) == 11


def test_how_images_are_prepared_that_no_one_describes():
    assert classify.preprocessing_of(Toy()) == classify.DEFAULT_PREPROCESSING
    grey = classify.preprocessing_of(SimpleCNN(in_channels=1))
    assert (grey.crop, grey.resize) == (32, 36)
    assert len(grey.mean) == len(grey.std) == 1


def test_a_model_of_maps_is_refused(groundup, photo, own):
    code, said, complaint = groundup("classify", photo, *own(SimpleFullyCNN()))
    assert (code, said) == (2, "")
    assert "SimpleFullyCNN scores every place of an image, (49, 49) here, and not the image" in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_every_image_classifier_is_found(monkeypatch):
    monkeypatch.undo()
    assert "Toy" not in classify.image_classifiers()


def test_as_a_program(tmp_path):
    command = [sys.executable, "-m", "groundup.cli", "classify", str(tmp_path / "x.jpg"), "--model", "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("groundup: model: there is no image classifier 'none'; there are ")
    assert len(done.stderr.splitlines()) == 1


def test_damaged_weights_give_no_probabilities(groundup, photo, tmp_path):
    model = Toy(3)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    model.save_pretrained(tmp_path / "mine")
    code, _, complaint = groundup("classify", photo, "--model", "Toy", "--weights", tmp_path / "mine")
    assert code == 2
    assert complaint == "groundup: model: Toy gives no finite scores: are its weights damaged?\n"
