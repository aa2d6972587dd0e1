"""Linear classifiers of several classes: `python examples/shallow/multiclass_classification.py`.

Ten digits and three wines, with one linear score per class. The weights of a digit are drawn as an image: where ink
speaks for the digit, and where against it. --data table.csv --target COLUMN takes your own table instead of the wines:
CSV or TSV, one line per sample.
"""

import time
import warnings
from dataclasses import dataclass
from functools import partial

from groundup.data import digits, load_table, wine, write_table
from groundup.models.shallow_models import MulticlassPerceptron, MulticlassSVM, MultinomialLogisticRegression
from groundup.plots import weight_images
from groundup.tools.labelling import label_command, save_labeller
from groundup.training import Options, command_line, run

import torch
from sklearn import linear_model, svm

# name: (ours, the nearest model of scikit-learn)
MODELS = {
    "Perceptron": (MulticlassPerceptron, linear_model.Perceptron),
    "Crammer-Singer": (
        partial(MulticlassSVM, kind="crammer_singer"),
        partial(svm.LinearSVC, multi_class="crammer_singer"),
    ),
    "Weston-Watkins": (partial(MulticlassSVM, kind="weston_watkins"), None),
    "Multinomial logistic": (MultinomialLogisticRegression, partial(linear_model.LogisticRegression, max_iter=1000)),
}


@dataclass
class Config(Options):
    data: str = "wine"  # or the path of your own table
    target: str = ""  # of your own table: the column of the class; by default the last one
    splits: int = 3  # of the digits; the wines, being few, are split four times as often


def flatten_digits(seed):
    """Return (train, test), each (pixels in 0..1, labels)."""
    return [(part.images.flatten(1) / 255, part.labels) for part in digits(seed)]


def format_spread(accuracies):
    """Return the mean and the standard deviation, in %."""
    values = 100 * torch.tensor(accuracies)
    return f"{values.mean():.2f} ± {values.std(correction=int(len(values) > 1)):.2f}" if accuracies else "not available"


def main() -> None:
    config, run_dir = command_line(Config, "multiclass_classification", __doc__, small_steps=True)
    warnings.simplefilter("ignore")  # LinearSVC warns that it did not converge
    splits = 1 if config.smoke else config.splits
    images, worst, whole = {}, 0.0, load_table(config.data, config.target, config.seed)[0]

    def wines(seed):
        return [(part.features, part.labels) for part in load_table(config.data, config.target, seed)]

    tables = (("digits", flatten_digits, 10, splits), (config.data, wines, len(whole.class_names), 4 * splits))
    for title, table, classes, count in tables:
        print(f"\n{title}, test accuracy in %, mean and deviation of {count} splits\n")
        print(f"{'':24}{'groundup':16}{'scikit-learn':16}fit")
        for name, (model, peer) in MODELS.items():
            ours, theirs, seconds = [], [], 0.0
            for seed in range(config.seed, config.seed + count):
                (x, y), (x_test, y_test) = table(seed)
                made = model(x.size(1), classes)
                start = time.perf_counter()
                made.fit(x, y)
                seconds += time.perf_counter() - start
                ours.append(float((made.predict(x_test) == y_test).double().mean()))
                if peer is not None:
                    theirs.append(peer().fit(x, y).score(x_test, y_test))
            print(f"{name:24}{format_spread(ours):16}{format_spread(theirs):16}{1000 * seconds / count:.0f} ms")
            if theirs:
                worst = max(worst, 100 * (sum(theirs) - sum(ours)) / count)
            if title == "digits":
                images[name] = made.weight.view(10, 8, 8)

    made = MultinomialLogisticRegression(whole.features.size(1), len(whole.class_names))
    made.fit(whole.features, whole.labels)
    save_labeller(made, whole.encoder, run_dir / "model")
    own = config.data != "wine"
    new = config.data if own else write_table(wine(config.seed, standardize=False)[1], run_dir / "test.csv")
    title = "Where ink speaks for a digit (blue) or against it (red)"
    weight_images(images, "0123456789", run_dir / "weights.png", title=title)
    print(f"""
at most {worst:.2f} points below scikit-learn · expected {"anything" if config.smoke or own else "at most 0.5"}
picture       {run_dir}/weights.png
labels        {label_command(new, run_dir / "model")}
the models    src/groundup/models/shallow_models/multiclass.py · Crammer and Singer 2001, Weston and Watkins 1999
two classes             python examples/shallow/binary_classification.py""")


if __name__ == "__main__":
    run(main)
