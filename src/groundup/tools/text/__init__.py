"""Ask text models, published or your own: for the next tokens, a translation, a missing word, similar words.

A training saves its model with `save`, in a folder that holds all that an answer needs:

    config.json  model.safetensors       the class, its arguments and its weights
    tokenizer.json                       of a language model, or
    source_tokenizer.json  target_tokenizer.json      of a translator
    vectors.txt                          alone: of word vectors, see `groundup.data.write_vectors`
"""

from groundup.tools.text.folders import MODELS, TRANSLATORS, load, load_translator, model_class, quoted, save
from groundup.tools.text.translation import save_translator, translate_sentences
from groundup.tools.text.words import VECTORS, fill, load_filler, save_and_fill, save_vectors, similar
from groundup.tools.text.writing import encode, end_of_text, save_and_write, write, write_as_commanded

__all__ = [
    "MODELS",
    "TRANSLATORS",
    "VECTORS",
    "save",
    "load",
    "load_translator",
    "load_filler",
    "model_class",
    "write",
    "write_as_commanded",
    "save_and_write",
    "encode",
    "end_of_text",
    "translate_sentences",
    "save_translator",
    "fill",
    "save_and_fill",
    "save_vectors",
    "similar",
    "quoted",
]
