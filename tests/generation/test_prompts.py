"""Generation: cached equals uncached, together equals alone, token for token."""

import pytest
import torch

from groundup.generation import generate
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA2
from parity import randomise

SIZES = {"vocab_size": 13, "embed_dim": 8, "num_layers": 2, "num_heads": 2}
PROMPTS = [[3, 4, 5, 6, 7, 8, 9], [1, 2], [12], [5, 5, 0, 11]]


def make(cls, context=24):
    options = {"dropout": 0.0} if issubclass(cls, GPT2) else {}
    options |= {"window": 3} if cls is GPT3 else {}
    model = randomise(cls(context=context, **SIZES, **options).double(), seed=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    return model


def uncached(model, prompt, count, keep=None):
    """The likeliest token each time, of the whole text, or of the window that slides."""
    text, first = list(prompt), max(0, len(prompt) - model.context)
    with torch.no_grad():
        for _ in range(count):
            if len(text) - first > model.context:
                first = len(text) - keep
            text.append(int(model(torch.tensor([text[first:]]))[0, -1].argmax()))
    return text[len(prompt) :]


@pytest.mark.parametrize("cls", [GPT2, GPT3, LLaMA2])
def test_cached_is_uncached(cls):
    model = make(cls)
    for prompt in PROMPTS[:2]:
        expected = uncached(model, prompt, 7)
        for chunk in (1, 3, 512):
            found = generate(model, [prompt], max_new_tokens=7, temperature=0.0, chunk=chunk)
            assert found.tokens[0].tolist() == expected
    # log_p is the model's, summed
    text = [*prompt, *found.tokens[0].tolist()]
    log_p = model(torch.tensor([text]))[0].log_softmax(-1)
    total = sum(log_p[i - 1, text[i]] for i in range(len(prompt), len(text)))
    torch.testing.assert_close(found.log_p[0], total.detach())


@pytest.mark.parametrize("cls", [GPT2, GPT3, LLaMA2])
@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"width": 3, "stop": 4}, {"temperature": 0.0, "repetition_penalty": 1.5}]
)
def test_together_is_alone(cls, options):
    model = make(cls)
    together = generate(model, PROMPTS, max_new_tokens=9, chunk=3, **options)
    for b, prompt in enumerate(PROMPTS):
        alone = generate(model, [prompt], max_new_tokens=9, **options)
        n = int(alone.lengths[0])
        assert together.tokens[b, :n].tolist() == alone.tokens[0, :n].tolist()
        assert int(together.lengths[b]) == n
        torch.testing.assert_close(together.log_p[b], alone.log_p[0])


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_tensors_are_lists(side):
    model = make(GPT2)
    longest = max(map(len, PROMPTS))
    rows, real = [], []
    for prompt in PROMPTS:
        fill = [0] * (longest - len(prompt))
        rows.append(fill + prompt if side == "left" else prompt + fill)
        real.append(
            [False] * len(fill) + [True] * len(prompt) if side == "left" else [True] * len(prompt) + [False] * len(fill)
        )
    options = {"max_new_tokens": 8, "temperature": 0.0}
    padded = generate(model, torch.tensor(rows), mask=torch.tensor(real), **options)
    assert torch.equal(padded.tokens, generate(model, PROMPTS, **options).tokens)


@pytest.mark.parametrize("cls", [GPT2, GPT3, LLaMA2])
def test_past_the_context_it_slides(cls):
    """When full, it goes on with the newest half: as a model without a cache that sees that window."""
    model = make(cls, context=8)
    for prompt in ([3, 4, 5, 6, 7, 8, 9], list(range(12))):
        found = generate(model, [prompt], max_new_tokens=14, temperature=0.0, past_context="slide", chunk=3)
        assert found.tokens[0].tolist() == uncached(model, prompt, 14, keep=4)


@pytest.mark.parametrize("cls", [GPT2, GPT3, LLaMA2])
@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"width": 2, "stop": 4}])
def test_rows_slide_one_by_one(cls, options):
    """A row keeps what it would see alone, whatever the others' lengths; one is longer than the context."""
    model = make(cls, context=8)
    rows = [*PROMPTS, list(range(12))]
    together = generate(model, rows, max_new_tokens=14, past_context="slide", chunk=3, **options)
    for b, prompt in enumerate(rows):
        alone = generate(model, [prompt], max_new_tokens=14, past_context="slide", **options)
        n = int(alone.lengths[0])
        assert together.tokens[b, :n].tolist() == alone.tokens[0, :n].tolist()
        torch.testing.assert_close(together.log_p[b], alone.log_p[0])


def test_blocks_computed_again_keep_their_cache():
    model = make(LLaMA2)
    expected = generate(model, PROMPTS, max_new_tokens=6, temperature=0.0).tokens
    model.train().gradient_checkpointing = True
    assert torch.equal(generate(model, PROMPTS, max_new_tokens=6, temperature=0.0).tokens, expected)


@pytest.mark.parametrize("cls", [GPT2, GPT3, LLaMA2])
def test_under_autocast(cls):
    """The cache is of the type that autocast gives to keys and values."""
    model = make(cls).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert generate(model, PROMPTS, max_new_tokens=3, temperature=0.0).tokens.shape == (4, 3)


def test_prompts_go_where_the_model_is():
    model = make(GPT2).to("meta")
    with pytest.raises(ValueError, match="prompts are on cpu, and the model on meta"):
        generate(model, torch.tensor([[1, 2]]), max_new_tokens=3)


def test_a_temperature_next_to_nothing_takes_the_likeliest():
    model = make(GPT2)
    cold = generate(model, PROMPTS, max_new_tokens=9, temperature=1e-42)
    assert torch.equal(cold.tokens, generate(model, PROMPTS, max_new_tokens=9, temperature=0.0).tokens)


def test_it_ends_at_a_stop_token_and_tells_tokens_as_they_come():
    model = make(GPT2)
    free = generate(model, [[1, 2]], max_new_tokens=10, temperature=0.0).tokens[0].tolist()
    stop = free[4]
    told = []
    found = generate(
        model, [[1, 2]], max_new_tokens=10, temperature=0.0, stop=[stop], on_token=lambda t: told.append(int(t))
    )
    n = free.index(stop) + 1
    assert found.tokens[0].tolist() == told == free[:n]
    assert bool(found.ended[0])


def test_a_seed_is_a_text():
    model = make(GPT2)

    def text(seed, **options):
        generator = torch.Generator().manual_seed(seed)
        return generate(model, PROMPTS, max_new_tokens=9, generator=generator, **options).tokens.tolist()

    assert text(1) == text(1) != text(2)
    assert text(1, top_k=1) == text(2, temperature=0.0)
    assert text(1, top_k=13) == text(1)  # as many as there are


@pytest.mark.usefixtures("untyped")
def test_what_is_refused():
    model = make(GPT2)
    for words, change in (
        ("prompts: number 1 is empty", {"prompts": [[1], []]}),
        ("prompts must hold at least one prompt", {"prompts": []}),
        (r"prompts must lie in \[0, 12\], vocab_size being 13, got 13", {"prompts": [[13]]}),
        ("the longest prompt has 23 tokens, and 3 more do not fit into context=24", {"prompts": [[1] * 23]}),
        ("top_k must be at most vocab_size=13, got 100", {"top_k": 100}),
        ("past_context must be one of 'refuse', 'slide'", {"past_context": "crop"}),
        ("mask belongs to prompts in one tensor", {"mask": torch.ones(1, 1, dtype=torch.bool)}),
        ("max_new_tokens must be at least 1, got 0", {"max_new_tokens": 0}),
        ("width must be at least 1, got 0", {"width": 0}),
        ("top_p does not go with width=2, a beam search", {"width": 2, "top_p": 0.9, "stop": 1}),
        ("repetition_penalty does not go with width=2", {"width": 2, "repetition_penalty": 1.3, "stop": 1}),
        (r"top_p must be a finite number in \[0.0, 1.0\], got 5", {"top_p": 5, "temperature": 0}),
        (r"prompts: number 0 must be a list of tokens, got 1; one is \[\[1, 2\]\]", {"prompts": [1, 2]}),
    ):
        with pytest.raises(ValueError, match=words):
            generate(model, **{"prompts": [[1, 2]], "max_new_tokens": 3, **change})
    with pytest.raises(ValueError, match="mask must be boolean and of prompts' shape"):
        generate(model, torch.ones(1, 2, dtype=torch.int64), mask=torch.ones(1, 3, dtype=torch.bool), max_new_tokens=1)
    words = r"mask must be boolean .* got torch.int64 of shape \(1, 2\); ones and zeros with mask.bool\(\)"
    with pytest.raises(ValueError, match=words):  # as transformers' attention_mask is
        generate(model, torch.ones(1, 2, dtype=torch.int64), mask=torch.ones(1, 2).long(), max_new_tokens=1)
    for rows, words in (
        ("a text", r"prompts must be lists of tokens, .*, got 'a text' \(str\): encode texts first"),
        (None, r"prompts must be lists of tokens, .*, got None \(NoneType\)"),
        ([[1], "a text"], "prompts: number 1 must be a list of tokens, got 'a text'; encode texts with"),
        ([[1, None]], r"prompts: number 0 must be a list of tokens, got \[1, None\]"),
    ):
        with pytest.raises(TypeError, match=words):
            generate(model, rows, max_new_tokens=1)
    with pytest.raises(TypeError, match=r"model must be a language model, with begin, step, .*, got Linear"):
        generate(torch.nn.Linear(2, 2), [[1]], max_new_tokens=1)
    for rows in ([[1.9, 2.7]], [[True, False]]):
        with pytest.raises(TypeError, match="prompts must be int64 or int32"):
            generate(model, rows, max_new_tokens=1)


def test_no_token_is_at_the_last_place_of_the_context():
    """24 places hold a prompt of 4 and 20 new tokens, and the last of 21 needs no place."""
    model = make(GPT2)
    assert generate(model, [[1, 2, 3, 4]], max_new_tokens=21, temperature=0.0).tokens.shape == (1, 21)


@pytest.mark.usefixtures("untyped")
def test_a_compiled_step_is_compiled_for_all_lengths():
    """Once for the first, once for any: the cache's length is a number that the graph leaves open."""
    model, graphs = make(LLaMA2), []
    expected = generate(model, [[1, 2, 3]], max_new_tokens=8, temperature=0.0).tokens
    torch._dynamo.reset()
    model.step = torch.compile(model.step, fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph)
    found = generate(model, [[1, 2, 3]], max_new_tokens=8, temperature=0.0).tokens
    assert torch.equal(found, expected)
    assert 0 < len(graphs) <= 3
