"""Labels of a folder without class folders, from the list that comes with it: ImageNet's validation images.

Four lists are read: Kaggle's `LOC_val_solution.csv` (`ImageId,PredictionString`), lines of a file and a class or its
number (`val.txt` of Caffe, whose numbers follow the alphabet of the folders), and the devkit's
`ILSVRC2012_validation_ground_truth.txt`, a number for each image by name, which `meta.mat` beside it explains.
"""

from collections.abc import Sequence
from pathlib import Path

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import some

PLACE = Path("ILSVRC", "Data", "CLS-LOC")
"""Where Kaggle's archive has its `train` and `val`."""
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
KNOWN = (
    "LOC_val_solution.csv",
    "val.txt",
    "val_labels.txt",
    GROUND_TRUTH,
    f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}",
)
"""Lists that are found by themselves, in the folder of the data set."""


def data_folder(root: Path) -> str:
    """The folder that holds `train`, relative to `root`: of Kaggle's archive, the one deep inside."""
    return str(PLACE) if not (root / "train").is_dir() and (root / PLACE / "train").is_dir() else ""


def find_list(root: Path, place: str, named: str | None) -> Path | None:
    """The list of labels: the one named, or one that is known by its name; None where there is none.

    Raises:
        SpecError: the one named is not there.
    """
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file() and (root / named).is_file():
            path = root / named
        if not path.is_file():
            raise SpecError(f"must be a file of labels, {printable(named)} is not there", field="val_labels")
        return path
    places = [folder / name for folder in (root, root / place) for name in KNOWN]
    return next((path for path in places if path.is_file()), None)


def read_labels(path: Path, images: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The class of each image.

    Args:
        path: the list.
        images: paths of all images of the folder.
        classes: all class folders of `train`, sorted.

    Raises:
        SpecError: the list cannot be read, names no class, or lacks an image.
    """
    names = sorted(Path(image).stem for image in images)
    lines = _lines(path)
    if lines and all(len(words) == 1 for _, words in lines):
        found = _numbered(path, lines, names, classes)
    else:
        found = _named(path, lines, classes)
    missing = [image for image in images if Path(image).stem not in found]
    if missing:
        raise SpecError(f"no label for {some(missing)}", field="val_labels", source=printable(str(path)))
    return {image: found[Path(image).stem] for image in images}


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The words of each line with its number; of a CSV the image and the class that comes first."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise SpecError(f"cannot be read: {reason}", field="val_labels", source=printable(str(path))) from None
    lines = [(number, line.replace(",", " ").split()) for number, line in enumerate(text.splitlines(), 1)]
    return [(number, words) for number, words in lines if words and words[0] != "ImageId"]


def _named(path: Path, lines: list[tuple[int, list[str]]], classes: Sequence[str]) -> dict[str, str]:
    known, found = set(classes), dict[str, str]()
    for number, words in lines:
        label = words[1] if len(words) > 1 else ""
        if label not in known and label.isdecimal() and int(label) < len(classes):
            label = classes[int(label)]
        if label not in known:
            said = f"{printable(label)!r} is none of the {len(classes)} class folders{suggest(label, classes)}"
            rule = f"must hold an image and its class on each line; {said}"
            raise SpecError(rule, field="val_labels", source=printable(str(path)), line=number)
        found[Path(words[0]).stem] = label
    return found


def _numbered(
    path: Path, lines: list[tuple[int, list[str]]], names: Sequence[str], classes: Sequence[str]
) -> dict[str, str]:
    source = printable(str(path))
    if len(lines) != len(names):
        rule = f"must have a line for each of the {len(names):,} images, not {len(lines):,}"
        raise SpecError(rule, field="val_labels", source=source)
    folders = _synsets(path)
    found = dict[str, str]()
    for name, (number, (word,)) in zip(names, lines, strict=True):
        label = folders.get(word, "")
        if label not in classes:
            rule = f"{printable(word)} is the number of no class folder, by meta.mat"
            raise SpecError(rule, field="val_labels", source=source, line=number)
        found[name] = label
    return found


def _synsets(path: Path) -> dict[str, str]:
    """The folder's name of each number of the devkit, which are not in the order of the alphabet."""
    meta = path.with_name("meta.mat")
    rule = "numbers need the devkit's meta.mat beside them"
    try:
        from scipy.io import loadmat  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

        table = loadmat(str(meta), squeeze_me=True)["synsets"]
        return {str(int(one["ILSVRC2012_ID"])): str(one["WNID"]) for one in table if not int(one["num_children"])}
    except ImportError:
        rule += " and scipy to read it: pip install 'archspec-vision[data]', or give a list of files and classes"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        rule += ", which is not there or cannot be read"
    raise SpecError(rule, field="val_labels", source=printable(str(path))) from None
