r"""Writes `remap_panel/vendor/letters.json`: outlines of a font's letters, for figures.

Run by hand, with fontTools, on the package that `remap_panel/vendor/README.md` names:

    python tests/panel/letters_of_fonts.py \
        ibm-plex-sans-{latin,latin-ext,greek,cyrillic}-400-normal.woff
"""

import json
import sys
import unicodedata

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont


class Outline(BasePen):
    """SVG path data of whole numbers, all relative, y downwards."""

    def __init__(self, glyphs):
        super().__init__(glyphs)
        self.data, self.at = "", (0, 0)

    def go(self, command, *points):
        points = [(round(x), -round(y)) for x, y in points]
        self.data += command + " ".join(f"{x - self.at[0]} {y - self.at[1]}" for x, y in points)
        self.at = points[-1]

    def _moveTo(self, point):
        self.go("m", point)
        self.start = self.at

    def _lineTo(self, point):
        self.go("l", point)

    def _qCurveToOne(self, control, point):
        self.go("q", control, point)

    def _closePath(self):
        self.data, self.at = self.data + "z", self.start


def main(paths):
    found = {}
    for path in paths:
        font = TTFont(path)
        glyphs = font.getGlyphSet()
        for code, name in font.getBestCmap().items():
            # No marks that combine, no controls: what a font of outlines alone can set.
            if unicodedata.category(chr(code))[0] in "LNPS" or code in {0x20, 0xA0}:
                pen = Outline(glyphs)
                glyphs[name].draw(pen)
                found.setdefault(chr(code), [glyphs[name].width, pen.data.replace(" -", "-")])
    lines = (
        f"{json.dumps(one, ensure_ascii=False)}:{json.dumps(found[one], separators=(',', ':'))}"
        for one in sorted(found)
    )
    sys.stdout.write("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
