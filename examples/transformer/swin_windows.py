"""Why the windows of Swin are shifted and masked: `python examples/transformer/swin_windows.py`.

Attention within fixed windows never passes information between windows; shifted windows do. But rolling the map, which
turns the pieces into whole windows, brings distant tokens together, and a mask separates them. The example draws the
windows and measures how far information travels.
"""

from dataclasses import dataclass

from groundup.models.visual_transformers import SwinTransformerBlock
from groundup.models.visual_transformers.swin import shift_mask
from groundup.plots import image_grid, window_page
from groundup.training import Options, command_line, run

import torch


@dataclass
class Config(Options):
    size: int = 8  # of the map, in tokens
    window: int = 4
    shift: int = 2
    blocks: int = 5


def find_sources(blocks: list[SwinTransformerBlock], size: int, steps: int) -> torch.Tensor:
    """Return (size, size): True for the tokens that the one at the top left depends on after `steps` blocks."""
    x = torch.randn(1, size, size, 8).requires_grad_()
    y = x
    for block in blocks[:steps]:
        y = block(y)
    (gradient,) = torch.autograd.grad(y[0, 0, 0].sum(), x)
    return gradient[0].abs().sum(-1) > 0


def main() -> None:
    config, run_dir = command_line(Config, "swin_windows", __doc__)
    size, window, shift = config.size, config.window, config.shift

    # The windows, the shift, and the masks of the rolled windows.
    masks = shift_mask(size, size, window, (shift, shift))
    window_page(size, size, window, shift, masks, run_dir / "windows.png", "Windows, shifted windows, and their masks")

    # How far information travels: through blocks that never shift, and through blocks that alternate.
    plain = [SwinTransformerBlock(8, 2, window) for _ in range(config.blocks)]
    turns = [SwinTransformerBlock(8, 2, window, shift if i % 2 else 0) for i in range(config.blocks)]
    pictures, captions, counts = [], [], {"windows": [], "shifted": []}
    for name, blocks in (("windows", plain), ("shifted", turns)):
        for steps in range(1, config.blocks + 1):
            found = find_sources(blocks, size, steps)
            counts[name].append(int(found.sum()))
            pictures.append(found.float())
            captions.append(f"{name},\n{steps} block{'s' if steps > 1 else ''}: {counts[name][-1]}")
    title = "The tokens that the one at the top left depends on"
    image_grid(torch.stack(pictures), run_dir / "reached.png", captions, columns=config.blocks, title=title)

    alone, pairs = int(masks.float().sum()), masks.numel()
    print(f"""
tokens reached after 1 to {config.blocks} blocks   without shifts {counts["windows"]}, alternating {counts["shifted"]}
expected (8 x 8 tokens, windows of 4)    without shifts [16] * 5, alternating [16, 16, 64, 64, 64]
of {pairs} pairs in the rolled windows, {pairs - alone} were not neighbours and are masked
pictures       {run_dir}/windows.png, {run_dir}/reached.png
the model      src/groundup/models/visual_transformers/swin.py · Liu et al. 2021, section 3.2, figure 4
larger         python examples/transformer/swin_windows.py --size 14 --window 7 --shift 3""")


if __name__ == "__main__":
    run(main)
