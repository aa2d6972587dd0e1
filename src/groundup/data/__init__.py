"""Data: embedded, downloaded and your own, as tensors in memory; batch transforms; loaders that can be resumed.

train, test = load("digits")                        # or "mnist", "cifar10", "path/to/your/folder"
batches = Loader(train, 64, shuffle=True, transform=Compose(ToFloat(), RandomShift(1)))
"""

from groundup.data.download import DamagedFileError, DownloadError, cache_folder, fetch
from groundup.data.graphs.edges import Edges, read_edges
from groundup.data.graphs.files import (
    folds,
    gin_graphs,
    load_graphs,
    read_gin,
    read_graph_folder,
    read_tu,
    tu_graphs,
)
from groundup.data.graphs.generated import karate_club, motif_graphs, planted_graph
from groundup.data.graphs.graph import Graph
from groundup.data.graphs.own import load_graph, read_graph, write_graph
from groundup.data.graphs.planetoid import planetoid
from groundup.data.graphs.sampling import NeighbourSampler, NodeSet, Sample, random_walks
from groundup.data.graphs.sets import GraphBatch, GraphSet, PaddedBatch
from groundup.data.load import NAMES, load
from groundup.data.loader import Loader
from groundup.data.tables.delimited import Sheet, read_sheet
from groundup.data.tables.encoder import Column, Encoder
from groundup.data.tables.mackey_glass import mackey_glass
from groundup.data.tables.ratings import Ratings, read_ratings, write_ratings
from groundup.data.tables.sources import Table, breast_cancer, load_table, read_table, two_moons, wine, write_table
from groundup.data.text.multi30k import multi30k
from groundup.data.text.number_names import number_name, number_pairs
from groundup.data.text.pairs import PAIRS, load_pairs, load_parallel, read_pairs
from groundup.data.text.sequences import BucketLoader, ParallelText, SentenceBatch, TextWindows, padded
from groundup.data.text.sources import (
    TEXTS,
    first_words,
    load_text,
    python_reference,
    split_text,
    tiny_shakespeare,
    words,
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
from groundup.data.text.windows import (
    TokenWindows,
    load_tokenizer,
    open_tokens,
    prepare_tokens,
    train_byte_pairs,
    window_length,
    write_tokens,
)
from groundup.data.text.word_contexts import WordContexts, cbow_windows, keep_probability, skip_gram_pairs, subsample
from groundup.data.text.word_vectors import read_vectors, write_vectors
from groundup.data.vision.cifar import cifar10
from groundup.data.vision.digits import digits
from groundup.data.vision.image_data import ImageData
from groundup.data.vision.image_folder import image_folder
from groundup.data.vision.letters import letters
from groundup.data.vision.mnist import fashion_mnist, mnist
from groundup.data.vision.photo import read_photo, write_photo
from groundup.data.vision.preprocessing import ImagePreprocessing
from groundup.data.vision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    Rescale,
    Resize,
    ResizeShortest,
    ToFloat,
    augmentation,
)

__all__ = [
    "load",
    "NAMES",
    "digits",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "image_folder",
    "letters",
    "mackey_glass",
    "load_text",
    "split_text",
    "first_words",
    "TEXTS",
    "python_reference",
    "tiny_shakespeare",
    "words",
    "TokenWindows",
    "window_length",
    "train_byte_pairs",
    "write_tokens",
    "open_tokens",
    "prepare_tokens",
    "load_tokenizer",
    "Vocabulary",
    "Tokenizer",
    "CharacterTokenizer",
    "WordTokenizer",
    "BytePairTokenizer",
    "PAD",
    "START",
    "END",
    "UNKNOWN",
    "number_name",
    "number_pairs",
    "multi30k",
    "load_pairs",
    "load_parallel",
    "PAIRS",
    "read_pairs",
    "ParallelText",
    "SentenceBatch",
    "BucketLoader",
    "TextWindows",
    "padded",
    "WordContexts",
    "keep_probability",
    "subsample",
    "read_vectors",
    "write_vectors",
    "skip_gram_pairs",
    "cbow_windows",
    "read_ratings",
    "write_ratings",
    "Ratings",
    "read_photo",
    "write_photo",
    "ImagePreprocessing",
    "ImageData",
    "breast_cancer",
    "wine",
    "two_moons",
    "Table",
    "load_table",
    "read_table",
    "write_table",
    "Sheet",
    "read_sheet",
    "Column",
    "Encoder",
    "Edges",
    "read_edges",
    "Graph",
    "load_graph",
    "read_graph",
    "write_graph",
    "read_graph_folder",
    "GraphSet",
    "GraphBatch",
    "PaddedBatch",
    "karate_club",
    "planetoid",
    "planted_graph",
    "motif_graphs",
    "load_graphs",
    "gin_graphs",
    "tu_graphs",
    "read_gin",
    "read_tu",
    "folds",
    "NeighbourSampler",
    "NodeSet",
    "Sample",
    "random_walks",
    "Loader",
    "Compose",
    "ToFloat",
    "augmentation",
    "Normalize",
    "Rescale",
    "Pad",
    "Resize",
    "ResizeShortest",
    "CenterCrop",
    "RandomAffine",
    "RandomCrop",
    "RandomShift",
    "RandomHorizontalFlip",
    "fetch",
    "cache_folder",
    "DownloadError",
    "DamagedFileError",
]
