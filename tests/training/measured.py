"""What a process of many_processes.py holds, sends and compiles, read where it happens and not where it is counted."""

import os
import socket
import struct
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch._dynamo.backends.debugging import aot_eager
from torch.distributed.tensor import DTensor

BYTES_SENT = 200  # the place of tcpi_bytes_sent, and after it tcpi_bytes_retrans, in the kernel's struct tcp_info


def held(tensors):
    """Bytes of memory under tensors, or under this process's parts of them; what shares memory counts once."""
    local = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in local}.values())


def sent():
    """Bytes that this process has written into its TCP connections, by the kernel's own count.

    What a busy machine sends twice, because the other process was slow to answer, counts once.
    """
    total = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not os.readlink(entry).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as one:
                about = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                written, again = struct.unpack_from("2Q", about, BYTES_SENT)
                total += written - again
        except OSError:  # not one of TCP, or closed since
            continue
    return total


class Measured:
    """Watches an optimizer: at its third step what is held, and what was sent since its second."""

    def __init__(self, optimizer):
        self.optimizer, self.steps, self.before, self.found = optimizer, 0, 0, {}
        optimizer.register_step_pre_hook(lambda *_: self.look())

    def look(self):
        self.steps += 1
        if self.steps == 2:
            self.before = sent()
        if self.steps == 3:
            params = [p for group in self.optimizer.param_groups for p in group["params"]]
            moments = [v for state in self.optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
            self.found = {
                "communication": sent() - self.before,
                "weights": held(params),
                "gradients": held([p.grad for p in params]),
                "optimizer": held([v for v in moments if v.dim()]),  # but for the counts of steps
            }


@contextmanager
def graphs_compiled(broken=False):
    """Within the block torch.compile compiles for autograd, without a C++ compiler; yields what it has compiled.

    What was compiled is dropped at its end: the next block compiles anew, and nothing is left to be dropped whenever a
    model happens to be collected.
    """
    graphs, usual = [], torch.compile

    def backend(graph, inputs):
        if broken:
            raise RuntimeError("no C++ compiler here")
        graphs.append(graph)
        return aot_eager(graph, inputs)

    torch.compile = partial(usual, backend=backend)
    try:
        yield graphs
    finally:
        torch.compile = usual
        torch._dynamo.reset()
