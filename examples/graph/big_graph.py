"""GraphSAGE on a graph too large for one pass, by sampling neighbours: `python examples/graph/big_graph.py`.

It learns the labels of a generated graph with 100,000 nodes and 2,000,000 edges. A step samples some neighbours of 512
nodes, and some of theirs. --nodes 1000000 --edges 20000000 takes 4 GiB; --data PATH is your own graph, as for cora.py.
"""

import resource
from dataclasses import dataclass

from groundup.checks import require
from groundup.data import Loader, NeighbourSampler, NodeSet, Sample, load_graph, power_law_graph, write_graph
from groundup.functional import accuracy, cross_entropy
from groundup.models.graph_networks import GraphSAGE
from groundup.optimizers import Adam
from groundup.tools.labelling import label_command, save_labeller
from groundup.training import RunOptions, Trainer, command_line, run

import torch
from torch import Tensor


@dataclass
class Config(RunOptions):
    data: str = "planted"  # or the path of your own graph
    nodes: int = 100_000
    edges: int = 2_000_000  # both directions counted
    fan_outs: tuple[int, ...] = (10, 10)  # sampled neighbours of a node, and of each of those
    hidden: int = 64
    epochs: int = 2
    batch_size: int = 512
    lr: float = 0.01


def measure_peak_gib() -> float:  # the peak memory of this process
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def objective(model: GraphSAGE, batch: tuple[Sample, Tensor]) -> tuple[Tensor, int]:
    sample, y = batch
    return cross_entropy(model(sample.x, sample.adjs), y, reduction="sum"), len(y)


def main() -> None:
    config, run_dir = command_line(Config, "big_graph", __doc__)
    if config.smoke:
        config.nodes, config.edges = 5000, 50_000
    own = config.data != "planted"
    graph = load_graph(config.data) if own else power_law_graph(config.nodes, config.edges, seed=config.seed)
    print(f"{graph}; {measure_peak_gib():.2f} GiB")
    require(
        bool(graph.masks["test"].any()), f"{config.data}: needs a class of five labelled nodes or more, for the test"
    )

    def batches(mask: Tensor, size: int, shuffle: bool = False) -> Loader:
        nodes = mask.nonzero().squeeze(1)
        sampler = NeighbourSampler(graph, config.fan_outs)
        data = NodeSet(nodes, graph.y[nodes])
        return Loader(data, size, shuffle=shuffle, seed=config.seed, transform=sampler)

    asked = torch.rand(len(graph.x), generator=torch.Generator().manual_seed(1)) < 10_000 / len(graph.x)
    held_out = batches(graph.masks["test"] & asked, 1024)  # about 4,000 random test nodes

    def evaluate(model: GraphSAGE) -> dict[str, float]:
        held_out.seek(0)
        right = [(accuracy(model(sample.x, sample.adjs), y), len(y)) for sample, y in held_out]
        return {"accuracy": sum(a * n for a, n in right) / sum(n for _, n in right)}

    classes, width, layers = len(graph.encoder.class_names), config.hidden, len(config.fan_outs)
    model = GraphSAGE(graph.x.size(1), width, width, layers, num_classes=classes)
    result = Trainer(
        model,
        Adam(model.parameters(), lr=config.lr),
        objective,
        batches(graph.masks["train"], config.batch_size, shuffle=True),
        run_dir=run_dir,
        evaluate=evaluate,
        **({"steps": 5} if config.smoke else {"epochs": config.epochs}),
        config=config.settings(),
        seed=config.seed,
    ).fit(resume=config.resume)
    train, test = graph.masks["train"], graph.masks["test"]
    means = torch.stack([graph.x[train & (graph.y == c)].mean(0) for c in range(classes)])
    alone = 100 * accuracy(-torch.cdist(graph.x[test], means), graph.y[test])
    save_labeller(model, graph.encoder, run_dir / "model")
    part = NeighbourSampler(graph, config.fan_outs)(test.nonzero()[:20].squeeze(1)).nodes  # and their neighbourhood
    data = config.data if own else write_graph(graph.subgraph(part), run_dir / "part")
    print(f"""
test accuracy {100 * result.final["accuracy"]:.1f} % · expected {"anything" if config.smoke or own else "97-98.5"}
              {alone:.1f} % by the nearest class mean, without edges
speed         {result.units / result.seconds:,.0f} nodes/s, {measure_peak_gib():.2f} GiB peak memory
picture       {run_dir}/curves.png
labels        {label_command(data, run_dir / "model")}
the model     src/groundup/models/graph_networks/graphsage.py · Hamilton et al. 2017, algorithms 1 and 2
more          python examples/graph/big_graph.py --resume | --data PATH | --nodes 1000000 --edges 20000000""")


if __name__ == "__main__":
    run(main)
