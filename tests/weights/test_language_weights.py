"""GPT-2 and LLaMA: saved by transformers, or as Meta does, loaded here; and saved here, loaded there."""

import contextlib
import json
import shutil
from inspect import signature
from pathlib import Path

import pytest
import torch
import transformers as hf
from transformers.activations import ACT2FN

from groundup.durable import move_into_place
from groundup.models.transformer_networks import GPT2, GPT3, LLaMA1, LLaMA2
from groundup.tools.text import find_model_class
from groundup.weights import WeightError, saving
from groundup.weights.config import read_config
from groundup.weights.language_configs import FORMATS, arguments_of, params_of
from rows.oracles.transformer import gpt2_config, llama_config

TOKENS = torch.tensor([[1, 5, 2, 9, 10, 3], [4, 4, 8, 0, 7, 6]])


def theirs(config):
    kind = hf.GPT2LMHeadModel if config.model_type == "gpt2" else hf.LlamaForCausalLM
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # small embeddings: a misplaced eps of a norm would show
            parameter.normal_(std=0.3 if parameter.dim() > 1 and parameter.size(0) != 11 else 0.02)
    return model


MODELS = [
    pytest.param(cls, config, changes, id=f"{cls.__name__},{','.join(f'{k}={v}' for k, v in changes.items())}")
    for cls, config, changes in (
        (GPT2, gpt2_config, {}),
        (GPT2, gpt2_config, {"tie_word_embeddings": False, "n_inner": 12, "n_layer": 3}),
        (LLaMA1, llama_config, {}),
        (LLaMA2, llama_config, {"num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 500.0}),
        (LLaMA2, llama_config, {"num_key_value_heads": 1, "tie_word_embeddings": True}),
    )
]


@pytest.mark.parametrize("shard", ["5GB", "2KB"])
@pytest.mark.parametrize(("cls", "config", "changes"), MODELS)
def test_there_and_back(cls, config, changes, shard, tmp_path):
    other = theirs(config(**changes))
    other.save_pretrained(tmp_path / "theirs", max_shard_size=shard)
    ours = cls.from_pretrained(tmp_path / "theirs")
    with torch.no_grad():
        expected = other(TOKENS).logits
        torch.testing.assert_close(ours(TOKENS), expected, rtol=0, atol=2e-6)
        for names, reader in (("transformers", type(other)), ("groundup", cls)):
            ours.save_pretrained(tmp_path / names, names=names, max_shard_size=shard)
            again = reader.from_pretrained(tmp_path / names).eval()(TOKENS)
            torch.testing.assert_close(getattr(again, "logits", again), expected, rtol=0, atol=2e-6)
    shards = list((tmp_path / "transformers").glob("model-*.safetensors"))
    assert (len(shards) > 1) == (shard == "2KB")


def meta_forward(state, params, tokens):
    """LLaMA from Meta's file: neighbours as complex numbers, turned; groups of heads; RMSNorm; by the paper."""
    d, h, g = params["dim"], params["n_heads"], params["n_kv_heads"]
    n, features = tokens.size(1), d // h
    turn = torch.arange(n)[:, None] * 10000.0 ** -(torch.arange(0, features, 2).double() / features)
    turn = torch.polar(torch.ones_like(turn), turn)

    def norm(x, weight):
        return weight * x / (x.square().mean(-1, keepdim=True) + params["norm_eps"]).sqrt()

    def heads(x, count):
        return x.unflatten(-1, (count, features)).transpose(1, 2)

    def turned(x):
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)

    x = state["tok_embeddings.weight"][tokens]
    hidden = torch.ones(n, n, dtype=torch.bool).triu(1)
    for i in range(params["n_layers"]):
        w = {k.removeprefix(f"layers.{i}."): v for k, v in state.items() if k.startswith(f"layers.{i}.")}
        y = norm(x, w["attention_norm.weight"])
        q = turned(heads(y @ w["attention.wq.weight"].T, h))
        k = turned(heads(y @ w["attention.wk.weight"].T, g)).repeat_interleave(h // g, 1)
        v = heads(y @ w["attention.wv.weight"].T, g).repeat_interleave(h // g, 1)
        scores = (q @ k.mT / features**0.5).masked_fill(hidden, -torch.inf)
        x = x + (scores.softmax(-1) @ v).transpose(1, 2).flatten(2) @ w["attention.wo.weight"].T
        y = norm(x, w["ffn_norm.weight"])
        gate = torch.nn.functional.silu(y @ w["feed_forward.w1.weight"].T)
        x = x + (gate * (y @ w["feed_forward.w3.weight"].T)) @ w["feed_forward.w2.weight"].T
    return norm(x, state["norm.weight"]) @ state["output.weight"].T


PARAMS = {"dim": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5, "multiple_of": 8, "vocab_size": 12}


def meta_state(params):
    generator = torch.Generator().manual_seed(0)
    d, kv = params["dim"], params["n_kv_heads"] * params["dim"] // params["n_heads"]
    f, v = arguments_of(params)["hidden_dim"], params["vocab_size"]
    shapes = {"tok_embeddings": (v, d), "norm": (d,), "output": (v, d)}
    for i in range(params["n_layers"]):
        shapes |= {
            f"layers.{i}.attention.{n}": s for n, s in zip(("wq", "wk", "wv", "wo"), ((d, d), (kv, d), (kv, d), (d, d)))
        }
        shapes |= {f"layers.{i}.feed_forward.{n}": s for n, s in zip(("w1", "w2", "w3"), ((f, d), (d, f), (f, d)))}
        shapes |= {f"layers.{i}.{n}_norm": (d,) for n in ("attention", "ffn")}
    state = {f"{n}.weight": 0.5 * torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()}
    return state | {"rope.freqs": torch.ones(2)}


def write_meta(folder, state, params, parts):
    """As model parallelism leaves them: rows of what makes features, columns of what sums them up."""
    folder.mkdir(exist_ok=True)
    axis = dict.fromkeys(("wq", "wk", "wv", "w1", "w3", "output"), 0) | dict.fromkeys(("wo", "w2", "tok_embeddings"), 1)
    for i in range(parts):
        part = {
            n: t.chunk(parts, axis[n.split(".")[-2]])[i].clone() if n.split(".")[-2] in axis else t
            for n, t in state.items()
        }
        torch.save(part, folder / f"consolidated.{i:02d}.pth")
    (folder / "params.json").write_text(json.dumps(params))


@pytest.mark.parametrize("parts", [1, 2])
def test_metas_files(parts, tmp_path):
    state = meta_state(PARAMS)
    write_meta(tmp_path / "meta", state, PARAMS, parts)
    ours = LLaMA2.from_pretrained(tmp_path / "meta", dtype=torch.float64, context=16)
    tokens = TOKENS.clamp(max=11)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), meta_forward(state, PARAMS, tokens), rtol=0, atol=1e-10)
    ours.save_pretrained(tmp_path / "back", names="meta")
    back = torch.load(tmp_path / "back" / "consolidated.00.pth", weights_only=True)
    assert back.keys() == state.keys() - {"rope.freqs"}
    assert all(torch.equal(back[name], state[name]) for name in back)
    stated = arguments_of(json.loads((tmp_path / "back" / "params.json").read_text()))
    assert stated == arguments_of(PARAMS) | {"context": 16}


@pytest.mark.parametrize("cls", [LLaMA1, LLaMA2])
@pytest.mark.parametrize("options", [{}, {"context": 24, "base": 500000.0}, {"context": 2048}, {"context": 4096}])
def test_metas_params_state_the_angles_and_the_context(cls, options, tmp_path):
    cls(12, embed_dim=16, num_layers=1, num_heads=2, hidden_dim=24, **options).save_pretrained(tmp_path, names="meta")
    expected = {"context": cls.paper_context, "base": 10000.0, **options}
    for reader in (cls, find_model_class(tmp_path, read_config(tmp_path))):
        arguments = reader.from_pretrained(tmp_path).init_arguments
        assert {name: arguments[name] for name in expected} == expected
    params = json.loads((tmp_path / "params.json").read_text())
    assert params.get("rope_theta") == options.get("base")
    assert ("max_seq_len" in params) == ((cls, expected["context"]) != (LLaMA2, 4096))  # Meta's code refuses the key


def test_the_angles_of_metas_params_are_turned_by(tmp_path):
    """As Code Llama's rope_theta; without max_seq_len the context is the class's own."""
    write_meta(tmp_path, meta_state(PARAMS), PARAMS | {"rope_theta": 1000000, "use_scaled_rope": False}, 1)
    for cls, context in ((LLaMA1, 2048), (LLaMA2, 4096)):
        ours = cls.from_pretrained(tmp_path)
        assert (ours.rotary.base, ours.context) == (1e6, context)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(
            ({key: None}, f"does not state '{key}'")
            for key in ("dim", "n_layers", "n_heads", "multiple_of", "norm_eps")
        ),
        ({"dim": "16"}, "'dim' must be int, got '16'"),
        ({"n_heads": 0}, "'n_heads' must be at least 1, got 0"),
        ({"use_scaled_rope": True}, "use_scaled_rope, the angles of Llama 3.1"),
    ],
)
def test_what_metas_params_lack_is_named(changes, words, tmp_path):
    params = {key: value for key, value in (PARAMS | changes).items() if value is not None}
    write_meta(tmp_path, meta_state(PARAMS), params, 1)
    with pytest.raises(ValueError, match=rf"params\.json.*{words}"):
        LLaMA2.from_pretrained(tmp_path)


@pytest.mark.parametrize("content", ["[1]", "5", "{"])
def test_garbled_params_are_named(content, tmp_path):
    write_meta(tmp_path, meta_state(PARAMS), PARAMS, 1)
    (tmp_path / "params.json").write_text(content)
    with pytest.raises(ValueError, match=r"params\.json cannot be understood"):
        LLaMA2.from_pretrained(tmp_path)
    (tmp_path / "params.json").unlink()
    with pytest.raises(
        ValueError, match=r"there is no .*params\.json, which must state the arguments of the consolidated weights"
    ):
        LLaMA2.from_pretrained(tmp_path)


def test_the_widths_of_metas_models():
    """Two thirds of 4 E, rounded up to a multiple of 256; for 70B times 1.3, and to 4096 (trap T23)."""
    for dim, multiple, multiplier, width in (
        (4096, 256, None, 11008),
        (5120, 256, None, 13824),
        (6656, 256, None, 17920),
        (8192, 256, None, 22016),
        (8192, 4096, 1.3, 28672),
    ):
        params = {"dim": dim, "n_layers": 1, "n_heads": 8, "norm_eps": 1e-5, "multiple_of": multiple, "vocab_size": -1}
        arguments = arguments_of(params | {"ffn_dim_multiplier": multiplier})
        assert arguments["hidden_dim"] == width
        assert "vocab_size" not in arguments  # it is the tokenizer's
        assert arguments_of(params_of(arguments | {"vocab_size": 5}))["hidden_dim"] == width


def test_names_without_a_prefix_and_masks_are_read(tmp_path):
    """As OpenAI's files on the hub have them, in pytorch_model.bin with the tied head."""
    other = theirs(gpt2_config())
    state = {k.removeprefix("transformer."): v for k, v in other.state_dict().items()}
    state["h.0.attn.bias"] = torch.ones(1, 1, 16, 16, dtype=torch.uint8)
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(other.config.to_dict()))
    torch.testing.assert_close(GPT2.from_pretrained(tmp_path)(TOKENS), other(TOKENS).logits, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("cls", "config"), [(GPT2, gpt2_config), (LLaMA2, llama_config)])
@pytest.mark.parametrize("prefix", [True, False])
def test_a_head_that_is_not_the_embedding_is_not_dropped(cls, config, prefix, tmp_path):
    """transformers unties the two, where the configuration says that they are one and the file that they are not."""
    other = theirs(config(tie_word_embeddings=False))
    state = other.state_dict()
    state = state if prefix or cls is not GPT2 else {k.removeprefix("transformer."): v for k, v in state.items()}
    said = other.config.to_dict()
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(said | {"tie_word_embeddings": True}))
    with pytest.raises(WeightError, match=r"pytorch_model.bin: .*lm_head.weight has other numbers than"):
        cls.from_pretrained(tmp_path)
    state["lm_head.weight"] = next(v for k, v in state.items() if "wte" in k or "embed" in k).clone()
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert cls.from_pretrained(tmp_path).head is None
    if prefix:
        (tmp_path / "config.json").write_text(json.dumps(said))
        assert cls.from_pretrained(tmp_path).head is not None


def test_a_model_is_not_taken_for_another(tmp_path):
    config = llama_config().to_dict()
    for cls, changes, words in (
        (GPT2, {}, "describes a 'llama', and not a 'gpt2'"),
        (LLaMA1, {"attention_bias": True}, "attention_bias=True, and this model is written for False alone"),
        (LLaMA2, {"rope_parameters": {"rope_type": "llama3"}}, "rope_type='llama3'"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(ValueError, match=words):
            cls.from_pretrained(tmp_path)


@pytest.mark.parametrize(("cls", "config"), [(GPT2, hf.GPT2Config), (LLaMA1, hf.LlamaConfig), (LLaMA2, hf.LlamaConfig)])
def test_keys_that_are_left_out_are_what_transformers_takes(cls, config):
    """Not what our constructor takes: Llama 2's eps and context are others."""
    form = FORMATS[cls.format]
    short, full = (
        cls(**form.arguments(content, Path("config.json")), device="meta").init_arguments
        for content in ({"model_type": form.model_type}, config().to_dict())
    )
    defaults = {name: parameter.default for name, parameter in signature(cls).parameters.items()}
    assert {**defaults, **short} == {**defaults, **full}


def test_a_config_cut_by_hand_computes_as_there(tmp_path):
    other = theirs(llama_config(rms_norm_eps=1e-6, max_position_embeddings=2048))
    other.save_pretrained(tmp_path)
    kept = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    content = {key: getattr(other.config, key) for key in kept} | {"model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(content))
    ours, again = LLaMA2.from_pretrained(tmp_path), hf.LlamaForCausalLM.from_pretrained(tmp_path)
    assert (ours.context, ours.init_arguments["eps"], ours.rotary.base) == (2048, 1e-6, 10000.0)
    torch.testing.assert_close(ours(TOKENS), again(TOKENS).logits, rtol=0, atol=2e-6)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("config", "change", "words"),
    [
        (gpt2_config, {"n_head": 3}, "embed_dim must be divisible by num_heads=3, got 8"),
        (gpt2_config, {"resid_pdrop": 2}, "dropout must be a finite number in .*, got 2"),
        (gpt2_config, {"tie_word_embeddings": "false"}, "tie_embeddings must be True or False, got 'false'"),
        (llama_config, {"num_key_value_heads": 3}, "num_heads must be divisible by num_kv_heads=3, got 4"),
        (llama_config, {"intermediate_size": 0}, "hidden_dim must be at least 1, got 0"),
        (llama_config, {"rope_parameters": {"rope_theta": -1.0}}, "base must be a finite number in .*, got -1.0"),
        (llama_config, {"tie_word_embeddings": "false"}, "tie_embeddings must be True or False, got 'false'"),
    ],
)
def test_a_config_of_which_no_model_can_be_built_is_named(config, change, words, tmp_path):
    other = theirs(config())
    other.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(other.config.to_dict() | change))
    cls = GPT2 if config is gpt2_config else LLaMA2
    with pytest.raises(ValueError, match=f"{tmp_path}.*its config.json says: no model is built so: {words}"):
        cls.from_pretrained(tmp_path)


def test_dropouts_that_differ_are_told(tmp_path, caplog):
    for changes, dropout, told in (
        ({"resid_pdrop": 0.2, "embd_pdrop": 0.2, "attn_pdrop": 0.2}, 0.2, False),
        ({"resid_pdrop": 0.2, "embd_pdrop": 0.0, "attn_pdrop": 0.3}, 0.2, True),
        ({"resid_pdrop": 0.3}, 0.3, True),  # the others are 0.1 by default
    ):
        caplog.clear()
        content = {"model_type": "gpt2"} | changes
        assert FORMATS["gpt2"].arguments(content, tmp_path / "config.json")["dropout"] == dropout
        assert ("the model has one dropout for all, and takes" in caplog.text) == told
    assert "resid_pdrop=0.3, embd_pdrop=0.1, attn_pdrop=0.1" in caplog.text


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("llama", {"rope_scaling": {"rope_type": "default"}}),
        ("llama", {"rope_scaling": {"type": "default"}}),
        ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "rope_scaling": None}),
        ("llama", {"rope_scaling": {}}),
        *(("llama", {"hidden_act": name}) for name in FORMATS["llama"].fixed["hidden_act"]),
        *(("gpt2", {"activation_function": name}) for name in FORMATS["gpt2"].fixed["activation_function"]),
    ],
)
def test_names_of_the_same_thing_are_known(kind, changes):
    arguments = FORMATS[kind].arguments({"model_type": kind} | changes, Path("config.json"))
    assert arguments.get("base", 10000.0) == 10000.0
    for name in changes.values():
        if isinstance(name, str):
            x = torch.linspace(-5, 5, 101, dtype=torch.float64)
            same = "silu" if kind == "llama" else "gelu_new"
            torch.testing.assert_close(ACT2FN[name](x), ACT2FN[same](x), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_type='linear', .* for 'default' alone"),
        ("llama", {"rope_scaling": [1]}, r"rope_scaling must be an object, got \[1\]"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu', and this model is written for 'silu' or 'swish' alone"),
        ("gpt2", {"activation_function": "gelu"}, "activation_function='gelu'"),
    ],
)
def test_what_would_compute_something_else_is_refused(kind, changes, words):
    with pytest.raises(ValueError, match=rf"config\.json.* {words}|config\.json: {words}"):
        FORMATS[kind].arguments({"model_type": kind} | changes, Path("config.json"))


@pytest.mark.parametrize(
    ("cls", "vocabulary", "tokens"),
    [(GPT2, 50257, (50256, 50256)), (GPT2, 50256, (None, None)), (LLaMA2, 11, (1, 2)), (LLaMA2, 2, (1, None))],
)
def test_exported_tokens_lie_within_the_vocabulary(cls, vocabulary, tokens, tmp_path):
    cls(vocabulary, 8, 4, 1, 2, hidden_dim=4).save_pretrained(tmp_path, names="transformers")
    config = hf.AutoConfig.from_pretrained(tmp_path)
    assert (config.bos_token_id, config.eos_token_id) == tokens


def test_missing_shards_and_parts_are_named(tmp_path):
    theirs(gpt2_config()).save_pretrained(tmp_path / "a", max_shard_size="2KB")
    next((tmp_path / "a").glob("model-00002-of-*")).unlink()
    with pytest.raises(WeightError, match="names shards that are not in its folder: model-00002-of"):
        GPT2.from_pretrained(tmp_path / "a")
    write_meta(tmp_path / "m", meta_state(PARAMS), PARAMS, 2)
    (tmp_path / "m" / "consolidated.00.pth").unlink()
    with pytest.raises(WeightError, match=r"^consolidated\.00\.pth is missing from"):
        LLaMA1.from_pretrained(tmp_path / "m")
    write_meta(tmp_path / "m", meta_state(PARAMS), PARAMS, 2)
    part = torch.load(tmp_path / "m" / "consolidated.01.pth", weights_only=True)
    del part["norm.weight"]
    torch.save(part, tmp_path / "m" / "consolidated.01.pth")
    with pytest.raises(WeightError, match=r"are no parts of one model: one of them lacks norm\.weight"):
        LLaMA1.from_pretrained(tmp_path / "m")


@pytest.mark.parametrize(
    ("gone", "words"),
    [((3,), r"consolidated\.03\.pth is"), ((0, 3), r"consolidated\.00\.pth, consolidated\.03\.pth are")],
)
def test_a_missing_last_part_is_named(gone, words, tmp_path):
    params = PARAMS | {"n_kv_heads": 4}
    write_meta(tmp_path, meta_state(params), params, 4)
    for i in gone:
        (tmp_path / f"consolidated.{i:02d}.pth").unlink()
    for path in (tmp_path, tmp_path / "consolidated.01.pth"):
        with pytest.raises(WeightError, match=rf"^{words} missing from .* in 4 parts, to consolidated\.03\.pth$"):
            LLaMA2.from_pretrained(path)


def test_the_path_of_a_part_means_all_of_them(tmp_path):
    write_meta(tmp_path, meta_state(PARAMS), PARAMS, 2)
    one, whole = (LLaMA2.from_pretrained(path) for path in (tmp_path / "consolidated.01.pth", tmp_path))
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in one.state_dict().items())


def test_parts_that_do_not_belong_together(tmp_path):
    write_meta(tmp_path, meta_state(PARAMS), PARAMS, 2)
    shutil.copy(tmp_path / "consolidated.01.pth", tmp_path / "consolidated.02.pth")
    with pytest.raises(WeightError, match=r"holds 3 parts, and consolidated\.00\.pth is of a model in 2"):
        LLaMA2.from_pretrained(tmp_path)
    (tmp_path / "consolidated.02.pth").unlink()
    part = torch.load(tmp_path / "consolidated.01.pth", weights_only=True)
    part["norm.weight"] = torch.ones(3)
    torch.save(part, tmp_path / "consolidated.01.pth")
    with pytest.raises(WeightError, match=r"are no parts of one model: norm\.weight differs in shape"):
        LLaMA2.from_pretrained(tmp_path)


# ---- several saves into one folder -------------------------------------------------------------------------------

FORMS = {
    "groundup": {"config.json", "model.safetensors"},
    "transformers": {"config.json", "model.safetensors"},
    "meta": {"params.json", "consolidated.00.pth"},
}


def small_llama(base):
    torch.manual_seed(int(base))
    return LLaMA2(12, 24, 16, 1, 2, hidden_dim=24, base=base).eval()


@pytest.mark.parametrize("shard", ["5GB", "2KB"])
@pytest.mark.parametrize("later", FORMS)
@pytest.mark.parametrize("earlier", FORMS)
def test_the_later_save_is_what_is_read(earlier, later, shard, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    small_llama(100.0).save_pretrained(tmp_path, earlier, shard)
    model = small_llama(200.0)
    model.save_pretrained(tmp_path, later)
    assert {file.name for file in tmp_path.iterdir()} == FORMS[later] | {"README.md"}
    for reader in (LLaMA2, find_model_class(tmp_path, read_config(tmp_path))):
        read = reader.from_pretrained(tmp_path)
        assert read.init_arguments["base"] == 200.0
        assert torch.equal(read(TOKENS), model(TOKENS))


@pytest.mark.parametrize("later", FORMS)
@pytest.mark.parametrize("earlier", FORMS)
@pytest.mark.parametrize("moment", range(4))
def test_a_crash_between_forms_leaves_the_old_the_new_or_a_refusal(earlier, later, moment, tmp_path, monkeypatch):
    old, new = small_llama(100.0), small_llama(200.0)
    old.save_pretrained(tmp_path, earlier)
    acts = 0

    def crashing(act):
        def crash_or_act(*arguments, **options):
            nonlocal acts
            acts += 1
            if acts > moment:
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return crash_or_act

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crashing(Path.unlink))
        patch.setattr(saving, "move_into_place", crashing(move_into_place))
        with contextlib.suppress(KeyboardInterrupt):
            new.save_pretrained(tmp_path, later)
    try:
        read = LLaMA2.from_pretrained(tmp_path)
    except (ValueError, FileNotFoundError):
        return
    which = next(model for model in (old, new) if model.init_arguments["base"] == read.init_arguments["base"])
    assert torch.equal(read(TOKENS), which(TOKENS))


def test_files_of_others_stay(tmp_path):
    for name in ("params.json", "pytorch_model.bin"):
        (tmp_path / name).write_text("mine")
    small_llama(100.0).save_pretrained(tmp_path)
    assert (tmp_path / "params.json").read_text() == "mine"
    with pytest.raises(ValueError, match=r"holds pytorch_model\.bin, which would be read instead; choose another"):
        small_llama(100.0).save_pretrained(tmp_path, names="meta")
    assert LLaMA2.from_pretrained(tmp_path).init_arguments["base"] == 100.0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("mine")
    small_llama(100.0).save_pretrained(tmp_path / "other", names="meta")
    assert (tmp_path / "other" / "config.json").read_text() == "mine"
    assert LLaMA2.from_pretrained(tmp_path / "other").init_arguments["base"] == 100.0


def test_a_folder_of_two_forms_is_read_as_one(tmp_path):
    """As the hub may have it: the configuration is that of the weights that are read, here transformers'."""
    small_llama(100.0).save_pretrained(tmp_path, "transformers")
    small_llama(200.0).save_pretrained(tmp_path / "meta", "meta")
    for file in (tmp_path / "meta").iterdir():
        shutil.copy(file, tmp_path)
    for path, base in (
        (tmp_path, 100.0),
        (tmp_path / "model.safetensors", 100.0),
        (tmp_path / "consolidated.00.pth", 200.0),
    ):
        read = LLaMA2.from_pretrained(path)
        assert read.init_arguments["base"] == base
        assert torch.equal(read(TOKENS), small_llama(base)(TOKENS))


def test_what_cannot_be_exported_is_refused(tmp_path):
    model = GPT3(11, 16, 8, 2, 2)
    with pytest.raises(ValueError, match="names must be one of 'groundup', got 'transformers'"):
        model.save_pretrained(tmp_path / "x", names="transformers")
    with pytest.raises(ValueError, match="names must be one of 'groundup', 'transformers', got 'meta'"):
        GPT2(11, 16, 8, 2, 2).save_pretrained(tmp_path / "x", names="meta")
    with pytest.raises(ValueError, match='names="meta": its files have a head'):
        LLaMA1(11, 16, 8, 2, 2, tie_embeddings=True).save_pretrained(tmp_path / "x", names="meta")
    for names in ("groundup", "transformers", "meta"):
        with pytest.raises(ValueError, match="weight is on the meta device and has no numbers to save"):
            LLaMA1(11, 16, 8, 2, 2, device="meta").save_pretrained(tmp_path / "x", names=names)
        assert not (tmp_path / "x").exists()
