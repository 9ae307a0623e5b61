"""What has been tried: the meeting place of all processes."""

from remap_ray.study.drafts import draft_of, keep_draft, space_of
from remap_ray.study.holder import Holder
from remap_ray.study.lease import (
    Lease,
    announce,
    announce_in_turn,
    announced,
    take_lease,
    withdraw,
)
from remap_ray.study.queue import duration, pace_of, reasons, seconds_left
from remap_ray.study.records import (
    MAPS,
    Change,
    DataSummary,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Layout,
    Model,
    Origin,
    Placement,
    Status,
    Thumbnail,
    Wished,
)
from remap_ray.study.study import Study, open_study
from remap_ray.study.watch import Watch
from remap_ray.study.wishes import Submission

__all__ = [
    "MAPS",
    "Change",
    "DataSummary",
    "DrawerEntry",
    "Epoch",
    "Heartbeat",
    "Holder",
    "Layout",
    "Lease",
    "Model",
    "Origin",
    "Placement",
    "Status",
    "Study",
    "Submission",
    "Thumbnail",
    "Watch",
    "Wished",
    "announce",
    "announce_in_turn",
    "announced",
    "draft_of",
    "duration",
    "keep_draft",
    "open_study",
    "pace_of",
    "reasons",
    "seconds_left",
    "space_of",
    "take_lease",
    "withdraw",
]
