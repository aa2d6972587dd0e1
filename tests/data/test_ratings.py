"""Ratings files: the layouts that MovieLens has had, and mistakes named by their line."""

import pytest
import torch

from groundup.data import Loader, Ratings, read_ratings, write_ratings


def write(tmp_path, text, name="u.data"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    "text",
    [
        "u1\ti7\t3\t881250949\nu2\ti7\t4.5\t0\n\nu1\ti9\t1\t5\n",
        "userId,movieId,rating,timestamp\nu1,i7,3,881250949\nu2,i7,4.5,0\nu1, i9 ,1.0,5\n",
        "u1::i7::3::978300760\nu2::i7::4.5::1\nu1::i9::1::1",
        "\nu1,i7,3\nu2,i7,4.5\nu1,i9,1",
    ],
    ids=["tabs", "commas, named", "colons", "three fields"],
)
def test_layouts(tmp_path, text):
    data = read_ratings(write(tmp_path, text))
    assert data.users.tolist() == [0, 1, 0]
    assert data.items.tolist() == [0, 0, 1]
    assert data.ratings.tolist() == [3.0, 4.5, 1.0]
    assert (data.user_names, data.item_names) == (("u1", "u2"), ("i7", "i9"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\t3\n1\t5\n", r"line 2: needs user, item and rating.*got '1', '5'"),
        ("1 2 3\n", "line 1: needs user, item and rating, separated by tabs, commas or '::'; got '1 2 3'"),
        ("1,2,3\n4,5,good\n", "line 2: the rating must be a finite number, got 'good'"),
        ("1,2,3\n4,5,nan\n", "line 2: the rating must be a finite number, got 'nan'"),
        ("1,2,3\n4,2,1\n1,2,5\n", "line 3: user '1' has rated item '2' before, in line 1; keep one"),
        ("1,i2,3x\n2,i3,4\n", "line 1: the rating must be a finite"),
        ("user,item,rating\n", "holds no rating"),
        ("", "holds no rating"),
    ],
)
def test_mistakes_are_named_by_their_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_ratings(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"lines of user, item, rating; .* is no file"):
        read_ratings(tmp_path / "nothing")


# ---- ratings as a dataset ----------------------------------------------------------------------------------------


def test_a_whole_table():
    table = torch.arange(12.0).view(4, 3)
    data = Ratings.of_table(table)
    assert len(data) == 12
    assert torch.equal(table[data.users, data.items], data.ratings)
    assert (len(data.user_names), len(data.item_names)) == (4, 3)
    assert repr(data) == "Ratings(12 by 4 users of 3 items: 100.0% of the table)"
    assert [int(value) for value in data[4]] == [1, 1, 4]


def test_a_split_is_disjoint_complete_and_the_seeds():
    data = Ratings.of_table(torch.arange(100.0).view(10, 10))
    rest, part = data.split(0.3, seed=1)
    assert (len(rest), len(part)) == (70, 30)
    assert torch.equal(torch.cat([rest.ratings, part.ratings]).sort().values, data.ratings)
    assert torch.equal(data.split(0.3, seed=1)[1].ratings, part.ratings)
    assert not torch.equal(data.split(0.3, seed=2)[1].ratings, part.ratings)
    assert part.user_names == data.user_names
    with pytest.raises(ValueError, match="fraction must be strictly between 0 and 1, got 1"):
        data.split(1.0)
    with pytest.raises(ValueError, match="leaves one of the parts empty"):
        data.split(0.001)


def test_item_means_know_no_user():
    data = Ratings(
        torch.tensor([0, 1, 0]), torch.tensor([2, 2, 0]), torch.tensor([1.0, 4.0, 7.0]), ("a", "b"), tuple("xyz")
    )
    assert data.item_means().tolist() == [7.0, 4.0, 2.5]  # nobody rated y


def test_a_loader_asks_for_whole_batches():
    data = Ratings.of_table(torch.arange(12.0).view(4, 3))
    batches = list(Loader(data, 5, shuffle=True))
    assert [len(part) for batch in batches for part in batch] == [5, 5, 5, 5, 5, 5, 2, 2, 2]
    users, items, ratings = (torch.cat(parts) for parts in zip(*batches))
    assert torch.equal(ratings, 3.0 * users + items)
    assert torch.equal(ratings.sort().values, data.ratings)


def test_a_first_line_that_is_passed_over_is_said(tmp_path, caplog):
    read_ratings(write(tmp_path, "userId,movieId,rating\n1,2,3\n"))
    assert "the first line is taken for the names of the columns: userId, movieId, rating" in caplog.text


def test_pairs_to_be_rated(tmp_path):
    pairs = read_ratings(write(tmp_path, "user,item\nAnn,Alien\nBob,Alien\n"), ((), ("Alien",)))
    assert (pairs.users.tolist(), pairs.items.tolist()) == ([0, 1], [0, 0])
    assert pairs.ratings.isnan().all()
    pairs = read_ratings(write(tmp_path, "Ann,Alien\n"), (("Ann",), ("Alien",)))
    assert pairs.user_names == ("Ann",)


def test_what_is_written_is_read(tmp_path):
    data = Ratings.of_table(torch.randn(3, 4))
    read = read_ratings(write_ratings(data, tmp_path / "own.csv"))
    assert torch.equal(read.ratings, data.ratings)
    assert torch.equal(read.items, data.items)
