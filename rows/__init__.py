"""The rows of every component: one file per family, read by tests/ and benchmarks/. `rows.registry` gathers them."""

from rows.peers import ready_torchvision

ready_torchvision()
