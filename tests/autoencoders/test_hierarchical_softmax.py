"""Hierarchical softmax: Huffman's tree, checked against a heap, and probabilities, against the whole tree."""

import math

import pytest
import torch

from groundup.autoencoders import HierarchicalSoftmax, Word2Vec, huffman_paths
from parity import randomise, seeded_randn
from rows.autoencoders import huffman_codes

DISTINCT = [40, 21, 1, 8, 13, 2, 5, 3, 90, 34]


def below(paths):
    """inner node -> {+1: its words on the first branch, -1: those on the second}."""
    nodes = {}
    for word, walk in enumerate(paths.tolist()):
        for turn in walk:
            if turn:
                nodes.setdefault(abs(turn) - 1, {1: set(), -1: set()})[1 if turn > 0 else -1].add(word)
    return nodes


def cost(counts, lengths):
    return sum(c * n for c, n in zip(counts, lengths))


def test_the_tree_is_huffmans():
    """Counts without ties have one tree: each inner node holds the words that a heap puts together."""
    paths = huffman_paths(torch.tensor(DISTINCT).double())
    codes = huffman_codes(DISTINCT)
    assert {frozenset(n[1] | n[-1]) for n in below(paths).values()} == {
        frozenset(node) for code in codes.values() for node, _ in code
    }
    assert [(walk != 0).sum().item() for walk in paths] == [len(codes[word]) for word in range(len(DISTINCT))]


@pytest.mark.parametrize("seed", range(5))
def test_ties_cost_nothing(seed):
    """With equal counts and zeros, trees differ; the sum of count × length is least in all of them."""
    counts = torch.randint(0, 6, (23,), generator=torch.Generator().manual_seed(seed))
    counts[0] = 3
    lengths = (huffman_paths(counts.double()) != 0).sum(1).tolist()
    by_a_heap = [len(code) for code in huffman_codes(counts.tolist()).values()]
    assert cost(counts.tolist(), lengths) == cost(counts.tolist(), by_a_heap)
    assert sum(2.0**-n for n in lengths) == 1.0  # Kraft's equality: no branch leads nowhere


def test_every_walk_is_one_of_a_tree():
    """V - 1 inner nodes; the root holds all words; each node's two branches are disjoint and not empty."""
    paths = huffman_paths(torch.tensor(DISTINCT).double())
    nodes = below(paths)
    assert sorted(nodes) == list(range(len(DISTINCT) - 1))
    assert all(n[1] and n[-1] and not n[1] & n[-1] for n in nodes.values())
    root = len(DISTINCT) - 2
    assert nodes[root][1] | nodes[root][-1] == set(range(len(DISTINCT)))
    for walk in paths.tolist():  # up from the leaf, each node above the one before, the root last
        turns = [abs(t) - 1 for t in walk if t]
        assert turns == sorted(turns)
        assert turns[-1] == root


def test_without_counts_it_is_balanced():
    for V in (2, 3, 8, 13):
        lengths = (HierarchicalSoftmax(V, 2).paths != 0).sum(1)
        assert lengths.max() == math.ceil(math.log2(V))
        assert lengths.min() == math.floor(math.log2(V))


def test_frequent_words_stand_near_the_root():
    counts = [2**i for i in range(10)]
    lengths = (huffman_paths(torch.tensor(counts).double()) != 0).sum(1).tolist()
    assert lengths == [9, 9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_probabilities_are_those_of_the_whole_tree(mode):
    """The mass of 1 poured in at the root, split at every fork: what arrives at the leaves."""
    V = len(DISTINCT)
    model = randomise(Word2Vec(V, 4, mode, "hierarchical_softmax", DISTINCT).double())
    words = torch.tensor([3, 0, 9]) if mode == "skipgram" else torch.tensor([[3, 1], [0, 0], [9, 2]])
    h = model.hidden(words)
    log_p = model(words, torch.arange(V).expand(3, V))
    nodes = below(model.output.paths)
    for row in range(3):
        mass = torch.ones(V, dtype=torch.float64)
        for node, branches in nodes.items():
            right = torch.sigmoid(h[row] @ model.output.weight[node]).item()
            for word in branches[1]:
                mass[word] *= right
            for word in branches[-1]:
                mass[word] *= 1 - right
        torch.testing.assert_close(log_p[row].exp().detach(), mass, rtol=1e-10, atol=0)


@pytest.mark.parametrize("V", [2, 3, 50])
def test_probabilities_sum_to_one(V):
    head = randomise(HierarchicalSoftmax(V, 5, torch.randint(0, 9, (V,)) + 1).double())
    total = head(10 * seeded_randn(4, 5), torch.arange(V).expand(4, V)).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(4, dtype=torch.float64), rtol=1e-12, atol=0)


def test_it_begins_as_fair_coins():
    head = HierarchicalSoftmax(10, 4, DISTINCT)
    lengths = (head.paths != 0).sum(1)
    log_p = head(torch.randn(10, 4), torch.arange(10))
    torch.testing.assert_close(log_p, -math.log(2) * lengths)


def test_loss_is_minus_the_log_probability_and_finite_at_saturation():
    head = randomise(HierarchicalSoftmax(10, 4, DISTINCT))
    h, target = 1e4 * torch.randn(3, 4), torch.tensor([0, 5, 9])
    assert torch.equal(head.loss(head(h, head.candidates(target))), -head(h, target))
    assert head(h, target).isfinite().all()


def test_the_state_dict_holds_the_tree():
    source, target = (HierarchicalSoftmax(10, 4, c) for c in (DISTINCT, DISTINCT[::-1]))
    target.load_state_dict(source.state_dict())
    assert torch.equal(source.paths, target.paths)
    with pytest.raises(RuntimeError, match="paths"):
        HierarchicalSoftmax(10, 4).load_state_dict(source.state_dict())  # a tree of another depth
