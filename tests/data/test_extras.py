"""The room opens without its extras, and says what to install where one is needed."""

import subprocess
import sys

SCRIPT = """
import sys
for missing in ("PIL", "pooch", "sklearn", "tokenizers"):
    sys.modules[missing] = None
from groundup.data import BytePairTokenizer, cache_folder, digits, image_folder

for call in (digits, cache_folder, lambda: image_folder(sys.argv[1]), lambda: BytePairTokenizer.of("a")):
    try:
        call()
    except ImportError as failure:
        assert "pip install 'groundup[data]'" in str(failure), failure
    else:
        raise SystemExit(f"{call} found its extra")
"""


def test_missing_extras(tmp_path, monkeypatch):
    monkeypatch.delenv("GROUNDUP_DATA", raising=False)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"any")
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
