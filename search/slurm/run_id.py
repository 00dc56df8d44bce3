"""The identity of a run among the jobs of a cluster: in the name of each of its jobs, and in no other run's."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from archspec.files.output import write_text
from search.run.pools.engine import JOBS

FILE = "id.json"


def run_id(root: Path) -> str:
    """Ten hex digits that stand for a run; made when it is first asked, and anew in a copy of the run's folder.

    Raises:
        OSError: they cannot be written.
    """
    path, here = root / JOBS / FILE, os.path.realpath(root)
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_text(encoding="utf-8"))
        moved = known["root"] != here and os.path.exists(known["root"])
        if not (moved and not os.path.samefile(known["root"], here)):
            return str(known["id"])
    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_hex(5)
    write_text(path, json.dumps({"id": made, "root": here}))
    return made
