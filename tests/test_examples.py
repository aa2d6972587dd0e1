"""Every example, as a newcomer runs it: a few steps, pictures written, and the words at the end."""

import os
import sys
from pathlib import Path

import pytest
import torch

from commands import module_of
from programs import python

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
LENET = ROOT / "examples" / "convolutional" / "digits_lenet.py"
CIFAR10 = module_of(ROOT / "examples" / "convolutional" / "cifar10.py")


def example(path, *flags, cwd):
    return python(path, *flags, cwd=cwd, env={**os.environ, "COLUMNS": "80"})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_smoke(path, tmp_path):
    done = example(path, "--smoke", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "expected" in done.stdout
    assert list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_is_a_story_of_one_page(path):
    code = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(code) <= 80


def test_every_example_is_in_the_table():
    table = (ROOT / "examples" / "README.md").read_text()
    assert all(str(path.relative_to(ROOT / "examples")) in table for path in EXAMPLES)


@pytest.fixture
def folder(tmp_path):
    """A folder of one's own: three classes of coloured images, one of them unreadable."""
    from PIL import Image

    generator = torch.Generator().manual_seed(0)
    for name in ("ant", "bee", "cat"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(10):
            pixels = torch.randint(0, 256, (20, 24, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(tmp_path / "own" / name / f"{i}.png")
    (tmp_path / "own" / "bee" / "broken.png").write_bytes(b"not an image")
    return tmp_path / "own"


def test_lenet_on_ones_own_folder(folder, tmp_path):
    refused = example(LENET, "--smoke", "--data", str(folder), cwd=tmp_path)
    assert refused.returncode == 1
    assert "broken.png" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = example(LENET, "--smoke", "--data", str(folder), "--on-unreadable", "skip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 classes" in done.stdout
    assert "broken.png" in done.stdout + done.stderr


def test_lenet_resumes_with_its_own_settings(tmp_path):
    """--resume needs no other flag; a changed one is refused by name."""
    started = example(LENET, "--epochs", "1", "--lr", "0.003", "--batch-size", "500", cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    resumed = example(LENET, "--resume", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "nothing to do" in resumed.stdout + resumed.stderr
    refused = example(LENET, "--resume", "--lr", "0.1", cwd=tmp_path)
    assert refused.returncode == 1
    assert "lr: saved 0.003, given 0.1" in refused.stderr
    again = example(LENET, "--smoke", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "runs" / "digits_lenet-2" / "config.json").exists()


def test_resume_with_nothing_to_resume_starts(tmp_path):
    """A run killed before its folder was there is resumed like any other."""
    done = example(LENET, "--smoke", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "holds no run to resume: starting one" in done.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--preset", "modern"), "LeNet5 has no preset 'modern'"),
        (("--data", "nowhere"), "is neither"),
        (("--epochs", "-3"), "epochs must be at least 0, got -3"),
    ],
)
def test_lenet_mistakes_are_one_line(flags, words, tmp_path):
    done = example(LENET, "--smoke", *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


# ---- word2vec and matrix factorization --------------------------------------------------------------------------

WORD2VEC = ROOT / "examples" / "recurrent" / "word2vec.py"
FACTORS = ROOT / "examples" / "shallow" / "matrix_factorization.py"


@pytest.mark.parametrize("flags", [(), ("--mode", "cbow", "--output", "hierarchical_softmax")])
def test_word2vec_on_a_text_of_ones_own(flags, tmp_path):
    (tmp_path / "own.txt").write_text("the cat sat on the mat while a dog lay by the cat on its mat\n" * 60)
    done = example(WORD2VEC, "--smoke", "--data", "own.txt", "--ask", "cat,mat", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no pairs are known" in done.stdout
    assert "         cat   " in done.stdout
    assert list(tmp_path.rglob("words.png"))


def test_matrix_factorization_on_ratings_of_ones_own(tmp_path):
    lines = [f"u{u}\ti{i}\t{1 + (u * i) % 5}\t0\n" for u in range(30) for i in range(20)]
    (tmp_path / "u.data").write_text("".join(lines))
    done = example(FACTORS, "--smoke", "--data", "u.data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "by 30 users of 20 items" in done.stdout
    assert list(tmp_path.rglob("completed.png"))


@pytest.mark.parametrize(
    ("path", "flags", "words"),
    [
        (WORD2VEC, ("--ask", "lambada"), "'lambada' is none of the"),
        (FACTORS, ("--data", "nowhere"), "'nowhere' is no file"),
        (FACTORS, ("--hide", "1.5"), "fraction must be strictly between 0 and 1"),
    ],
)
def test_mistakes_with_words_and_ratings_are_one_line(path, flags, words, tmp_path):
    done = example(path, "--smoke", *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


TRANSLATORS = ["recurrent/seq2seq.py", "attention/bahdanau_translation.py", "transformer/translation.py"]


@pytest.mark.parametrize("name", TRANSLATORS)
def test_translation_of_pairs_of_ones_own(name, tmp_path):
    path = ROOT / "examples" / name
    (tmp_path / "own.tsv").write_text("".join(f"eins {i}\tone {i}\n" for i in range(40)))
    done = example(path, "--smoke", "--data", "own.tsv", "--byte-pairs", "270", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "% of 2 " in done.stdout
    assert "|case:lc|" in done.stdout
    assert list(tmp_path.rglob("translations.json"))
    assert list(tmp_path.rglob("lengths.png"))
    refused = example(path, "--smoke", "--data", "nowhere", cwd=tmp_path)
    assert refused.returncode == 1
    assert "'nowhere' is no file" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_word2vec_resumes_where_it_was(tmp_path):
    """Its batches are a function of seed and epoch: what was finished is finished."""
    started = example(WORD2VEC, "--smoke", "--dim", "8", cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    resumed = example(WORD2VEC, "--smoke", "--resume", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "nothing to do" in resumed.stdout + resumed.stderr


# ---- graphs -----------------------------------------------------------------------------------------------------

GRAPHS = ROOT / "examples" / "graph" / "graph_classification.py"


def test_graphs_of_ones_own_by_diffpool(tmp_path):
    rings = [f"{n} {label}\n" + "".join(f"0 2 {(i - 1) % n} {(i + 1) % n}\n" for i in range(n))
             for n, label in ((4, 0), (5, 1)) for _ in range(12)]  # fmt: skip
    (tmp_path / "own.txt").write_text(f"{len(rings)}\n" + "".join(rings))
    done = example(GRAPHS, "--smoke", "--data", "own.txt", "--model", "diffpool", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "24 graphs of 2 classes" in done.stdout


@pytest.mark.parametrize(
    ("path", "flags", "words"),
    [
        (GRAPHS, ("--data", "nowhere"), "'nowhere' is neither"),
        (GRAPHS, ("--model", "gat"), "model must be one of 'gin', 'diffpool', got 'gat'"),
        (ROOT / "examples" / "graph" / "cora.py", ("--model", "gat"), "model must be one of 'gcn', 'graphsage', got"),
        (ROOT / "examples" / "graph" / "karate_club.py", ("--seeds", "0"), "seeds must be at least 1, got 0"),
    ],
)
def test_mistakes_with_graphs_are_one_line(path, flags, words, tmp_path):
    done = example(path, "--smoke", *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.body("auto")
@pytest.mark.parametrize("name", CIFAR10.MODELS)
def test_every_model_of_cifar10_takes_a_step(name):
    model, loss = CIFAR10.MODELS[name](num_classes=3, in_channels=1), CIFAR10.make_objective(CIFAR10.cross_entropy)
    optimizer = CIFAR10.SGD_Momentum(model.parameters(), lr=0.01)
    before = [parameter.clone() for parameter in model.parameters()]
    value, count = loss(model, (torch.randn(4, 1, 32, 32), torch.tensor([0, 1, 2, 0])))
    value.backward()
    optimizer.step()
    assert value.isfinite()
    assert count == 4
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters())]
    assert sum(moved) > 0.9 * len(moved)  # a bias of silent units may stay


@pytest.mark.slow
@pytest.mark.parametrize("name", CIFAR10.MODELS)
def test_every_model_of_cifar10(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cifar10.py", "--smoke", "--model", name, "--run-dir", str(tmp_path / "run")])
    CIFAR10.main()
    assert f"the model     {name}" in capsys.readouterr().out
    assert (tmp_path / "run" / "predictions.png").exists()


@pytest.mark.body("auto")
def test_cifar10_goes_on_from_a_run_as_images_grow(tmp_path):
    path = ROOT / "examples" / "convolutional" / "cifar10.py"
    assert example(path, "--smoke", "--sizes", "16", "24", "32", cwd=tmp_path).returncode == 0
    (begun,) = (tmp_path / "runs").iterdir()
    more = example(path, "--smoke", "--begin", str(begun), "--run-dir", "more", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    os.rename(begun, tmp_path / "elsewhere")  # a run that goes on has weights of its own
    again = example(path, "--smoke", "--resume", "--run-dir", "more", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for flags, words in (
        (("--model", "resnet9"), "--model resnet9: one of simple, nin, "),
        (("--epochs", "-3"), "epochs must be at least 0, got -3"),
        (("--epochs", "2", "--sizes", "16", "24", "32"), "--sizes: no more than --epochs, 2"),
    ):
        done = example(path, "--smoke", *flags, "--run-dir", "no", cwd=tmp_path)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
