"""GCN and GraphSAGE on Cora: 2,708 papers, their citations, and 140 labels: `python examples/graph/cora.py`.

Cora, 0.5 MB, is downloaded once; without a network a generated graph is used instead. --data PATH is your own graph: a
folder with edges.csv (two names per line) and labels.csv (name, label) or nodes.csv (name, features, label).
"""

from dataclasses import dataclass

from groundup.checks import choice, integer
from groundup.data import DownloadError, Graph, load_graph
from groundup.functional import accuracy, cross_entropy
from groundup.models.graph_networks import GCN, GraphSAGE
from groundup.optimizers import Adam
from groundup.plots import node_map, project_directions
from groundup.tools.labelling import label_command, most_frequent, node_inputs, node_scores, save_labeller
from groundup.training import Options, command_line, run, seed_everything

import torch

EXPECTED = {"cora gcn": "81.5 ± 0.8", "cora graphsage": "77-81", "citeseer gcn": "70.3", "pubmed gcn": "79.0"}


@dataclass
class Config(Options):
    data: str = "cora"  # or citeseer, pubmed, or the path of your own graph
    label: str = ""  # of your own graph: the column that holds the label; by default one called label or class
    features: str = ""  # of nodes without features: identity (the default) or degree, which works for other graphs, too
    model: str = "gcn"  # or graphsage
    epochs: int = 200
    patience: int = 10  # stop when the validation loss is above the mean of the last `patience` ones
    lr: float = 0.01
    decay: float = 5e-4  # of the first layer of GCN only, as in the paper
    seeds: int = 5  # networks, one after another


def train_network(graph: Graph, config: Config) -> tuple[float, float, GCN | GraphSAGE]:
    """Return (test accuracy in %, validation loss, network); without such nodes, nan and the training loss."""
    size, classes = graph.x.size(1), len(graph.encoder.class_names)
    gcn = config.model == "gcn"
    model = GCN(size, 16, classes, bias=False) if gcn else GraphSAGE(size, 16, classes, normalize=False, dropout=0.5)
    x, decays = node_inputs(model, graph), (config.decay, 0.0 if gcn else config.decay)
    groups = [{"params": [*conv.parameters()], "weight_decay": decay} for conv, decay in zip(model.convs, decays)]
    optimizer, losses = Adam(groups, lr=config.lr), []
    train, validation, test = (graph.masks[name] for name in ("train", "validation", "test"))
    watched = validation if validation.any() else train
    for _ in range(config.epochs):
        model.train()
        optimizer.zero_grad()
        cross_entropy(model(x, graph.adj)[train], graph.y[train]).backward()
        optimizer.step()
        scores = node_scores(model, graph)
        losses.append(float(cross_entropy(scores[watched], graph.y[watched])))
        if len(losses) > config.patience and losses[-1] > sum(losses[-1 - config.patience : -1]) / config.patience:
            break
    return 100 * accuracy(scores[test], graph.y[test]) if test.any() else float("nan"), losses[-1], model


def main() -> None:
    config, run_dir = command_line(Config, "cora", __doc__, small_steps=True)
    choice("model", config.model, ("gcn", "graphsage"))
    integer("seeds", config.seeds)
    if config.smoke:
        config.epochs, config.seeds = 5, 1
    try:
        graph = load_graph(config.data, config.label, config.features, seed=config.seed)
    except DownloadError as error:
        print(error, "Continuing with a generated graph.", sep="\n")
        config.data, graph = "planted", load_graph("planted")
    print(graph)
    results = []
    for seed in range(config.seed, config.seed + config.seeds):
        seed_everything(seed)
        results.append(train_network(graph, config))
        print(f"seed {seed}: {results[-1][0]:.1f} %", flush=True)
    right, (own, _, model) = torch.tensor([result[0] for result in results]), min(results, key=lambda result: result[1])
    save_labeller(model, graph.encoder, run_dir / "model")
    scores = node_scores(model, graph)
    labels = torch.where(graph.y < 0, scores.argmax(1), graph.y)
    places, known = project_directions(scores)[None], graph.masks["train"]
    node_map(places, graph.edges, labels, known, run_dir / "nodes.png", [graph.name])
    usual = f"above {most_frequent(graph.y):.1f}, the most frequent label"
    expected = EXPECTED.get(f"{config.data} {config.model}", usual)
    print(f"""
test accuracy {right.mean():.2f} ± {right.std(correction=0):.2f} %, {config.seeds} networks · \
expected {"anything, after 5 steps" if config.smoke else expected}
picture       {run_dir}/nodes.png (directions of the scores; nodes with a ring are labelled)
labels        {label_command(config.data, run_dir / "model")} ({own:.1f} %)
the model     src/groundup/models/graph_networks/ · Kipf and Welling 2017, section 5; Hamilton et al. 2017
more          python examples/graph/cora.py --model graphsage | --data citeseer | --data PATH""")


if __name__ == "__main__":
    run(main)
