"""Draw README's pictures: run the examples that draw them, and shrink each picture to at most 60 kB."""

import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
MAX_BYTES = 60_000
MAX_WIDTH_PIXELS = 900
#: picture: (example, which of its pictures)
PICTURES = {
    "digits": ("convolutional/digits_lenet.py", "digits.png"),
    "optimizers": ("shallow/visualize_optimizers.py", "paths.png"),
    "words": ("recurrent/word2vec.py", "words.png"),
    "letters": ("energy_based/hopfield_letters.py", "film.png"),
}


def draw(name: str, smoke: bool) -> Image.Image:
    """The picture that its example draws, run in a temporary folder."""
    example, picture = PICTURES[name]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "examples" / example), *["--smoke"] * smoke]
        paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": paths})
        image = Image.open(next(Path(folder).rglob(picture)))
        image.load()
    return image.convert("RGB")


def shrink(image: Image.Image) -> bytes:
    """A PNG of at most MAX_BYTES: of MAX_WIDTH_PIXELS, then of fewer colours, then narrower."""
    width = min(MAX_WIDTH_PIXELS, image.width)
    while width > 100:
        small = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
        for colours in (128, 64, 32):
            file = BytesIO()
            palette = small.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
            palette.save(file, "PNG", optimize=True)
            if file.tell() <= MAX_BYTES:
                return file.getvalue()
        width = width * 4 // 5
    raise ValueError(f"a picture of {image.width} x {image.height} does not fit into {MAX_BYTES} bytes")


def main(names: list[str], smoke: bool = False) -> None:
    """Draw the named pictures, or all, into docs/pictures/; with `smoke` into a temporary folder."""
    if unknown := set(names) - PICTURES.keys():
        sys.exit(f"there is no picture {', '.join(sorted(unknown))}; choose from {', '.join(PICTURES)}")
    folder = Path(tempfile.mkdtemp()) if smoke else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        data = shrink(draw(name, smoke))
        (folder / f"{name}.png").write_bytes(data)
        print(f"{folder / name}.png  {len(data) / 1000:.0f} kB", flush=True)
