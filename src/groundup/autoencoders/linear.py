"""The linear autoencoder: principal component analysis, learned by a network.

Baldi and Hornik 1989, Neural Networks and Principal Component Analysis: Learning from Examples Without Local Minima,
Neural Networks 2 (1), https://doi.org/10.1016/0893-6080(89)90014-2.

Legend: D input_size, K hidden_size, x (..., D) an input, h (..., K) its code, x̂ (..., D) the reconstruction.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup import checks
from groundup.component import component
from groundup.layers import Linear


@component(
    44,
    "learns the principal components",
    paper=("Baldi and Hornik 1989, Neural Networks and Principal Component Analysis, doi:10.1016/0893-6080(89)90014-2"),
    oracle="torch.nn.Linear; scikit-learn's PCA",
    example="AutoencoderLinear(64, 8)(torch.randn(1, 64))",
)
class AutoencoderLinear(nn.Module):
    """h = B x + c;  x̂ = A h + d.

    The squared error has saddle points but no local minima (section 2). At its minimum A B is the orthogonal projection
    onto the K leading principal components of x. A and B themselves are determined only up to an invertible K × K
    matrix C, because (A C) (C⁻¹ B) = A B. `fit_closed_form` computes the minimum.

    Why K < D: the code must leave something out, and the squared error is least if it keeps the directions of the
    largest variance. With K = D the network would learn the identity.

    Args:
        input_size: D.
        hidden_size: K, at most D.
        bias: learn c and d, which remove the mean of x; without them the components are those of x about 0.
        device, dtype: of the parameters.

    Example:
        >>> x = torch.randn(100, 1) @ torch.randn(1, 5)  # on a line through 0
        >>> model = AutoencoderLinear(5, 1)
        >>> model.fit_closed_form(x)
        >>> torch.allclose(model(x), x, atol=1e-4)
        True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = checks.integer("input_size", input_size)
        self.hidden_size = checks.integer("hidden_size", hidden_size)
        checks.require(
            hidden_size <= input_size,
            f"hidden_size must be at most input_size={input_size}, because more would compress nothing, "
            f"got {hidden_size}",
        )
        self.encoder = Linear(input_size, hidden_size, bias, device, dtype)
        self.decoder = Linear(hidden_size, input_size, bias, device, dtype)

    def reset_parameters(self) -> None:
        self.encoder.reset_parameters()
        self.decoder.reset_parameters()

    def encode(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        checks.floating("x", x)
        if x.dim() == 0 or x.size(-1) != self.input_size:
            raise ValueError(f"x must have shape (..., {self.input_size}), input_size last, got {tuple(x.shape)}")
        return self.encoder(x)

    def decode(self, h: Float[Tensor, "*batch K"]) -> Float[Tensor, "*batch D"]:
        checks.floating("h", h)
        if h.dim() == 0 or h.size(-1) != self.hidden_size:
            raise ValueError(f"h must have shape (..., {self.hidden_size}), hidden_size last, got {tuple(h.shape)}")
        return self.decoder(h)

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def fit_closed_form(self, x: Float[Tensor, "N D"]) -> None:
        """Set A = V, B = Vᵀ, c = -Vᵀ μ and d = μ, where μ is the mean of x.

        V are the K leading right singular vectors of x - μ, or of x without biases (theorem of Eckart and Young 1936).

        Raises `ValueError` for fewer samples than hidden_size.
        """
        checks.rank("x", checks.floating("x", x), 2, layout="(N, D)")
        checks.size("x", x, 1, self.input_size, "features, as input_size says")
        checks.require(len(x) >= self.hidden_size, f"x must hold at least {self.hidden_size} samples, got {len(x)}")
        biased = self.encoder.bias is not None and self.decoder.bias is not None
        mean = x.mean(0) if biased else torch.zeros_like(x[0])
        components = torch.linalg.svd(x - mean, full_matrices=False).Vh[: self.hidden_size]  # K, D
        self.encoder.weight.copy_(components)
        self.decoder.weight.copy_(components.mT)
        if self.encoder.bias is not None and self.decoder.bias is not None:
            self.encoder.bias.copy_(-components @ mean)
            self.decoder.bias.copy_(mean)

    def extra_repr(self) -> str:
        return f"input_size={self.input_size}, hidden_size={self.hidden_size}"
