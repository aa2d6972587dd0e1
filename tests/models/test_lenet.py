"""LeNet-5: the paper's numbers, table I, and the aligned column of shapes."""

import copy

import pytest
import torch

from groundup.models.convolutional_networks import LeNet5
from groundup.models.convolutional_networks.lenet import C3_TABLE, DIGIT_CODES
from groundup.tools.inspect import summary
from shape_column import check_shape_column


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("preset", "parameters"), [("paper", 60_000), ("paper_linear", 60_850), ("simplified", 61_706)]
)
def test_parameters(preset, parameters):
    assert count(LeNet5.preset(preset)) == parameters


def test_parameters_layer_by_layer():
    """Section II-B, in the paper's words: 156, 12, 1,516, 32, 48,120 and 10,164 trainable parameters."""
    model = LeNet5()
    assert [count(part) for part in model.children()] == [156, 12, 1516, 32, 48120, 10164, 0]


def test_the_shape_column_is_true():
    check_shape_column(LeNet5(), (1, 32, 32))


def test_table_one():
    """60 connections; no two maps alike; rows of three, four and six inputs as the paper counts them."""
    assert sum(map(len, C3_TABLE)) == 60
    assert sorted(map(len, C3_TABLE)) == [3] * 6 + [4] * 9 + [6]
    assert len(set(C3_TABLE)) == 16
    assert all(list(row) == sorted(row) for row in C3_TABLE)


def test_c3_sees_only_its_table():
    model = LeNet5().double()
    x = torch.randn(1, 6, 14, 14, dtype=torch.float64, requires_grad=True)
    for o, inputs in enumerate(C3_TABLE):
        (grad,) = torch.autograd.grad(model.c3(x)[0, o].sum(), x)
        assert {c for c in range(6) if grad[0, c].any()} == set(inputs)


def test_codes_are_pictures():
    """Ten distinct 7 × 12 pictures of ±1, none within 6 pixels of another."""
    codes = torch.tensor(DIGIT_CODES)
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    apart = (codes[:, None] != codes[None]).sum(-1) + 84 * torch.eye(10, dtype=torch.int64)
    assert apart.min() >= 6


def test_a_code_itself_scores_zero_and_nothing_scores_more():
    output = LeNet5().output
    scores = output(output.codes)
    assert (scores.diagonal() == 0).all()
    assert (scores <= 0).all()
    assert scores.argmax(1).tolist() == list(range(10))


def test_own_codes_and_classes():
    codes = torch.randn(26, 84).sign()
    model = LeNet5(num_classes=26, in_channels=3, codes=codes)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 26)
    assert torch.equal(model.state_dict()["output.codes"], codes)


def test_codes_are_numbers_of_the_models_own(untyped):
    """They have the type of the weights and no graph, so that the model can be copied."""
    x = torch.randn(2, 1, 32, 32)
    codes = torch.nn.Parameter(torch.ones(10, 84, dtype=torch.float64))
    for given in (codes, torch.ones(10, 84, dtype=torch.int64), torch.ones(10, 84).numpy()):
        if isinstance(given, torch.Tensor):
            model = LeNet5(codes=given)
            assert copy.deepcopy(model)(x).dtype == model.output.codes.dtype == torch.float32
        else:
            with pytest.raises(TypeError, match=r"codes must be a torch\.Tensor, got ndarray"):
                LeNet5(codes=given)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert LeNet5()(x.bfloat16()).dtype == torch.bfloat16
    finally:
        torch.set_default_dtype(torch.float32)


def test_initial_weights_are_within_the_papers_bounds():
    """±2.4 / fan-in (appendix A), each C3 map by its own fan-in."""
    model = LeNet5()
    bounds = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for name, fan_in in bounds.items():
        weight = model.get_submodule(name).weight
        assert weight.abs().max() <= 2.4 / fan_in
        assert weight.abs().max() > 0.5 * 2.4 / fan_in
    assert (model.c3.bias.abs() <= 2.4 / (25 * torch.tensor([len(row) for row in C3_TABLE]))).all()


def test_every_parameter_learns():
    model = LeNet5()
    model(torch.randn(4, 1, 32, 32))[:, 3].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_options_mix():
    for subsampling in ("trainable", "average", "max"):
        for activation in ("scaled_tanh", "tanh", "relu"):
            model = LeNet5(subsampling=subsampling, activation=activation, connection="full", output="linear")
            assert model(torch.randn(2, 1, 32, 32)).shape == (2, 10)


def test_summary_of_the_paper_form():
    report = summary(LeNet5(), (1, 32, 32))
    assert [part.output for part in report.parts] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (120, 1, 1),
        (84,),
        (10,),
    ]
    assert report.multiply_adds == 117_600 + 240_000 + 48_000 + 10_080


@pytest.mark.parametrize("preset", LeNet5.presets)
def test_saved_and_loaded(tmp_path, preset):
    model, x = LeNet5.preset(preset), torch.randn(2, 1, 32, 32)
    model.class_names = tuple("0123456789")
    model.save_pretrained(tmp_path)
    again = LeNet5.from_pretrained(tmp_path)
    assert again.class_names == model.class_names
    assert torch.equal(again(x), model.eval()(x))


def test_features_and_a_new_head():
    model, x = LeNet5.preset("simplified"), torch.randn(2, 1, 32, 32)
    maps = model.forward_intermediates(x, "c3", "c5")
    assert maps["c3"].shape == (2, 16, 10, 10)
    assert torch.equal(maps["c5"], model.forward_features(x))
    assert maps["c3"].abs().max() < 1  # squashed
    assert model.forward_head(maps["c5"], pre_logits=True).shape == (2, 84)
    model.reset_classifier(3)
    assert model(x).shape == (2, 3)


def test_other_classes_than_a_files(tmp_path):
    """Fixed codes cannot be initialised for other classes; a linear output can."""
    LeNet5().save_pretrained(tmp_path / "rbf")
    LeNet5.preset("paper_linear").save_pretrained(tmp_path / "linear")
    assert LeNet5.from_pretrained(tmp_path / "linear", num_classes=3)(torch.randn(1, 1, 32, 32)).shape == (1, 3)
    with pytest.raises(ValueError, match='or output="linear"'):
        LeNet5.from_pretrained(tmp_path / "rbf", num_classes=3)
