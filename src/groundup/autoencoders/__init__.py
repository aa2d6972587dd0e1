"""Representations learned without labels: factors of tables, linear autoencoders, and vectors of words."""

from groundup.autoencoders.hierarchical_softmax import HierarchicalSoftmax, huffman_paths
from groundup.autoencoders.linear import AutoencoderLinear
from groundup.autoencoders.matrix_factorization import MatrixFactorization
from groundup.autoencoders.negative_sampling import NegativeSampling, noise_distribution
from groundup.autoencoders.word2vec import Word2Vec

__all__ = [
    "MatrixFactorization",
    "AutoencoderLinear",
    "Word2Vec",
    "NegativeSampling",
    "HierarchicalSoftmax",
    "noise_distribution",
    "huffman_paths",
]
