"""Four labels spread over Zachary's karate club: `python examples/graph/karate_club.py`.

The film is figure 4 of the paper: a graph convolutional network of three layers ends in a plane, where its members
move to their communities, though it is told of one member of each.
"""

from dataclasses import dataclass

from groundup.checks import integer
from groundup.data import karate_club
from groundup.functional import accuracy, cross_entropy, tanh
from groundup.layers import Linear
from groundup.models.graph_networks import GCN
from groundup.optimizers import Adam
from groundup.plots import graph_film, node_map
from groundup.training import Options, command_line, run, seed_everything

import torch


@dataclass
class Config(Options):
    steps: int = 300
    lr: float = 0.01
    seeds: int = 10  # networks, one after another; the film is of the first


def learned(config: Config, seed: int) -> tuple[float, torch.Tensor]:
    """(accuracy on the members whose community was not told, in %, where all members stood at every step)."""
    seed_everything(seed)
    graph = karate_club("community")
    network, scores = GCN(34, 4, 2, num_layers=3, dropout=0.0), Linear(2, 4)
    optimizer = Adam([*network.parameters(), *scores.parameters()], lr=config.lr)
    told = torch.stack([(graph.y == c).nonzero()[0, 0] for c in range(4)])  # the first member of each
    places = []
    for _ in range(config.steps + 1):
        optimizer.zero_grad()
        place = tanh(network(graph.x, graph.adj))  # 34, 2
        cross_entropy(scores(place)[told], graph.y[told]).backward()
        optimizer.step()
        places.append(place.detach())
    others = torch.ones(34, dtype=torch.bool).index_fill(0, told, False)
    return 100 * accuracy(scores(places[-1])[others], graph.y[others]), torch.stack(places)


def main() -> None:
    config, run_dir = command_line(Config, "karate_club", __doc__, small_steps=True)
    integer("seeds", config.seeds)
    if config.smoke:
        config.steps, config.seeds = 20, 2
    results = [learned(config, config.seed + number) for number in range(config.seeds)]
    right = torch.tensor([result[0] for result in results])

    graph, places = karate_club("community"), results[0][1]
    told = torch.zeros(34, dtype=torch.bool)
    told[[int((graph.y == c).nonzero()[0, 0]) for c in range(4)]] = True
    every = max(1, config.steps // 100)
    graph_film(places[::every], graph.edges, graph.y, told, run_dir / "karate.gif", "Four labels, 34 members", every)
    moments = [0, config.steps // 6, config.steps]
    node_map(places[moments], graph.edges, graph.y, told, run_dir / "karate.png", [f"step {t}" for t in moments])
    print(f"""
right of 30   {right.mean():.1f} % on average, {right.min():.1f} to {right.max():.1f}, {config.seeds} networks · \
expected {"anything, after 20 steps" if config.smoke else "60-75 on average"}
pictures      {run_dir}/karate.gif (the film), {run_dir}/karate.png
the model     src/groundup/models/graph_networks/gcn.py · Kipf and Welling 2017, section 3.1 and appendix A
another film            python examples/graph/karate_club.py --seed 7
papers instead of men   python examples/graph/cora.py""")


if __name__ == "__main__":
    run(main)
