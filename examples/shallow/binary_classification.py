"""Four ways to draw a line between two classes: `python examples/shallow/binary_classification.py`.

Is a tumour malignant? Breast cancer, 30 measurements of 569 tumours; then, to see the lines, two moons in the plane.
--data table.csv --target COLUMN takes your own table of two classes: CSV or TSV, a line for each sample.
"""

import time
from dataclasses import dataclass
from functools import partial

from groundup.data import breast_cancer, load_table, two_moons, write_table
from groundup.models.labelling import label_command, save_labeller
from groundup.models.shallow_models import SVM, LeastSquareRegression, LogisticRegression, Perceptron
from groundup.plots import boundaries
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
    target: str = ""  # of your own table: the column of the class; by default the last
    splits: int = 20  # how often the samples are divided into four fifths to learn from and one to be tested on
    noise: float = 0.15  # of the moons


def fitted(name, x, y):
    """The model, as `fit` leaves it; least squares takes the labels for real numbers."""
    model = MODELS[name][0](x.size(1))
    model.fit(x, y.float() if name == "LeastSquareRegression" else y)
    return model


def cubic(points):
    """The nine powers and products of x and y up to the third degree: a line among them is a curve in the plane."""
    x, y = points.T
    return torch.stack([x**i * y**j for i in range(4) for j in range(4 - i) if i + j], 1)


def main() -> None:
    config, run_dir = command_line(Config, "binary_classification", __doc__, small_steps=True)
    splits = 2 if config.smoke else config.splits

    # Learn from 455 tumours, look at 114 others; then again, divided otherwise.
    print(f"{config.data}, test accuracy in %, mean and deviation of {splits} splits\n")
    print(f"{'':24}groundup       scikit-learn   fit")
    differences = []
    for name, (_, peer) in MODELS.items():
        ours, theirs, seconds = [], [], 0.0
        for seed in range(config.seed, config.seed + splits):
            train, test = load_table(config.data, config.target, seed)
            start = time.perf_counter()
            model = fitted(name, train.features, train.signs)
            seconds += time.perf_counter() - start
            right = torch.where(model(test.features) > 0, 1, -1) == test.signs
            ours.append(100 * right.double().mean())
            theirs.append(100 * peer().fit(train.features, train.signs).score(test.features, test.signs))
        a, b = torch.stack(ours), torch.tensor(theirs)
        differences.append(float(a.mean() - b.mean()))
        milliseconds = 1000 * seconds / splits
        print(f"{name:24}{a.mean():.2f} ± {a.std():.2f}   {b.mean():.2f} ± {b.std():.2f}   {milliseconds:.1f} ms")

    # Save the logistic regression, which has probabilities, and what it has not seen.
    train, test = load_table(config.data, config.target, config.seed)
    save_labeller(fitted("LogisticRegression", train.features, train.signs), train.encoder, run_dir / "model")
    own = config.data != "breast cancer"
    new = config.data if own else write_table(breast_cancer(config.seed, standardize=False)[1], run_dir / "test.csv")

    # Look at the lines: of the coordinates themselves, and of their cubic terms.
    moons = two_moons(60 if config.smoke else 300, config.noise, config.seed)
    panels = {}
    for features, kind in ((lambda p: p, ""), (cubic, ", cubic")):
        for name in MODELS:
            model = fitted(name, features(moons.features), moons.signs)
            panels[f"{name.removesuffix('Regression')}{kind}"] = lambda p, m=model, f=features: m(f(p))
    title = "Four losses, one line each: of the coordinates (above) and of their cubic terms (below)"
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
