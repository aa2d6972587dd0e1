"""What a Trainer says about parts that do not belong together."""

import re
from functools import partial

import pytest
import torch
from torch import nn
from training_toy import Stream, make_model, make_trainer

from groundup.functional import cross_entropy
from groundup.optimizers import SGD, LR_StepScheduler
from groundup.training import Trainer, make_objective

pytestmark = pytest.mark.usefixtures("untyped")  # what a user sees, not what the suite enforces
ELSEWHERE = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy,
        nn.functional.cross_entropy,
        nn.CrossEntropyLoss(),
        partial(cross_entropy, label_smoothing=0.1),
    ],
    ids=["ours", "pytorch", "module", "partial"],
)
def test_a_loss_is_no_objective(tmp_path, loss):
    with pytest.raises(TypeError, match=r"this is a loss: write objective=make_objective\(cross_entropy\)"):
        make_trainer(tmp_path / "r", objective=loss)


def test_an_objective_returns_a_sum_and_a_count(tmp_path):
    trainer = make_trainer(tmp_path / "r", objective=lambda model, batch: cross_entropy(model(batch[0]), batch[1]))
    with pytest.raises(TypeError, match=r"must return \(loss summed over the batch, number of samples.*got Tensor"):
        trainer.fit()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), lambda x, y: x.sum(), 3], ids=["module", "lambda", "number"])
def test_supervised_wants_a_loss_that_sums(loss):
    with pytest.raises(TypeError, match=r'called as loss\(scores, y, reduction="sum"\), such as cross_entropy'):
        make_objective(loss)


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"optimizer": SGD(nn.Linear(2, 2).parameters(), lr=0.1)}, ValueError,
         "the optimizer holds no parameter of this Sequential: was it made for another model? Write SGD(model."),
        ({"optimizer": iter([])}, TypeError, "optimizer must be an optimizer such as Adam(model.parameters()"),
        ({"scheduler": LR_StepScheduler(ELSEWHERE, 2)}, ValueError, "LR_StepScheduler(optimizer, ...) with the same"),
        ({"objective": None}, TypeError, "for batches (x, y) write make_objective(cross_entropy)"),
        ({"model": print}, TypeError, "model must be a torch.nn.Module, got builtin_function_or_method"),
    ],
    ids=["optimizer", "parameters", "scheduler", "objective", "model"],
)  # fmt: skip
def test_parts_belong_together(tmp_path, parts, error, words):
    model = make_model()
    right = {"model": model, "optimizer": SGD(model.parameters(), lr=0.1), "objective": make_objective(cross_entropy)}
    with pytest.raises(error, match=re.escape(words)):
        Trainer(**(right | parts), train=Stream(), run_dir=tmp_path / "r", epochs=1)


def test_a_part_of_the_model_may_be_trained(tmp_path):
    """As in fine-tuning; and a frozen model has nothing that an optimizer could hold."""
    model = make_model()
    Trainer(
        model, SGD(model[4].parameters(), lr=0.1), make_objective(cross_entropy), Stream(), run_dir=tmp_path, epochs=1
    )
    model.requires_grad_(False)
    Trainer(model, ELSEWHERE, make_objective(cross_entropy), Stream(), run_dir=tmp_path, epochs=1)


def test_a_batch_of_one_in_front_of_batch_norm(tmp_path):
    class Small(Stream):
        def __iter__(self):
            for x, y in super().__iter__():
                yield (x, y) if len(x) < 12 else (x[:1], y[:1])

    model = make_model()
    optimizer = SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, make_objective(cross_entropy), Small(), run_dir=tmp_path / "r", epochs=1)
    with pytest.raises(ValueError, match=r"step 5 \(epoch 1\): BatchNorm.*one sample.*drop_last=True"):
        trainer.fit()
