"""A GCN learns the communities of Zachary's karate club from four labels: `python examples/graph/karate_club.py`.

The film is figure 4 of the paper: the outputs of a graph convolutional network of three layers are places in a plane,
where the members move to their communities, given the label of one member of each. --data PATH is your own graph of up
to a few hundred nodes: a folder with edges.csv (two names per line) and labels.csv (name, label).
"""

from dataclasses import dataclass

from groundup.checks import integer
from groundup.data import Graph, load_graph
from groundup.functional import accuracy, cross_entropy, tanh
from groundup.models.graph_networks import GCN
from groundup.optimizers import Adam
from groundup.plots import graph_film, node_map
from groundup.tools.labelling import label_command, most_frequent, node_scores, save_labeller
from groundup.training import Options, command_line, run, seed_everything

import torch


@dataclass
class Config(Options):
    data: str = "karate_club"  # or the path of your own graph
    label: str = ""  # of your own graph: the column that holds the label; by default one called label or class
    features: str = ""  # of nodes without features: identity (the default) or degree
    steps: int = 300
    lr: float = 0.01
    seeds: int = 10  # networks, one after another; the film is of the first


def train_network(graph: Graph, known: torch.Tensor, config: Config, seed: int) -> tuple[GCN, torch.Tensor]:
    """Return (the network, the places of all nodes at every step)."""
    seed_everything(seed)
    model = GCN(graph.x.size(1), 4, 2, num_layers=3, dropout=0.0, num_classes=len(graph.encoder.class_names))
    optimizer, places = Adam(model.parameters(), lr=config.lr), []
    for _ in range(config.steps + 1):
        optimizer.zero_grad()
        place = tanh(model.forward_features(graph.x, graph.adj))  # N, 2
        cross_entropy(model.head(place)[known], graph.y[known]).backward()
        optimizer.step()
        places.append(place.detach())
    return model, torch.stack(places)


def main() -> None:
    config, run_dir = command_line(Config, "karate_club", __doc__, small_steps=True)
    integer("seeds", config.seeds)
    if config.smoke:
        config.steps, config.seeds = 20, 2
    graph = load_graph(config.data, config.label, config.features, seed=config.seed)
    known = graph.masks.get("train", torch.zeros_like(graph.y, dtype=torch.bool))
    if config.data == "karate_club":
        known[[int((graph.y == c).nonzero()[0, 0]) for c in range(4)]] = True  # the first member of each
    others = ~known & (graph.y >= 0)
    print(f"{graph}; {int(known.sum())} labels given, {int(others.sum())} to predict")
    runs = [train_network(graph, known, config, config.seed + number) for number in range(config.seeds)]
    save_labeller(runs[0][0], graph.encoder, run_dir / "model")
    right = [100 * accuracy(node_scores(m, graph)[others], graph.y[others]) for m, _ in runs if others.any()]
    mean, low, high = (f(right) if right else float("nan") for f in (lambda r: sum(r) / len(r), min, max))

    places, labels = runs[0][1], torch.where(graph.y < 0, node_scores(runs[0][0], graph).argmax(1), graph.y)
    every, title = max(1, config.steps // 100), f"{int(known.sum())} labels, {len(graph.x)} nodes"
    graph_film(places[::every], graph.edges, labels, known, run_dir / "karate.gif", title, every)
    moments = [0, config.steps // 6, config.steps]
    node_map(places[moments], graph.edges, labels, known, run_dir / "karate.png", [f"step {t}" for t in moments])
    usual = f"above {most_frequent(graph.y):.1f}, the most frequent label"
    expected = "60-75 on average" if config.data == "karate_club" else usual
    print(f"""
right of {int(others.sum()):<4} {mean:.1f} % on average, {low:.1f} to {high:.1f}, {config.seeds} networks · \
expected {"anything, after 20 steps" if config.smoke else expected}
pictures      {run_dir}/karate.gif (the film), {run_dir}/karate.png
labels        {label_command(config.data, run_dir / "model")}
the model     src/groundup/models/graph_networks/gcn.py · Kipf and Welling 2017, section 3.1 and appendix A
more          python examples/graph/karate_club.py --seed 7 | --data PATH
citations of papers     python examples/graph/cora.py""")


if __name__ == "__main__":
    run(main)
