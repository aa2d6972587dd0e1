"""An address becomes a path: checked, cached, and where there is no way to it, with the place for it by hand."""

import functools
import hashlib
import http.server
import sys
import threading
import types

import pytest
from pretrained_toy import row

from groundup.data import DamagedFileError, DownloadError
from groundup.weights import hub as weights_hub
from groundup.weights import registry
from groundup.weights.hub import fetch, fetch_folder, locate

CONTENT = bytes(range(256)) * 99
DIGITS = hashlib.sha256(CONTENT).hexdigest()
NAME = f"small-{DIGITS[:8]}.pth"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(address, folder, paths asked for) of a web server on this machine."""
    monkeypatch.setenv("NO_PROXY", "*")
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/", folder, asked
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("digits", ["", DIGITS[:8], DIGITS])
def test_a_download_is_checked_and_kept(server, tmp_path, digits):
    address, folder, asked = server
    (folder / NAME).write_bytes(CONTENT)
    path = fetch(address + NAME, digits)
    assert path == tmp_path / "cache" / "weights" / NAME
    assert path.read_bytes() == CONTENT
    assert fetch(address + NAME, digits) == path
    assert len(asked) == 1
    assert [file.name for file in path.parent.iterdir()] == [NAME]


@pytest.mark.parametrize("digits", ["", DIGITS[:8]])
def test_the_hash_in_the_name_is_held_to(server, tmp_path, digits):
    address, folder, _ = server
    (folder / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=rf"(?s)expected sha256 {DIGITS[:8]}, what came has .* by hand"):
        fetch(address + NAME, digits)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []
    (tmp_path / "cache" / "weights" / NAME).write_bytes(b"other")
    with pytest.raises(DamagedFileError, match=rf"is not the published file: expected sha256 {DIGITS[:8]}, got"):
        fetch(address + NAME, digits)


def test_what_torchvision_downloaded_is_not_downloaded_again(tmp_path):
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / NAME
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    assert fetch(f"https://nowhere.invalid/{NAME}") == theirs
    theirs.write_bytes(b"damaged")
    with pytest.raises(DownloadError):
        fetch(f"https://nowhere.invalid/{NAME}")


def test_without_a_network_the_place_for_it_is_named(tmp_path):
    with pytest.raises(DownloadError) as raised:
        fetch(f"https://nowhere.invalid/models/{NAME}")
    said = str(raised.value)
    assert f"https://nowhere.invalid/models/{NAME}: no connection" in said
    assert f"at {tmp_path}/cache/weights/{NAME} by hand" in said
    assert max(map(len, said.splitlines())) < 200


@pytest.mark.parametrize("address", ["ftp://a/b.pth", "https://host/", "hf://owner/repo", "hf://o/r/../x", "hf://o//x"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="address must"):
        fetch(address)


# ---- the hub -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """hub(files): a hub whose repository "owner/name" holds these."""
    there = tmp_path / "hub"
    there.mkdir()
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        if not (there / file).exists():
            raise FileNotFoundError(f"404 Client Error.\n\nEntry Not Found for {file}")
        return str(there / file)

    def snapshot(repository, allow_patterns):
        asked.append((repository, *allow_patterns))
        folder = tmp_path / f"snapshot{len(asked)}"
        folder.mkdir()
        for file in there.iterdir():
            if any(file.match(pattern) for pattern in allow_patterns):
                (folder / file.name).write_bytes(file.read_bytes())
        return str(folder)

    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download, module.snapshot_download = download, snapshot
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return there, asked


def test_a_file_of_the_hub(hub, tmp_path):
    there, asked = hub
    (there / "model.safetensors").write_bytes(CONTENT)
    assert fetch("hf://owner/name/model.safetensors", DIGITS[:10]) == there / "model.safetensors"
    assert asked == [("owner/name", "model.safetensors")]
    with pytest.raises(DamagedFileError, match="expected sha256 0000"):
        fetch("hf://owner/name/model.safetensors", "0000")
    by_hand = tmp_path / "cache" / "weights" / "owner" / "name" / "model.safetensors"
    with pytest.raises(DownloadError, match=r"(?s)Entry Not Found.*Put the file from https://huggingface\.co/owner/"):
        fetch("hf://owner/name/other.safetensors")
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(CONTENT)
    assert fetch("hf://owner/name/model.safetensors") == by_hand


def test_a_repository_of_the_hub_in_its_best_form(hub, tmp_path):
    there, _ = hub
    for name in ("config.json", "pytorch_model.bin", "model.fp16.safetensors", "README.md"):
        (there / name).write_text("x")
    assert sorted(f.name for f in fetch_folder("owner/name").iterdir()) == ["config.json", "pytorch_model.bin"]
    (there / "model.safetensors").write_text("x")
    assert sorted(f.name for f in locate("owner/name").iterdir()) == ["config.json", "model.safetensors"]
    for file in there.iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"has neither model\.safetensors nor pytorch_model\.bin"):
        fetch_folder("owner/name")
    (tmp_path / "cache" / "weights" / "owner" / "name").mkdir(parents=True)
    assert fetch_folder("owner/name") == tmp_path / "cache" / "weights" / "owner" / "name"


@pytest.mark.parametrize(
    "files",
    [
        ("config.json", "model.safetensors", "tokenizer.model"),
        ("config.json", "pytorch_model.bin", "tokenizer.model"),
        ("config.json", "pytorch_model-1-of-1.bin", "pytorch_model.bin.index.json", "tokenizer.json"),
        ("consolidated.00.pth", "consolidated.01.pth", "params.json", "tokenizer.model"),
    ],
)
def test_a_tokenizer_is_no_weights(hub, files):
    """The last are Meta's repositories; original/ in others holds the same weights once more."""
    there, _ = hub
    for name in (*files, "training_args.bin", "checklist.chk"):
        (there / name).write_text("x")
    assert sorted(file.name for file in fetch_folder("owner/name").iterdir()) == sorted(files)


def test_what_was_fetched_before_is_not_taken_for_the_weights(hub):
    """The real library keeps all files of a repository in one folder, whoever asked for them."""
    there, asked = hub
    for name in ("config.json", "tokenizer.model", "training_args.bin"):
        (there / name).write_text("x")
    module = sys.modules["huggingface_hub"]
    module.snapshot_download = lambda repository, allow_patterns: asked.append(allow_patterns) or str(there)
    with pytest.raises(ValueError, match=r"nor consolidated\.00\.pth; name a file of it"):
        fetch_folder("owner/name")
    assert len(asked) == 3


def test_without_its_library_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: fetch("hf://owner/name/model.safetensors"), lambda: fetch_folder("owner/name")):
        with pytest.raises(ImportError, match=r"pip install 'groundup\[hub\]'"):
            call()


@pytest.mark.parametrize("call", [lambda: fetch("hf://owner/name/x.safetensors"), lambda: fetch_folder("owner/name")])
def test_the_real_library_without_a_network(call, monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(DownloadError, match=r"(?s)no connection to huggingface\.co.*Put the files? from .* by hand"):
        call()


def test_where_a_name_leads(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "published_weights", lambda: (row("torchvision/resnet50"), row("torchvision/vgg16")))
    monkeypatch.setattr(weights_hub, "_import_hub", lambda: pytest.fail("the hub was asked"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.pth").write_text("")
    assert str(locate("mine.pth")) == "mine.pth"
    for name in ("torchvision/resnet51", "weights/mine.pth", "mine", "../none", "a/b/c"):
        near = "; like it are torchvision/resnet50" if name == "torchvision/resnet51" else "$"  # else nothing is
        with pytest.raises(ValueError, match=f"is neither a file or folder on this machine.* published weights{near}"):
            locate(name)


def test_who_publishes_on_the_hub_and_elsewhere_is_asked_there(tmp_path, monkeypatch):
    """timm has old weights on GitHub, the others on the hub: those for which there is no row are found, too."""
    rows = (row("timm/old.in1k"), row("timm/new.in1k", address="hf://timm/new.in1k/model.safetensors"))
    monkeypatch.setattr(registry, "published_weights", lambda: rows)
    folder = tmp_path / "cache" / "weights" / "timm" / "other.in1k"
    folder.mkdir(parents=True)
    assert locate("timm/other.in1k") == folder
