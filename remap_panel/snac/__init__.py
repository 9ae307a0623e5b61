"""Sequential Neural Architecture Chips (SNACs): architectures as rows of blocks.

`draw` gives a drawing that shows itself in a notebook and in Panel and saves itself as SVG, PDF or
PNG; `table` puts several below each other, `legend` explains them. `svg` gives a chip's text, as
the page's tables and tooltips want it; `blocks` gives where each block stands.
"""

from remap_panel.snac.drawing import Drawing, draw, legend, table
from remap_panel.snac.layout import SCALE, SIZES, Block, Chip, Scale, Size, blocks
from remap_panel.snac.strip import in_columns
from remap_panel.snac.svg import svg

__all__ = [
    "SCALE",
    "SIZES",
    "Block",
    "Chip",
    "Drawing",
    "Scale",
    "Size",
    "blocks",
    "draw",
    "in_columns",
    "legend",
    "svg",
    "table",
]
