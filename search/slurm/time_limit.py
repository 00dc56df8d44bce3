"""Time limits as SLURM writes them (`man sbatch`, `--time`)."""

from __future__ import annotations

import re

LATE = "its time limit came before it had saved anything: raise `time`"
FORMS = "minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds"
_FORM = re.compile(
    r"(?:(?P<days>\d+)-(?P<dh>\d{1,2})(?::(?P<dm>\d{1,2})(?::(?P<ds>\d{1,2}))?)?"
    r"|(?P<h>\d+):(?P<hm>\d{1,2}):(?P<hs>\d{1,2})|(?P<m>\d+)(?::(?P<ms>\d{1,2}))?)"
)


def read_time_limit(text: str) -> int:
    """A limit in seconds.

    Raises:
        ValueError: it is in none of SLURM's forms, or zero.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"must be a time as SLURM writes it ({FORMS}), such as '4:00:00', not {text!r:.40}")
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    seconds = part["days"] * 86400 + (part["dh"] + part["h"]) * 3600
    seconds += (part["dm"] + part["hm"] + part["m"]) * 60 + part["ds"] + part["hs"] + part["ms"]
    if not seconds:
        raise ValueError(f"must be more than no time, not {text!r:.40}")
    return seconds
