"""A cache folder of the test's own, published files of its own, and a server for them on this machine."""

import functools
import hashlib
import http.server
import os
import socket
import threading
from pathlib import Path

import pytest

from groundup.data import download

REAL = Path(os.environ.get("GROUNDUP_DATA") or Path(__file__).parents[3] / "shared" / "datasets").absolute()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and no address of the table that leads out of this machine."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    for name, file in download.FILES.items():
        addresses = (nowhere + name,) if file.addresses else ()
        monkeypatch.setitem(download.FILES, name, download.RemoteFile(file.size, file.sha256, addresses))
    folder = tmp_path / "cache"
    monkeypatch.setenv("GROUNDUP_DATA", str(folder))
    monkeypatch.setenv("NO_PROXY", "*")
    return folder


@pytest.fixture
def publish(cache, monkeypatch):
    """publish(name, content, *addresses): the table from now on expects `content` under `name`."""

    def publish(name, content, *addresses):
        sha256 = hashlib.sha256(content).hexdigest()
        addresses = addresses or download.FILES[name].addresses
        monkeypatch.setitem(download.FILES, name, download.RemoteFile(len(content), sha256, addresses))

    return publish


@pytest.fixture
def put(cache, publish):
    """put(name, content): published, and in the cache."""

    def put(name, content):
        publish(name, content)
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(content)

    return put


@pytest.fixture
def server(tmp_path):
    """(address, folder, the paths asked for so far) of a web server."""
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


@pytest.fixture
def real(cache):
    """real(name, ...): these published files, from GROUNDUP_DATA or ../shared/datasets; skips when one is missing."""

    def real(*names):
        for name in names:
            if not (REAL / name).is_file():
                pytest.skip(f"{REAL / name} is not there")
            # A link in the test's own cache: should anything be written, it is not written among the real ones.
            (cache / name).parent.mkdir(parents=True, exist_ok=True)
            (cache / name).symlink_to(REAL / name)

    return real
