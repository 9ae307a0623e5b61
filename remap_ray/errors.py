"""The one family of errors that REMAP raises on purpose.

Every error carries the data that a caller needs to point at the fault, says
what was expected and what to do next. Each also fits the builtin family that
a Python programmer would catch. The command line prints a `RemapError` as one
line and ends with exit code 2; everything else is a defect of ours and keeps
its traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = [
    "DataError",
    "DiskFull",
    "InvalidArchitecture",
    "InvalidRequest",
    "LeaseLost",
    "NotAStudy",
    "RayFailed",
    "RayLost",
    "RemapError",
    "SchedulerLost",
    "StudyBusy",
    "StudyExists",
    "StudyReadOnly",
    "StudyTooNew",
    "StudyTooOld",
    "TrainingFailed",
    "UnknownModel",
]


class RemapError(Exception):
    """The root of the family. Never raised itself."""

    def __str__(self) -> str:
        # Some builtin families write their arguments in another way: OSError as errno and
        # strerror, KeyError in quotes.
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their arguments, which here are not the constructor's.
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[RemapError], args: tuple[Any, ...], data: dict[str, Any]) -> RemapError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(data)
    return error


class InvalidArchitecture(RemapError, ValueError):
    """A sequence of layers that cannot be a network, parts that make no model, or JSON of neither.

    Raised by `remap_ray.space`; caught by whoever shows a person why.

    Parameters
    ----------
    reason
        Why, in words that a person can act on, without the place.
    layer
        Zero-based index of the layer, or other part, at fault; None where the fault is not
        one part's.
    noun
        What a part is called.
    """

    def __init__(self, reason: str, layer: int | None = None, noun: str = "layer") -> None:
        super().__init__(reason if layer is None else f"{noun} {layer}, {reason}")
        self.reason = reason
        self.layer = layer


class InvalidRequest(RemapError, ValueError):
    """A value given by a person that cannot be used, such as a negative count.

    Raised where the value enters; caught by the command line and the page.
    """


class DataError(RemapError, ValueError):
    """A data set that does not exist or cannot be read.

    Raised by `remap_ray.training.datasets`; caught by the command line.

    Parameters
    ----------
    message
        What is wrong and what to do.
    path
        The file or directory at fault, where there is one.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class NotAStudy(RemapError, FileNotFoundError):
    """A directory that holds no study, or one that cannot be read. Raised by `open_study`.

    Parameters
    ----------
    path
        The directory.
    what
        What is wrong with it.
    way_out
        What to do; None where a study can be created there.
    """

    def __init__(
        self, path: Path, what: str = "holds no study", way_out: str | None = None
    ) -> None:
        way_out = way_out or f"create one with: remap sample {path} --data digits"
        super().__init__(f"{path} {what}; {way_out}")
        self.path = path


class StudyExists(RemapError, FileExistsError):
    """A study stands where another was to be created. Raised by `create_study`."""

    def __init__(self, path: Path, what: str = "is a study already; open it instead") -> None:
        super().__init__(f"{path} {what}")
        self.path = path


class StudyReadOnly(RemapError, PermissionError):
    """A wish or a fact for a study that cannot be written. Raised by whatever would write.

    Parameters
    ----------
    path
        The study's directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is read-only: it can be looked at, but nothing can be changed; copy the "
            "directory to where it can be written"
        )
        self.path = path


class DiskFull(RemapError, OSError):
    """No room is left where a study lies. Raised by whatever writes; the study stays whole.

    Parameters
    ----------
    path
        The study's directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the disk that holds {path} is full; what was recorded is whole: make room, then "
            "run the same command again"
        )
        self.path = path


class StudyTooOld(RemapError, RuntimeError):
    """A study of an older format that cannot be brought to this one; it stays as it was.

    Raised by `open_study`.
    """

    def __init__(self, path: Path, found: int, known: int, why: str) -> None:
        super().__init__(
            f"{path} has study format {found} and could not be brought to format {known} ({why}); "
            "it is as it was: end whoever uses it, or copy it to where it can be written, and "
            "open it again"
        )
        self.path = path
        self.found = found
        self.known = known


class StudyTooNew(RemapError, RuntimeError):
    """A study written by a newer REMAP. Raised by `open_study`; nothing was changed."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} has study format {found}, this REMAP reads up to format {known}; "
            "install a newer REMAP to open it"
        )
        self.path = path
        self.found = found
        self.known = known


class RayFailed(RemapError, RuntimeError):
    """Ray does not start, or a cluster does not answer. Raised before anything is trained.

    Parameters
    ----------
    address
        The cluster's; None where a Ray was to be started here.
    cause
        What Ray said.
    """

    def __init__(self, address: str | None, cause: BaseException) -> None:
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
        why = lines[0].rstrip(".") if lines else type(cause).__name__
        if address is None:
            said = f"Ray could not be started here ({why}); is memory or room in /tmp short, or "
            said += "is the machine busy? What waits is kept: try again"
        else:
            said = f"the Ray cluster at {address} cannot be used ({why}); is it running, and is "
            said += "its token known here (RAY_AUTH_TOKEN)?"
        super().__init__(said)
        self.address = address


class RayLost(RemapError, RuntimeError):
    """Ray's own processes died under the command that had started them.

    Raised by `remap_ray.cluster.run.run_queue`; what was recorded stays.

    Parameters
    ----------
    pid
        The dead process.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"Ray has died (its process {pid} was killed, or found no memory); nothing that was "
            "recorded is lost: run the same command again to go on"
        )
        self.pid = pid


class SchedulerLost(RemapError, RuntimeError):
    """Schedulers died one after another without getting anything done.

    Raised by `remap_ray.cluster.run.run_queue`; what was recorded stays.

    Parameters
    ----------
    deaths
        How many in a row.
    """

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"the scheduler died {deaths} times in a row without an epoch in between; nothing "
            "that was recorded is lost: look for what kills it (memory?), then run the same "
            "command again"
        )
        self.deaths = deaths


class StudyBusy(RemapError, RuntimeError):
    """Another scheduler holds the lease. Raised when taking it; try again later.

    ``ends`` is True where that one has lost the command that it belonged to, and so ends soon.
    """

    def __init__(self, holder: str, seconds: float, *, ends: bool = False) -> None:
        super().__init__(
            f"this study is being trained already by {holder} "
            f"(heartbeat {seconds:.0f} s ago); stop that one first"
        )
        self.holder = holder
        self.seconds = seconds
        self.ends = ends


class LeaseLost(RemapError, RuntimeError):
    """A newer scheduler took the study over; facts of the older one are refused.

    Raised by `Lease`; caught by the scheduler's loop, which stops its trainers
    and ends.
    """

    def __init__(self, mine: int, current: int) -> None:
        super().__init__(f"lease {mine} was taken over by lease {current}; this scheduler must end")
        self.mine = mine
        self.current = current


class UnknownModel(RemapError, KeyError):
    """A model number that the study, or its drawer, does not have."""

    def __init__(self, number: int, where: str = "this study") -> None:
        super().__init__(f"there is no model m{number} in {where}")
        self.number = number


class TrainingFailed(RemapError, RuntimeError):
    """One model cannot be trained. The study goes on without it.

    Raised by `remap_ray.training`; the scheduler records the reason and marks
    the model failed.

    Parameters
    ----------
    reason
        Why, as the queue shows it.
    epoch
        The epoch (from 1) in which it happened, None before the first.
    """

    def __init__(self, reason: str, epoch: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.epoch = epoch
