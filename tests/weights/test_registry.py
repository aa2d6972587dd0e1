"""What is published: found by itself, and every row of it sound."""

import pytest
import torch
from torchvision.models._meta import _IMAGENET_CATEGORIES

import groundup.weights
from groundup.data import read_photo
from groundup.tools.classify import image_classifiers
from groundup.weights import Preprocessing, class_names, published_weights, registry, to_ours, to_theirs
from groundup.weights.matching import candidate_from_row

ROWS = published_weights()


def test_a_file_in_the_folder_is_found_by_itself(tmp_path, monkeypatch):
    (tmp_path / "toy_published.py").write_text(
        "from groundup.weights.registry import Published\n"
        "PUBLISHED = (Published('zoo/a', 'A', '', (), 'hf://zoo/a.v1/model.safetensors'),)\n"
    )
    monkeypatch.setattr(groundup.weights, "__path__", [*groundup.weights.__path__, str(tmp_path)])
    registry.published_weights.cache_clear()
    try:
        assert "zoo/a" in {row.name for row in registry.published_weights()}
        for name in ("zoo/a", "zoo/a.v1", "hf://zoo/a.v1/model.safetensors"):
            assert registry.find(name).name == "zoo/a"
        assert registry.find("zoo/b") is None
        assert "zoo/a" in registry.suggest_names("zoo/b")
    finally:
        registry.published_weights.cache_clear()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_published_row_is_sound(row):
    """Its class and preset are there, its names go there and back, its classes are as many as its scores."""
    assert row.address.startswith(("https://", "hf://")) or not (row.address or registry.find(row.name))
    candidate = candidate_from_row(row, image_classifiers()[row.model])
    model = candidate.model(**candidate.arguments, device="meta")
    state = model.state_dict()
    back = to_ours(row.table, to_theirs(row.table, state), state)
    assert back.keys() == state.keys()
    assert all(back[name].shape == state[name].shape for name in state)
    assert model.num_classes == len(class_names(row.classes))
    assert row.preprocessing.crop >= model.min_size


def test_imagenets_classes_in_torchvisions_order():
    assert class_names("imagenet1k") == tuple(_IMAGENET_CATEGORIES)
    assert class_names("imagenet1k")[207] == "golden retriever"
    with pytest.raises(ValueError, match="there are no class names 'imagenet2k'; there are those of 'imagenet1k'"):
        class_names("imagenet2k")


def test_preprocessing_is_torchvisions_preset(tmp_path):
    from PIL import Image
    from torchvision.transforms._presets import ImageClassification

    image = Image.fromarray(torch.randint(0, 256, (300, 401, 3), dtype=torch.uint8).numpy())
    image.save(tmp_path / "photo.png")
    theirs = ImageClassification(crop_size=224)(image)[None]
    ours = Preprocessing().transform()(read_photo(tmp_path / "photo.png"))
    assert ours.shape == (1, 3, 224, 224)
    level = 1 / 255 / min(Preprocessing().std)
    assert (ours - theirs).abs().max() <= level + 1e-5
    frame = Preprocessing().frame()(read_photo(tmp_path / "photo.png"))
    assert frame.min() >= 0
    assert frame.max() <= 1
