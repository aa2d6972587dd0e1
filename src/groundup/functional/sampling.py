"""Sampling an image at places of one's choice: grids that say where, the bilinear sampler that looks there.

Jaderberg et al. 2015, Spatial Transformer Networks, arXiv:1506.02025, sections 3.2 and 3.3.
Legend: N batch, C channels, (H, W) input size, (P, Q) output size, K control points.

A place is (x, y), x to the right and y downwards, from -1 to 1: with `align_corners` (the paper's convention, and the
default) ±1 are the centres of the outermost pixels, without it the outer edges of these, which is PyTorch's default.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from groundup import checks
from groundup.backend import fused_by
from groundup.kernels import sampling as kernels


def _check_grid(theta: Tensor, size: tuple[int, int], align_corners: bool = True) -> None:
    checks.rank("theta", checks.floating("theta", theta), 3, layout="(N, 2, 3)")
    if theta.shape[1:] != (2, 3):
        raise ValueError(f"theta must have shape (N, 2, 3), one affine map a sample, got {tuple(theta.shape)}")
    checks.pair("size", size)


@fused_by(kernels.affine_grid, check=_check_grid)
def affine_grid(
    theta: Float[Tensor, "N 2 3"], size: tuple[int, int], align_corners: bool = True
) -> Float[Tensor, "N P Q 2"]:
    """The places (x_s, y_s)ᵀ = θ (x_t, y_t, 1)ᵀ of a P × Q output, (P, Q) = `size`. Equation 1."""
    wide = theta.to(torch.promote_types(theta.dtype, torch.float32))
    targets = regular_grid(size, wide, align_corners)  # P, Q, 2
    homogeneous = torch.cat([targets, torch.ones_like(targets[..., :1])], -1)
    return torch.einsum("pqj,nij->npqi", homogeneous, wide).to(theta.dtype)


def regular_grid(size: tuple[int, int], like: Tensor, align_corners: bool = True) -> Float[Tensor, "P Q 2"]:
    """The places (x_t, y_t) of the pixels of a P × Q image, in the type of `like`."""
    axes = []
    for count in size:
        i = torch.arange(count, device=like.device, dtype=like.dtype)
        if align_corners:
            axes.append(2 * i / (count - 1) - 1 if count > 1 else 0 * i)
        else:
            axes.append((2 * i + 1) / count - 1)
    y, x = axes
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1)


def _check_sample(x: Tensor, grid: Tensor, align_corners: bool = True) -> None:
    checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
    checks.rank("grid", checks.floating("grid", grid), 4, layout="(N, P, Q, 2)")
    checks.size("grid", grid, 0, x.size(0), "samples, as x has")
    checks.size("grid", grid, 3, 2, "coordinates (x, y)")
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have at least one pixel to look at, got shape {tuple(x.shape)}")


@fused_by(kernels.grid_sample, check=_check_sample)
def grid_sample(
    x: Float[Tensor, "N C H W"], grid: Float[Tensor, "N P Q 2"], align_corners: bool = True
) -> Float[Tensor, "N C P Q"]:
    """V_c = Σ_n Σ_m U_c,nm max(0, 1 - |x_s - m|) max(0, 1 - |y_s - n|), U = 0 outside the image. Equation 5.

    Of the sum, the four pixels around the place (x_s, y_s) are not 0. Differentiable in U and in the places.
    Differs from equation 7 where a place is a pixel's centre: of the two slopes there, the one on its far side counts.
    """
    height, width = x.shape[2:]
    wide = torch.promote_types(x.dtype, torch.float32)
    U, places = x.to(wide).flatten(2), grid.to(wide)
    x_s, y_s = (
        (places[..., axis] + 1) / 2 * (count - 1) if align_corners else ((places[..., axis] + 1) * count - 1) / 2
        for axis, count in enumerate((width, height))
    )
    V = 0.0
    for n in (y_s.detach().floor(), y_s.detach().floor() + 1):
        for m in (x_s.detach().floor(), x_s.detach().floor() + 1):
            inside = (n >= 0) & (n < height) & (m >= 0) & (m < width)  # N, P, Q
            place = torch.where(inside, n * width + m, 0).long().flatten(1)
            pixel = U.gather(2, place[:, None].expand(-1, U.size(1), -1)).unflatten(2, grid.shape[1:3])
            near = _overlap(x_s, m) * _overlap(y_s, n)
            V = V + torch.where(inside, near, 0)[:, None] * pixel
    return torch.as_tensor(V).to(x.dtype)


def _overlap(place: Tensor, pixel: Tensor) -> Tensor:
    """1 - |place - pixel| of a pixel at ⌊place⌋ or one further, with a derivative at 0 too."""
    return torch.where(pixel <= place, 1 - (place - pixel), 1 + (place - pixel))


def thin_plate_matrix(
    control: Float[Tensor, "K 2"], size: tuple[int, int], align_corners: bool = True
) -> Float[Tensor, "PQ K"]:
    """The matrix M for which M v bends least among all maps that take each control point c_k to v_k.

    The thin-plate spline f(t) = a + A t + Σ_k w_k φ(|t - c_k|), φ(r) = r² log r², Σ_k w_k = 0 and Σ_k w_k c_k = 0,
    is linear in the values v that it takes at the control points; row (p, q) of M is its value at that pixel.
    Bookstein 1989, Principal Warps, IEEE Transactions on Pattern Analysis and Machine Intelligence 11(6).
    Raises `ValueError` for fewer than three control points; all on one line leave the spline undetermined.
    """
    checks.rank("control", checks.floating("control", control), 2, layout="(K, 2)")
    checks.require(len(control) >= 3, f"control must hold at least 3 points, got {len(control)}")

    corner = control.new_zeros(3, 3)
    system = torch.cat([_bent_and_flat(control, control), torch.cat([_flat(control).mT, corner], 1)])
    targets = regular_grid(size, control, align_corners).flatten(0, 1)  # PQ, 2
    basis = _bent_and_flat(targets, control)  # PQ, K + 3
    return torch.linalg.solve(system, basis, left=False)[:, : len(control)]


def _bent_and_flat(points: Tensor, control: Tensor) -> Tensor:
    """φ of the distance to each control point, then 1, x, y."""
    squared = (points[:, None] - control).square().sum(-1)
    bent = squared * torch.where(squared > 0, squared, 1).log()  # r² log r² is 0 at 0
    return torch.cat([bent, _flat(points)], 1)


def _flat(points: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(points[:, :1]), points], 1)


def _check_resize(x: Tensor, size: tuple[int, int]) -> None:
    checks.rank("x", checks.floating("x", x), 4, layout="(N, C, H, W)")
    checks.pair("size", size)
    if 0 in x.shape[2:]:
        raise ValueError(f"x must have at least one pixel, got shape {tuple(x.shape)}")


@fused_by(kernels.resize_bicubic, check=_check_resize)
def resize_bicubic(x: Float[Tensor, "N C H W"], size: tuple[int, int]) -> Float[Tensor, "N C P Q"]:
    """y[p, q] = Σ_ij k(s_p - i) k(s_q - j) x[i, j], s_p = (p + ½) H / P - ½ and pixels beyond the edge as at the edge.

    k is the cubic kernel of slope a = -¾ at 1. Keys 1981, Cubic Convolution Interpolation for Digital Image
    Processing, equation 15. Shrinking, it does not average over more than these four pixels an axis.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    rows, columns = (_cubic(count, new, wide, x.device) for count, new in zip(x.shape[2:], size))
    return torch.einsum("ph,nchw,qw->ncpq", rows, x.to(wide), columns).to(x.dtype)


def _cubic(count: int, new: int, dtype: torch.dtype, device: torch.device, a: float = -0.75) -> Tensor:
    """(new, count): what each old place gives to each new one."""
    centre = (torch.arange(new, dtype=dtype, device=device) + 0.5) * count / new - 0.5
    taps = centre.floor()[:, None] + torch.arange(-1, 3, device=device)  # new, 4
    r = (centre[:, None] - taps).abs()
    near = (a + 2) * r**3 - (a + 3) * r**2 + 1
    far = a * (r**3 - 5 * r**2 + 8 * r - 4)
    weights = torch.where(r <= 1, near, far)
    matrix = torch.zeros(new, count, dtype=dtype, device=device)
    return matrix.scatter_add(1, taps.clamp(0, count - 1).long(), weights)
