"""Data sets, embedded, downloaded or your own, as tensors in memory; transforms of batches; resumable loaders.

train, test = load("digits")                        # or "mnist", "cifar10", "path/to/your/folder"
batches = Loader(train, 64, shuffle=True, transform=Compose(ToFloat(), RandomShift(1)))
"""

from groundup.data.download import DamagedFileError, DownloadError, cache_folder, fetch
from groundup.data.graphs.built_in import karate_club, motif_graphs, planted_graph, power_law_graph
from groundup.data.graphs.edge_list import Edges, read_edges
from groundup.data.graphs.graph import Graph
from groundup.data.graphs.graph_files import (
    folds,
    gin_graphs,
    load_graphs,
    read_gin,
    read_graph_folder,
    read_tu,
    tu_graphs,
)
from groundup.data.graphs.graph_folder import load_graph, read_graph, write_graph
from groundup.data.graphs.graph_set import GraphBatch, GraphSet, PaddedBatch
from groundup.data.graphs.planetoid import planetoid
from groundup.data.graphs.sampling import NeighbourSampler, NodeSet, Sample, random_walks
from groundup.data.loader import Loader
from groundup.data.registry import IMAGES as NAMES
from groundup.data.registry import PAIRS, TEXTS, import_data_sets
from groundup.data.tables.delimited import Sheet, read_sheet
from groundup.data.tables.encoder import Column, Encoder
from groundup.data.tables.mackey_glass import mackey_glass
from groundup.data.tables.ratings import Ratings, read_ratings, write_ratings
from groundup.data.tables.table import Table, breast_cancer, load_table, read_table, two_moons, wine, write_table
from groundup.data.text.batches import BucketLoader, ParallelText, SentenceBatch, TextWindows, pad_sequences
from groundup.data.text.corpora import (
    first_words,
    load_text,
    python_reference,
    split_text,
    tiny_shakespeare,
    words,
)
from groundup.data.text.multi30k import multi30k
from groundup.data.text.number_words import number_name, number_pairs
from groundup.data.text.sentence_pairs import load_pairs, load_parallel, read_pairs
from groundup.data.text.token_files import (
    TokenWindows,
    load_tokenizer,
    open_tokens,
    prepare_tokens,
    train_byte_pairs,
    window_length,
    write_tokens,
)
from groundup.data.text.tokenizers import (
    END,
    PAD,
    START,
    UNKNOWN,
    BytePairTokenizer,
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
)
from groundup.data.text.vocabulary import Vocabulary
from groundup.data.text.word_contexts import WordContexts, cbow_windows, keep_probability, skip_gram_pairs, subsample
from groundup.data.text.word_vectors import read_vectors, write_vectors
from groundup.data.vision.cifar import cifar10
from groundup.data.vision.digits import digits
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_files import read_photo, write_photo
from groundup.data.vision.image_folder import image_folder, load
from groundup.data.vision.letters import letters
from groundup.data.vision.mnist import fashion_mnist, mnist
from groundup.data.vision.preprocessing import ImagePreprocessing
from groundup.data.vision.random_transforms import (
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    augmentation,
)
from groundup.data.vision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    Pad,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
)

import_data_sets(__path__, __name__)

__all__ = [
    # images
    "load", "NAMES", "digits", "mnist", "fashion_mnist", "cifar10", "image_folder", "letters", "read_photo",
    "write_photo", "ImageData", "ImagePreprocessing", "Compose", "ToFloat", "augmentation", "Normalize", "Rescale",
    "Pad", "Resize", "ResizeShortest", "CenterCrop", "RandomAffine", "RandomCrop", "RandomShift",
    "RandomHorizontalFlip",
    # texts
    "load_text", "split_text", "first_words", "TEXTS", "python_reference", "tiny_shakespeare", "words", "Vocabulary",
    "Tokenizer", "CharacterTokenizer", "WordTokenizer", "BytePairTokenizer", "PAD", "START", "END", "UNKNOWN",
    "TokenWindows", "TextWindows", "window_length", "train_byte_pairs", "write_tokens", "open_tokens",
    "prepare_tokens", "load_tokenizer", "WordContexts", "keep_probability", "subsample", "skip_gram_pairs",
    "cbow_windows", "read_vectors", "write_vectors",
    # pairs of sentences
    "load_pairs", "load_parallel", "PAIRS", "read_pairs", "number_name", "number_pairs", "multi30k", "ParallelText",
    "SentenceBatch", "BucketLoader", "pad_sequences",
    # tables
    "load_table", "read_table", "write_table", "Table", "breast_cancer", "wine", "two_moons", "read_ratings",
    "write_ratings", "Ratings", "Sheet", "read_sheet", "Column", "Encoder", "mackey_glass",
    # graphs
    "load_graph", "read_graph", "write_graph", "Graph", "Edges", "read_edges", "karate_club", "planetoid",
    "power_law_graph", "planted_graph", "load_graphs", "read_graph_folder", "GraphSet", "GraphBatch", "PaddedBatch",
    "motif_graphs", "gin_graphs", "tu_graphs", "read_gin", "read_tu", "folds", "NeighbourSampler", "NodeSet",
    "Sample", "random_walks",
    # all
    "Loader", "fetch", "cache_folder", "DownloadError", "DamagedFileError",
]  # fmt: skip
