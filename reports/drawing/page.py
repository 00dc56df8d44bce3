"""Pages of reports: the template, pictures inside the file, and versions of what made them."""

from __future__ import annotations

import base64
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from archspec.documents.safe_text import multiline
from archspec.documents.wording import plural

PACKAGES = ("archspec-vision", "torch", "optuna", "numpy", "pandas", "matplotlib")


@dataclass(frozen=True)
class Picture:
    """A figure in the page: its files' name, what it shows, and the SVG as a data URI (also for narrow screens)."""

    name: str
    alt: str
    caption: str
    image: str
    small: str = ""


def template(name: str) -> Template:
    """The template `name` of this package; what it is given is escaped, and what it lacks is an error.

    `plural(count, "trial")` counts in words there.
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        finalize=_show,
    )
    return environment.get_template(name, globals={"plural": plural})


def _show(value: object) -> object:
    """What stands on the page for a value: its text, of which nothing steers the browser; templates' own stay."""
    return multiline(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def same_reason(reason: str) -> str:
    """The reason of a failure without what is of one training alone: the file to see, digests, the seed's folder."""
    short = re.sub(r"\s*\((?:see|in) [^()]*\)", "", reason)
    short = re.sub(r"\b[0-9a-f]{16,64}\b", "…", short)
    return re.sub(r"\bseed[ -]?\d+\b", "seed …", short).strip() or reason


def inline(path: Path) -> str:
    """An SVG file as a data URI, so that the page needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def versions(trained: str) -> list[tuple[str, str]]:
    """Names and versions of what a report rests on; `trained` is the archspec that made the trials."""
    found = [("trained with archspec", trained), ("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found
