"""Bad input: a clear error that names the argument, what came and what to do, in either body."""

import re

import pytest

from groundup import backend
from groundup.component import all_components
from rows.registry import BAD_INPUTS


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", ["auto", "reference"])
@pytest.mark.parametrize(
    ("call", "error", "words"), [row[1:] for row in BAD_INPUTS], ids=[f"{row[0]}: {row[3][:40]}" for row in BAD_INPUTS]
)
def test_bad_input(call, error, words, mode):
    with backend(mode), pytest.raises(error, match=re.escape(words)):
        call()


def test_every_layer_and_model_is_given_bad_input():
    expected = {c.name for c in all_components() if c.family != "optimizers"}
    assert expected <= {row[0] for row in BAD_INPUTS}
