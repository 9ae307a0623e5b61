"""Zips of exported models, over the page's own server."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path
from typing import ClassVar, final

from tornado.web import HTTPError, RequestHandler

from remap_panel.exporting import Exports, archive_name
from remap_ray.study import Study

__all__ = ["DOWNLOADS", "Download", "address_of"]

DOWNLOADS = r"/remap-export/m(\d{1,9})\.zip"
"""Where the zip of a model is, for those who have exported it."""


def address_of(number: int) -> str:
    """Give the zip's address, as a link of the page."""
    return f"remap-export/m{number}.zip"


@final
class Download(RequestHandler):
    """Answers with the zip of a model's last export; none but those are ever read."""

    served: ClassVar[bool] = False
    """Whether this process answers, so that the page may link to it."""

    def initialize(self, study: Study, exports: Exports) -> None:
        """Take what the server was made with."""
        self._study, self._exports = study, exports

    async def get(self, number: str) -> None:
        """Write the zip, read beside the server's loop."""
        export = self._exports.known.get(int(number))
        path: Path | None = None if export is None else export.archive
        if path is None:
            raise HTTPError(404, f"m{number} is not exported")
        try:
            data = await to_thread(path.read_bytes)
        except OSError as error:
            raise HTTPError(404, f"the export of m{number} is gone") from error
        name = archive_name(self._study, int(number))
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.write(data)
