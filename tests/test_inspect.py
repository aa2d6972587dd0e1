"""summary: counts that can be done by hand, and no trace left on the model."""

import pytest
import torch
from torch import nn

from groundup.tools.inspect import summary


def small():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Linear(8 * 16, 5))


def test_counts_by_hand():
    report = summary(small(), (3, 4, 4))
    assert [(p.name, p.output, p.parameters, p.multiply_adds) for p in report.parts] == [
        ("0", (8, 4, 4), 8 * 3 * 9 + 8, 8 * 3 * 9 * 16),
        ("1", (128,), 0, 0),
        ("2", (5,), 128 * 5 + 5, 128 * 5),
    ]
    assert report.parameters == 224 + 645
    assert report.multiply_adds == 8 * 3 * 9 * 16 + 640


def test_depth_opens_the_tree():
    assert [p.name for p in summary(small(), (3, 4, 4), depth=2).parts] == ["0", "1.0", "1.1", "1", "2"]


def test_the_batch_of_a_tensor_does_not_change_the_count():
    assert summary(small(), torch.zeros(7, 3, 4, 4)).multiply_adds == summary(small(), (3, 4, 4)).multiply_adds


def test_the_model_is_left_alone():
    model = small().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    summary(model, (3, 4, 4))
    assert model.training
    assert all(not m._forward_hooks for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_shared_and_frozen_parameters():
    shared = nn.Linear(4, 4)
    shared.bias.requires_grad_(False)
    report = summary(nn.Sequential(shared, nn.ReLU(), shared), (4,))
    assert report.parameters == 20
    assert report.trainable == 16
    assert report.multiply_adds == 32


def test_it_takes_no_memory():
    """A model that would need 40 GB is summarised on the meta device."""
    with torch.device("meta"):
        model = nn.Linear(100_000, 100_000)
    assert summary(nn.Sequential(model), (100_000,)).parameters == 100_000 * 100_001


def test_the_table():
    text = str(summary(small(), (3, 4, 4)))
    assert "input 3 × 4 × 4" in text
    assert "8 × 4 × 4" in text
    assert text.splitlines()[-1].split() == ["total", "Sequential", "5", "869", "4,096"]
    assert len({len(line) for line in text.splitlines() if line.startswith("─")}) == 1


def stack(count=12):
    """Alike blocks in a list, as language models have them, between a table and a head."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(11, 4), nn.Linear(4, 11)
            self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(count))

        def forward(self, tokens, scale=None):
            x = self.table(tokens)
            for block in self.blocks:
                x = block(x)
            return (self.head(x), x)

    return Model()


def test_a_list_of_modules_is_no_level():
    report = summary(stack(2), torch.zeros(3, 5, dtype=torch.long))
    assert [p.name for p in report.parts] == ["table", "blocks.0", "blocks.1", "head"]
    assert report.inputs == ((5,),)
    assert report.output == (5, 11)
    assert report.multiply_adds == 5 * (2 * 16 + 44)


def test_equal_layers_share_a_line():
    lines = str(summary(stack(), torch.zeros(1, 5, dtype=torch.long), depth=2)).splitlines()
    rows = [line.split() for line in lines if line.startswith("blocks")]
    assert [row[0] for row in rows] == ["blocks.0–11.0", "blocks.0–11.1", "blocks.0–11"]
    assert rows[-1] == ["blocks.0–11", "Sequential", "5", "×", "4", "240", "960"]
    alternating = stack(8)
    for i in (1, 3, 5, 7):
        alternating.blocks[i] = nn.Linear(4, 4, bias=False)
    lines = str(summary(alternating, torch.zeros(1, 5, dtype=torch.long))).splitlines()
    assert [line[:17] for line in lines if line.startswith("blocks")] == ["blocks.0, 2, … 6 ", "blocks.1, 3, … 7 "]
    alternating.blocks = alternating.blocks[:4]
    lines = str(summary(alternating, torch.zeros(1, 5, dtype=torch.long))).splitlines()
    assert [line[:12] for line in lines if line.startswith("blocks")] == ["blocks.0, 2 ", "blocks.1, 3 "]


def test_the_table_fits_its_width():
    kind = type("ALayerWithANameThatIsLongerThanAnyoneWouldLikeItToBe", (nn.Linear,), {})
    report = summary(nn.Sequential(kind(1000, 1000)), (1000,))
    assert max(map(len, str(report).splitlines())) <= 80
    assert "ALayerWithAName" in str(report)
    assert "1,001,000" in str(report)  # numbers are never cut
    assert kind.__name__ in report.format(120)


def test_a_notebook_shows_a_table():
    report = summary(stack(2), torch.zeros(1, 5, dtype=torch.long))
    html = report._repr_html_()
    assert html.count("<tr>") == 5
    assert "blocks.0–1" in html
    assert summary(nn.Sequential(type("<b>", (nn.ReLU,), {})()), (3,))._repr_html_().count("<b>") == 0


def test_what_has_no_input_and_what_takes_no_tensor():
    class Constant(nn.Module):
        def forward(self, scale=2.0):
            return torch.ones(3, 4) * scale

    assert str(summary(Constant())).startswith("no input\n")
    assert summary(Constant(), 3.0).output == (3, 4)


@pytest.mark.usefixtures("untyped")
def test_errors():
    with pytest.raises(ValueError, match="inputs: give the shape of one sample"):
        summary(small())
