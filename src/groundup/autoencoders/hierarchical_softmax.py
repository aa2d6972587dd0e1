"""Hierarchical softmax: the probability of a word as a product over the log V nodes on its path through a binary tree.

Mikolov et al. 2013, Distributed Representations of Words and Phrases and their Compositionality, arXiv:1310.4546,
section 2.1; the tree is Huffman's (1952, A Method for the Construction of Minimum-Redundancy Codes): frequent words
are near the root. Proposed by Morin and Bengio 2005, Hierarchical Probabilistic Neural Network Language Model.

Legend: V vocab_size, E embedding_dim, B batch, L the longest path, h (B, E) the vector that the word is predicted from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from groundup import checks
from groundup.autoencoders.negative_sampling import as_rows, check_counts, check_target
from groundup.functional import embedding, init, logsigmoid


def huffman_paths(counts: Float[Tensor, " V"]) -> Int64[Tensor, "V L"]:
    """Return the path of each word through Huffman's tree, from its leaf up to the root.

    An entry is ±(n + 1): inner node n of 0 … V - 2, left by its first branch (+) or its second (-); 0 pads paths
    shorter than the longest. Of equal counts the leaves are joined first, which keeps the longest path short.
    """
    order = counts.argsort(stable=True)
    leaves = counts[order].tolist()
    V = len(leaves)
    inner: list[float] = []  # weights of the nodes so far, which never decrease, so that two queues replace a heap
    parent, turn = [0] * (2 * V - 2), [0] * (2 * V - 2)  # of leaf l at l, of inner node n at V + n; the root has none
    leaf, node = 0, 0
    for made in range(V - 1):
        weight = 0.0
        for sign in (1, -1):
            if leaf < V and (node == len(inner) or leaves[leaf] <= inner[node]):
                child, leaf, weight = leaf, leaf + 1, weight + leaves[leaf]
            else:
                child, node, weight = V + node, node + 1, weight + inner[node]
            parent[child], turn[child] = made, sign
        inner.append(weight)

    up, sign_of = torch.tensor(parent, device="cpu"), torch.tensor(turn, device="cpu")
    steps, here = [], torch.arange(V, device="cpu")
    root = 2 * V - 2
    while (below := here < root).any():
        at = torch.where(below, here, 0)  # any place: paths that have ended are padded with 0
        steps.append(torch.where(below, sign_of[at] * (up[at] + 1), 0))
        here = torch.where(below, V + up[at], root)
    return torch.stack(steps, 1)[order.argsort()]


class HierarchicalSoftmax(nn.Module):
    """log p(w | h) = Σ over the nodes n of the path of w of log σ(± v'_n · h)   (equation 3).

    σ(x) + σ(-x) = 1 at every node, so that the probabilities of all words sum to 1. weight (V - 1, E) holds the vectors
    v' of the inner nodes. They are initialised with 0, where both branches have probability ½.

    Args:
        vocab_size: V, at least 2.
        embedding_dim: E.
        counts: how often each word occurs, for the tree; without them it is balanced.
        sparse: a sparse gradient, so that a step of SGD or AdaGrad changes only the nodes on the paths of its words.
        device, dtype: of the parameters.

    Example:
        >>> output = HierarchicalSoftmax(4, 8)
        >>> output(torch.randn(1, 8), torch.arange(4)[None]).exp().sum().round(decimals=4)  # of all four words
        tensor(1., grad_fn=<RoundBackward1>)
    """

    paths: Tensor

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        counts: Sequence[int] | Int[Tensor, " V"] | None = None,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checks.integer("vocab_size", vocab_size, 2)
        self.tree = huffman_paths(check_counts(counts, vocab_size))
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(vocab_size - 1, embedding_dim, device=device, dtype=dtype))
        self.register_buffer("paths", torch.empty(self.tree.shape, dtype=torch.int64, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, 0.0)
        self.paths.copy_(self.tree)

    def forward(self, h: Float[Tensor, "B E"], target: Int[Tensor, "B *K"]) -> Float[Tensor, "B *K"]:
        """Return log p(w | h) of one word of each sample, target (B,), or of several, (B, K...)."""
        check_target(h, target, self.paths.size(0))
        walk = self.paths[as_rows(target)]  # B, K, L
        sign = walk.sign()
        nodes = embedding(torch.where(walk == 0, 0, walk.abs() - 1), self.weight, sparse=self.sparse)  # B, K, L, E
        scores = (nodes * h[:, None, None]).sum(-1)
        return torch.where(sign == 0, 0, logsigmoid(sign * scores)).sum(-1).view(target.shape)

    def candidates(self, target: Int[Tensor, "B *K"], generator: torch.Generator | None = None) -> Int[Tensor, "..."]:
        """Return the target: nothing is drawn."""
        return target

    def loss(self, scores: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """Return -log p(w | h), from the result of `forward`."""
        return -scores

    def extra_repr(self) -> str:
        return f"{self.paths.size(0)}, {self.weight.size(1)}, longest path {self.paths.size(1)}"
