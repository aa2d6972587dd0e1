"""Sampling an image at any points: grids that say where, and the bilinear sampler that reads the image there.

Why: a network that turns, scales and moves its input before it looks at it does not have to learn every pose. Sampling
between pixels is differentiable, so that the pose itself is learned by gradient descent.

Jaderberg et al. 2015, Spatial Transformer Networks, arXiv:1506.02025, sections 3.2 and 3.3.
Legend: N batch, C channels, (H, W) input size, (P, Q) output size, K control points.

A point is (x, y), x to the right and y downwards, from -1 to 1: with `align_corners` (the paper's convention, and the
default) ±1 are the centres of the outermost pixels, without it the outer edges of these, which is PyTorch's default.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.backend import checked, fused_by
from groundup.kernels import images as kernels
from groundup.rules import images as rules


@fused_by(kernels.affine_grid, rules.affine_grid)
def affine_grid(
    theta: Float[Tensor, "N 2 3"], size: tuple[int, int], align_corners: bool = True
) -> Float[Tensor, "N P Q 2"]:
    """(x_s, y_s)ᵀ = θ (x_t, y_t, 1)ᵀ: the points of the input that a P × Q output is read from (equation 1).

    Args:
        theta: one affine map per sample; [[1, 0, 0], [0, 1, 0]] is the identity.
        size: (P, Q).
        align_corners: ±1 are the centres of the outermost pixels, else their outer edges.

    Jaderberg et al. 2015, section 3.2.

    Example:
        >>> affine_grid(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 3))[0, 0]
        tensor([[-1.,  0.],
                [ 0.,  0.],
                [ 1.,  0.]])
    """
    wide = theta.to(torch.promote_types(theta.dtype, torch.float32))
    targets = regular_grid(size, wide, align_corners)  # P, Q, 2
    homogeneous = torch.cat([targets, torch.ones_like(targets[..., :1])], -1)
    return torch.einsum("pqj,nij->npqi", homogeneous, wide).to(theta.dtype)


def regular_grid(size: tuple[int, int], like: Tensor, align_corners: bool = True) -> Float[Tensor, "P Q 2"]:
    """Return the points (x_t, y_t) of the pixels of a P × Q image, in the type of `like`."""
    axes = []
    for count in size:
        i = torch.arange(count, device=like.device, dtype=like.dtype)
        if align_corners:
            axes.append(2 * i / (count - 1) - 1 if count > 1 else 0 * i)
        else:
            axes.append((2 * i + 1) / count - 1)
    y, x = axes
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)


@fused_by(kernels.grid_sample, rules.grid_sample)
def grid_sample(
    x: Float[Tensor, "N C H W"], grid: Float[Tensor, "N P Q 2"], align_corners: bool = True
) -> Float[Tensor, "N C P Q"]:
    """V_c = Σ_n Σ_m U_c,nm max(0, 1 - |x_s - m|) max(0, 1 - |y_s - n|), U = 0 outside the image. Equation 5.

    Only the four pixels around the point (x_s, y_s) contribute to the sum. Differentiable in U and in the points.

    Args:
        x: U.
        grid: the points (x_s, y_s) of each output.
        align_corners: as for `affine_grid`.

    Jaderberg et al. 2015, section 3.3. Differs from equation 7 where a point is the centre of a pixel: of the two
    slopes there, the one on its far side is taken.

    Example:
        >>> grid_sample(torch.tensor([[[[0.0, 2.0]]]]), torch.zeros(1, 1, 1, 2))
        tensor([[[[1.]]]])
    """
    height, width = x.shape[2:]
    wide = torch.promote_types(x.dtype, torch.float32)
    U, points = x.to(wide).flatten(2), grid.to(wide)
    x_s, y_s = (
        (points[..., axis] + 1) / 2 * (count - 1) if align_corners else ((points[..., axis] + 1) * count - 1) / 2
        for axis, count in enumerate((width, height))
    )
    V = 0.0
    for n in (y_s.detach().floor(), y_s.detach().floor() + 1):
        for m in (x_s.detach().floor(), x_s.detach().floor() + 1):
            inside = (n >= 0) & (n < height) & (m >= 0) & (m < width)  # N, P, Q
            index = torch.where(inside, n * width + m, 0).long().flatten(1)
            pixel = U.gather(2, index[:, None].expand(-1, U.size(1), -1)).unflatten(2, grid.shape[1:3])
            near = overlap(x_s, m) * overlap(y_s, n)
            V = V + torch.where(inside, near, 0)[:, None] * pixel
    return torch.as_tensor(V).to(x.dtype)


def overlap(point: Tensor, pixel: Tensor) -> Tensor:
    """Return 1 - |point - pixel| of a pixel at ⌊point⌋ or one further, with a derivative at 0 too."""
    return torch.where(pixel <= point, 1 - (point - pixel), 1 + (point - pixel))


@checked(rules.thin_plate_matrix)
def thin_plate_matrix(
    control: Float[Tensor, "K 2"], size: tuple[int, int], align_corners: bool = True
) -> Float[Tensor, "PQ K"]:
    """The matrix M for which the map M v has the least bending energy of all that take each control point c_k to v_k.

    The thin-plate spline f(t) = a + A t + Σ_k w_k φ(|t - c_k|), φ(r) = r² log r², Σ_k w_k = 0 and Σ_k w_k c_k = 0,
    is linear in the values v that it takes at the control points; row (p, q) of M is its value at that pixel.

    Args:
        control: the control points, at least three, not all on one line.
        size: (P, Q), the pixels of the output.
        align_corners: as for `affine_grid`.

    Bookstein 1989, Principal Warps, IEEE Transactions on Pattern Analysis and Machine Intelligence 11(6).

    Example:
        >>> corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
        >>> thin_plate_matrix(corners, (3, 3)).sum(1).allclose(torch.ones(9))
        True
    """
    corner = control.new_zeros(3, 3)
    system = torch.cat([spline_basis(control, control), torch.cat([affine_basis(control).mT, corner], 1)])
    targets = regular_grid(size, control, align_corners).flatten(0, 1)  # PQ, 2
    basis = spline_basis(targets, control)  # PQ, K + 3
    return torch.linalg.solve(system, basis, left=False)[:, : len(control)]


def spline_basis(points: Tensor, control: Tensor) -> Tensor:
    """Return φ of the distance from each point to each control point, then 1, x, y."""
    squared = (points[:, None] - control).square().sum(-1)
    bending = squared * torch.where(squared > 0, squared, 1).log()  # r² log r² is 0 at 0
    return torch.cat([bending, affine_basis(points)], 1)


def affine_basis(points: Tensor) -> Tensor:
    """Return 1, x, y of each point."""
    return torch.cat([torch.ones_like(points[:, :1]), points], 1)


@fused_by(kernels.resize_bicubic, rules.resize_bicubic)
def resize_bicubic(x: Float[Tensor, "N C H W"], size: tuple[int, int]) -> Float[Tensor, "N C P Q"]:
    """y[p, q] = Σ_ij k(s_p - i) k(s_q - j) x[i, j], s_p = (p + ½) H / P - ½ and pixels beyond the edge as at the edge.

    k is the cubic kernel of slope a = -¾ at 1. To shrink an image, it reads no more than four pixels per axis, and
    does not average over those between.

    Args:
        x: the images.
        size: (P, Q) of the output.

    Keys 1981, Cubic Convolution Interpolation for Digital Image Processing, equation 15.

    Example:
        >>> resize_bicubic(torch.ones(1, 1, 2, 2), (3, 3)).allclose(torch.ones(3, 3))
        True
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    rows, columns = (cubic_matrix(count, new, wide, x.device) for count, new in zip(x.shape[2:], size))
    return torch.einsum("ph,nchw,qw->ncpq", rows, x.to(wide), columns).to(x.dtype)


def cubic_matrix(
    count: int, new: int, dtype: torch.dtype, device: torch.device, a: float = -0.75
) -> Float[Tensor, "new count"]:
    """Return the weight of each old pixel in each new one."""
    centre = (torch.arange(new, dtype=dtype, device=device) + 0.5) * count / new - 0.5
    taps = centre.floor()[:, None] + torch.arange(-1, 3, device=device)  # new, 4
    r = (centre[:, None] - taps).abs()
    near = (a + 2) * r**3 - (a + 3) * r**2 + 1
    far = a * (r**3 - 5 * r**2 + 8 * r - 4)
    weights = torch.where(r <= 1, near, far)
    matrix = torch.zeros(new, count, dtype=dtype, device=device)
    return matrix.scatter_add(1, taps.clamp(0, count - 1).long(), weights)
