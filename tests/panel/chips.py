"""Twelve architectures as golden pictures, at four sizes, and a figure of all of them.

`python -m tests.panel.chips` writes the pictures anew; look at what changed before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from remap_panel.snac import SIZES, draw, legend, table
from remap_ray.space import Architecture

GOLDEN = Path(__file__).parent / "golden"

SMALL, GREY, COLOUR = (1, 8, 8), (1, 28, 28), (3, 32, 32)

TEXTS = {
    "none": (SMALL, 10, ""),
    "one-layer": (SMALL, 10, "conv8x3"),
    "dense-only": (GREY, 10, "dense256 relu drop0.5 dense128 tanh dense64 sigmoid"),
    "lenet": (GREY, 10, "conv6x5 tanh avg2 conv16x5 tanh avg2 dense120 tanh dense84 tanh"),
    "activations": (SMALL, 4, "conv4x3 relu conv4x3 tanh conv4x3 sigmoid"),
    "pools": (COLOUR, 10, "max2 conv32x3 avg3 conv64x3 globalavg"),
    "dropouts": (GREY, 10, "drop0.1 conv16x3 drop0.25 dense32 drop0.5"),
    "modern": (
        COLOUR,
        10,
        "conv16x3same batchnorm relu depthwise32x3s2p1 batchnorm relu globalavg",
    ),
    "strides": (COLOUR, 10, "conv8x5s2p2 relu conv16x3s2p1 relu max3s1 dense32"),
    "repeats": (
        COLOUR,
        10,
        f"{'conv16x3same relu ' * 3}max2 {'conv32x3same batchnorm relu ' * 2}max2 drop0.25 dense64",
    ),
    "deep": (GREY, 10, f"{'conv8x3same relu ' * 12}dense32"),
    "extremes": ((3, 128, 128), 2, "conv128x1 max2 conv1x3 dense1 dense1000"),
}
"""Input shape, classes and layers by name: all kinds, both ends of the scale, long and empty."""


def architectures() -> dict[str, Architecture]:
    """Give the twelve by name."""
    return {
        name: Architecture.from_text(text, shape, classes)
        for name, (shape, classes, text) in TEXTS.items()
    }


def pictures() -> Iterator[tuple[str, str]]:
    """Give the name and the SVG of each golden picture."""
    known = architectures()
    for name, one in known.items():
        for size in SIZES:
            yield f"{name}-{size}.svg", draw(one, size, name).svg
    chips = [*known.values()]
    yield "legend.svg", legend().svg
    columns = {
        "parameters": [one.parameter_count for one in chips],
        "share": [None, *(place / 11 for place in range(1, 12))],
        "input": ["×".join(map(str, one.input_shape)) for one in chips],
    }
    yield (
        "table.svg",
        table(chips, labels=[*known], columns=columns, title="Twelve", fold=True, legend=True).svg,
    )
    pair = [known["lenet"], known["dropouts"]]
    yield "aligned.svg", table(pair, labels=["a", "b"], align="structure", sizes=True).svg


def main() -> None:
    """Write all golden pictures, and nothing else."""
    made = dict(pictures())
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.svg"):
        old.unlink()
    for name, text in made.items():
        (GOLDEN / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
