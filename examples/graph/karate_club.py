"""Four labels spread over Zachary's karate club: `python examples/graph/karate_club.py`.

The film is figure 4 of the paper: a graph convolutional network of three layers ends in a plane, where its members
move to their communities, though it is told of one member of each. --data PATH is your own graph, of up to some
hundred nodes: a folder with edges.csv (a line for each edge: two names) and labels.csv (name, label).
"""

from dataclasses import dataclass

from groundup.checks import integer
from groundup.data import Graph, load_graph
from groundup.functional import accuracy, cross_entropy, tanh
from groundup.models.graph_networks import GCN
from groundup.models.labelling import label_command, most_frequent, node_scores, save_labeller
from groundup.optimizers import Adam
from groundup.plots import graph_film, node_map
from groundup.training import Options, command_line, run, seed_everything

import torch


@dataclass
class Config(Options):
    data: str = "karate_club"  # or the path of your own graph
    label: str = ""  # of your own graph: the column that holds the label; by default one called label or class
    features: str = ""  # of nodes that have none: identity (the default) or degree
    steps: int = 300
    lr: float = 0.01
    seeds: int = 10  # networks, one after another; the film is of the first


def learned(graph: Graph, told: torch.Tensor, config: Config, seed: int) -> tuple[GCN, torch.Tensor]:
    """(the network, the places of all nodes at every step)."""
    seed_everything(seed)
    model = GCN(graph.x.size(1), 4, 2, num_layers=3, dropout=0.0, num_classes=len(graph.encoder.class_names))
    optimizer, places = Adam(model.parameters(), lr=config.lr), []
    for _ in range(config.steps + 1):
        optimizer.zero_grad()
        place = tanh(model.forward_features(graph.x, graph.adj))  # N, 2
        cross_entropy(model.head(place)[told], graph.y[told]).backward()
        optimizer.step()
        places.append(place.detach())
    return model, torch.stack(places)


def main() -> None:
    config, run_dir = command_line(Config, "karate_club", __doc__, small_steps=True)
    integer("seeds", config.seeds)
    if config.smoke:
        config.steps, config.seeds = 20, 2
    graph = load_graph(config.data, config.label, config.features, seed=config.seed)
    told = graph.masks.get("train", torch.zeros_like(graph.y, dtype=torch.bool))
    if config.data == "karate_club":
        told[[int((graph.y == c).nonzero()[0, 0]) for c in range(4)]] = True  # the first member of each
    others = ~told & (graph.y >= 0)
    print(f"{graph}; {int(told.sum())} labels told, {int(others.sum())} to compare with")
    runs = [learned(graph, told, config, config.seed + number) for number in range(config.seeds)]
    save_labeller(runs[0][0], graph.encoder, run_dir / "model")
    right = [100 * accuracy(node_scores(m, graph)[others], graph.y[others]) for m, _ in runs if others.any()]
    mean, low, high = (f(right) if right else float("nan") for f in (lambda r: sum(r) / len(r), min, max))

    places, labels = runs[0][1], torch.where(graph.y < 0, node_scores(runs[0][0], graph).argmax(1), graph.y)
    every, title = max(1, config.steps // 100), f"{int(told.sum())} labels, {len(graph.x)} nodes"
    graph_film(places[::every], graph.edges, labels, told, run_dir / "karate.gif", title, every)
    moments = [0, config.steps // 6, config.steps]
    node_map(places[moments], graph.edges, labels, told, run_dir / "karate.png", [f"step {t}" for t in moments])
    usual = f"above {most_frequent(graph.y):.1f}, the most frequent label"
    expected = "60-75 on average" if config.data == "karate_club" else usual
    print(f"""
right of {int(others.sum()):<4} {mean:.1f} % on average, {low:.1f} to {high:.1f}, {config.seeds} networks · \
expected {"anything, after 20 steps" if config.smoke else expected}
pictures      {run_dir}/karate.gif (the film), {run_dir}/karate.png
labels        {label_command(config.data, run_dir / "model")}
the model     src/groundup/models/graph_networks/gcn.py · Kipf and Welling 2017, section 3.1 and appendix A
go on         python examples/graph/karate_club.py --seed 7 | --data PATH
papers instead of men   python examples/graph/cora.py""")


if __name__ == "__main__":
    run(main)
