"""The shallow models: scikit-learn's solutions from `fit`, the laws of each, and the mistakes that others made."""

import warnings
from functools import cache

import numpy as np
import pytest
import sklearn.datasets
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from sklearn import linear_model, svm
from sklearn.metrics import hinge_loss
from sklearn.model_selection import train_test_split
from torch.utils.data import TensorDataset

from groundup import backend
from groundup.data import Loader
from groundup.models import shallow_models as S
from groundup.models.shallow_models import interior_point, mistakes
from groundup.models.shallow_models.rotation import rotate
from groundup.optimizers import SGD, AdamW
from groundup.training import Trainer, make_objective
from parity import seeded_randn

DOUBLE = {"dtype": torch.float64}
TWO_CLASS = (S.Perceptron, S.SVM, S.LeastSquareRegression, S.LogisticRegression)
MULTICLASS = (S.MulticlassPerceptron, S.MulticlassSVM, S.MultinomialLogisticRegression)


@cache
def table(name, scaled=True):
    """(x, y) in float64; labels of two classes are -1 and +1."""
    x, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    if scaled:
        x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-8)
    return torch.tensor(x), torch.tensor(y if y.max() > 1 else 2 * y - 1)


def clouds(count=60, features=4, classes=2, apart=1.0, seed=0):
    """Overlapping normal clouds, as a model without penalty has a solution for."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % classes
    centres = torch.randn(classes, features, generator=generator, dtype=torch.float64)
    x = apart * centres[y] + torch.randn(count, features, generator=generator, dtype=torch.float64)
    return x, (2 * y - 1 if classes == 2 else y)


def assert_solution(model, peer, tolerance=1e-4):
    """Coefficients and intercepts are the peer's, to `tolerance` (of the largest, where that is above 1)."""
    for ours, theirs in ((model.weight, peer.coef_), (model.bias, peer.intercept_)):
        theirs = torch.tensor(np.array(theirs)).expand_as(ours)  # 0.0 where no intercept is fitted
        atol = tolerance * max(1.0, float(theirs.abs().max()))
        torch.testing.assert_close(ours.detach(), theirs, rtol=0, atol=atol)


# ---- scikit-learn's solutions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
def test_svm_is_svc(C):
    x, y = table("breast_cancer")
    model = S.SVM(30, C, **DOUBLE)
    assert model.fit(x, y).converged
    assert_solution(model, svm.SVC(kernel="linear", C=C, tol=1e-8).fit(x, y))


def test_svm_with_weight_decay_is_the_same_machine():
    x, y = clouds()
    one, other = S.SVM(4, C=0.5, **DOUBLE), S.SVM(4, weight_decay=1 / (0.5 * len(x)), **DOUBLE)
    one.fit(x, y)
    other.fit(x, y)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-6, atol=1e-8)
    per_sample = [m.loss(m(x), y) / C for m, C in ((one, 0.5), (other, 1.0))]
    torch.testing.assert_close(per_sample[0], per_sample[1], rtol=1e-8, atol=0)


def test_svm_does_not_mind_the_scales_of_features():
    """On breast cancer as it comes, 0.001 to 1,000, SVC stops at an objective of 49.96, from rounding in its kernel."""
    x, y = table("breast_cancer", scaled=False)
    model = S.SVM(30, **DOUBLE)
    assert model.fit(x, y).converged
    with torch.no_grad():
        assert model.loss(model(x), y, "sum") == pytest.approx(48.87572571, abs=1e-6)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
def test_logistic_regression_is_scikit_learns(C, scaled):
    x, y = table("breast_cancer", scaled)
    model = S.LogisticRegression(30, **DOUBLE)
    assert model.fit(x, y, C=C).converged
    peer = linear_model.LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, y)
    assert_solution(model, peer)
    torch.testing.assert_close(model.predict_proba(x), torch.tensor(peer.predict_proba(x)[:, 1]), rtol=0, atol=1e-6)
    assert torch.equal(model.predict(x), torch.tensor(peer.predict(x)))


def test_maximum_likelihood_is_scikit_learns_without_penalty():
    x, y = clouds(apart=0.5)
    model = S.LogisticRegression(4, **DOUBLE)
    model.fit(x, y, C=torch.inf)
    assert_solution(model, linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(x, y))
    model.loss(model(x), y, "sum").backward()
    assert float(model.weight.grad.norm()) < 1e-8

    x, y = clouds(90, classes=3, apart=0.5)
    model = S.MultinomialLogisticRegression(4, 3, **DOUBLE)
    model.fit(x, y, C=torch.inf)
    peer = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(x, y)
    assert_solution(model, peer)
    torch.testing.assert_close(model.predict_proba(x), torch.tensor(peer.predict_proba(x)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "C"), [("wine", 1.0), ("wine", 100.0), ("digits", 1.0)])
def test_multinomial_regression_is_scikit_learns(name, C):
    x, y = table(name)
    model = S.MultinomialLogisticRegression(x.size(1), int(y.max()) + 1, **DOUBLE)
    assert model.fit(x, y, C=C).converged
    assert_solution(model, linear_model.LogisticRegression(C=C, tol=1e-9, max_iter=10_000).fit(x, y))


@pytest.mark.parametrize("fit", ["fit", "fit_closed_form"])
@pytest.mark.parametrize("scaled", [True, False])
def test_least_squares_is_scikit_learns(fit, scaled):
    x, _ = table("diabetes", scaled)
    y = torch.tensor(sklearn.datasets.load_diabetes().target)
    model = S.LeastSquareRegression(10, **DOUBLE)
    getattr(model, fit)(x, y)
    assert_solution(model, linear_model.LinearRegression().fit(x, y), 1e-9)
    residual = model.predict(x) - y
    torch.testing.assert_close(x.mT @ residual, torch.zeros(10, **DOUBLE), rtol=0, atol=1e-8)  # the normal equations
    assert abs(float(residual.sum())) < 1e-8


@pytest.mark.parametrize("shape", [(30, 6), (5, 8)], ids=["dependent features", "more features than samples"])
def test_least_squares_takes_the_shortest_solution(shape):
    x = seeded_randn(*shape)
    x[:, 2] = x[:, 0] - 2 * x[:, 1]
    x[:, 3] = 7.0
    y = seeded_randn(shape[0], seed=5)
    model = S.LeastSquareRegression(shape[1], **DOUBLE)
    model.fit(x, y)
    assert_solution(model, linear_model.LinearRegression().fit(x, y), 1e-9)
    centred = torch.linalg.lstsq(x - x.mean(0), (y - y.mean())[:, None], driver="gelsd").solution
    torch.testing.assert_close(model.weight.detach(), centred.mT, rtol=0, atol=1e-9)


@pytest.mark.parametrize("epochs", [1, 4])
def test_perceptron_is_scikit_learns_to_the_bit(epochs):
    x, y = table("breast_cancer")
    model = S.Perceptron(30, **DOUBLE)
    result = model.fit(x, y, max_epochs=epochs, average=False, shuffle=False)
    peer = linear_model.Perceptron(shuffle=False, max_iter=epochs, tol=None).fit(x, y)
    assert_solution(model, peer, 0.0)
    assert result.steps == epochs
    assert result.history[0] == 32


def three_turns():
    """Three classes that are each other's rotations: their biases are equal, so that nothing hangs on their penalty."""
    first = seeded_randn(15, 6) + torch.tensor([1.0, 0.5, 0, 0, -0.5, 0])
    turns = [first.roll(2 * k, 1) for k in range(3)]
    return torch.cat(turns), torch.arange(3).repeat_interleave(15)


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
def test_crammer_singer_is_linear_svc(C):
    """LinearSVC penalises its intercepts; here there is none to penalise."""
    x, y = three_turns()
    model = S.MulticlassSVM(6, 3, C=C, **DOUBLE)
    assert model.fit(x, y).converged
    peer = svm.LinearSVC(C=C, multi_class="crammer_singer", fit_intercept=False, tol=1e-10, max_iter=1_000_000)
    assert_solution(model, peer.fit(x, y))


@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
def test_two_classes_are_the_svm_with_half_of_C(kind):
    x, y = clouds(apart=0.7)
    model = S.MulticlassSVM(4, 2, kind, C=0.4, **DOUBLE)
    model.fit(x, (y > 0).long())
    peer = svm.SVC(kernel="linear", C=0.8, tol=1e-10).fit(x, y)
    for ours, theirs in ((model.weight, peer.coef_[0]), (model.bias, peer.intercept_[0])):
        torch.testing.assert_close((ours[1] - ours[0]).detach(), torch.tensor(theirs), rtol=0, atol=1e-4)
    torch.testing.assert_close(model.weight[0], -model.weight[1], rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
def test_multiclass_svm_is_a_general_solvers(kind):
    """SciPy's SLSQP on the programme as the papers write it, with a slack for each hinge and free biases."""
    x, y = clouds(18, 2, 3)
    C, n = 0.7, 18
    others = torch.tensor([[c for c in range(3) if c != k] for k in y.tolist()]).numpy()
    slack_of = (
        np.arange(n)[:, None] + np.zeros((1, 2), int) if kind == "crammer_singer" else np.arange(2 * n).reshape(n, 2)
    )
    slacks = slack_of.max() + 1
    rows = []
    for i in range(n):
        for j in range(2):
            row = np.zeros(9 + slacks)  # W (3, 2), b (3,), slacks
            for c, sign in ((int(y[i]), 1), (others[i, j], -1)):
                row[2 * c : 2 * c + 2] += sign * x[i].numpy()
                row[6 + c] += sign
            row[9 + slack_of[i, j]] = 1
            rows.append(row)
    found = minimize(
        lambda v: 0.5 * v[:6] @ v[:6] + C * v[9:].sum(),
        np.r_[np.zeros(9), np.ones(slacks)],
        jac=lambda v: np.r_[v[:6], np.zeros(3), np.full(slacks, C)],
        constraints={
            "type": "ineq",
            "fun": lambda v: np.array(rows) @ v - 1,
            "jac": lambda v: np.array(rows),
        },
        bounds=[(None, None)] * 9 + [(0, None)] * slacks,
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    model = S.MulticlassSVM(2, 3, kind, C, **DOUBLE)
    result = model.fit(x, y)
    torch.testing.assert_close(model.weight.detach().flatten(), torch.tensor(found.x[:6]), rtol=0, atol=1e-4)
    assert result.history[-1] * C == pytest.approx(found.fun, abs=1e-6)
    with torch.no_grad():
        assert model.loss(model(x), y, "sum") == pytest.approx(found.fun, abs=1e-6)


@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
@pytest.mark.parametrize(("name", "scaled"), [("wine", True), ("wine", False), ("digits", True)])
def test_no_way_leads_down_from_multiclass_svms_solution(name, scaled, kind):
    x, y = table(name, scaled)
    model = S.MulticlassSVM(x.size(1), int(y.max()) + 1, kind, **DOUBLE)
    result = model.fit(x, y)
    assert result.converged
    with torch.no_grad():
        best = float(model.loss(model(x), y, "sum"))
        assert best == pytest.approx(result.history[-1], rel=1e-6)
        spread = x.std(0).clamp(min=1e-8)
        for trial in range(20):
            moved = S.MulticlassSVM(x.size(1), int(y.max()) + 1, kind, **DOUBLE)
            step = 10.0 ** -(trial % 5)
            moved.weight.copy_(model.weight + step * seeded_randn(*model.weight.shape, seed=trial) / spread)
            moved.bias.copy_(model.bias + step * seeded_randn(len(model.bias), seed=trial + 50))
            assert float(moved.loss(moved(x), y, "sum")) > best - 1e-7


ACCURACY = [
    (S.Perceptron, linear_model.Perceptron(), ("breast_cancer",)),
    (S.SVM, svm.SVC(kernel="linear"), ("breast_cancer",)),
    (S.LeastSquareRegression, linear_model.RidgeClassifier(alpha=1e-8), ("breast_cancer",)),
    (S.LogisticRegression, linear_model.LogisticRegression(max_iter=1000), ("breast_cancer",)),
    (S.MulticlassPerceptron, linear_model.Perceptron(), ("wine", "digits")),
    (S.MulticlassSVM, svm.LinearSVC(multi_class="crammer_singer", max_iter=3000), ("wine", "digits")),
    (S.MultinomialLogisticRegression, linear_model.LogisticRegression(max_iter=1000), ("wine", "digits")),
]


@pytest.mark.parametrize(
    ("model", "peer", "name"),
    [(m, p, n) for m, p, names in ACCURACY for n in names],
    ids=lambda v: v if isinstance(v, str) else getattr(v, "__name__", ""),
)
def test_accuracy_of_the_default_fit(model, peer, name):
    """Held-out accuracy, mean of splits: at most half a point below scikit-learn's default fit."""
    x, y = table(name)
    ours, theirs = [], []
    for seed in range(2 if name == "digits" else 10):
        x1, x2, y1, y2 = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)
        made = model(x.size(1)) if model in TWO_CLASS else model(x.size(1), int(y.max()) + 1)
        made.fit(x1.float(), y1.float() if model is S.LeastSquareRegression else y1)
        predicted = made.predict(x2.float())
        ours.append(
            float((predicted.sign() == y2).double().mean() if model in TWO_CLASS else (predicted == y2).double().mean())
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # liblinear's, that it did not converge
            theirs.append(peer.fit(x1, y1).score(x2, y2))
    assert np.mean(ours) > np.mean(theirs) - 0.005
    assert np.mean(ours) > 0.9


# ---- laws ---------------------------------------------------------------------------------------------------------


def test_novikoffs_bound():
    """On separable data, at most (R / γ)² mistakes in all, in whatever order the samples come."""
    for seed in range(5):
        x, y = clouds(50, 3, apart=5.0, seed=seed)
        widest = S.SVM(3, C=1e6, **DOUBLE)
        widest.fit(x, y)
        with torch.no_grad():
            margins = widest(x) * y
        assert margins.min() > 0.999  # separated
        full = torch.cat([widest.weight.detach()[0], widest.bias.detach()])
        gamma, radius = float(margins.min() / full.norm()), float((x.square().sum(1) + 1).sqrt().max())
        for order_seed in range(3):
            model = S.Perceptron(3, **DOUBLE)
            result = model.fit(x, y, max_epochs=100_000, patience=100_000, average=False, seed=order_seed)
            assert result.converged
            assert result.history[-1] == 0
            assert 0 < sum(result.history) <= (radius / gamma) ** 2
            assert torch.equal(model.predict(x), y)


def naive_perceptron(x, y, classes, epochs, average):
    """Sample by sample, as the rule reads."""
    weight, total, seen = torch.zeros(classes, x.size(1), **DOUBLE), 0, 0
    for _ in range(epochs):
        for a, label in zip(x, y):
            z = weight @ a
            rivals = [c for c in range(classes) if c != label]
            rival = max(rivals, key=lambda c: (float(z[c]), -c))
            if z[rival] >= z[label]:
                weight[label] += a
                weight[rival] -= a
            total, seen = total + weight, seen + 1
    return total / seen if average else weight


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("look_ahead", [1, 7, 64])
def test_looking_ahead_changes_no_correction(average, look_ahead, monkeypatch):
    monkeypatch.setattr(mistakes, "LOOK_AHEAD_SAMPLES", look_ahead)
    x, y = clouds(90, 4, 3)
    model = S.MulticlassPerceptron(4, 3, **DOUBLE)
    model.fit(x, y, max_epochs=3, average=average, shuffle=False)
    expected = naive_perceptron(torch.cat([x, x.new_ones(90, 1)], 1), y, 3, 3, average)
    torch.testing.assert_close(torch.cat([model.weight, model.bias[:, None]], 1).detach(), expected)

    x, y = clouds(90, 4)
    model = S.Perceptron(4, **DOUBLE)
    model.fit(x, y, max_epochs=3, average=average, shuffle=False)
    two = naive_perceptron(torch.cat([x, x.new_ones(90, 1)], 1), (y > 0).long(), 2, 3, average)
    torch.testing.assert_close(
        torch.cat([model.weight[0], model.bias]).detach(), two[1]
    )  # two classes mirror each other


def test_a_perceptrons_mistake_is_a_gradient_step():
    """SGD of size 1 on the loss of one sample after the other is the rule, ties at weights of zero included."""
    x, y = clouds(40)
    fitted, trained = S.Perceptron(4, **DOUBLE), S.Perceptron(4, **DOUBLE)
    fitted.fit(x, y, max_epochs=1, average=False, shuffle=False)
    optimizer = SGD(trained.parameters(), lr=1.0)
    for a, label in zip(x, y):
        optimizer.zero_grad()
        trained.loss(trained(a[None]), label[None], "sum").backward()
        optimizer.step()
    torch.testing.assert_close(trained.weight, fitted.weight, rtol=0, atol=0)
    torch.testing.assert_close(trained.bias, fitted.bias, rtol=0, atol=0)


def test_the_order_of_samples_is_the_seeds():
    x, y = table("breast_cancer")
    models = [S.Perceptron(30, **DOUBLE) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2)):
        model.fit(x, y, seed=seed)
    assert torch.equal(models[0].weight, models[1].weight)
    assert not torch.equal(models[0].weight, models[2].weight)


def test_hard_margin():
    """As C grows, the machine of separable data stops changing: every margin at least 1, and some exactly 1."""
    x, y = clouds(40, 3, apart=4.0)
    solutions = []
    for C in (1e4, 1e6):
        model = S.SVM(3, C, **DOUBLE)
        assert model.fit(x, y).converged
        margins = (model(x) * y).detach()
        assert margins.min() == pytest.approx(1.0, abs=1e-6)
        assert (margins < 1 + 1e-6).sum() >= 2  # the support vectors
        solutions.append(model.weight.detach())
    torch.testing.assert_close(*solutions, rtol=0, atol=1e-5)


def test_a_soft_margins_support_vectors_make_the_weights():
    """w = Σ α y x with α = C inside the margin, 0 outside, and Σ α y = 0; at the kink, in between."""
    x, y = clouds(60, 3)
    C = 0.3
    model = S.SVM(3, C, **DOUBLE)
    model.fit(x, y)
    margins = (model(x) * y).detach()
    inside, on = margins < 1 - 1e-5, (margins - 1).abs() < 1e-5
    assert 0 < inside.sum() < 60
    assert 0 < on.sum() <= 4
    signed = torch.cat([x, x.new_ones(60, 1)], 1) * y[:, None]
    rest = torch.cat([model.weight.detach()[0], x.new_zeros(1)]) - C * signed[inside].sum(0)
    alpha = torch.linalg.lstsq(signed[on].mT, rest[:, None]).solution[:, 0]
    torch.testing.assert_close(signed[on].mT @ alpha, rest, rtol=0, atol=1e-6)
    assert ((alpha > -1e-6) & (alpha < C + 1e-6)).all()


@pytest.mark.parametrize("model", [*TWO_CLASS[1:], *MULTICLASS[1:]])
def test_features_that_say_nothing_new_change_nothing(model):
    """A constant feature gets weight 0; of a feature given twice, each copy takes half, where weights are penalised."""
    x, y = clouds(classes=2 if model in TWO_CLASS else 3)
    y = y.double() if model is S.LeastSquareRegression else y
    extra = () if model in TWO_CLASS else (3,)
    one, other = model(4, *extra, **DOUBLE), model(5, *extra, **DOUBLE)
    one.fit(x, y)
    other.fit(torch.cat([x, torch.full_like(x[:, :1], 3.0)], 1), y)
    torch.testing.assert_close(other.weight[:, :4], one.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.weight[:, 4].abs().max().item(), 0.0, rtol=0, atol=1e-9)
    twice = model(8, *extra, **DOUBLE)
    assert twice.fit(torch.cat([x, x], 1), y).converged
    torch.testing.assert_close(twice.weight[:, :4], twice.weight[:, 4:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", [*TWO_CLASS, *MULTICLASS])
def test_fit_takes_any_precision_and_begins_anew(model):
    x, y = clouds(classes=2 if model in TWO_CLASS else 3)
    y = y.double() if model is S.LeastSquareRegression else y
    extra = () if model in TWO_CLASS else (3,)
    exact, single = model(4, *extra, **DOUBLE), model(4, *extra)
    exact.fit(x, y)
    single.fit(x.float(), y.float() if model is S.LeastSquareRegression else y)
    torch.testing.assert_close(single.weight, exact.weight.float(), rtol=1e-4, atol=1e-4)
    assert single.weight.requires_grad
    assert single.weight.is_leaf
    torch.nn.init.normal_(exact.weight)
    before = model(4, *extra, **DOUBLE)
    before.fit(x, y)
    exact.fit(x.clone().requires_grad_(), y)
    assert torch.equal(exact.weight, before.weight)


def test_weights_of_several_classes_add_up_to_zero():
    x, y = table("wine")
    for model in (S.MulticlassSVM(13, 3, **DOUBLE), S.MultinomialLogisticRegression(13, 3, **DOUBLE)):
        model.fit(x, y)
        torch.testing.assert_close(model.weight.sum(0).detach(), torch.zeros(13, **DOUBLE), rtol=0, atol=1e-8)
        assert abs(float(model.bias.detach().sum())) < 1e-8


def test_softmax_does_not_see_a_shift():
    x, _ = clouds()
    model = S.MultinomialLogisticRegression(4, 3, **DOUBLE)
    torch.nn.init.normal_(model.weight)
    p = model.predict_proba(x)
    with torch.no_grad():
        model.bias += 1e4
    torch.testing.assert_close(model.predict_proba(x), p, rtol=0, atol=1e-9)
    torch.testing.assert_close(p.sum(1), torch.ones(60, **DOUBLE))


def test_rotation_keeps_scores_and_norm():
    x, _ = table("breast_cancer", scaled=False)
    rotation = rotate(x)
    phi = seeded_randn(2, 31) * torch.cat([rotation.s, torch.ones(1, **DOUBLE)])
    weight, bias = rotation.rotate_back(phi)
    expected = rotation.features() @ phi.mT
    torch.testing.assert_close(x @ weight.mT + bias, expected, rtol=1e-9, atol=1e-7)
    torch.testing.assert_close((rotation.penalty(1.0) * phi**2).sum(), weight.square().sum())
    assert rotate(torch.ones(3, 2, **DOUBLE)).s.numel() == 0


# ---- what has no solution ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_separable_classes_have_no_maximum_likelihood_and_it_says_so(name):
    """The three data sets can all be separated: the fit stops with every sample right, and warns."""
    x, y = table(name)
    model = (
        S.LogisticRegression(30)
        if name == "breast_cancer"
        else S.MultinomialLogisticRegression(x.size(1), int(y.max()) + 1)
    )
    with pytest.warns(UserWarning, match=r"Regression\.fit: the classes can be separated.*A finite C"):
        result = model.fit(x, y, C=torch.inf)
    assert not result.converged
    assert torch.equal(model.predict(x.float()), y)
    assert model.weight.isfinite().all()


def test_one_class_that_can_be_separated_is_enough():
    """Quasi-complete separation: the likelihood of the others has a maximum, but the weights still grow for ever."""
    x, y = table("iris")
    with pytest.warns(UserWarning, match="can be separated"):
        S.MultinomialLogisticRegression(4, 3).fit(x, y, C=torch.inf)
    x = torch.tensor([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0])[:, None]  # both labels at 0
    with pytest.warns(UserWarning, match="can be separated"):
        S.LogisticRegression(1).fit(x, torch.tensor([-1, -1, -1, 1, 1, 1]), C=torch.inf)


def test_steps_that_run_out_are_said():
    x, y = clouds()
    for model, steps in ((S.SVM(4), 3), (S.LogisticRegression(4), 1)):
        with pytest.warns(UserWarning, match=f"max_steps={steps} were not enough"):
            assert not model.fit(x, y, max_steps=steps).converged


def test_what_is_too_large_for_fit_is_said(monkeypatch):
    monkeypatch.setattr(interior_point, "MAX_MATRIX_ROWS", 9)
    x, y = clouds(classes=3)
    with pytest.raises(ValueError, match="fit solves for all 10 weights at once, which is possible for 9 at most"):
        S.MulticlassSVM(4, 3).fit(x, y)


def test_a_fit_reads_well():
    assert str(S.Fit(3, True, (1.0,))) == "converged after 3 steps"
    assert str(S.Fit(3, False, (1.0,), "why")) == "not converged after 3 steps: why"


# ---- losses, and the mistakes that others made --------------------------------------------------------------------


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("model", TWO_CLASS)
def test_scores_are_flat_and_nothing_broadcasts(model):
    """(N, 1) targets against (N,) scores would silently average N × N losses."""
    x, y = clouds(6)
    made = model(4, **DOUBLE)
    assert made(x).shape == (6,)
    with pytest.raises(ValueError, match=r"target must have .* shape \(6,\), got \(6, 1\)"):
        made.loss(made(x), y.double()[:, None])


@pytest.mark.parametrize("model", TWO_CLASS)
def test_a_score_of_zero_is_a_valid_class(model):
    x = seeded_randn(5, 4)
    labels = model(4, **DOUBLE).predict(x)  # weights of zero
    if model is S.LeastSquareRegression:
        assert labels.tolist() == [0.0] * 5  # a real number, not a class
    else:
        assert labels.tolist() == [-1] * 5
        assert labels.dtype == torch.int64


def test_least_squares_regresses():
    model = S.LeastSquareRegression(1, **DOUBLE)
    x = torch.tensor([[0.0], [1.0], [2.0]], **DOUBLE)
    model.fit(x, torch.tensor([1.5, 3.5, 5.5], **DOUBLE))
    torch.testing.assert_close(model.predict(x + 10), torch.tensor([21.5, 23.5, 25.5], **DOUBLE))
    assert model.loss(model(x), torch.tensor([1.5, 3.5, 6.5], **DOUBLE), "sum").item() == pytest.approx(1.0)


def test_a_threshold_is_of_the_probability():
    """p = 0.574 is +1 at 0.5: thresholding the score 0.3 itself at 0.5 says -1."""
    model = S.LogisticRegression(1, **DOUBLE)
    with torch.no_grad():
        model.weight.fill_(1.0)
    x = torch.tensor([[0.3], [-0.3], [0.0]], **DOUBLE)
    assert model.predict_proba(x).tolist() == pytest.approx([0.5744, 0.4256, 0.5], abs=1e-4)
    assert model.predict(x).tolist() == [1, -1, -1]
    for t in (0.1, 0.43, 0.5, 0.6):
        assert torch.equal(model.predict(x, t) == 1, model.predict_proba(x) > t)


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_losses_are_finite_at_saturation(mode):
    """log(1 + exp(17)) is 17 in float32, and at |z| = 1e4 each loss is the margin, with finite gradients."""
    with backend(mode):
        for z, y, expected in ((17.0, -1, 17.0), (1e4, -1, 1e4), (-1e4, 1, 1e4), (1e4, 1, 0.0)):
            score = torch.tensor([z], requires_grad=True)
            target = torch.tensor([y])
            assert S.LogisticRegression(1).loss(score, target).item() == pytest.approx(expected, rel=1e-6)
            assert S.Perceptron(1).loss(score, target).item() == pytest.approx(expected if z != 17 else 17.0)
            assert S.SVM(1).loss(score, target).item() == pytest.approx(max(0.0, 1 - y * z))
            (gradient,) = torch.autograd.grad(S.LogisticRegression(1).loss(score, target), score)
            assert gradient.item() == pytest.approx(-y if y * z < 0 else 0.0, abs=1e-6)
        scores = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
        for model, right, wrong in (
            (S.MulticlassPerceptron(1, 3), 0.0, 2e4),
            (S.MulticlassSVM(1, 3, "crammer_singer"), 0.0, 2e4 + 1),
            (S.MulticlassSVM(1, 3, "weston_watkins"), 0.0, 2e4 + 1 + 1e4 + 1),
            (S.MultinomialLogisticRegression(1, 3), 0.0, 2e4),  # 0 · log 0 is not NaN
        ):
            assert model.loss(scores, torch.tensor([0])).item() == right
            assert model.loss(scores, torch.tensor([1])).item() == pytest.approx(wrong)
            (gradient,) = torch.autograd.grad(model.loss(scores, torch.tensor([0])), scores)
            assert gradient.isfinite().all()


@pytest.mark.parametrize("mode", ["auto", "reference"])
@pytest.mark.parametrize("model", [*TWO_CLASS, *MULTICLASS])
def test_weights_of_zero_learn(model, mode):
    """A subgradient of abs at 0, or a perceptron's loss that is flat at a tie, would leave them where they are."""
    x, y = clouds(classes=2 if model in TWO_CLASS else 3)
    y = y.double() if model is S.LeastSquareRegression else y
    made = model(4, **DOUBLE) if model in TWO_CLASS else model(4, 3, **DOUBLE)
    assert made.weight.count_nonzero() == 0
    with backend(mode):
        made.loss(made(x), y).backward()
    assert made.weight.grad.norm() > 0.05


def test_svm_has_its_margin_term():
    x, y = clouds(10)
    model = S.SVM(4, C=2.5, **DOUBLE)
    torch.nn.init.normal_(model.weight)
    scores = model(x)
    hinges = F.relu(1 - y * scores)
    expected = 0.5 * model.weight.square().sum() + 2.5 * hinges.sum()
    torch.testing.assert_close(model.loss(scores, y, "sum"), expected)
    torch.testing.assert_close(model.loss(scores, y, "none").sum(), expected)
    torch.testing.assert_close(model.loss(scores, y), expected / 10)
    model.loss(scores.detach(), y, "sum").backward()
    torch.testing.assert_close(model.weight.grad, model.weight.detach())
    decayed = S.SVM(4, weight_decay=0.3, **DOUBLE)
    decayed.load_state_dict(model.state_dict())
    torch.testing.assert_close(
        decayed.loss(scores, y), hinges.mean() + 0.15 * model.weight.square().sum(), check_dtype=False
    )


def test_weight_decay_is_the_same_on_minibatches():
    """The sum over the parts is the whole: C would count the margin term once a batch."""
    x, y = clouds(12, classes=3)
    for kind in ("crammer_singer", "weston_watkins"):
        model = S.MulticlassSVM(4, 3, kind, weight_decay=0.1, **DOUBLE)
        torch.nn.init.normal_(model.weight)
        parts = sum(model.loss(model(x[i : i + 5]), y[i : i + 5], "sum") for i in (0, 5, 10))
        torch.testing.assert_close(parts, model.loss(model(x), y, "sum"))


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_multiclass_hinges_on_paper(mode):
    """A right answer inside the margin counts, and the true class itself adds no 1.

    z = (2, 1.5, -1), y = 0: margins 0.5 and 3, so 0.5. z = (0, 1, 1), y = 0: each rival is 1 ahead, so 2 + 2, or 2.
    """
    z = torch.tensor([[2.0, 1.5, -1.0], [0.0, 1.0, 1.0]], **DOUBLE)
    y = torch.tensor([0, 0])
    with backend(mode):
        weston, crammer = (S.MulticlassSVM(1, 3, kind, **DOUBLE) for kind in ("weston_watkins", "crammer_singer"))
        assert weston.loss(z, y, "none").tolist() == [0.5, 4.0]
        assert crammer.loss(z, y, "none").tolist() == [0.5, 2.0]


def test_multiclass_losses_against_their_oracles():
    z, y = seeded_randn(40, 5), torch.arange(40) % 5
    crammer = S.MulticlassSVM(1, 5, "crammer_singer", **DOUBLE).loss(z, y)
    assert crammer.item() == pytest.approx(hinge_loss(y, z, labels=np.arange(5)), abs=1e-12)
    weston = S.MulticlassSVM(1, 5, "weston_watkins", C=2.0, **DOUBLE).loss(z, y, "sum")
    torch.testing.assert_close(weston, 2.0 * 5 * F.multi_margin_loss(z, y, reduction="sum"))
    perceptron = S.MulticlassPerceptron(1, 5, **DOUBLE).loss(z, y, "none")
    assert torch.equal(perceptron == 0, z.argmax(1) == y)  # zero exactly where the prediction is right
    logistic = S.LogisticRegression(1, **DOUBLE).loss(z[:, 0], 2 * (y > 2).long() - 1)
    torch.testing.assert_close(logistic, F.binary_cross_entropy_with_logits(z[:, 0], (y > 2).double()))


# ---- through the Trainer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["two classes", "several"])
def test_training_by_gradients_reaches_what_fit_finds(kind, tmp_path):
    x, y = clouds(960, classes=2 if kind == "two classes" else 3)
    options = {"weight_decay": 0.1, **DOUBLE}
    fitted, trained = (
        S.SVM(4, **options) if kind == "two classes" else S.MulticlassSVM(4, 3, **options) for _ in range(2)
    )
    fitted.fit(x, y)
    batches = Loader(TensorDataset(x, y), 32, shuffle=True)
    optimizer = AdamW(trained.parameters(), lr=0.02, weight_decay=0.0)
    Trainer(trained, optimizer, make_objective(trained.loss), batches, run_dir=tmp_path, epochs=8, progress=False).fit()
    with torch.no_grad():
        best, reached = (float(m.loss(m(x), y)) for m in (fitted, trained))
    assert best <= reached < 1.02 * best
