"""What has been tried: the meeting place of all processes."""

from remap_ray.study.holder import Holder
from remap_ray.study.lease import Lease, announce, announced, take_lease, withdraw
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
    "announced",
    "duration",
    "open_study",
    "pace_of",
    "reasons",
    "seconds_left",
    "take_lease",
    "withdraw",
]
