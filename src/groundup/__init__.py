"""Deep learning from the ground up: every layer, optimizer and model written from its paper, proven, and fast."""

from groundup.backend import UnsupportedCall, backend, current_backend

__version__ = "0.1.0"
__all__ = ["UnsupportedCall", "__version__", "backend", "current_backend"]
