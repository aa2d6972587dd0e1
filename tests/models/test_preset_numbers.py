"""Numbers of presets that change no shape: heads, windows, dropout, stochastic depth, epsilons.

No test of shapes, of parameter counts or of published weights notices a wrong one.
"""

import inspect

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from groundup import layers
from groundup.component import all_components
from groundup.models.presets import Presets

# ---- arguments ------------------------------------------------------------------------------------------------------

VIT = {"dropout": 0.0, "attention_dropout": 0.0, "norm_eps": 1e-6}  # torchvision's and the authors' fine-tuned models
RESNET = {"zero_init_residual": False}  # torchvision; the papers do not have it
GPT = {"dropout": 0.1, "eps": 1e-5}  # Radford et al. 2018, section 4.1; the authors' code
SPARSE = GPT | {"window": 256}  # Child et al. 2019, section 7.2: blocks of 128 to 256
BASE = {"nhead": 8, "dropout": 0.1, "activation": "relu", "norm_first": False}  # Vaswani et al. 2017, table 3
LLAMA = {"num_heads": 32, "num_kv_heads": None, "base": 10000.0}  # Touvron et al. 2023, table 2
READOUT = {"leak": 1.0, "density": 0.01, "spectral_radius": 0.8, "input_scaling": 1.0, "bias_scaling": 0.2}  # Jaeger
#: (class, preset) → its arguments that change no shape, from the papers and the authors' code.
ARGUMENTS = {
    ("AlexNet", "paper"): {"dropout": 0.5, "drop_inputs": False, "response_norm": True, "initial": "paper"},
    ("AlexNet", "single_tower"): {"dropout": 0.5, "drop_inputs": False, "response_norm": True, "initial": "paper"},
    ("AlexNet", "torchvision"): {"dropout": 0.5, "drop_inputs": True, "response_norm": False, "initial": "layers"},
    ("BahdanauAttention", "paper"): {"dropout": 0.0},
    ("DenseNet121", "densenet121"): {"dropout": 0.0, "compression": 0.5, "bn_size": 4},
    ("EchoStateNetwork", "mackey_glass"): READOUT,
    ("GCN", "cora"): {"dropout": 0.5},  # Kipf & Welling 2017, section 5.2
    ("GoogLeNet", "paper"): {"dropout": 0.4, "dropout_aux": 0.7},  # Szegedy et al. 2015, table 1 and section 5
    ("GoogLeNet", "torchvision"): {"dropout": 0.2, "dropout_aux": 0.7, "transform_input": False},
    ("GoogLeNet", "torchvision_weights"): {"dropout": 0.2, "transform_input": True},
    ("GPT2", "gpt2"): GPT | {"num_heads": 12},
    ("GPT2", "gpt2-medium"): GPT | {"num_heads": 16},
    ("GPT2", "gpt2-large"): GPT | {"num_heads": 20},
    ("GPT2", "gpt2-xl"): GPT | {"num_heads": 25},
    ("GPT3", "small"): SPARSE | {"num_heads": 12},  # Brown et al. 2020, table 2.1
    ("GPT3", "medium"): SPARSE | {"num_heads": 16},
    ("GPT3", "large"): SPARSE | {"num_heads": 16},
    ("GPT3", "xl"): SPARSE | {"num_heads": 16},  # 24 in the table, which do not divide 2048
    ("GPT3", "2.7b"): SPARSE | {"num_heads": 32},
    ("GPT3", "6.7b"): SPARSE | {"num_heads": 32},
    ("GPT3", "13b"): SPARSE | {"num_heads": 20},  # 40 in the table, which do not divide 5140
    ("GPT3", "175b"): SPARSE | {"num_heads": 96},
    ("LLaMA1", "7b"): LLAMA,
    ("LLaMA1", "13b"): LLAMA | {"num_heads": 40},
    ("LLaMA1", "33b"): LLAMA | {"num_heads": 52},
    ("LLaMA1", "65b"): LLAMA | {"num_heads": 64},
    ("LLaMA2", "7b"): LLAMA,
    ("LLaMA2", "13b"): LLAMA | {"num_heads": 40},
    ("LLaMA2", "70b"): LLAMA | {"num_heads": 64, "num_kv_heads": 8},
    ("NetworkInNetwork", "cifar10"): {"dropout": 0.5},
    ("NetworkInNetwork", "imagenet"): {"dropout": 0.5},
    ("RecurrentAttention", "mnist"): {"num_glimpses": 6, "std": 0.2},
    ("RecurrentAttention", "translated"): {"num_glimpses": 6, "std": 0.2},
    ("ResNet34", "resnet34"): RESNET,
    ("ResNet34", "paper"): RESNET,
    ("ResNet50", "resnet50"): RESNET,
    ("ResNet50", "paper"): RESNET,
    ("ResNeXt50", "resnext50_32x4d"): RESNET,
    ("SEResNet50", "seresnet50"): RESNET,
    ("SEResNet50", "legacy_seresnet50"): RESNET,
    ("SEResNeXt50", "seresnext50_32x4d"): RESNET,
    ("SEResNeXt50", "legacy_seresnext50_32x4d"): RESNET,
    ("Seq2Seq", "paper"): {"dropout": 0.0, "reverse": True},  # Sutskever et al. 2014, sections 3.3 and 3.4
    ("SwinTransformer", "swin_t"): {"window_size": 7, "stochastic_depth": 0.2, "num_heads": (3, 6, 12, 24)},
    ("SwinTransformer", "swin_s"): {"window_size": 7, "stochastic_depth": 0.3, "num_heads": (3, 6, 12, 24)},
    ("SwinTransformer", "swin_b"): {"window_size": 7, "stochastic_depth": 0.5, "num_heads": (4, 8, 16, 32)},
    ("Transformer", "base"): BASE,
    ("Transformer", "base_without_attention_bias"): BASE,
    ("Transformer", "big"): BASE | {"nhead": 16, "dropout": 0.3},
    ("VGG16", "vgg16"): {"dropout": 0.5},  # Simonyan & Zisserman 2015, section 3.1
    ("VGG16", "vgg16_bn"): {"dropout": 0.5},
    **{("VisionTransformer", f"vit_{size}"): VIT | {"num_heads": heads} for size, heads in (
        ("b_16", 12), ("b_32", 12), ("l_16", 16), ("l_32", 16), ("h_14", 16), ("b_16_384", 12),
        ("s_16", 6), ("s_32", 6), ("ti_16", 3),
    )},  # Dosovitskiy et al. 2021, table 1; small and tiny: Touvron et al. 2021, table 1
    ("VisionTransformer", "vit_b_16.hf"): VIT | {"num_heads": 12, "norm_eps": 1e-12},
    ("VisionTransformer", "digits"): VIT | {"num_heads": 4},
    ("VisionTransformer", "cifar10"): VIT | {"num_heads": 3, "dropout": 0.1},
    ("VisionTransformerConvStem", "vit_c_1gf"): VIT | {"num_heads": 3},  # Xiao et al. 2021, table 2
    ("VisionTransformerConvStem", "vit_c_4gf"): VIT | {"num_heads": 6},
    ("VisionTransformerConvStem", "vit_c_18gf"): VIT | {"num_heads": 12},
    ("VisionTransformerConvStem", "vit_c_36gf"): VIT | {"num_heads": 16},
}  # fmt: skip
#: Models all of whose arguments change a shape, the class or the layers that it is made of.
OF_SHAPES = {"Inception", "DeepPlainCNN", "LeNet5", "SimpleCNN", "SimpleFullyCNN", "SpatialTransformerNet"}
MODELS = {
    component.name: component.made
    for component in all_components()
    if isinstance(component.made, type) and issubclass(component.made, Presets) and component.made.presets
}


def arguments_of(model, preset):
    """All arguments that the preset has, given or by default."""
    defaults = {name: p.default for name, p in inspect.signature(model).parameters.items()}
    return defaults | dict(model.presets[preset])


def test_every_preset_is_in_the_table():
    expected = {(name, preset) for name, model in MODELS.items() for preset in model.presets}
    assert {key for key in expected if key[0] not in OF_SHAPES} == ARGUMENTS.keys()


@pytest.mark.body("auto")
@pytest.mark.parametrize(("name", "preset"), ARGUMENTS, ids=str)
def test_arguments_are_the_papers(name, preset):
    expected = ARGUMENTS[name, preset]
    given = arguments_of(MODELS[name], preset)
    assert {argument: given[argument] for argument in expected} == expected


# ---- modules --------------------------------------------------------------------------------------------------------


ATTENTION = (
    *(layers.MultiHeadAttention, layers.GroupedQueryAttention, layers.SparseMultiHeadAttention),
    *(nn.MultiheadAttention, ShiftedWindowAttention),
)


def numbers(model):
    """What the modules are set to, ours or PyTorch's, in their order; of dropout which probabilities occur."""
    found = {"eps": [], "momentum": [], "depth": [], "heads": [], "windows": [], "dropout": set(), "response": []}
    for module in model.modules():
        if hasattr(module, "eps"):
            found["eps"].append(module.eps)
        if hasattr(module, "running_mean"):
            found["momentum"].append(module.momentum)
        if isinstance(module, layers.StochasticDepth | torchvision.ops.StochasticDepth):
            found["depth"].append(module.p)
        elif isinstance(module, layers.Dropout | nn.Dropout) and module.p:
            found["dropout"].add(module.p)
        if isinstance(module, ATTENTION):
            found["heads"].append(module.num_heads)
        if hasattr(module, "shift_size"):
            pair = [2 * [size] if isinstance(size, int) else size for size in (module.window_size, module.shift_size)]
            found["windows"].append(pair)
        if isinstance(module, layers.LocalResponseNorm | nn.LocalResponseNorm):
            found["response"].append((module.size, module.alpha, module.beta, module.k))
    return found


OF_TORCHVISION = {
    ("AlexNet", "torchvision"): "alexnet",
    ("DenseNet121", "densenet121"): "densenet121",
    ("GoogLeNet", "torchvision"): "googlenet",
    ("ResNet34", "resnet34"): "resnet34",
    ("ResNet50", "resnet50"): "resnet50",
    ("ResNeXt50", "resnext50_32x4d"): "resnext50_32x4d",
    ("VGG16", "vgg16"): "vgg16",
    ("VGG16", "vgg16_bn"): "vgg16_bn",
    **{("SwinTransformer", name): name for name in ("swin_t", "swin_s", "swin_b")},
    **{("VisionTransformer", f"vit_{name}"): f"vit_{name}" for name in ("b_16", "b_32", "l_16", "l_32", "h_14")},
}


@pytest.mark.body("auto")
@pytest.mark.parametrize(("key", "theirs"), OF_TORCHVISION.items(), ids=lambda value: value if "_" in value else None)
def test_modules_are_torchvisions(key, theirs):
    options = {"init_weights": False} if theirs == "googlenet" else {}
    with torch.device("meta"):
        ours = MODELS[key[0]].preset(key[1])
        expected = getattr(torchvision.models, theirs)(**options)
    assert numbers(ours) == numbers(expected)


@pytest.mark.body("auto")
@pytest.mark.parametrize(
    ("name", "preset", "expected"),
    [  # of papers that no library follows in this
        ("AlexNet", "paper", {"response": [(5, 5e-4, 0.75, 2.0)] * 2, "dropout": {0.5}}),  # α = 1e-4 of a sum over 5
        ("GoogLeNet", "paper", {"response": [(5, 1e-4, 0.75, 1.0)] * 2, "dropout": {0.4, 0.7}}),
        ("GPT2", "gpt2-large", {"eps": [1e-5] * 73, "heads": [20] * 36, "dropout": {0.1}}),
        ("LLaMA1", "7b", {"eps": [1e-6] * 65, "heads": [32] * 32, "dropout": set()}),
        ("LLaMA2", "7b", {"eps": [1e-5] * 65, "heads": [32] * 32, "dropout": set()}),
        ("SEResNet50", "seresnet50", {"eps": [1e-5] * 53, "momentum": [0.1] * 53}),
        ("Transformer", "big", {"eps": [1e-5] * 30, "heads": [16] * 18, "dropout": {0.3}}),
    ],
)
def test_modules_are_the_papers(name, preset, expected):
    found = numbers(MODELS[name].preset(preset, device="meta"))
    assert {kind: found[kind] for kind in expected} == expected


@pytest.mark.body("auto")
def test_modules_are_transformers():
    from transformers import GPT2Config, LlamaConfig

    gpt, llama = GPT2Config(), LlamaConfig()
    ours = arguments_of(MODELS["GPT2"], "gpt2")
    assert {ours["dropout"]} == {gpt.resid_pdrop, gpt.embd_pdrop, gpt.attn_pdrop}
    assert (ours["eps"], ours["num_heads"]) == (gpt.layer_norm_epsilon, gpt.n_head)
    ours = arguments_of(MODELS["LLaMA1"], "7b")
    assert ours["num_heads"] == llama.num_attention_heads
    assert ours["base"] == llama.rope_parameters["rope_theta"]
    assert numbers(MODELS["LLaMA1"].preset("7b", device="meta"))["eps"] == [llama.rms_norm_eps] * 65
