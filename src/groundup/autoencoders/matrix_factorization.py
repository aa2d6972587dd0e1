"""Matrix factorization: a table of ratings, most of which are missing, as a product of two thin matrices.

Koren, Bell and Volinsky 2009, Matrix Factorization Techniques for Recommender Systems, IEEE Computer 42 (8),
https://doi.org/10.1109/MC.2009.263.

Legend: U users, I items, R rank (the paper's f), p_u and q_i the R factors of a user and of an item.
"""

from __future__ import annotations

from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.functional import embedding, init


@component(
    43,
    "approximates a table with missing entries by two thin factors",
    paper=(
        "Koren, Bell and Volinsky 2009, Matrix Factorization Techniques for Recommender Systems, "
        "doi:10.1109/MC.2009.263"
    ),
    oracle="torch.nn.Embedding; the SVD",
    example="MatrixFactorization(1000, 500, 16)(torch.randint(1000, (1,)), torch.randint(500, (1,)))",
)
class MatrixFactorization(nn.Module):
    """r̂_ui = q_i · p_u (equation 1), or with `bias` r̂_ui = μ + b_i + b_u + q_i · p_u (equation 4).

    Called with users and items (*shape), int64 or int32, it returns the ratings (*shape) of the pairs (users[n],
    items[n]). `predict` gives the same numbers without gradients, `table` all pairs of some users and some items.
    Raises `ValueError` for an index out of range, and for shapes that differ: nothing is broadcast.

    Factors are initialised with normal numbers such that q_i · p_u has standard deviation 0.1 for every rank (with N(0,
    1) factors its variance would be the rank), biases with 0.

    Why biases: much of a rating depends on the user or the item alone, generous users and popular items. The factors
    then only have to describe how they interact.

    Args:
        num_users: U.
        num_items: I.
        rank: R.
        bias: learn b_u and b_i.
        mean: μ, the average of the known ratings; a buffer, only with `bias`.
        sparse: sparse gradients of the factors, so that a step changes only the users and items of its batch.
        device, dtype: of the parameters.

    Example:
        >>> model = MatrixFactorization(3, 4, rank=2)
        >>> users, items = torch.tensor([0, 1]), torch.tensor([3, 2])
        >>> torch.equal(model(users, items), model.table(users, items).diagonal())
        True
    """

    user_bias: nn.Parameter | None
    item_bias: nn.Parameter | None
    mean: Tensor  # only with biases

    def __init__(
        self,
        num_users: int,
        num_items: int,
        rank: int,
        bias: bool = False,
        mean: float = 0.0,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_users = checks.integer("num_users", num_users)
        self.num_items = checks.integer("num_items", num_items)
        self.rank = checks.integer("rank", rank)
        self.initial_mean = checks.real("mean", mean)
        checks.require(bias or mean == 0, f"mean is part of the biases: pass bias=True with it, got mean={mean} alone")
        self.sparse = sparse
        self.user_factors = nn.Parameter(torch.empty(num_users, rank, device=device, dtype=dtype))
        self.item_factors = nn.Parameter(torch.empty(num_items, rank, device=device, dtype=dtype))
        for name, count in (("user_bias", num_users), ("item_bias", num_items)):
            values = nn.Parameter(torch.empty(count, 1, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, values)
        self.register_buffer("mean", torch.empty((), device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for factors in (self.user_factors, self.item_factors):
            init.normal_(factors, std=sqrt(0.1 / sqrt(self.rank)))
        if self.user_bias is not None and self.item_bias is not None:
            init.constant_(self.user_bias, 0.0)
            init.constant_(self.item_bias, 0.0)
            self.mean.fill_(self.initial_mean)

    def forward(self, users: Int[Tensor, "*shape"], items: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        self._check(users, items)
        p, q = self._rows(users, self.user_factors), self._rows(items, self.item_factors)  # *shape, R
        ratings = (q * p).sum(-1)
        if self.user_bias is None or self.item_bias is None:
            return ratings
        b_u, b_i = self._rows(users, self.user_bias), self._rows(items, self.item_bias)  # *shape, 1
        return self.mean + b_i.squeeze(-1) + b_u.squeeze(-1) + ratings

    @torch.no_grad()
    def predict(self, users: Int[Tensor, "*shape"], items: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the rating of each pair: `forward` without gradients."""
        return self(users, items)

    @torch.no_grad()
    def table(
        self, users: Int[Tensor, " u"] | None = None, items: Int[Tensor, " i"] | None = None
    ) -> Float[Tensor, "u i"]:
        """Return the rating of each of `users` for each of `items`; None means all of them."""
        device = self.user_factors.device
        users = torch.arange(self.num_users, device=device) if users is None else users
        items = torch.arange(self.num_items, device=device) if items is None else items
        for name, value in (("users", users), ("items", items)):
            checks.rank(name, checks.tensor(name, value), 1, layout="(N,)")
        self._check(users, items, paired=False)
        ratings = self._rows(users, self.user_factors) @ self._rows(items, self.item_factors).mT
        if self.user_bias is None or self.item_bias is None:
            return ratings
        return self.mean + self._rows(items, self.item_bias).mT + self._rows(users, self.user_bias) + ratings

    def penalty(self, users: Int[Tensor, "*shape"], items: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ‖q_i‖² + ‖p_u‖² (+ b_u² + b_i²) of each pair, for a loss (r - r̂)² + λ · penalty: equations 2 and 5."""
        self._check(users, items)
        tables = ((users, self.user_factors), (items, self.item_factors))
        tables += ((users, self.user_bias), (items, self.item_bias))  # type: ignore[assignment]
        rows = [self._rows(index, table) for index, table in tables if table is not None]
        return torch.cat(rows, -1).square().sum(-1)

    def _rows(self, index: Tensor, table: Tensor) -> Tensor:
        return embedding(index, table, sparse=self.sparse)

    def _check(self, users: Tensor, items: Tensor, paired: bool = True) -> None:
        checks.indices("users", users, self.num_users, "num_users")
        checks.indices("items", items, self.num_items, "num_items")
        if paired and users.shape != items.shape:
            raise ValueError(
                f"users and items must have one shape, because they are pairs, got {tuple(users.shape)} and "
                f"{tuple(items.shape)}; for every user with every item call table(users, items)"
            )

    def extra_repr(self) -> str:
        return f"{self.num_users}, {self.num_items}, rank={self.rank}, bias={self.user_bias is not None}"
