"""Why Swin's windows shift, and why there is a mask: `python examples/transformer/swin_windows.py`.

Windows alone never speak to each other. Shifted ones do; but rolling the map to make whole windows of the pieces puts
strangers side by side, and a mask keeps them apart. Drawn, and measured: how far one token's word gets.
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


def reached(blocks: list[SwinTransformerBlock], size: int, steps: int) -> torch.Tensor:
    """Which tokens (size, size) the first one, top left, has heard from after so many blocks: by its gradient."""
    x = torch.randn(1, size, size, 8).requires_grad_()
    y = x
    for block in blocks[:steps]:
        y = block(y)
    (gradient,) = torch.autograd.grad(y[0, 0, 0].sum(), x)
    return gradient[0].abs().sum(-1) > 0


def main() -> None:
    config, run_dir = command_line(Config, "swin_windows", __doc__)
    size, window, shift = config.size, config.window, config.shift

    # The windows, the shift, and the mask that the roll makes necessary.
    masks = shift_mask(size, size, window, (shift, shift))
    window_page(size, size, window, shift, masks, run_dir / "windows.png", "Windows, shifted windows, and their masks")

    # How far a word gets: blocks that never shift, blocks that take turns, and one where the mask is missing.
    plain = [SwinTransformerBlock(8, 2, window) for _ in range(config.blocks)]
    turns = [SwinTransformerBlock(8, 2, window, shift if i % 2 else 0) for i in range(config.blocks)]
    pictures, captions, heard = [], [], {"windows": [], "shifted": []}
    for name, blocks in (("windows", plain), ("shifted", turns)):
        for steps in range(1, config.blocks + 1):
            found = reached(blocks, size, steps)
            heard[name].append(int(found.sum()))
            pictures.append(found.float())
            captions.append(f"{name},\n{steps} block{'s' if steps > 1 else ''}: {heard[name][-1]}")
    title = "Whom the token top left has heard from"
    image_grid(torch.stack(pictures), run_dir / "reached.png", captions, columns=config.blocks, title=title)

    alone, pairs = int(masks.float().sum()), masks.numel()
    print(f"""
tokens heard from, after 1 to {config.blocks} blocks   never shifted {heard["windows"]}, taking turns {heard["shifted"]}
expected (8 x 8 tokens, windows of 4)    never shifted [16] * 5, taking turns [16, 16, 64, 64, 64]
of {pairs} pairs in the rolled windows, {pairs - alone} were never neighbours, and are masked
pictures       {run_dir}/windows.png, {run_dir}/reached.png
the model      src/groundup/models/visual_transformers/swin.py · Liu et al. 2021, section 3.2, figure 4
larger         python examples/transformer/swin_windows.py --size 14 --window 7 --shift 3""")


if __name__ == "__main__":
    run(main)
