"""The rules of the house, read off the syntax trees: imports point down, and definitions are definitions."""

import ast
import re
from inspect import isroutine
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1] / "src" / "groundup"
FILES = sorted(ROOT.rglob("*.py"))

# From the ground up. A room may import from the floors below it and from itself.
FLOORS = [
    ["checks", "durable", "component", "_moved"],
    ["rules", "explain", "plots"],
    ["contract", "kernels"],
    ["backend"],
    ["functional"],
    ["layers"],
    ["autoencoders", "optimizers"],
    ["data"],
    ["weights"],
    ["models"],
    ["generation"],
    ["training"],
    ["tools"],
    ["cli"],
    ["__main__"],
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# Where the thing being explained is written: here nothing that is the explanation may be borrowed.
EXPLAINED = ("functional", "layers", "autoencoders", "optimizers", "models", "generation")
CONTAINERS = {"Module", "Parameter", "Buffer", "Sequential", "ModuleList", "ModuleDict", "ParameterList"}
SOCKETS = {"Optimizer", "LRScheduler"}
ELEMENTARY = {"unfold", "fold", "one_hot"}
COMPOUND = {n for n, f in vars(torch.nn.functional).items() if isroutine(f) and n.islower()} - ELEMENTARY | {
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
    *("convolution", "conv_transpose2d", "native_batch_norm", "native_layer_norm", "native_group_norm"),
    *("cross_entropy_loss", "nll_loss2d", "logsumexp", "logcumsumexp", "grid_sampler", "affine_grid_generator"),
    *("embedding_bag", "native_dropout", "alpha_dropout", "softmax", "log_softmax", "rms_norm", "cosine_similarity"),
}


def room(path):
    """The room a file belongs to: the first part of its path."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree):
    """(line, room) of every import from groundup, at the top or inside a function."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            if node.module == "groundup":
                names = [f"groundup.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("groundup.") and name.split(".")[1] in FLOOR:  # not the front door's own names
                yield node.lineno, name.split(".")[1]


def upward_imports(source, floor):
    return [(line, other) for line, other in imported_rooms(ast.parse(source)) if FLOOR[other] >= floor]


def test_the_first_page_names_the_rooms_in_this_order():
    page = (ROOT.parents[1] / "README.md").read_text(encoding="utf-8")
    rows = page.split("    src/groundup/\n")[1].split("\n\n")[0].splitlines()
    named = [re.findall(r"(\w+)(?:/|\.py)", re.match(r"(?:\s+\w+(?:/|\.py))+", row)[0]) for row in rows]
    heights = [FLOOR[room] for rooms in named for room in rooms]
    assert heights == sorted(heights)
    assert {room for rooms in named for room in rooms} == FLOOR.keys() - {"__main__", "_moved"}


def dotted(node):
    """("torch", "nn", "Linear") for torch.nn.Linear; the first is None where the chain does not start at a name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else None)
    return tuple(reversed(parts))


def borrowed(source):
    """Every (line, name) in which a definition leans on what it should define."""
    tree = ast.parse(source)
    alias = {}  # local name -> what it stands for, for everything imported
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            alias.update({a.asname or a.name: (*node.module.split("."), a.name) for a in node.names})
        elif isinstance(node, ast.Import):
            for a in node.names:
                top = a.name.split(".")[0]
                alias[a.asname or top] = tuple(a.name.split(".")) if a.asname else (top,)

    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [tuple(a.name.split(".")) for a in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [(*node.module.split("."), *name) for name in names]
        elif isinstance(node, (ast.Attribute, ast.Name)):
            chain = dotted(node) if isinstance(node, ast.Attribute) else (node.id,)
            names = [(*alias.get(chain[0], (chain[0],)), *chain[1:])]
            if isinstance(node, ast.Name) and chain[0] not in alias:
                continue
        else:
            continue
        for name in names:
            if is_borrowed(name):
                found.append((node.lineno, ".".join(part or "…" for part in name)))
    return sorted(set(found))


def is_borrowed(name):
    if name[0] == "groundup" or (name[0] == "self" and len(name) == 2):
        return False  # ours
    if name[:2] == ("torch", "nn"):
        if len(name) == 2:
            return False  # `from torch import nn`: what is taken from it is judged by itself
        return name[2] not in CONTAINERS
    if name[:2] == ("torch", "optim"):
        return len(name) > 2 and name[-1] not in SOCKETS | {"lr_scheduler", "optimizer"}
    if name[:3] == ("torch", "ops", "aten") or name[:2] == ("torch", "ops"):
        return True
    if name[0] == "torch" and len(name) == 2:
        return name[1] in COMPOUND or name[1].startswith(("_foreach_", "_fused_"))
    return len(name) > 1 and name[0] != "torch" and name[-1] in COMPOUND  # a tensor's method


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    if path == ROOT / "__init__.py":
        return  # the front door
    upward = upward_imports(path.read_text(), FLOOR[room(path)])
    assert [(line, other) for line, other in upward if other != room(path)] == []


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in EXPLAINED], ids=lambda p: str(p.relative_to(ROOT)))
def test_definitions_borrow_nothing(path):
    assert borrowed(path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_read_in_one_sitting(path):
    source = path.read_text()
    assert len(source.splitlines()) <= 350, "split it"
    assert ast.get_docstring(ast.parse(source)), "the first line says what the file is"


def test_matplotlib_is_imported_in_one_room_only():
    users = {room(p) for p in FILES if "import matplotlib" in p.read_text() or "from matplotlib" in p.read_text()}
    assert users == {"plots"}


def test_every_room_has_its_floor():
    assert {room(p) for p in FILES} - {"__init__"} <= set(FLOOR)


# The rules can fail: each of these is a breach.
@pytest.mark.parametrize(
    "breach",
    [
        "import torch.nn.functional as F",
        "from torch.nn import functional",
        "from torch import nn\nlayer = nn.Linear(1, 2)",
        "import torch\nlayer = torch.nn.Linear(1, 2)",
        "from torch.nn import Linear",
        "import torch\ny = torch.conv2d(x, w)",
        "import torch\ny = torch.softmax(x, -1)",
        "y = x.softmax(-1)",
        "y = (x + 1).relu()",
        "from torch import layer_norm",
        "import torch\ny = torch.optim.Adam(p)",
        "from torch.optim import SGD",
        "import torch\ntorch._foreach_add_(a, b)",
        "import torch\ntorch.ops.aten.convolution(x)",
        "from torch import nn\nnn.init.zeros_(w)",
    ],
)
def test_a_breach_is_found(breach):
    assert borrowed(breach)


@pytest.mark.parametrize(
    "fine",
    [
        "from torch import nn\nclass A(nn.Module): pass\nw = nn.Parameter(t)",
        "import torch\ny = torch.where(x > 0, x, 0) @ w",
        "import torch\nclass A(torch.optim.Optimizer): pass",
        "from torch.optim.lr_scheduler import LRScheduler",
        "y = x.unfold(2, 3, 1)",
        "y = self.linear(x)",
        "from groundup.functional import softmax\ny = softmax(x)",
        "from groundup.kernels import elementwise as kernels\nkernels.relu",
    ],
)
def test_what_is_allowed_is_allowed(fine):
    assert borrowed(fine) == []


def test_an_upward_import_is_found():
    assert upward_imports("from groundup.models import x", FLOOR["layers"]) == [(1, "models")]
    assert upward_imports("def f():\n    from groundup import layers", FLOOR["functional"]) == [(2, "layers")]
