"""From images of one's own to an answer about a new one: train, save, ask, and get what training's evaluation got."""

import os
import shlex
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from commands import module_of
from groundup import cli
from groundup.data import ImagePreprocessing, Normalize, Resize, ToFloat, image_folder, load, write_photo
from groundup.functional import cross_entropy, softmax
from groundup.layers import Dropout, Flatten, Linear, ReLU
from groundup.models.saved import load_model
from groundup.tools import classify
from groundup.training import Trainer, classification, make_objective, predict
from groundup.training.checkpoint import Checkpoints
from groundup.training.images import ImageOptions, save_classifier, training_preprocessing

EXAMPLES = Path(__file__).parents[1] / "examples"
COLOURS = {"Käfer rot": (200, 60, 40), "bee": (210, 190, 40), "cat": (40, 60, 200)}


def picture(colour, height, width, generator, mode="RGB"):
    noise = torch.randint(-40, 40, (height, width, 3), generator=generator)
    pixels = (torch.tensor(colour) + noise).clamp(0, 255).to(torch.uint8)
    return Image.fromarray(pixels.numpy()).convert(mode)


@pytest.fixture(scope="module", params=["29", "mixed", "zip"])
def own(request, tmp_path_factory):
    """(what --data takes, the folder with the files): 29 images; mixed kinds and a broken file; a zip of the latter."""
    root, generator = tmp_path_factory.mktemp(request.param) / "my pets", torch.Generator().manual_seed(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for i in range(10 - (name == "cat")):
            height, width = (20, 24) if request.param == "29" else (20 + 7 * i, 60 - 3 * i)
            picture(colour, height, width, generator).save(root / name / f"bild {i}.png")
    if request.param != "29":
        picture(COLOURS["bee"], 30, 40, generator, "L").save(root / "bee" / "grey.png")
        picture(COLOURS["bee"], 30, 40, generator, "CMYK").save(root / "bee" / "cmyk.jpg")
        turned = Image.Exif()
        turned[0x0112] = 6
        picture(COLOURS["cat"], 30, 50, generator).save(root / "cat" / "turned.jpg", exif=turned)
        Image.new("RGBA", (30, 20), (10, 200, 10, 90)).save(root / "cat" / "clear.png")
        (root / "bee" / "broken.png").write_bytes(b"not an image")
    if request.param != "zip":
        return root, root
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for file in sorted(root.rglob("*.*")):
            archive.write(file, file.relative_to(root.parent))
    return root.with_suffix(".zip"), root


def run_example(monkeypatch, tmp_path, path, *flags):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [path, *map(str, flags)])
    module_of(EXAMPLES / path).main()


def ask(monkeypatch, capsys, *arguments):
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["groundup", "classify", *map(str, arguments)])
    cli.main()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "flags", "size", "channels"),
    [
        ("convolutional/cifar10.py", ("--size", "16", "--epochs", "1"), 16, None),
        ("convolutional/digits_lenet.py", ("--epochs", "1"), 32, 1),
    ],
)
def test_a_file_gets_the_scores_that_it_got_in_evaluation(
    own, path, flags, size, channels, monkeypatch, tmp_path, capsys
):
    data, folder = own
    run_example(monkeypatch, tmp_path, path, "--data", data, "--on-unreadable", "skip", *flags)
    said = capsys.readouterr().out
    assert "depends on the images" in said
    command = said.strip().splitlines()[-1]
    command = command[command.index("groundup classify") :]
    assert ask(monkeypatch, capsys, *shlex.split(command)[2:]).splitlines()[2] == "sample.png"

    # Every file that can be read has the pixels that the evaluation saw, to the bit.
    run_dir = Path("runs") / Path(path).stem
    model = load_model(run_dir)
    assert model.class_names == tuple(sorted(COLOURS))
    parts = image_folder(data, size, channels=channels, on_unreadable="skip")
    images = torch.cat([part.images for part in parts])
    files = [file for file in sorted(folder.rglob("*.*")) if file.name != "broken.png"]
    seen = [classify.read(model, file) for file in files]
    assert len(seen) == len(images)
    assert all(any(torch.equal(x[0], image) for image in images) for x in seen)

    # And the answer is that of the trained weights.
    trained = type(model)(**model.init_arguments)
    Checkpoints(run_dir / "checkpoints").load_newest(trained)
    with torch.no_grad():
        scores = trained.eval()(model.preprocessing(seen[0]))
        assert torch.equal(model(model.preprocessing(seen[0])), scores)
    best = softmax(scores, -1)[0].max(0)
    line = ask(monkeypatch, capsys, files[0], "--model", run_dir / "model").splitlines()[3]
    assert line == f"{100 * best.values:6.1f} %  {model.class_names[best.indices]}"

    if path == "convolutional/cifar10.py" and data.suffix == "":  # and it is taken further, its last layer alone
        flags = ("--data", data, "--on-unreadable", "skip", "--smoke", "--frozen", "--run-dir", "second")
        run_example(monkeypatch, tmp_path, "convolutional/fine_tune.py", *flags, "--model", run_dir)
        second = load_model("second")
        assert second.preprocessing == model.preprocessing
        assert torch.equal(second.layer1[0].conv1.weight, model.layer1[0].conv1.weight)
        assert not torch.equal(second.head.weight, model.head.weight)
        assert "%  cat" in ask(monkeypatch, capsys, "second/sample.png", "--model", "second")


def test_a_class_with_one_image_says_what_to_do(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "own" / name).mkdir(parents=True)
        write_photo(torch.zeros(3, 4, 4, dtype=torch.uint8), tmp_path / "own" / name / "1.png")
    with pytest.raises(ValueError, match=r"class 'ant' of own has one image; .* add a second one, or remove the class"):
        image_folder(tmp_path / "own")


@pytest.mark.parametrize(("count", "batch_size", "fitting"), [(29, 128, 8), (1438, 128, 128), (3, 32, 2), (1, 32, 2)])
def test_batches_fit_the_number_of_images(count, batch_size, fitting):
    train, test = load("digits")
    config = ImageOptions(data="own", batch_size=batch_size)
    part = train.subset(range(count))
    batches, held_out = config.loaders(part, test, ToFloat(), ToFloat())
    assert batches.batch_size == fitting
    assert sum(len(y) for _, y in batches) >= count - fitting + 1
    assert sum(len(y) for _, y in held_out) == len(test)
    assert config.epochs_for(part, 1) * len(batches) >= 300
    assert ImageOptions(data="own", epochs=7).epochs_for(part, 1) == 7
    assert ImageOptions().epochs_for(part, 5) == 5


def test_the_program_of_the_first_page(monkeypatch, tmp_path, capsys):
    """A Sequential of layers, a loop of one's own: saved, and asked by the command that is printed."""
    monkeypatch.chdir(tmp_path)
    _, test = load("digits")
    model = torch.nn.Sequential(Flatten(), Linear(64, 20), ReLU(), Dropout(0.5), Linear(20, 10))
    command = save_classifier(model, "runs/mine", test, ToFloat())
    assert command == f"groundup classify runs{os.sep}mine{os.sep}sample.png --model runs{os.sep}mine{os.sep}model"
    said = ask(monkeypatch, capsys, *shlex.split(command)[2:], "--top", 1)
    best = softmax(model.eval()(test.images[:1] / 255), -1)[0].max(0)
    assert said.splitlines()[-1] == f"{100 * best.values:6.1f} %  {int(best.indices)}"


def test_a_finished_run_is_saved_again_on_resume(monkeypatch, tmp_path, capsys):
    flags = ("--smoke", "--run-dir", "r")
    run_example(monkeypatch, tmp_path, "convolutional/digits_lenet.py", *flags)
    before = (tmp_path / "r" / "model" / "model.safetensors").read_bytes()
    (tmp_path / "r" / "model" / "model.safetensors").unlink()
    run_example(monkeypatch, tmp_path, "convolutional/digits_lenet.py", "--resume", *flags)
    assert (tmp_path / "r" / "model" / "model.safetensors").read_bytes() == before
    assert "nothing to do" in capsys.readouterr().out


def test_the_saved_weights_are_those_of_the_printed_figure(tmp_path):
    train, test = load("digits")
    model = torch.nn.Sequential(Flatten(), Linear(64, 10))
    config = ImageOptions()
    batches, held_out = config.loaders(train, test, ToFloat(), ToFloat())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    judge = classification(held_out, cross_entropy)
    trainer = Trainer(
        model,
        optimizer,
        make_objective(cross_entropy),
        batches,
        run_dir=tmp_path / "r",
        evaluate=judge,
        steps=20,
        evaluate_every=7,
        progress=False,
    )
    result = trainer.fit()
    save_classifier(model, tmp_path / "r", test, ToFloat())
    scores, labels = predict(load_model(tmp_path / "r"), held_out)
    assert (scores.argmax(1) == labels).double().mean().item() == pytest.approx(result.final["accuracy"])


def test_published_preprocessing_becomes_a_stretch_to_train_on():
    from groundup.models.convolutional_networks import SimpleCNN
    from groundup.weights import Preprocessing

    model = SimpleCNN()
    model.preprocessing = Preprocessing(24, 32, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    seen = training_preprocessing(model)
    assert seen == ImagePreprocessing(ToFloat(), Normalize((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)), size=24, channels=3)
    for preprocessing in (None, ImagePreprocessing(ToFloat(), Resize(8))):
        model.preprocessing = preprocessing
        with pytest.raises(ValueError, match="SimpleCNN was saved without the preprocessing of its images"):
            training_preprocessing(model)
