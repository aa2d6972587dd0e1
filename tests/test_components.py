"""The component sweep: what DESIGN asks of every component, over the cases of rows/."""

import copy
import io
import itertools
import pickle

import pytest
import torch

from groundup import backend
from groundup.component import all_components
from parity import as_list, assert_as_accurate, assert_same, randomise, run
from rows.registry import CASES, COMPONENTS_WITH_CASES, REQUIRED

WITH_ORACLE = [case for case in CASES if case.oracle]
ONE_EACH = list({case.component: case for case in reversed(CASES)}.values())  # one configuration of each component
by_id = {"ids": lambda value: value.id if hasattr(value, "id") else None}

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


def build(case, dtype=torch.float64, seed=1):
    module = randomise(case.build(), seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(case.gain)
    return module.to(dtype)


def call(module, case, inputs, train):
    module.train(train)
    if case.random:
        torch.manual_seed(7)
    return run(module, inputs, module)


def test_every_layer_and_model_has_cases():
    expected = {c.name for c in all_components() if c.family != "optimizers" and issubclass(c.made, torch.nn.Module)}
    assert expected == COMPONENTS_WITH_CASES


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", WITH_ORACLE, **by_id)
def test_parity(case, dtype, measured):
    """Outputs, gradients and buffers equal the oracle's, in training and evaluation.

    Each module is called twice at least; modules with buffers twice in each mode, so that the buffers move.
    Whole networks in bfloat16: see `assert_as_accurate`. What the slow tests have of networks is in conftest.py.
    """
    ours, oracle = build(case, dtype), case.oracle().to(dtype)
    oracle.load_state_dict(case.transfer(ours.state_dict()), strict=True)
    ours.load_state_dict(oracle.state_dict(), strict=True)
    rounded = case.network and dtype == torch.bfloat16
    once = len(case.modes) > 1 and not list(ours.buffers())
    for train in case.modes if once else (*case.modes, *case.modes):
        inputs, exact = case.inputs(dtype=dtype), copy.deepcopy(oracle).double() if rounded else None
        actual, expected = call(ours, case, inputs, train), call(oracle, case, inputs, train)
        actual.parameter_grads = case.transfer(actual.parameter_grads)
        assert all(o.dtype == dtype for o in actual.outputs if o.is_floating_point())
        if rounded:
            truth = call(exact, case, [x.double() for x in inputs], train)
            assert_as_accurate(actual, expected, truth, f"train={train}: ")
        else:
            errors = assert_same(actual, expected, dtype, f"train={train}: ", case.tolerance.get(dtype))
            measured(case.component, dtype, errors)


@pytest.mark.body("auto")
@pytest.mark.parametrize("case", [case for case in CASES if not case.oracle], **by_id)
def test_reference_equals_fused(case):
    """Where there is an oracle, test_parity holds each body to it."""
    modules = {}
    for mode in ("reference", "auto"):
        modules[mode] = build(case)
    for train in case.modes:
        with backend("reference"):
            expected = call(modules["reference"], case, case.inputs(), train)
        with backend("auto"):
            actual = call(modules["auto"], case, case.inputs(), train)
        assert_same(actual, expected, torch.float64, f"train={train}: ")


@pytest.mark.body("reference")
@pytest.mark.parametrize("case", [c for c in ONE_EACH if c.differentiable], **by_id)
def test_gradcheck_of_the_definition(case):
    """Analytic against numerical derivatives, in the input; big inputs are probed in random directions."""
    module = build(case).train(not case.random)
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in case.inputs()]

    def function(*arguments):
        return tuple(as_list(module(*arguments)))

    with backend("reference"):
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


@pytest.mark.body("auto")  # and in it both
@pytest.mark.parametrize("case", CASES, **by_id)
def test_batches_of_zero_and_one(case):
    """An empty batch gives an empty output of the right shape, and leaves the statistics as they were."""
    module, expected = build(case), {}
    modes = ("auto",) if case.network else ("auto", "reference")  # its layers have both
    for train, mode, batch in itertools.product(case.modes, modes, (*case.batches, 2)):
        module.train(train)
        before = {n: b.clone() for n, b in module.named_buffers() if not n.endswith("num_batches_tracked")}
        with backend(mode):
            outputs = run(module, case.inputs(batch), module).outputs
        assert all(output.isfinite().all() for output in outputs if output.is_floating_point())
        if getattr(module, "start_dim", 1) == 0:
            continue  # the batch itself is flattened
        shapes = [output.shape[1:] for output in outputs]
        assert shapes == expected.setdefault(train, shapes)
        assert batch == 2 or all(output.size(0) == batch for output in outputs)
        if batch == 0:
            for name, value in before.items():
                assert torch.equal(dict(module.named_buffers())[name], value), name


@pytest.mark.parametrize("case", CASES, **by_id)
def test_layout_does_not_matter(case):
    """Transposed, strided and channels-last inputs give what contiguous ones give.

    Networks get one arrangement per mode: their layers get both.
    """
    inputs = case.inputs()
    strided = [torch.stack([x, x], -1)[..., 0] for x in inputs]
    transposed = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in inputs]
    assert all(not x.is_contiguous() for x in (*strided, *transposed) if x.dim() > 1)
    for train in (t for t in case.modes if not (case.random and t)):  # noise is drawn in memory order
        module = build(case)
        twins = [copy.deepcopy(module) for _ in range(1 if case.network else 2)]
        expected = call(module, case, inputs, train)
        for twin, arranged in zip(twins, (transposed, strided) if train else (strided, transposed)):
            assert_same(call(twin, case, arranged, train), expected, torch.float64)


@pytest.mark.body("auto")
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_state_dict_round_trip(case):
    source, target = build(case, seed=1), build(case, seed=2)
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert_same(call(target, case, case.inputs(), False), call(source, case, case.inputs(), False), torch.float64)
    if source.state_dict():
        with pytest.raises(RuntimeError, match="Unexpected key"):
            target.load_state_dict({**source.state_dict(), "stray": torch.zeros(1)})
        name, value = next(iter(source.state_dict().items()))
        with pytest.raises(RuntimeError, match=name):
            target.load_state_dict({k: v for k, v in source.state_dict().items() if k != name})
        with pytest.raises(RuntimeError, match=name):
            target.load_state_dict({**source.state_dict(), name: value.new_zeros(*value.shape, 2)})


@pytest.mark.body("auto")
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_copies_are_equal_and_independent(case, copier):
    module = build(case)
    expected = call(module, case, case.inputs(), False)
    twin = copier(module)
    assert_same(call(twin, case, case.inputs(), False), expected, torch.float64)
    randomise(twin, seed=9)
    assert_same(call(module, case, case.inputs(), False), expected, torch.float64)


#: test_functions.py compiles every function in either body; the definitions of components are left to slow tests.
EITHER_BODY = ["auto", pytest.param("reference", marks=pytest.mark.slow)]


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", EITHER_BODY)
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_compiles_whole(case, mode):
    """torch.compile(fullgraph=True), forward and backward; autograd's graph too, in a layer's first mode.

    A network is the same layers many times: it is traced in one mode, without autograd's graph.
    """
    torch._dynamo.reset()
    module = build(case, torch.float32)
    modes = [train for train in case.modes if not (case.random and train)]
    many = case.network or case.deep
    for train in modes[:1] if many else modes:
        compiler = "aot_eager" if mode == "auto" and not many and train == modes[0] else "eager"
        with backend(mode):
            expected = call(copy.deepcopy(module), case, case.inputs(dtype=torch.float32), train)
            twin = copy.deepcopy(module).train(train)
            compiled = torch.compile(twin, fullgraph=True, backend=compiler)
            actual = run(compiled, case.inputs(dtype=torch.float32), twin)
        assert_same(actual, expected, torch.float32, f"train={train}: ", 1e-3)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("mode", EITHER_BODY)
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_exports(case, mode):
    module = build(case, torch.float32).eval()
    inputs = case.inputs(dtype=torch.float32)
    with backend(mode):
        program = torch.export.export(module, inputs)
        expected = module(*inputs)
    torch.testing.assert_close(program.module()(*inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.body("auto")  # and in it both
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_bfloat16_autocast(case):
    """Under autocast nothing fails and the result stays near float32's, in either body."""
    module = build(case, torch.float32).eval()
    inputs = [0.1 * x if x.is_floating_point() else x for x in case.inputs(dtype=torch.float32)]
    for parameter in module.parameters():
        parameter.data.mul_(0.1)
    expected = as_list(module(*inputs))
    for mode in ("auto", "reference"):
        with backend(mode), torch.autocast("cpu", torch.bfloat16):
            actual = as_list(module(*inputs))
        torch.testing.assert_close([a.float() for a in actual], expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_meta_device(case):
    """Built where there is no memory: same shapes, and filled from a state_dict afterwards."""
    with torch.device("meta"):
        module = case.build()
    real = build(case, torch.float32)
    assert {n: p.shape for n, p in module.state_dict().items()} == {n: p.shape for n, p in real.state_dict().items()}
    assert all(p.is_meta for p in module.parameters())
    inputs = case.inputs(dtype=torch.float32)
    imagined, computed = module.eval()(*[x.to("meta") for x in inputs]), real.eval()(*inputs)
    assert [o.shape for o in as_list(imagined)] == [o.shape for o in as_list(computed)]

    filled = module.to_empty(device="cpu")
    for part in filled.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    filled.load_state_dict(real.state_dict())
    assert_same(call(filled, case, inputs, False), call(real, case, inputs, False), torch.float32)


@pytest.mark.body("auto")
@pytest.mark.parametrize("case", ONE_EACH, **by_id)
def test_factory_arguments(case):
    """device= and dtype= reach every parameter and floating buffer, where the constructor takes them."""
    import inspect

    module = case.build()
    if "dtype" not in inspect.signature(type(module).__init__).parameters or not list(module.parameters()):
        pytest.skip("no parameters")
    component = next(c for c in all_components() if c.name == case.component).made
    extra = {"groups": 2} if case.component == "Conv2dGroups" else {}
    made = component(*REQUIRED.get(case.component, (3,)), **extra, device="meta", dtype=torch.float64)
    for name, value in made.state_dict().items():
        assert value.is_meta, name
        assert value.dtype == (torch.float64 if value.is_floating_point() else torch.int64), name


@pytest.mark.gpu
@pytest.mark.parametrize("case", WITH_ORACLE, **by_id)
def test_on_a_gpu(case):
    """A move to the device carries everything, and the result is the CPU's."""
    for train in (t for t in case.modes if not (case.random and t)):
        expected = call(build(case), case, case.inputs(), train)
        actual = call(build(case).cuda(), case, [x.cuda() for x in case.inputs()], train)
        for part in (actual.parameter_grads, actual.buffers):
            part.update({name: None if v is None else v.cpu() for name, v in part.items()})
        actual.outputs = [o.cpu() for o in actual.outputs]
        actual.input_grads = [g.cpu() for g in actual.input_grads]
        assert_same(actual, expected, torch.float64)
