"""Draw README's pictures anew: run the examples that make them, and shrink what they drew to at most 60 kB each.

`python tools/pictures.py [NAME...]`; all if no name is given. With --smoke from runs of a few steps, into a folder
beside the real ones, to see that it works.
"""

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
LIMIT = 60_000  # bytes
WIDTH = 900  # pixels
#: picture: (example, its flags, which of its pictures)
PICTURES = {
    "digits": ("convolutional/digits_lenet.py", (), "digits.png"),
    "optimizers": ("shallow/visualize_optimizers.py", (), "paths.png"),
    "words": ("recurrent/word2vec.py", (), "words.png"),
    "letters": ("energy_based/hopfield_letters.py", (), "film.png"),
}


def drawn(name: str, smoke: bool) -> Image.Image:
    """The picture, by a run of its example in a folder that is gone afterwards."""
    example, flags, picture = PICTURES[name]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "examples" / example), *flags, *["--smoke"] * smoke]
        paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": paths})
        image = Image.open(next(Path(folder).rglob(picture)))
        image.load()
    return image.convert("RGB")


def shrunk(image: Image.Image) -> bytes:
    """As PNG within LIMIT: narrowed to WIDTH, then to fewer colours, then narrower still."""
    width = min(WIDTH, image.width)
    while width > 100:
        small = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
        for colours in (128, 64, 32):
            file = BytesIO()
            palette = small.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
            palette.save(file, "PNG", optimize=True)
            if file.tell() <= LIMIT:
                return file.getvalue()
        width = width * 4 // 5
    raise ValueError(f"a picture of {image.width} x {image.height} does not fit into {LIMIT} bytes")


def main() -> None:
    smoke = "--smoke" in sys.argv[1:]
    names = [name for name in sys.argv[1:] if name != "--smoke"] or list(PICTURES)
    if unknown := set(names) - PICTURES.keys():
        sys.exit(f"there is no picture {', '.join(sorted(unknown))}; choose of {', '.join(PICTURES)}")
    folder = Path(tempfile.mkdtemp()) if smoke else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        data = shrunk(drawn(name, smoke))
        (folder / f"{name}.png").write_bytes(data)
        print(f"{folder / name}.png  {len(data) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
