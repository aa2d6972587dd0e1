"""from_pretrained and save_pretrained: strictly, in both directions, and nothing half loaded."""

import copy
import json
import logging
import pickle
from dataclasses import replace
from functools import partialmethod

import numpy as np
import pytest
import torch
from pretrained_toy import LAID_DOWN, SEEN, TABLE, Small, SmallWide, Theirs, random_state, row, same_scores, theirs
from safetensors.torch import load_file, save_file

from groundup.layers import Linear
from groundup.models.classifier import ImageClassifier
from groundup.models.residual_networks import DenseNet121, ResNet34
from groundup.weights import Drop, WeightError, class_names, load_weights, matching, save_weights

pytestmark = pytest.mark.usefixtures("publish")


@pytest.fixture
def file(tmp_path):
    """file(state_dict or module): a path where it lies."""

    def file(content, name="weights.pth"):
        state = content.state_dict() if isinstance(content, torch.nn.Module) else content
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return file


@pytest.fixture
def at_hand(tmp_path):
    """at_hand(module, name): the published file, in the cache of weights."""

    def at_hand(module, name="small-0123abcd.pth"):
        folder = tmp_path / "cache" / "weights"
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), folder / name)

    return at_hand


def equal(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---- published weights -------------------------------------------------------------------------------------------


def free(**changes):
    """A row whose file may be any."""
    return replace(row(**changes), address="https://weights.invalid/small.pth")


def test_a_published_name(publish, at_hand):
    publish(free())
    at_hand(theirs(), "small.pth")
    model = Small.from_pretrained("zoo/small")
    assert type(model) is Small
    assert not model.training
    assert same_scores(model, theirs())
    assert all(p.requires_grad and p.is_leaf and p.is_contiguous() for p in model.parameters())
    assert int(model.stage1.bn.num_batches_tracked) == 3
    assert model.preprocessing == SEEN
    assert model.class_names is None  # imagenet1k has a thousand, the model seven


def test_a_folder_of_that_name_is_taken_first(publish, at_hand, tmp_path, monkeypatch):
    publish(free())
    at_hand(theirs(), "small.pth")
    mine = random_state(Small(), seed=1).eval()
    mine.save_pretrained(tmp_path / "zoo" / "small")
    assert not equal(Small.from_pretrained("zoo/small"), mine)
    monkeypatch.chdir(tmp_path)
    assert equal(Small.from_pretrained("zoo/small"), mine)


def test_the_hash_of_a_published_file_is_held_to(at_hand):
    at_hand(theirs())
    with pytest.raises(OSError, match="is not the published file: expected sha256 0123abcd"):
        Small.from_pretrained("zoo/small")


def test_class_names_come_with_a_thousand_classes(publish, at_hand):
    publish(free())
    at_hand(theirs(num_classes=1000), "small.pth")
    model = Small.from_pretrained("zoo/small", num_classes=1000)
    assert model.class_names == class_names("imagenet1k")
    model.reset_classifier(3)
    assert model.class_names is None


def test_a_preset_belongs_to_a_published_name(publish, at_hand):
    publish(free(preset="wide"))
    at_hand(theirs(widths=(6, 8)), "small.pth")
    assert same_scores(Small.from_pretrained("zoo/small"), theirs(widths=(6, 8)))
    assert Small.from_pretrained("zoo/small").init_arguments == {"widths": (6, 8)}
    with pytest.raises(ValueError, match="zoo/small is published for the preset 'wide', got preset='narrow'"):
        Small.from_pretrained("zoo/small", preset="narrow")


def test_the_class_that_a_row_names_is_built(publish, at_hand):
    """A frame, or a class from which the row's is derived, finds it; another class says whose it is."""
    publish(free(preset="wide", model="SmallWide"))
    at_hand(theirs(widths=(6, 8)), "small.pth")
    for frame in (ImageClassifier, Small, SmallWide):
        assert type(frame.from_pretrained("zoo/small")) is SmallWide
    publish(free(preset="wide", model="Small"))
    assert type(SmallWide.from_pretrained("zoo/small")) is SmallWide

    class Other(Small):
        presets = {}  # noqa: RUF012

    publish(free(model="SmallWide", preset="wide"))
    with pytest.raises(ValueError, match=r"zoo/small is a SmallWide, not a Other: call SmallWide\.from_pretrained"):
        Other.from_pretrained("zoo/small")


def test_without_a_network_the_way_by_hand_is_told():
    with pytest.raises(OSError, match=r"(?s)no connection.*Put the file from https.*small-0123abcd\.pth by hand"):
        Small.from_pretrained("zoo/small")


# ---- files of one's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(4, 5), (6, 8)])
def test_a_file_in_published_names_is_understood(file, widths):
    path = file(theirs(widths=widths))
    model = Small.from_pretrained(path)
    assert same_scores(model, theirs(widths=widths))
    assert model.preprocessing == SEEN
    assert same_scores(Small.from_pretrained(str(path)), theirs(widths=widths))


def test_a_file_in_our_names_is_understood(file):
    model = random_state(Small())
    loaded = Small.from_pretrained(file(model))
    assert equal(loaded, model)
    assert loaded.preprocessing is None
    wide = random_state(Small.preset("wide"))
    assert equal(Small.from_pretrained(file(wide), preset="wide"), wide)
    assert equal(SmallWide.from_pretrained(file(wide)), wide)


def test_a_table_of_ones_own(file):
    renamed = {name.replace("fc.", "logits."): tensor for name, tensor in theirs().state_dict().items()}
    table = tuple(replace(r, theirs="logits") if getattr(r, "theirs", "") == "fc" else r for r in TABLE)
    assert same_scores(Small.from_pretrained(file(renamed), table=table), theirs())
    assert same_scores(
        Small.from_pretrained(file(theirs(widths=(6, 8))), table="zoo/small_wide"), theirs(widths=(6, 8))
    )
    with pytest.raises(ValueError, match="table must be a published name, got 'zoo/large'; like it are zoo/small"):
        Small.from_pretrained(file(theirs()), table="zoo/large")


def test_what_the_tensors_do_not_tell_is_asked(publish, file, tmp_path):
    """Two models with one state_dict, as ResNet-50 with its strides here or there: never the wrong one in silence."""
    plain, paper = row("zoo/small"), row("zoo/small_paper", "paper")
    publish(plain, paper)
    with pytest.raises(WeightError, match=r"fits several models.*: zoo/small, zoo/small_paper; say which with table="):
        Small.from_pretrained(file(theirs()))
    assert Small.from_pretrained(file(theirs()), table="zoo/small_paper").slope == 2
    assert Small.from_pretrained(file(theirs()), preset="paper").slope == 2
    assert Small.from_pretrained(file(theirs(), "small_paper-0123abcd.pth")).slope == 2  # its name says it
    publish(plain, row("zoo/small_again", preprocessing=replace(SEEN, crop=5)))
    assert Small.from_pretrained(file(theirs())).preprocessing == SEEN  # the same model: the first row speaks


@pytest.mark.parametrize("dtype", [None, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
def test_precision_is_what_is_asked_for(file, dtype, stored):
    source = random_state(Small()).to(stored)
    model = Small.from_pretrained(file(source), dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {dtype or torch.float32}
    assert model.stage1.bn.num_batches_tracked.dtype == torch.int64
    for name, tensor in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor.to(model.state_dict()[name].dtype))


def test_no_number_is_drawn_and_the_file_may_go(file):
    path, state = file(random_state(Small())), torch.get_rng_state()
    model = Small.from_pretrained(path)
    assert torch.equal(torch.get_rng_state(), state)
    path.write_bytes(b"")
    path.unlink()
    assert equal(model, random_state(Small()))
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    assert len(storages) == len(list(model.parameters()))  # none of them a window on the file


class Derived(Small):
    """With a buffer that is in no file, and a parameter that has two names."""

    def __init__(self, device=None, dtype=None):
        super().__init__(device=device, dtype=dtype)
        self.register_buffer("ramp", torch.arange(5.0, device=device), persistent=False)
        self.twin = Linear(5, 7, device=device, dtype=dtype)
        self.twin.weight = self.head.weight

    def forward_head(self, x, pre_logits=False):
        return self.twin(super().forward_head(x, pre_logits=True) + self.ramp)


def test_what_no_file_holds_is_built(tmp_path):
    model = random_state(Derived()).eval()
    loaded = Derived.from_pretrained(model.save_pretrained(tmp_path / "f"))
    assert equal(loaded, model)
    assert same_scores(loaded, model)
    assert loaded.twin.weight is loaded.head.weight


def test_device_is_honoured(file):
    assert Small.from_pretrained(file(theirs()), device="cpu").head.weight.device.type == "cpu"
    assert Small.from_pretrained(file(theirs()), device="meta").head.weight.is_meta


# ---- strictness --------------------------------------------------------------------------------------------------


def damaged(**changes):
    state = {**theirs().state_dict(), **{name.replace("__", "."): tensor for name, tensor in changes.items()}}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


FAULTS = [
    (damaged(fc__bias=None), r"nothing in the file fills head\.bias"),
    (damaged(extra__weight=torch.ones(1)), r"tensors that the model does not know: extra\.weight"),
    (damaged(features__1__0__weight=torch.ones(5, 4, 1, 1)), r"features\.1\.0\.weight has the shape \(5, 4, 1, 1\)"),
    (damaged(fc__bias=None, fc__scale=torch.ones(7)), r"fc\.scale would be head\.scale, which the model does not have"),
    (
        damaged(fc__weight=torch.ones(7, 5, dtype=torch.int8)),
        r"fc\.weight is of torch\.int8, head\.weight of the model",
    ),
    (damaged(fc__weight=torch.ones(1, 5)), r"fc\.weight has the shape \(1, 5\)"),  # would broadcast
]


@pytest.mark.parametrize(("state", "words"), FAULTS)
def test_a_file_that_does_not_fit_is_named_with_the_tensor_and_nothing_is_copied(monkeypatch, file, state, words):
    path = file(state)
    monkeypatch.setattr(matching, "_copy", lambda *_: pytest.fail("copied"))
    with pytest.raises(WeightError, match=rf"weights\.pth, read as zoo/small: .*{words}"):
        Small.from_pretrained(path, table="zoo/small")
    with pytest.raises(WeightError, match=r"(?s)weights\.pth fits nothing.*as groundup's own names: .*as zoo/small"):
        Small.from_pretrained(path)
    model = random_state(Small(), 1)
    before = copy.deepcopy(model)
    with pytest.raises(WeightError, match=rf"weights\.pth: .*{words}"):
        load_weights(model, path, TABLE)
    assert equal(model, before)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(7, 5).to_sparse(), r"weights\.pth: fc\.weight has the layout torch\.sparse_coo.* \.to_dense\(\)"),
        (torch.zeros(7, 5, device="meta"), r"only the shape of what fills head\.weight, .* and no numbers"),
        (torch.tensor(1.0), r"fc\.weight has the shape \(\)"),
    ],
    ids=["sparse", "meta", "no axes"],
)
def test_what_cannot_be_copied_is_refused_before_the_first_copy(file, tensor, words):
    path, model = file(damaged(fc__weight=tensor)), random_state(Small(), 1)
    before = copy.deepcopy(model)
    with pytest.raises(WeightError, match=words):
        load_weights(model, path, TABLE)
    assert equal(model, before)
    with pytest.raises(WeightError, match=words):
        Small.from_pretrained(path, table="zoo/small")


def test_a_truncated_file_leaves_the_model_as_it_was(tmp_path):
    model = random_state(Small(), 1)
    before = copy.deepcopy(model)
    save_weights(random_state(Small()).state_dict(), tmp_path / "f", 200)
    for shard in sorted((tmp_path / "f").glob("*.safetensors")):
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-1])
        with pytest.raises(WeightError, match=rf"{shard.name} is damaged or cut off"):
            load_weights(model, tmp_path / "f")
        assert equal(model, before)
        shard.write_bytes(whole)
    load_weights(model, tmp_path / "f")
    assert equal(model, random_state(Small()))


def test_load_weights_keeps_parameters_and_precision(file):
    model = Small().double()
    weight = model.head.weight
    load_weights(model, file(theirs()), TABLE)
    assert model.head.weight is weight
    assert weight.dtype == torch.float64
    assert same_scores(model.float().eval(), theirs())


# ---- another number of classes -----------------------------------------------------------------------------------


def test_other_classes_leave_the_classifier_fresh_and_say_so(publish, at_hand, caplog):
    publish(free())
    at_hand(theirs(), "small.pth")
    torch.manual_seed(5)
    expected = Small(3).head
    torch.manual_seed(5)
    with caplog.at_level(logging.WARNING, "groundup"):
        model = Small.from_pretrained("zoo/small", num_classes=3)
    assert [record.getMessage() for record in caplog.records] == [
        "zoo/small: the weights are for 7 classes, the model for 3: head.weight, head.bias start afresh, and are still "
        "to be trained"
    ]
    assert equal(model.head, expected)
    assert equal(model.stage2, Small.from_pretrained("zoo/small").stage2)
    assert model.preprocessing == SEEN
    assert model.class_names is None
    assert model.num_classes == 3
    assert model.init_arguments == {"num_classes": 3}


def test_a_file_of_any_number_of_classes(file, caplog):
    path = file(theirs(num_classes=4))
    with pytest.raises(WeightError, match="it is for 4 classes, pass num_classes=4"):
        Small.from_pretrained(path, table="zoo/small")
    with caplog.at_level(logging.WARNING, "groundup"):
        assert same_scores(Small.from_pretrained(path, num_classes=4), theirs(num_classes=4))
        assert caplog.records == []
        assert Small.from_pretrained(path, num_classes=3).head.weight.shape == (3, 5)
        assert "are for 4 classes, the model for 3" in caplog.text
    own = random_state(Small(4))
    assert equal(Small.from_pretrained(file(own), num_classes=4), own)


def test_what_depends_on_the_classes_is_fresh_wherever_it_is(tmp_path, caplog):
    """A second classifier, as GoogLeNet has two more."""

    class Two(Small):
        def __init__(self, num_classes=7, device=None, dtype=None):
            super().__init__(num_classes, device=device, dtype=dtype)
            self.aux = Linear(4, num_classes, device=device, dtype=dtype)

    folder = random_state(Two()).save_pretrained(tmp_path / "two")
    with caplog.at_level(logging.WARNING, "groundup"):
        Two.from_pretrained(folder, num_classes=2)
    assert "head.weight, head.bias, aux.weight, aux.bias start afresh" in caplog.text


def test_no_other_fault_hides_behind_the_classes(file):
    state = damaged(fc__weight=torch.ones(9, 5), fc__bias=torch.ones(9), features__0__1__bias=None)
    with pytest.raises(WeightError, match=r"nothing in the file fills stage1\.bn\.bias"):
        Small.from_pretrained(file(state), num_classes=3, table="zoo/small")


# ---- saving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["5GB", 300])
@pytest.mark.parametrize("names", ["groundup", "zoo", "zoo/small_wide"])
def test_there_and_back(tmp_path, names, shard):
    model = random_state(Small.preset("wide", num_classes=3)).eval()
    model.preprocessing, model.class_names = replace(SEEN, interpolation="bicubic"), ("ant", "bee", "Käfer")
    folder = model.save_pretrained(tmp_path / "f", names, shard)
    assert folder == tmp_path / "f"
    for cls in (Small, ImageClassifier):
        loaded = cls.from_pretrained(folder)
        assert type(loaded) is Small
        assert loaded.init_arguments == {"widths": (6, 8), "num_classes": 3}
        assert loaded.preprocessing == model.preprocessing
        assert loaded.class_names == model.class_names
        assert equal(loaded, model) or names != "groundup"
        assert same_scores(loaded, model)
    assert SmallWide.from_pretrained(SmallWide().save_pretrained(tmp_path / "w")).init_arguments == {}


def test_config_is_plain_to_read(tmp_path):
    model = Small(1000, widths=(4, 5))
    model.class_names = class_names("imagenet1k")
    config = json.loads((model.save_pretrained(tmp_path / "f") / "config.json").read_text())
    assert config == {
        "groundup": 1,
        "class": "Small",
        "arguments": {"num_classes": 1000, "widths": [4, 5]},
        "names": "groundup",
        "preprocessing": None,
        "class_names": "imagenet1k",
    }
    loaded = Small.from_pretrained(tmp_path / "f" / "model.safetensors")
    assert loaded.class_names == class_names("imagenet1k")
    assert loaded.init_arguments == {"num_classes": 1000, "widths": (4, 5)}


def test_a_new_classifier_is_saved_as_what_it_is(tmp_path):
    model = Small()
    model.reset_classifier(3)
    assert equal(Small.from_pretrained(model.save_pretrained(tmp_path / "f")), model)


def test_the_library_that_published_it_loads_the_export_strictly(tmp_path, publish):
    publish(row(table=LAID_DOWN))
    model = random_state(Small()).eval()
    folder = model.save_pretrained(tmp_path / "f", names="zoo")
    other = Theirs().eval()
    del other.grid
    other.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    assert same_scores(model, other)


def test_an_export_that_would_compute_something_else_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "groundup"):
        Small().save_pretrained(tmp_path / "f", names="zoo")
        Small(3).save_pretrained(tmp_path / "f", names="zoo")
        assert caplog.records == []
        Small.preset("paper").save_pretrained(tmp_path / "f", names="zoo")
    assert caplog.messages == ["zoo/small has the same tensors, but is built with other slope"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: Small().save_pretrained(f, "timm"), ValueError, "has published a Small, which is zoo; got 'timm'"),
        (
            lambda f: Derived().save_pretrained(f, "zoo"),
            WeightError,
            "not fit what is published; zoo/small: .*twin",
        ),
        (
            lambda f: Small(slope=torch.ones(())).save_pretrained(f),
            ValueError,
            "the argument slope of Small, Tensor",
        ),
        (lambda f: Small.from_pretrained(f, preset="huge"), ValueError, "Small has no preset 'huge'; it has 'narrow'"),
        (lambda f: Small.from_pretrained("zoo/smal"), ValueError, "like it are zoo/small"),
    ],
)
def test_what_cannot_be_done(tmp_path, call, error, words):
    (tmp_path / "f").mkdir()
    with pytest.raises(error, match=words):
        call(tmp_path / "f")
    assert list((tmp_path / "f").iterdir()) == []


WHOLE = {
    "groundup": 1,
    "class": "Small",
    "arguments": {},
    "names": "groundup",
    "class_names": None,
    "preprocessing": None,
}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "config.json cannot be understood: JSONDecodeError"),
        ('{"groundup": 2}', "it is of the form 2, this groundup reads 1"),
        ('{"groundup": 1, "class": "Small"}', "config.json cannot be understood: KeyError"),
        *((content, "config.json cannot be understood") for content in ("[]", "[1]", '"groundup"', "5", "[" * 99999)),
        ('{"pretrained_cfg": {"input_size": []}}', "config.json cannot be understood: IndexError"),
        ('{"pretrained_cfg": {"input_size": [9], "crop_pct": 0}}', "config.json cannot be understood: ZeroDivision"),
        *(
            (json.dumps(WHOLE | {key: value}), f"config.json cannot be understood: TypeError.*{key} is")
            for key, value in (("class", ["Small"]), ("arguments", [1]), ("names", {}))
        ),
        *(
            (json.dumps(WHOLE | {key: value}), "config.json cannot be understood: (Type|Value)Error")
            for key, value in (
                ("preprocessing", {"crop": "a"}),
                ("preprocessing", {"mean": "abc"}),
                ("preprocessing", {"interpolation": "nearby"}),
            )
        ),
        (json.dumps(WHOLE | {"arguments": {"depth": 3}}), "its config.json says: no model is built so: .*'depth'"),
    ],
)
def test_a_garbled_config_is_named(untyped, tmp_path, content, words):
    folder = Small().save_pretrained(tmp_path / "f")
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=words):
        Small.from_pretrained(folder)


def test_a_preset_of_no_meaning_is_refused_for_a_folder_that_needs_none(tmp_path):
    folder = Small.preset("wide").save_pretrained(tmp_path / "f")
    assert equal(Small.from_pretrained(folder, preset="wide"), Small.from_pretrained(folder))
    with pytest.raises(ValueError, match="Small has no preset 'wied'; it has 'narrow'"):
        Small.from_pretrained(folder, preset="wied")


def test_counts_of_other_libraries_are_saved(untyped, tmp_path):
    """As of `labels.max() + 1`; the constructor takes them."""
    model = ResNet34(num_classes=np.int64(3), width=np.int32(4))
    again = ResNet34.from_pretrained(model.save_pretrained(tmp_path / "f"))
    assert equal(again, model)
    assert again.init_arguments == {"num_classes": 3, "width": 4}
    dense = DenseNet121(growth_rate=4, block_config=np.array([1, 1, 0, 0]).tolist(), compression=np.float32(0.5))
    assert equal(DenseNet121.from_pretrained(dense.save_pretrained(tmp_path / "d")), dense)


def test_a_config_of_another_class(tmp_path):
    folder = SmallWide().save_pretrained(tmp_path / "f")
    assert type(Small.from_pretrained(folder)) is SmallWide

    class Other(ImageClassifier):
        pass

    with pytest.raises(ValueError, match="holds a SmallWide, not a Other"):
        Other.from_pretrained(folder)


class SmallSteep(Small):
    """What the class is stands in its signature, as ResNet50's does."""

    presets = {"steep": {}}  # noqa: RUF012
    __init__ = partialmethod(Small.__init__, slope=2.0)


def test_a_config_of_the_class_from_which_another_is_derived(tmp_path):
    """It is loaded as the derived one only where its arguments make that one, never as something between the two."""
    same = Small(3, 1, slope=2.0).save_pretrained(tmp_path / "same")
    loaded = SmallSteep.from_pretrained(same)
    assert type(loaded) is SmallSteep
    assert loaded.init_arguments == {"num_classes": 3, "in_channels": 1, "slope": 2.0}
    plain = Small().save_pretrained(tmp_path / "plain")
    with pytest.raises(ValueError, match=r"plain holds a Small, not a SmallSteep: call Small\.from_pretrained"):
        SmallSteep.from_pretrained(plain)
    for cls, arguments in ((SmallSteep, {"slope": 3.0}), (SmallWide, {"widths": (4, 5)})):
        other = Small(3, **arguments).save_pretrained(tmp_path / "other")
        with pytest.raises(ValueError, match=rf"holds a Small\(num_classes=3, .*\), not a {cls.__name__}"):
            cls.from_pretrained(other)


def test_timms_config_tells_how_to_prepare_images(tmp_path):
    seen = {
        "input_size": [3, 176, 176],
        "crop_pct": 0.95,
        "interpolation": "bicubic",
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
    }
    config = {"architecture": "small", "num_classes": 7, "pretrained_cfg": seen}
    save_weights(theirs().state_dict(), tmp_path / "f", config=config)
    model = Small.from_pretrained(tmp_path / "f")
    assert same_scores(model, theirs())
    assert model.preprocessing.crop == 176
    assert model.preprocessing.resize == 185
    assert model.preprocessing.interpolation == "bicubic"
    assert model.preprocessing.std == (0.2, 0.2, 0.2)


# ---- the arguments that a model remembers ------------------------------------------------------------------------


def test_arguments_are_remembered_by_name_and_survive_copies():
    model = Small(3, 1, slope=2.0, device="cpu")
    assert model.init_arguments == {"num_classes": 3, "in_channels": 1, "slope": 2.0}
    assert SmallWide(3, slope=2.0).init_arguments == {"num_classes": 3, "slope": 2.0}
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.init_arguments == model.init_arguments
        assert equal(twin, model)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Small(colour=True)


def test_drops_are_read_past(file, publish):
    publish(row(table=LAID_DOWN))
    with pytest.raises(WeightError, match="does not know: grid"):
        Small.from_pretrained(file(theirs()), table="zoo/small")
    publish(row(table=(*LAID_DOWN, Drop("grid", "constant"))))
    assert same_scores(Small.from_pretrained(file(theirs()), table="zoo/small"), theirs())


def test_safetensors_in_their_names(tmp_path):
    save_file(theirs().state_dict(), tmp_path / "model.safetensors")
    assert same_scores(Small.from_pretrained(tmp_path), theirs())


def test_no_name_is_not_the_folder_one_stands_in():
    with pytest.raises(ValueError, match="name_or_path is empty"):
        Small.from_pretrained("")
