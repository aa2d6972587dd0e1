"""Whole graphs told apart, ten-fold: `python examples/graph/graph_classification.py`.

By default, trees with a house or a ring hung on, made here. --data MUTAG, PTC, PROTEINS, IMDBBINARY or ENZYMES
downloads a set; --data PATH reads your own, a .txt of GIN's format or a folder of TU's. --model diffpool.
"""

from dataclasses import dataclass

from groundup.checks import choice
from groundup.data import GraphBatch, GraphSet, Loader, PaddedBatch, folds, load_graphs
from groundup.functional import accuracy, cross_entropy
from groundup.models.graph_networks import GIN, DiffPoolNet
from groundup.optimizers import Adam, LR_StepScheduler
from groundup.plots import fold_curves
from groundup.training import Options, command_line, run, seed_everything

import torch
from torch import Tensor, nn


@dataclass
class Config(Options):
    data: str = "motifs"
    model: str = "gin"  # or diffpool
    folds: int = 10  # train only so many of the ten
    epochs: int = 0  # 0: 10 for motifs, 350 for others, as in GIN's paper
    hidden: int = 32
    dropout: float = 0.5
    batch_size: int = 32
    lr: float = 0.01  # halved every 50 epochs


def scores(model: nn.Module, batch: GraphBatch | PaddedBatch) -> tuple[Tensor, Tensor | float]:
    """(scores, what the model adds to the loss)."""
    if isinstance(model, GIN):
        return model(batch.x, batch.adj, batch.batch_index, batch.num_graphs), 0.0
    out = model(batch.x, batch.adj, batch.mask)
    return out.logits, out.link_loss + out.entropy_loss


def trained(train: GraphSet, test: GraphSet, config: Config, classes: int) -> list[float]:
    """The test accuracy after each epoch, in %."""
    width = train.x.size(1)
    if config.model == "gin":
        readout = "mean" if config.data == "IMDBBINARY" else "sum"
        model: nn.Module = GIN(width, config.hidden, classes, dropout=config.dropout, readout=readout)
    else:
        model = DiffPoolNet(width, config.hidden, classes, (max(2, train.padded // 10),), dropout=config.dropout)
    optimizer = Adam(model.parameters(), lr=config.lr)
    schedule, curve = LR_StepScheduler(optimizer, 50, 0.5), []
    batches = Loader(train, config.batch_size, shuffle=True, seed=config.seed, drop_last=len(train) > config.batch_size)
    for _ in range(config.epochs):
        model.train()
        for batch in batches:
            z, extra = scores(model, batch)
            optimizer.zero_grad()
            (cross_entropy(z, batch.y) + extra).backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.eval()
            right = [accuracy(scores(model, batch)[0], batch.y) * len(batch.y) for batch in Loader(test, 256)]
        curve.append(100 * sum(right) / len(test))
    return curve


def main() -> None:
    config, run_dir = command_line(Config, "graph_classification", __doc__, small_steps=True)
    choice("model", config.model, ("gin", "diffpool"))
    graphs = load_graphs(config.data)
    print(graphs)
    if config.model == "diffpool":  # dense, and attributes of any unit
        graphs.x = graphs.x / graphs.x.std(0).clamp(min=1)
        graphs = graphs.with_padding(int(graphs.nodes.max()))
    config.epochs = 1 if config.smoke else config.epochs or (10 if config.data == "motifs" else 350)
    curves = []
    for number, (train, test) in enumerate(folds(graphs.y)[: 1 if config.smoke else config.folds]):
        seed_everything(config.seed + number)
        curves.append(trained(graphs.subset(train), graphs.subset(test), config, graphs.num_classes))
        print(f"fold {number + 1}: {curves[-1][-1]:.1f} % at the end", flush=True)
    accuracies, name = torch.tensor(curves), f"{config.model} on {config.data}"
    chosen = accuracies[:, best := int(accuracies.mean(0).argmax())]
    fold_curves(accuracies, run_dir / "folds.png", name)
    expected = "anything" if config.smoke else "98-100" if name == "gin on motifs" else "see examples/README.md"
    print(f"""
accuracy      {chosen.mean():.1f} ± {chosen.std(correction=0):.1f} % at epoch {best + 1}, the best on average · \
expected {expected}
picture       {run_dir}/folds.png
the models    src/groundup/models/graph_networks/gin.py, diffpool.py · Xu et al. 2019, section 7; Ying et al. 2018
go on         python examples/graph/graph_classification.py --data MUTAG | --data ENZYMES --model diffpool""")


if __name__ == "__main__":
    run(main)
