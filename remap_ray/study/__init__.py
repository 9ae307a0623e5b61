"""What has been tried: the meeting place of all processes."""

from remap_ray.study.holder import Holder
from remap_ray.study.lease import Lease, take_lease
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
)
from remap_ray.study.study import Study, Submission, open_study
from remap_ray.study.watch import Watch

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
    "duration",
    "open_study",
    "pace_of",
    "reasons",
    "seconds_left",
    "take_lease",
]
