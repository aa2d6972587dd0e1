"""Runs of three models that any number of processes may share; test_distributed.py compares them.

    RANK=.. WORLD_SIZE=.. MASTER_ADDR=.. MASTER_PORT=.. python many_processes.py FOLDER PLAN

PLAN is JSON: a list of [model, name of the run, settings], trained one after the other in one set of processes. A
setting "fault" goes wrong in the last of them alone: see `faulty`; "measured" watches memory and wire: measured.py.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from measured import Measured, graphs_compiled
from torch import nn

torch.set_num_threads(1)
sys.modules.setdefault("tensorboard", None)

import groundup.plots  # noqa: E402
from groundup.data import Loader  # noqa: E402
from groundup.data.graphs.built_in import motif_graphs  # noqa: E402
from groundup.data.text.tokenizers import PAD  # noqa: E402
from groundup.functional import cross_entropy  # noqa: E402
from groundup.layers import BatchNorm1d  # noqa: E402
from groundup.models.convolutional_networks import LeNet5  # noqa: E402
from groundup.models.graph_networks import GIN  # noqa: E402
from groundup.models.transformer_networks import GPT2  # noqa: E402
from groundup.optimizers import Adam, AdamW, LR_CosineDecayScheduler, SGD_Momentum  # noqa: E402
from groundup.training import (  # noqa: E402
    Trainer,
    checkpoint_files,
    language_model,
    make_objective,
    next_token,
    perplexity,
    seed_everything,
)
from groundup.training.distributed import sharded_checkpoint  # noqa: E402


class Samples(torch.utils.data.Dataset):
    """Rows of tensors, which a Loader asks for a batch at a time."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def batch(self, indices):
        return tuple(tensor[indices] for tensor in self.tensors)


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def lenet(dtype):
    """23 images in batches of 7, 7, 7 and 2: on four processes two have nothing of the last."""
    x = drawn((23, 1, 32, 32)).to(dtype)
    loader = Loader(Samples(x, torch.arange(23) % 10), 7, shuffle=True)
    model = LeNet5(output="linear").to(dtype)
    return model, SGD_Momentum(model.parameters(), lr=0.05, momentum=0.9), make_objective(cross_entropy), loader, {}


def gpt(dtype):
    """13 rows of 12 tokens, of which each row ignores another number: batches of 5, 5 and 3."""
    tokens = torch.randint(0, 30, (13, 13), generator=torch.Generator().manual_seed(1))
    y = torch.where(torch.arange(12) < torch.arange(13)[:, None] % 12, -100, tokens[:, 1:])
    loader = Loader(Samples(tokens[:, :-1], y), 5, shuffle=True)
    model = GPT2(30, 12, 16, 2, 2, dropout=0.0).to(dtype)
    evaluate = perplexity(Loader(Samples(tokens[:4, :-1], y[:4]), 4), language_model())
    options = {"evaluate": evaluate, "monitor": "loss", "mode": "min"}
    return model, AdamW(model.parameters(), lr=0.02, weight_decay=0.1), language_model(), loader, options


def graph(dtype):
    """15 graphs of unequal sizes in batches of 4, 4, 4 and 3. Without normalisation, which sees a share alone."""
    graphs = motif_graphs(15, 5)
    graphs.x, graphs.weight = graphs.x.to(dtype), graphs.weight.to(dtype)
    model = GIN(graphs.x.size(1), 8, 2, dropout=0.0).to(dtype)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BatchNorm1d):
                setattr(parent, name, nn.Identity())

    def objective(model, batch):
        scores = model(batch.x, batch.adj, batch.batch_index, batch.num_graphs)
        return cross_entropy(scores, batch.y, reduction="sum"), batch.num_graphs

    return model, Adam(model.parameters(), lr=0.01), objective, Loader(graphs, 4, shuffle=True), {}


class Texts(torch.utils.data.Dataset):
    """23 texts of 3 to 14 tokens; those that are read together are padded to the longest of them."""

    def __init__(self):
        generator = torch.Generator().manual_seed(2)
        lengths = torch.randint(3, 15, (23,), generator=generator).tolist()
        self.texts = [torch.randint(4, 30, (length,), generator=generator) for length in lengths]

    def __len__(self):
        return len(self.texts)

    def batch(self, indices):
        return nn.utils.rnn.pad_sequence([self.texts[i] for i in indices], batch_first=True, padding_value=PAD)


def texts(dtype, batch_size=3):
    """Batches of 3 texts, each as long as its longest."""
    model = GPT2(30, 14, 16, 2, 2, dropout=0.0).to(dtype)
    return model, AdamW(model.parameters(), lr=0.02), next_token, Loader(Texts(), batch_size, shuffle=True), {}


def texts_at_once(dtype):
    """The same texts in the same order, 12 at a time."""
    return texts(dtype, 12)


def planned(dtype):
    """A GPT with blocks, on 8 whole rows in batches of 4: what `groundup plan` counts with."""
    tokens = torch.randint(0, 256, (8, 17), generator=torch.Generator().manual_seed(1))
    model = GPT2(**PLANNED, dropout=0.0).to(dtype)
    loader = Loader(Samples(tokens[:, :-1], tokens[:, 1:]), 4)
    return model, AdamW(model.parameters(), lr=1e-3), language_model(), loader, {"scheduler": None}


PLANNED = {"vocab_size": 256, "context": 16, "embed_dim": 64, "num_layers": 2, "num_heads": 2}
MODELS = {
    "lenet": lenet,
    "gpt": gpt,
    "graph": graph,
    "texts": texts,
    "texts_at_once": texts_at_once,
    "planned": planned,
}


def trainer(name, run_dir, dtype="float64", epochs=2, **settings):
    seed_everything(3)
    model, optimizer, objective, loader, options = MODELS[name](getattr(torch, dtype))
    scheduler = LR_CosineDecayScheduler(optimizer, 1, 30)
    common = {"accumulate": 2, "clip_norm": 0.5, "log_every": 1, "save_every": 1, "keep": 2, "device": "cpu"}
    options = common | {"scheduler": scheduler, "epochs": epochs, "progress": False} | options | settings
    return Trainer(model, optimizer, objective, loader, run_dir=run_dir, **options)


def train(name, run_dir, resume=False, **settings):
    """The weights at the end, after training in `run_dir`."""
    one = trainer(name, run_dir, **settings)
    one.fit(resume=resume)
    return {name: value.clone() for name, value in one.model.state_dict().items()}


def faulty(one, fault):
    """A trainer whose last process gets a signal, a NaN, an overflow or a full disk, in its third step."""
    last = torch.distributed.get_rank() == torch.distributed.get_world_size() - 1
    objective, calls = one.objective, []

    def counting(model, batch):
        calls.append(None)
        total, count = objective(model, batch)
        if last and len(calls) == 4:  # batches of 5, 5 and 3, two of them a step
            if fault == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
            if fault == "overflow":
                total.register_hook(lambda gradient: gradient * float("inf"))
            if fault == "nan":
                total = total * float("nan")
        if fault == "disk" and len(calls) == 4:  # of a sharded model the last process's, of a whole one the first's
            if last:
                sharded_checkpoint.fingerprint = full_disk
            checkpoint_files.save_tensors = full_disk
        return total, count

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    one.objective = counting


def main():
    groundup.plots.curves = lambda *_, **__: None
    folder, usual = Path(sys.argv[1]), (sharded_checkpoint.fingerprint, checkpoint_files.save_tensors)
    for name, run, settings in json.loads(sys.argv[2]):
        fault, resume = settings.pop("fault", None), settings.pop("resume", False)
        half, measured = settings.pop("half", False), settings.pop("measured", False)
        one = trainer(name, folder / run, **settings)
        if half:  # what GPUs do, tried on the CPU: the scaler is put in by hand
            one.precision, one.scaler = torch.float16, torch.amp.GradScaler("cpu", init_scale=2.0**10)
        if fault:
            faulty(one, fault)
        seen = Measured(one.optimizer) if measured else None
        rank, ended = torch.distributed.get_rank(), ""
        try:
            with graphs_compiled(broken=fault == "compiler") as graphs:
                one.fit(resume=resume)
        except (SystemExit, Exception) as end:
            ended = f"{type(end).__name__}: {end}"
        sharded_checkpoint.fingerprint, checkpoint_files.save_tensors = usual
        path = folder / f"{run}{'-resumed' * resume}-{rank}.pt"
        result = {"weights": one.model.state_dict(), "ended": ended, "scale": one.scaler.get_scale()}
        torch.save(result | {"graphs": len(graphs), "measured": seen and seen.found}, path)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
