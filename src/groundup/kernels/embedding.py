"""PyTorch's embedding kernel."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from groundup.kernels.support import takes_call
from groundup.rules.elementwise import table_indices


@takes_call
def embedding(call: Any) -> Tensor:
    if call.max_norm is not None:  # before a row is changed
        table_indices(call)
    return F.embedding(*call)
