"""No step needs more room than torch.optim's of the same kind."""

import pytest
from optimizer_table import body, copies, every_rule, give_gradients, parameters
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """The most bytes alive at once among the storages that operators return while the mode is on."""

    def __init__(self, existing):
        super().__init__()
        self.existing = {t.untyped_storage()._cdata for t in existing}
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and t.untyped_storage()._cdata not in self.existing:
                storage = t.untyped_storage()
                self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.alive = {key: entry for key, entry in self.alive.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return out


def peak(optimizer):
    params = optimizer.param_groups[0]["params"]
    states = [value for state in optimizer.state.values() for value in state.values()]
    with PeakMemory([*params, *(p.grad for p in params), *states]) as measured:
        optimizer.step()
    return measured.peak


@pytest.mark.parametrize("name", ["multi_tensor", "fused"])
@every_rule
def test_peak_memory_is_no_more_than_torchs(rule, name, monkeypatch):
    if name == "fused" and not rule.fused:
        pytest.skip("PyTorch has no fused step for this rule")
    size = 10_000
    for options in rule.grid:
        a = parameters((size,), (100, 100))
        b = copies(a)
        give_gradients(a, b, step=0)
        mine, theirs = rule.pair(a, b, **options)
        theirs.param_groups[0].update(fused=name == "fused", foreach=name == "multi_tensor")
        with body(name, monkeypatch):
            mine.step()
            theirs.step()
            assert peak(mine) <= peak(theirs) + 1000, "beyond a few scalars"
