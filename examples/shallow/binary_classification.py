"""Four linear classifiers of two classes: `python examples/shallow/binary_classification.py`.

Breast cancer: 30 measurements of 569 tumours, malignant or not; then two moons in the plane, to draw the boundaries.
--data table.csv --target COLUMN takes your own table of two classes: CSV or TSV, one line per sample.
"""

import time
from dataclasses import dataclass
from functools import partial

from groundup.data import breast_cancer, load_table, two_moons, write_table
from groundup.models.shallow_models import SVM, LeastSquareRegression, LogisticRegression, Perceptron
from groundup.plots import boundaries
from groundup.tools.labelling import label_command, save_labeller
from groundup.training import Options, command_line, run

import torch
from sklearn import linear_model, svm

# model: (ours, scikit-learn's)
MODELS = {
    "Perceptron": (Perceptron, linear_model.Perceptron),
    "SVM": (SVM, partial(svm.SVC, kernel="linear")),
    "LeastSquareRegression": (LeastSquareRegression, partial(linear_model.RidgeClassifier, alpha=1e-8)),
    "LogisticRegression": (LogisticRegression, linear_model.LogisticRegression),
}


@dataclass
class Config(Options):
    data: str = "breast cancer"  # or the path of your own table
    target: str = ""  # of your own table: the column of the class; by default the last one
    splits: int = 20  # random splits into four fifths for training and one for the test
    noise: float = 0.15  # of the moons


def fit_model(name, x, y):
    """Return the fitted model; least squares takes the labels as real numbers."""
    model = MODELS[name][0](x.size(1))
    model.fit(x, y.float() if name == "LeastSquareRegression" else y)
    return model


def add_powers(points):
    """Return the nine powers and products of x and y up to degree 3, whose linear boundary is a curve in the plane."""
    x, y = points.T
    return torch.stack([x**i * y**j for i in range(4) for j in range(4 - i) if i + j], 1)


def main() -> None:
    config, run_dir = command_line(Config, "binary_classification", __doc__, small_steps=True)
    splits = 2 if config.smoke else config.splits

    # Train on 455 tumours and test on the other 114, for each split.
    print(f"{config.data}, test accuracy in %, mean and deviation of {splits} splits\n")
    print(f"{'':24}groundup       scikit-learn   fit")
    differences = []
    for name, (_, peer) in MODELS.items():
        ours, theirs, seconds = [], [], 0.0
        for seed in range(config.seed, config.seed + splits):
            train, test = load_table(config.data, config.target, seed)
            start = time.perf_counter()
            model = fit_model(name, train.features, train.signs)
            seconds += time.perf_counter() - start
            right = torch.where(model(test.features) > 0, 1, -1) == test.signs
            ours.append(100 * right.double().mean())
            theirs.append(100 * peer().fit(train.features, train.signs).score(test.features, test.signs))
        a, b = torch.stack(ours), torch.tensor(theirs)
        differences.append(float(a.mean() - b.mean()))
        milliseconds = 1000 * seconds / splits
        print(f"{name:24}{a.mean():.2f} ± {a.std():.2f}   {b.mean():.2f} ± {b.std():.2f}   {milliseconds:.1f} ms")

    # Save the logistic regression, which gives probabilities, and its test samples.
    train, test = load_table(config.data, config.target, config.seed)
    save_labeller(fit_model("LogisticRegression", train.features, train.signs), train.encoder, run_dir / "model")
    own = config.data != "breast cancer"
    new = config.data if own else write_table(breast_cancer(config.seed, standardize=False)[1], run_dir / "test.csv")

    # Draw the boundaries: linear in the coordinates, and in their cubic terms.
    moons = two_moons(60 if config.smoke else 300, config.noise, config.seed)
    panels = {}
    for features, kind in ((lambda p: p, ""), (add_powers, ", cubic")):
        for name in MODELS:
            model = fit_model(name, features(moons.features), moons.signs)
            panels[f"{name.removesuffix('Regression')}{kind}"] = lambda p, m=model, f=features: m(f(p))
    title = "Four losses: boundaries linear in the coordinates (above) and in their cubic terms (below)"
    boundaries(moons.features, moons.signs, panels, run_dir / "two_moons.png", title=title)
    print(f"""
at most {max(0.0, -min(differences)):.2f} points below scikit-learn · expected {"anything" if own else "at most 0.5"}
picture       {run_dir}/two_moons.png
labels        {label_command(new, run_dir / "model")}
the models    src/groundup/models/shallow_models/two_class.py · Rosenblatt 1958, Cortes and Vapnik 1995, Cox 1958
how SVM.fit works       src/groundup/models/shallow_models/interior_point.py
several classes         python examples/shallow/multiclass_classification.py""")


if __name__ == "__main__":
    run(main)
