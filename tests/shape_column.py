"""Reads the aligned comments `# -> C, H, W` of a model's class, and holds them to what the parts give."""

import inspect
import re

import torch

LINE = re.compile(r"self\.(\w+)(?:\(| = | *: [\w.]+ = ).*#\s*-> ([\d, ]+)")


def check_shape_column(model, input_size):
    """Every `self.part(...)  # -> shape` or `self.part = ...  # -> shape` states what `part` returns for one image."""
    stated = LINE.findall(inspect.getsource(type(model)))
    assert len(stated) >= 3, f"{type(model).__name__} has no column of shapes"
    shapes = {}
    for name, _ in stated:
        model.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: shapes.update({name: o.shape[1:]}))
    model.eval()(torch.zeros(1, *input_size))
    for name, shape in stated:
        assert shapes[name] == tuple(int(size) for size in shape.split(",")), name
