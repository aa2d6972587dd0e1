"""The catalogue's attention networks: translation."""

from __future__ import annotations

from groundup.catalogue.component import Component

_BAHDANAU = (
    "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    "https://arxiv.org/abs/1409.0473",
)


def _row(number: int, name: str, summary: str, oracle: str, example: str) -> Component:
    return Component(
        number, name, "attention", "groundup.models.attention_networks", summary, *_BAHDANAU, oracle, example
    )


ROWS = (
    _row(
        98,
        "AttentionEncoder",
        "bidirectional encoder of a sentence",
        "a loop over appendix A.2.1",
        "AttentionEncoder(30000)(torch.randint(30000, (1, 20)))",
    ),
    _row(
        99,
        "AttentionDecoder",
        "decoder that attends to the source before every word",
        "a loop over appendices A.1.2 and A.2.2",
        "AttentionDecoder(30000)(torch.randint(30000, (1, 20)), torch.randn(1, 20, 2000))",
    ),
    _row(
        100,
        "BahdanauAttention",
        "translation with learned alignment",
        "a loop over the appendix",
        "BahdanauAttention(30000, 30000)(torch.randint(30000, (1, 20)), torch.randint(30000, (1, 20)))",
    ),
)
