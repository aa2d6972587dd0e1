"""Reads the aligned comments `# -> C, H, W` of a model's class, and holds them to what the parts give."""

import inspect
import re

import torch

LINE = re.compile(r"^(.*self\.\w+.*\S) *#[\s#]*-> ([\d, ]+)$", re.MULTILINE)


def check_shape_column(model, input_size):
    """Every line of code that ends in `# -> shape` and has a `self.part` states what `part` returns for one image.

    If there are several parts in a line, as in `drop(relu(self.fc1(x)))`, the first that is a module is meant.
    """
    stated = [
        (next(name for name in re.findall(r"self\.(\w+)", code) if name in model._modules), shape)
        for code, shape in LINE.findall(inspect.getsource(type(model)))
    ]
    assert len(stated) >= 3, f"{type(model).__name__} has no column of shapes"
    shapes = {}
    for name, _ in stated:
        model.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: shapes.update({name: o.shape[1:]}))
    model.eval()(torch.zeros(1, *input_size))
    for name, shape in stated:
        assert shapes[name] == tuple(int(size) for size in shape.split(",")), name
