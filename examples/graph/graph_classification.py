"""Classification of whole graphs in ten folds: `python examples/graph/graph_classification.py`.

By default, generated trees with a house or a ring attached. --data MUTAG, PTC, PROTEINS, IMDBBINARY or ENZYMES
downloads a set; --data PATH reads your own: a .txt in the format of GIN, a folder in that of TU, or one subfolder per
class with one file of edges per graph. --model diffpool; --degree-as-tag --readout mean for social networks.
"""

from dataclasses import dataclass

from groundup.checks import choice, integer
from groundup.data import GraphSet, Loader, folds, load_graphs
from groundup.functional import accuracy, cross_entropy
from groundup.models.graph_networks import GIN, DiffPoolNet
from groundup.optimizers import Adam, LR_StepScheduler
from groundup.plots import fold_curves
from groundup.tools.labelling import batch_scores, graph_scores, label_command, most_frequent, save_labeller
from groundup.training import Options, command_line, run, seed_everything

import torch


@dataclass
class Config(Options):
    data: str = "motifs"
    degree_as_tag: bool = False  # the features are the node's degree, one-hot, instead of those of the files
    model: str = "gin"  # or diffpool
    readout: str = ""  # of gin: sum or mean; by default sum, mean for IMDBBINARY
    folds: int = 10  # how many of the ten to train
    epochs: int = 0  # 0: 10 for motifs, 350 for others, as in GIN's paper
    hidden: int = 32
    dropout: float = 0.5
    batch_size: int = 32
    lr: float = 0.01  # halved every 50 epochs


def fit(train: GraphSet, test: GraphSet | None, config: Config, epochs: int) -> tuple[list[float], torch.nn.Module]:
    """Return (the test accuracy after each epoch, in %; the network)."""
    width, classes = train.x.size(1), train.num_classes
    if config.model == "gin":
        readout = config.readout or ("mean" if config.data == "IMDBBINARY" else "sum")
        model = GIN(width, config.hidden, classes, dropout=config.dropout, readout=readout)
    else:
        model = DiffPoolNet(width, config.hidden, classes, (max(2, train.padded // 10),), dropout=config.dropout)
    optimizer = Adam(model.parameters(), lr=config.lr)
    schedule, curve = LR_StepScheduler(optimizer, 50, 0.5), []
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, drop_last=len(train) > config.batch_size)
    for _ in range(epochs):
        model.train()
        for batch in batches:
            scores, extra = batch_scores(model, batch)
            optimizer.zero_grad()
            (cross_entropy(scores, batch.y) + extra).backward()
            optimizer.step()
        schedule.step()
        if test is not None:
            curve.append(100 * accuracy(graph_scores(model, test), test.y))
    return curve, model


def main() -> None:
    config, run_dir = command_line(Config, "graph_classification", __doc__, small_steps=True)
    choice("model", config.model, ("gin", "diffpool"))
    integer("folds", config.folds)
    graphs = load_graphs(config.data, config.degree_as_tag, padded=config.model == "diffpool")
    print(graphs)
    graphs = graphs.select_labelled()  # the others are for `groundup label`
    config.epochs = 1 if config.smoke else config.epochs or (10 if config.data == "motifs" else 350)
    curves = []
    for number, (train, test) in enumerate(
        folds(graphs.y, min(10, graphs.y.bincount().min()))[: 1 if config.smoke else config.folds]
    ):
        seed_everything(config.seed + number)
        curves.append(fit(graphs.subset(train), graphs.subset(test), config, config.epochs)[0])
        print(f"fold {number + 1}: {curves[-1][-1]:.1f} % at the end", flush=True)
    accuracies, name = torch.tensor(curves), f"{config.model} on {config.data}"
    chosen = accuracies[:, best := int(accuracies.mean(0).argmax())]
    fold_curves(accuracies, run_dir / "folds.png", name)
    seed_everything(config.seed)
    save_labeller(fit(graphs, None, config, best + 1)[1], graphs.encoder, run_dir / "model")
    usual = f"above {most_frequent(graphs.y):.1f}, the most frequent label"
    expected = "98-100" if name == "gin on motifs" else usual
    print(f"""
accuracy      {chosen.mean():.1f} ± {chosen.std(correction=0):.1f} % at epoch {best + 1}, which is best on average · \
expected {"anything" if config.smoke else expected}
picture       {run_dir}/folds.png
labels        {label_command(config.data, run_dir / "model")} (trained on all graphs until that epoch)
the models    src/groundup/models/graph_networks/gin.py, diffpool.py · Xu et al. 2019, section 7; Ying et al. 2018
more          python examples/graph/graph_classification.py --data MUTAG | --data ENZYMES --model diffpool""")


if __name__ == "__main__":
    run(main)
