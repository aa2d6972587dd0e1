"""The catalogue's Transformer networks."""

from __future__ import annotations

from groundup.catalogue.component import Component

_VASWANI = ("Vaswani et al. 2017, Attention Is All You Need", "https://arxiv.org/abs/1706.03762")
_RADFORD = (
    "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf",
)
_BROWN = ("Brown et al. 2020, Language Models are Few-Shot Learners", "https://arxiv.org/abs/2005.14165")
_CHILD = (
    "Child et al. 2019, Generating Long Sequences with Sparse Transformers",
    "https://arxiv.org/abs/1904.10509",
)
_LLAMA1 = (
    "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models",
    "https://arxiv.org/abs/2302.13971",
)
_LLAMA2 = (
    "Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models",
    "https://arxiv.org/abs/2307.09288",
)


def _row(
    number: int, name: str, summary: str, paper: tuple[str, str], oracle: str, *figures: tuple[str, str], example: str
) -> Component:
    return Component(
        number,
        name,
        "transformer",
        "groundup.models.transformer_networks",
        summary,
        *paper,
        oracle,
        figures=figures,
        example=example,
    )


ROWS = (
    _row(
        101,
        "TransformerEncoderLayer",
        "self-attention and feed-forward with residual connections",
        _VASWANI,
        "torch.nn.TransformerEncoderLayer",
        example="TransformerEncoderLayer(512, 8)(torch.randn(1, 10, 512))",
    ),
    _row(
        102,
        "TransformerEncoder",
        "a stack of encoder layers",
        _VASWANI,
        "torch.nn.TransformerEncoder",
        example="TransformerEncoder(TransformerEncoderLayer(512, 8), 6)(torch.randn(1, 10, 512))",
    ),
    _row(
        103,
        "TransformerDecoderLayer",
        "causal self-attention, attention to a memory, feed-forward",
        _VASWANI,
        "torch.nn.TransformerDecoderLayer",
        example="TransformerDecoderLayer(512, 8)(torch.randn(1, 10, 512), torch.randn(1, 12, 512))",
    ),
    _row(
        104,
        "TransformerDecoder",
        "a stack of decoder layers",
        _VASWANI,
        "torch.nn.TransformerDecoder",
        example="TransformerDecoder(TransformerDecoderLayer(512, 8), 6)(*[torch.randn(1, 10, 512)] * 2)",
    ),
    _row(
        105,
        "Transformer",
        "encoder and decoder for translation, with tied embeddings",
        _VASWANI,
        "torch.nn.Transformer between embeddings",
        ("parameters", "65 × 10⁶ base, 213 × 10⁶ big (table 3)"),
        ("BLEU, English to German", "27.3 base, 28.4 big (table 2)"),
        example="Transformer()(torch.randint(37000, (1, 25)), torch.randint(37000, (1, 25)))",
    ),
    _row(
        106,
        "GPT_TransformerBlock",
        "pre-norm causal block with GELU",
        _RADFORD,
        "transformers' GPT2Block",
        example="GPT_TransformerBlock(768, 12)(torch.randn(1, 1024, 768))",
    ),
    _row(
        107,
        "GPT_SparseTransformerBlock",
        "GPT block with banded or patterned sparse attention",
        _CHILD,
        "transformers' GPT2Block under an explicit mask; GPT-Neo's banded attention",
        example="GPT_SparseTransformerBlock(768, 12, 128)(torch.randn(1, 1024, 768))",
    ),
    _row(
        108,
        "GPT2",
        "causal language model, 124 million to 1.6 billion parameters",
        _RADFORD,
        "transformers' GPT2LMHeadModel",
        ("parameters", "117, 345, 762 and 1542 × 10⁶ (table 2, misprinted)"),
        example="GPT2()(torch.randint(50257, (1, 1024)))",
    ),
    _row(
        109,
        "GPT3",
        "alternating dense and banded layers, to 175 billion parameters",
        _BROWN,
        "GPT-2's blocks of transformers, every other under a banded mask",
        ("parameters", "125 × 10⁶ to 175 × 10⁹ (table 2.1)"),
        example="GPT3()(torch.randint(50257, (1, 2048)))",
    ),
    _row(
        110,
        "LLaMA_TransformerBlock",
        "RMSNorm, rotary grouped-query attention, SwiGLU",
        _LLAMA1,
        "transformers' LlamaDecoderLayer",
        example="LLaMA_TransformerBlock(4096, 32)(torch.randn(1, 1024, 4096), RotaryEncoding(128, 2048))",
    ),
    _row(
        111,
        "LLaMA1",
        "causal language model, 7 to 65 billion parameters",
        _LLAMA1,
        "transformers' LlamaForCausalLM",
        ("parameters", "6.7, 13.0, 32.5 and 65.2 × 10⁹ (table 2)"),
        example="LLaMA1()(torch.randint(32000, (1, 2048)))",
    ),
    _row(
        112,
        "LLaMA2",
        "LLaMA with twice the context and grouped queries at 70 billion",
        _LLAMA2,
        "transformers' LlamaForCausalLM",
        ("parameters", "7, 13 and 70 × 10⁹ (table 1)"),
        example="LLaMA2()(torch.randint(32000, (1, 4096)))",
    ),
)
