"""The cache is trusted only by its hash, the network is used only when it must be, and failures say what to do."""

import hashlib
import os
import re

import pytest

from groundup.data import DamagedFileError, DownloadError, cache_folder, download, fetch

NAME = "mnist/t10k-labels-idx1-ubyte.gz"
CONTENT = bytes(range(256)) * 999


def serve(server, publish, content, *before):
    """NAME published at the addresses `before` and then at the server, which answers with `content`."""
    address, folder, _ = server
    (folder / "file").write_bytes(content)
    publish(NAME, CONTENT, *before, address + "file")


def test_downloads_once_then_reads_the_cache_without_network(server, publish, cache):
    serve(server, publish, CONTENT)
    assert fetch(NAME) == cache / NAME
    assert (cache / NAME).read_bytes() == CONTENT
    assert len(server[2]) == 1
    assert fetch(NAME) == cache / NAME
    assert len(server[2]) == 1
    assert os.listdir(cache / "mnist") == [NAME.rpartition("/")[2]]  # nothing half-written beside it


def test_a_file_in_the_cache_needs_neither_network_nor_a_writable_folder(put, cache):
    put(NAME, CONTENT)
    os.chmod(cache / "mnist", 0o555)
    before = os.stat(cache / "mnist")
    try:
        assert fetch(NAME).read_bytes() == CONTENT
        assert os.stat(cache / "mnist").st_mtime_ns == before.st_mtime_ns
    finally:
        os.chmod(cache / "mnist", 0o755)


def test_the_next_address_is_tried(server, publish):
    missing = server[0] + "not-there"
    serve(server, publish, CONTENT, missing)
    assert fetch(NAME).read_bytes() == CONTENT
    assert [path for path in server[2] if path == "/file"]


def test_a_download_with_the_wrong_hash_is_not_kept(server, publish, cache):
    serve(server, publish, CONTENT[:-1] + b"!")
    expected, got = (hashlib.sha256(c).hexdigest() for c in (CONTENT, CONTENT[:-1] + b"!"))
    with pytest.raises(DownloadError, match=f"(?s){expected}.*{got}"):
        fetch(NAME)
    assert os.listdir(cache / "mnist") == []


def test_a_damaged_file_in_the_cache_is_reported_and_left_alone(server, publish, put, cache):
    put(NAME, CONTENT)
    (cache / NAME).write_bytes(CONTENT[:100])
    serve(server, publish, CONTENT)
    expected, got = (hashlib.sha256(c).hexdigest() for c in (CONTENT, CONTENT[:100]))
    message = f"{re.escape(str(cache / NAME))}.*expected.*{expected}.*255,744 bytes.*got {got}.*100 bytes.*delete"
    with pytest.raises(DamagedFileError, match=message):
        fetch(NAME)
    assert (cache / NAME).read_bytes() == CONTENT[:100]
    assert server[2] == []


def test_without_network_the_message_says_what_to_do(cache, capsys):
    with pytest.raises(DownloadError) as raised:
        fetch(NAME)
    address = download.FILES[NAME].addresses[0]
    for part in (NAME, "4,542 bytes", f"from {address}", str(cache / NAME), "by hand", "GROUNDUP_DATA"):
        assert part in str(raised.value)
    assert isinstance(raised.value, OSError)
    assert capsys.readouterr() == ("", "")  # the error is all there is


def test_a_cache_folder_that_cannot_be_made(tmp_path, monkeypatch, cache):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(DownloadError, match="cache folder cannot be made"):
        fetch(NAME)


def test_a_cache_folder_that_cannot_be_written(monkeypatch, cache, server, publish):
    serve(server, publish, CONTENT)
    monkeypatch.setattr(download.os, "access", lambda path, mode: False)
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch(NAME)
    assert server[2] == []


def test_a_file_without_an_address(cache):
    with pytest.raises(DownloadError, match=r"(?s)no address.*cifar10/train\.zip by hand"):
        fetch("cifar10/train.zip")


def test_an_unknown_name(cache):
    with pytest.raises(ValueError, match=r"must be one of .*mnist/train.*got 'mnist/nothing'"):
        fetch("mnist/nothing")


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("GROUNDUP_DATA", "~/somewhere")
    assert cache_folder().name == "somewhere"
    assert cache_folder().is_absolute()
    monkeypatch.delenv("GROUNDUP_DATA")
    assert cache_folder().name == "groundup"


@pytest.mark.parametrize("name", list(download.FILES))
def test_the_table_is_well_formed(name):
    file = download.FILES[name]
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert file.size > 0 or name.startswith(("planetoid/ind.citeseer.", "planetoid/ind.pubmed."))  # not stated
    assert all(address.startswith("http") and name.endswith(address.rpartition("/")[2]) for address in file.addresses)
