"""Generation of sequences, token by token: greedy, by sampling, or by beam search.

It works with any model that has a step, recurrent or with a cache of keys and values:

    step(tokens (B,), state) -> (logits (B, V), state)      scores of the next tokens, and the state after `tokens`
    reorder(state, index)                                   the state of the rows `index`, in that order

    names = beam_search(model.step, start, state, max_len=40, stop=END, width=5)
    text = sample(model.step, start, state, max_len=200, temperature=0.8, on_token=lambda t: print(decode(t), end=""))

    story = generate(model, [prompt, another], max_new_tokens=100, top_p=0.9)        # language models, from prompts

`start` is the first token of a decoder, or the last one of a prompt whose other tokens the state has seen already.
"""

from groundup.generation.beam import beam_search
from groundup.generation.logits import penalize_repetition, top_k_filter, top_p_filter
from groundup.generation.prompts import generate
from groundup.generation.sampling import greedy, sample
from groundup.generation.state import Sequences, Step, reorder

__all__ = [
    "Step",
    "reorder",
    "Sequences",
    "greedy",
    "sample",
    "beam_search",
    "generate",
    "top_k_filter",
    "top_p_filter",
    "penalize_repetition",
]
