"""2,708 papers, 140 of them labelled, and who cites whom: `python examples/graph/cora.py`.

Cora, 0.5 MB, is downloaded once; without a network a graph made here takes its place. --model graphsage;
--seeds 100 for the paper's average.
"""

from dataclasses import dataclass

from groundup.checks import choice, integer
from groundup.data import DownloadError, Graph, planetoid, planted_graph
from groundup.functional import accuracy, cross_entropy, l2_normalize
from groundup.models.graph_networks import GCN, GraphSAGE
from groundup.optimizers import Adam
from groundup.plots import node_map
from groundup.training import Options, command_line, run, seed_everything

import torch
from torch import Tensor

EXPECTED = {"gcn": "81.5 ± 0.8", "graphsage": "77-81"}


@dataclass
class Config(Options):
    model: str = "gcn"  # or graphsage
    epochs: int = 200
    patience: int = 10  # stop when the validation loss is above the mean of so many before it
    lr: float = 0.01
    decay: float = 5e-4  # of GCN's first layer alone, as in the paper
    seeds: int = 5  # networks, one after another


def data() -> Graph:
    """Of each paper the words, as shares of all its words."""
    try:
        graph = planetoid()
    except DownloadError as error:
        print(error, "Going on with a planted graph.", sep="\n")
        return planted_graph(2708, 10_556, num_classes=7, num_features=64, homophily=0.8, train=0.05)
    return Graph(graph.x / graph.x.sum(1, keepdim=True).clamp(min=1), graph.adj, graph.y, graph.masks, graph.name)


def trained(graph: Graph, config: Config) -> tuple[float, Tensor]:
    """(test accuracy in %, the scores of all nodes) of one network."""
    size, classes = graph.x.size(1), int(graph.y.max()) + 1
    if config.model == "gcn":
        x, model = graph.x.to_sparse(), GCN(size, 16, classes, bias=False)
        decays = (config.decay, 0.0)
    else:
        x, model = graph.x, GraphSAGE(size, 16, classes, normalize=False, dropout=0.5)
        decays = (config.decay, config.decay)
    groups = [{"params": [*conv.parameters()], "weight_decay": decay} for conv, decay in zip(model.convs, decays)]
    optimizer, losses = Adam(groups, lr=config.lr), []
    train, validation, test = (graph.masks[name] for name in ("train", "validation", "test"))
    for _ in range(config.epochs):
        model.train()
        optimizer.zero_grad()
        cross_entropy(model(x, graph.adj)[train], graph.y[train]).backward()
        optimizer.step()
        with torch.no_grad():
            scores = model.eval()(x, graph.adj)
        losses.append(float(cross_entropy(scores[validation], graph.y[validation])))
        if len(losses) > config.patience and losses[-1] > sum(losses[-1 - config.patience : -1]) / config.patience:
            break
    return 100 * accuracy(scores[test], graph.y[test]), scores


def main() -> None:
    config, run_dir = command_line(Config, "cora", __doc__, small_steps=True)
    choice("model", config.model, tuple(EXPECTED))
    integer("seeds", config.seeds)
    if config.smoke:
        config.epochs, config.seeds = 5, 1
    graph = data()
    print(graph)
    results = []
    for seed in range(config.seed, config.seed + config.seeds):
        seed_everything(seed)
        results.append(trained(graph, config))
        print(f"seed {seed}: {results[-1][0]:.1f} %", flush=True)
    right, scores = torch.tensor([result[0] for result in results]), l2_normalize(results[0][1])
    plane = scores @ torch.linalg.svd(scores - scores.mean(0), full_matrices=False)[2][:2].T
    node_map(plane[None], graph.edges, graph.y, graph.masks["train"], run_dir / "nodes.png", [graph.name])
    expected = EXPECTED[config.model] if graph.name == "cora" else "not measured on a planted graph"
    print(f"""
test accuracy {right.mean():.2f} ± {right.std(correction=0):.2f} %, {config.seeds} networks · \
expected {"anything, after 5 steps" if config.smoke else expected}
picture       {run_dir}/nodes.png (the scores' directions in a plane; ringed: labelled)
the model     src/groundup/models/graph_networks/ · Kipf and Welling 2017, section 5; Hamilton et al. 2017
go on         python examples/graph/cora.py --model graphsage | --seeds 100
whole graphs  python examples/graph/graph_classification.py""")


if __name__ == "__main__":
    run(main)
