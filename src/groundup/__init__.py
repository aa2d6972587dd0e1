"""Deep learning from the ground up: every layer, optimizer and model written from its paper, proven, and fast."""

import os
import sys

from groundup.backend import UnsupportedCall, backend, current_backend

# PyTorch's threads wait for one another at the end of each operation. By default they wait in a loop that keeps their
# cores busy; on a machine that does other work as well, training then takes up to a hundred times as long. OpenMP
# reads this when PyTorch is first imported, so that it has no effect on programs that import torch before groundup.
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"
__all__ = ["UnsupportedCall", "__version__", "backend", "current_backend"]
