"""Attention with one head, scored by a dot product or by a small network.

Vaswani et al. 2017, arXiv:1706.03762; Bahdanau et al. 2015, arXiv:1409.0473.
Legend: T queries, S keys, d features of a query and a key, v features of a value.
The rules of masks, of `is_causal` and of queries with nothing to attend to are those of functional/attention.py.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import init
from groundup.functional.attention import Attended, Mask, additive_attention, scaled_dot_product_attention
from groundup.layers.keywords import TorchKeywords
from groundup.layers.linear import Linear


@component(
    30,
    "softmax(Q Kᵀ / √d) V",
    paper="Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762",
    oracle="torch's scaled_dot_product_attention",
    example="DotProductAttention()(torch.randn(1, 5, 64), torch.randn(1, 9, 64), torch.randn(1, 9, 64))",
)
class DotProductAttention(TorchKeywords, nn.Module):
    """softmax(Q Kᵀ / √d) V

    Why: see `groundup.functional.scaled_dot_product_attention`, whose arguments `forward` takes.

    Args:
        scaled: divide the scores by √d; False gives the dot score of Luong et al. 2015, arXiv:1508.04025, section 3.1.
        dropout: the probability of dropping an attention weight, in training mode.

    Vaswani et al. 2017, equation 1.

    Example:
        >>> query, key, value = torch.randn(1, 5, 64), torch.randn(1, 9, 64), torch.randn(1, 9, 32)
        >>> DotProductAttention()(query, key, value).shape
        torch.Size([1, 5, 32])
    """

    def __init__(self, scaled: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.scaled = scaled
        self.dropout = checks.probability("dropout", dropout)

    def forward(
        self,
        query: Float[Tensor, "*batch T d"],
        key: Float[Tensor, "*batch S d"],
        value: Float[Tensor, "*batch S v"],
        mask: Mask | None = None,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Attended:
        return scaled_dot_product_attention(
            query,
            key,
            value,
            mask,
            is_causal,
            self.dropout if self.training else 0.0,
            None if self.scaled else 1.0,
            need_weights=need_weights,
        )

    def extra_repr(self) -> str:
        return f"scaled={self.scaled}, dropout={self.dropout}"


@component(
    31,
    "attention with scores from a small network",
    paper=(
        "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate, arXiv:1409.0473"
    ),
    oracle="a loop over pairs",
    example=("AdditiveAttention(32, 64, 16)(torch.randn(1, 5, 32), torch.randn(1, 9, 64), torch.randn(1, 9, 64))"),
)
class AdditiveAttention(TorchKeywords, nn.Module):
    """c_i = Σ_j α_ij value_j with α_i = softmax_j(e_ij) and e_ij = vᵀ tanh(W query_i + U key_j); no biases

    Why: see `groundup.functional.additive_attention`.

    Args:
        query_size, key_size: the features of a query and of a key; a value may have any number.
        hidden_size: of the small network, the rows of W (`query_proj`) and U (`key_proj`).
        dropout: the probability of dropping an attention weight, in training mode.
        device, dtype: of the parameters.

    Bahdanau et al. 2015, appendix A.1.2, whose W_a, U_a and v_a these are. Differs from the paper: they are initialised
    like PyTorch's layers, not from N(0, 0.001²) with v = 0.

    Example:
        >>> query, key, value = torch.randn(1, 5, 32), torch.randn(1, 9, 64), torch.randn(1, 9, 16)
        >>> output, weights = AdditiveAttention(32, 64, 8)(query, key, value, need_weights=True)
        >>> output.shape, weights.shape
        (torch.Size([1, 5, 16]), torch.Size([1, 5, 9]))
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        hidden_size: int,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden_size = checks.integer("hidden_size", hidden_size)
        self.dropout = checks.probability("dropout", dropout)
        for name, size in (("query_size", query_size), ("key_size", key_size)):
            checks.integer(name, size)
        self.query_proj = Linear(query_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.key_proj = Linear(key_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.v = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.query_proj.reset_parameters()
        self.key_proj.reset_parameters()
        init.inverse_sqrt_uniform_(self.v, self.hidden_size)

    def forward(
        self,
        query: Float[Tensor, "*batch T query_size"],
        key: Float[Tensor, "*batch S key_size"],
        value: Float[Tensor, "*batch S v"],
        mask: Mask | None = None,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Attended:
        for name, x, size in (
            ("query", query, self.query_proj.in_features),
            ("key", key, self.key_proj.in_features),
            ("value", value, None),
        ):
            if checks.floating(name, x).dim() != query.dim() or x.dim() < 2:
                raise ValueError(f"{name} must have shape (..., tokens, features), got {tuple(x.shape)}")
            if size is not None:
                checks.size(name, x, -1, size, f"features ({name}_size)")
        query, key = self.query_proj(query), self.key_proj(key)
        p = self.dropout if self.training else 0.0
        return additive_attention(query, key, value, self.v, mask, is_causal, p, need_weights)

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}"
