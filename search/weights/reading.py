"""Weights in memory: the tensors of a source by name, with a digest of their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from archspec.documents.paths import suggest
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec
from search.weights.archive import read_archive
from search.weights.source import WeightSource, find_source

if TYPE_CHECKING:
    from torch import Tensor

EXTRA = "pip install 'archspec-vision[timm]'"
CHUNK = 2**20


@final
@dataclass(frozen=True)
class Weights:
    """The state of a network.

    Attributes:
        source: where it comes from.
        state: tensors by the source's names, on the CPU.
        spec: of the network, where it is known.
        digest: of the content of the file, or of the tensors of a model of timm's.
    """

    source: WeightSource
    state: Mapping[str, Tensor]
    spec: ArchSpec | None
    digest: str

    @property
    def text(self) -> str:
        """The source as it was written."""
        return self.source.text


def read_weights(text: str) -> Weights:
    """The weights that `text` names; see `search.weights.source`.

    Raises:
        SpecError: there are none, or they cannot be read.
    """
    source = find_source(text)
    if source.path is None:
        state = _timm_state(source)
        return Weights(source, state, None, _digest_state(state))
    try:
        spec = source.load_spec()
        state = _training_state(source.path, spec) if source.training else _file_state(source.path)
        check_numbers(state, text)
        return Weights(source, state, spec, digest_weights(source.path))
    except SpecError as error:
        raise SpecError(error.rule, source=text, field=error.field) from None
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", source=text) from None


def outline(text: str) -> Weights:
    """The same with names and shapes of the tensors alone, on the meta device; read once while a file stays as it is.

    Raises:
        SpecError: there are no such weights, or they cannot be read.
    """
    source = find_source(text)
    if source.path is None:
        return _outline(text, 0, 0)
    stat = source.path.stat()
    return _outline(text, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _outline(text: str, changed: int, size: int) -> Weights:
    del changed, size  # of the file, so that another one is read anew
    weights = read_weights(text)
    return replace(weights, state={name: tensor.to("meta") for name, tensor in weights.state.items()})


def digest_weights(path: Path) -> str:
    """The content of a file of weights: 16 hex digits of SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def check_numbers(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that no network computes with.

    Raises:
        SpecError: the first tensor that is complex, or holds a value that is no finite number.
    """
    for name, tensor in state.items():
        if tensor.is_complex():
            raise SpecError(f"{name} is complex: weights must be real numbers", source=source)
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise SpecError(f"{name} holds a value that is no finite number", source=source)


def _digest_state(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _file_state(path: Path) -> Mapping[str, Tensor]:
    from archspec.convert.convert import read_state
    from archspec.model.weights import strip_prefix

    return strip_prefix(read_state(path))[0]


def _training_state(path: Path, spec: ArchSpec | None) -> Mapping[str, Tensor]:
    """The averaged weights in the checkpoint of a training, which are those that were scored.

    Raises:
        SpecError: a damaged file, one of something else, or of another layout than the spec beside it.
    """
    try:
        data = read_archive(path)
    except OSError:
        raise
    except Exception as error:  # whatever the unpickler meets in a damaged file, the answer is the same
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        reason = "it holds more than tensors and numbers" if "weights_only" in str(error) else f"{reason:.200}"
        raise SpecError(f"{path} is no checkpoint that can be read: {reason}") from None
    if not isinstance(data, dict) or not isinstance(ema := cast("dict[str, Any]", data).get("ema"), dict):
        return _file_state(path)  # a checkpoint of other software, which has the same name
    digest = str(cast("dict[str, Any]", data).get("fingerprint", "")).partition(" ")[0]
    if spec is not None and digest != spec.digest:
        raise SpecError(f"{path} holds weights of digest {digest:.60}, the spec of its layout has {spec.digest}")
    return cast("dict[str, Tensor]", ema)


def _timm_state(source: WeightSource) -> Mapping[str, Tensor]:
    """The pretrained weights of a model of timm's, from its cache or from where timm fetches them."""
    model = create_timm(source.timm, source.text, pretrained=True)
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def create_timm(name: str, text: str, *, pretrained: bool, classes: int | None = None) -> Any:
    """A model of timm's.

    Args:
        name: of the model, which may have a tag behind a point.
        text: how it was written, for messages.
        pretrained: with its published weights.
        classes: another number of classes than its own.

    Raises:
        SpecError: timm is not installed or has no such model, or the weights cannot be had.
    """
    try:
        models = cast("Any", import_module("timm"))
    except ImportError:
        raise SpecError(f"timm is not installed: {EXTRA}", source=text) from None
    except Exception as error:  # of a torchvision that is made for another torch, for one
        first = next(iter(str(error).strip().splitlines()), "no message")
        raise SpecError(f"timm cannot be imported: {type(error).__name__}: {first:.160}", source=text) from None
    if not models.is_model(name):
        near = suggest(name, cast("list[str]", models.list_models()))
        raise SpecError(f"timm has no model {name!r:.60}{near}", source=text)
    if pretrained and not models.is_model_pretrained(name):
        raise SpecError(f"timm has no weights of {name}: give a file of them", source=text)
    options = {} if classes is None else {"num_classes": classes}
    try:
        return models.create_model(name, pretrained=pretrained, **options)
    except Exception as error:  # whatever a tag, a hub or a connection gives
        first = next(iter(str(error).strip().splitlines()), "no message")
        rule = "its weights cannot be had" if pretrained else "cannot be made"
        raise SpecError(f"{rule}: {type(error).__name__}: {first:.160}{_offline()}", source=text) from None


def _offline() -> str:
    known = os.environ.get("HF_HUB_OFFLINE", "")
    return " (HF_HUB_OFFLINE is set)" if known not in ("", "0") else ""
