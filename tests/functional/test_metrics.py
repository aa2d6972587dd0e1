"""Metrics against scikit-learn."""

import pytest
import torch
from sklearn import metrics as sk

from groundup.functional import accuracy, confusion_matrix, per_class_accuracy, top_k_accuracy
from parity import seeded_randn

scores, target = seeded_randn(200, 7), torch.randint(7, (200,), generator=torch.Generator().manual_seed(1))


def test_accuracy():
    assert accuracy(scores, target) == pytest.approx(sk.accuracy_score(target, scores.argmax(1)), abs=1e-15)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k(k):
    expected = sk.top_k_accuracy_score(target, scores, k=k, labels=range(7))
    assert top_k_accuracy(scores, target, k) == pytest.approx(expected, abs=1e-15)


def test_confusion_matrix_and_per_class_accuracy():
    predicted = scores.argmax(1)
    ours = confusion_matrix(predicted, target, 7)
    assert torch.equal(ours, torch.from_numpy(sk.confusion_matrix(target, predicted, labels=range(7))))
    expected = sk.recall_score(target, predicted, average=None)
    torch.testing.assert_close(per_class_accuracy(ours), torch.from_numpy(expected), rtol=0, atol=1e-15)


def test_a_perfect_prediction_is_one_in_every_class():
    """Not zero: some count the mistakes and call it accuracy."""
    assert per_class_accuracy(confusion_matrix(target, target, 7)).tolist() == [1.0] * 7


def test_a_class_without_samples_is_nan_and_ties_and_nans_do_not_flatter():
    assert per_class_accuracy(confusion_matrix(torch.tensor([0]), torch.tensor([0]), 2)).isnan().tolist() == [
        False,
        True,
    ]
    assert accuracy(torch.zeros(3, 3), torch.tensor([0, 1, 2])) == pytest.approx(1 / 3)  # equal scores: the first wins
    assert accuracy(torch.full((2, 3), torch.nan), torch.tensor([0, 1])) == 0.0
