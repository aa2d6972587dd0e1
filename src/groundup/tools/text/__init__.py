"""Ask text models, published or your own: for a continuation, a translation, a missing word, or similar words.

A training saves its model with `save`, in a folder that contains everything that an answer needs:

    config.json  model.safetensors       the class, its arguments and its weights
    tokenizer.json                       of a language model, or
    source_tokenizer.json  target_tokenizer.json      of a translator
    vectors.txt                          of word vectors, alone: see `groundup.data.write_vectors`
"""

from groundup.tools.text.continuation import encode, end_of_text, save_and_write, write, write_as_command
from groundup.tools.text.model_folders import (
    find_model_class,
    list_text_models,
    load,
    load_translator,
    quote,
    save,
)
from groundup.tools.text.translation import save_translator, translate_sentences
from groundup.tools.text.words import VECTORS, fill, load_filler, save_and_fill, save_vectors, similar

__all__ = [
    "VECTORS",
    "list_text_models",
    "find_model_class",
    "save",
    "load",
    "load_translator",
    "load_filler",
    "write",
    "write_as_command",
    "save_and_write",
    "encode",
    "end_of_text",
    "translate_sentences",
    "save_translator",
    "fill",
    "save_and_fill",
    "save_vectors",
    "similar",
    "quote",
]
