"""Texts: tokenizers, windows of tokens for language models, sentence pairs, and words with their contexts."""
