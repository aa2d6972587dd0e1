"""How a Transformer copies: the attention of every head: `python examples/transformer/attention_maps.py`.

A small GPT reads random tokens that repeat after a distance that differs between texts. To predict the next token it
must find the earlier place of the current token and attend to the token after it. An induction head in its second layer
does that. --model gpt2, or a saved folder such as runs/char_gpt/model, draws the heads of that model, reading --text.
"""

from dataclasses import dataclass

from groundup.data import Loader
from groundup.models.transformer_networks import GPT2
from groundup.optimizers import AdamW, LR_CosineDecayScheduler
from groundup.plots import attention_page
from groundup.tools.inspect import capture_attention
from groundup.tools.text import encode, load
from groundup.training import RunOptions, Trainer, command_line, language_model, run

import torch

TOKENS, LENGTH, LAYERS, HEADS = 32, 48, 2, 4


@dataclass
class Config(RunOptions):
    model: str = ""  # published weights or a folder, instead of the small GPT
    text: str = "The cat sat on the mat, and the dog sat on the"
    steps: int = 1500
    lr: float = 3e-3


class Repeats(torch.utils.data.Dataset):
    """Text i: random tokens with a period of 8 to 24; targets that are not repetitions are ignored."""

    def __len__(self) -> int:
        return 200_000

    def batch(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g = torch.Generator().manual_seed(int(indices[0]))
        period = torch.randint(8, 25, (len(indices), 1), generator=g)
        places = torch.arange(LENGTH + 1)
        fresh = torch.randint(0, TOKENS, (len(indices), LENGTH + 1), generator=g)
        text = fresh.gather(1, places % period)
        return text[:, :-1], torch.where(places > period, text, -100)[:, 1:]


def main() -> None:
    config, run_dir = command_line(Config, "attention_maps", __doc__)
    if config.model:
        model, tokenizer = load(config.model)
        tokens = encode(tokenizer, config.text)
        if not hasattr(model, "context"):
            raise ValueError(f"{config.model} holds a {type(model).__name__}, which has no attention")
        with capture_attention(model.eval()) as seen:
            model(torch.tensor([tokens]))
        maps = [weights[0] for (weights,) in seen.values()]
        attention_page(maps, run_dir / "attention.png", [tokenizer.decode([i]) for i in tokens], config.text)
        return print(
            f"{run_dir}/attention.png: {len(maps)} layers of {len(maps[0])} heads · expected: one map per head"
        )

    batches = Loader(Repeats(), 64, shuffle=True, seed=config.seed)
    model = GPT2(TOKENS, LENGTH, 64, LAYERS, HEADS, dropout=0.0)
    optimizer = AdamW(model.parameters(), lr=config.lr, weight_decay=0.01)
    scheduler = LR_CosineDecayScheduler(optimizer, 100, config.steps)
    steps = 5 if config.smoke else config.steps
    options = {"scheduler": scheduler, "clip_norm": 1.0, "config": config.settings(), "seed": config.seed}
    Trainer(model, optimizer, language_model(), batches, run_dir=run_dir, steps=steps, **options).fit(config.resume)

    # Look at texts that were not used in training, all of period 16.
    fresh = torch.randint(0, TOKENS, (200, 16), generator=torch.Generator().manual_seed(10**6))
    text = fresh.repeat(1, LENGTH // 16)
    with torch.no_grad(), capture_attention(model.eval()) as seen:
        right = (model(text)[:, 16:-1].argmax(-1) == text[:, 17:]).float().mean()
    maps = [weights for (weights,) in seen.values()]
    queries = torch.arange(16, LENGTH)
    # The attention to the token after the earlier copy, 15 places back.
    induction = [m[:, :, queries, queries - 15].mean((0, 2)) for m in maps]
    layer, head = divmod(int(torch.cat(induction).argmax()), HEADS)
    share = 100 * induction[layer][head]
    title = f"layer {layer}, head {head} gives {share:.0f} % of its attention to the next token of the copy"
    attention_page([m[0] for m in maps], run_dir / "attention.png", title=title, marked=[(layer, head)])
    print(f"""
repeated tokens predicted {100 * right:.1f} % · expected {"anything, after 5 steps" if config.smoke else "98 or more"}
{title}
pictures                 {run_dir}/attention.png (every head), {run_dir}/curves.png (training)
the model                src/groundup/models/transformer_networks/gpt.py · Olsson et al. 2022, arXiv:2209.11895
GPT-2's own heads        python examples/transformer/attention_maps.py --model gpt2""")


if __name__ == "__main__":
    run(main)
