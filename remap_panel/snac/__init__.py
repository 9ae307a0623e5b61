"""Sequential Neural Architecture Chips (SNACs): architectures as rows of blocks.

`draw` gives a drawing that shows itself in a notebook and saves itself; `svg` gives its text, as
tables and tooltips want it; `blocks` gives where each block stands.
"""

from remap_panel.snac.drawing import Drawing, draw
from remap_panel.snac.layout import SCALE, SIZES, Block, Chip, Scale, Size, blocks
from remap_panel.snac.svg import in_columns, svg

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
    "svg",
]
