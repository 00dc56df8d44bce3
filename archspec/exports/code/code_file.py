"""A network as one file of PyTorch that needs no archspec: classes named after the blocks, loops where they repeat.

The file's `state_dict` has the keys of the built network, so that weights go from one to the other.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from typing import final

from archspec import __version__
from archspec.errors import FieldError, SpecError
from archspec.exports.code.layout import PART, PartLayout, read_layout
from archspec.exports.code.loops import RATE
from archspec.exports.code.part_class import PartClass, PartUse, classify
from archspec.exports.code.printing import NAMED, ORDERED, STEP, Printer, literal
from archspec.exports.code.sources import Sources
from archspec.exports.code.term import CodeTerm, leaves
from archspec.loader import SpecSource, dump, load
from archspec.spec.schema import ArchSpec
from blocks.component import Block, Downsample, Exchange, Head, MapsHead, Stem
from blocks.layers.maps import MapsLayer, MapsReader, MapsSequence
from blocks.opaque.opaque import Opaque

OWN_PACKAGES = frozenset({"archspec", "blocks"})
KINDS = (Stem, Block, Downsample, Exchange, MapsHead, Head)
"""Kinds of parts, whose name is added to a class's that is taken."""
NAMED_SEQUENCE = '''def named(**parts: nn.Module) -> nn.Sequential:
    """Modules one after the other under names of their own."""
    return nn.Sequential(OrderedDict(parts))'''
INITIALISE = '''def initialise(module: nn.Module) -> None:
    """Draw weights from a normal of deviation 0.02 truncated at 2 deviations, and zero biases, as ViTs do."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
        if module.bias is not None:
            nn.init.zeros_(module.bias)'''


def write_code(spec: SpecSource, resolution: int | None = None) -> str:
    """The text of the file.

    Args:
        spec: the backbone, or what `archspec.load` takes for it.
        resolution: side of the image, which chooses a declared variant; the spec's own when None.

    Raises:
        SpecError: no such spec, one that cannot be built, or a layer that does not say how its module is made.
    """
    loaded = load(spec)
    chosen = loaded.at(resolution or loaded.resolution)
    layout = read_layout(chosen)
    try:
        return _CodeFile(chosen, layout).text()
    except FieldError as error:
        raise SpecError(error.rule, field=error.field, source=chosen.name) from None


@final
class _CodeFile:
    """The pieces of one file."""

    def __init__(self, spec: ArchSpec, layout: PartLayout) -> None:
        self.spec, self.layout = spec, layout
        uses = list(layout.uses.values())
        packages = {type(use.part).__module__.partition(".")[0] for use in uses}
        self.sources = Sources(OWN_PACKAGES | packages)
        self.network = class_name(spec.name)
        self.rates, self.rates_text = schedule(spec, uses)
        self.classes = classify(uses, self._class_names(uses))
        for name in (*(one.name for one in self.classes), self.network, NAMED, "initialise"):
            self.sources.reserve(name)
        self.printer = Printer(self._name, self.rates)

    def text(self) -> str:
        """The whole file."""
        classes = [self._part_class(one) for one in self.classes]
        network = self._network()
        definitions = [text for text in self.sources.definitions.values() if text]
        imports = self.sources.imports - {"from torch import nn", "from torch import Tensor"}
        imports |= {"import torch", "from torch import Tensor, nn"}
        body = "\n\n\n".join([*definitions, *classes, INITIALISE, network, self._main()])
        return f'"""{self._header()}\n"""\n\n{_grouped(sorted(imports, key=_import_key))}\n\n\n{body}\n'

    def _name(self, factory: str) -> str:
        if factory == NAMED:
            self.sources.require(ORDERED)
            self.sources.definitions[NAMED] = NAMED_SEQUENCE
            return NAMED
        return self.sources.require(factory) if ":" in factory else factory

    def _class_names(self, uses: Sequence[PartUse]) -> dict[type, str]:
        names: dict[type, str] = {}
        for use in uses:
            kind = type(use.part)
            name = kind.__name__
            if name in ("nn", "F", "Tensor", self.network) or name in set(names.values()) - {names.get(kind)}:
                name += next(base.__name__ for base in KINDS if issubclass(kind, base))
            names[kind] = name
        return names

    def _header(self) -> str:
        spec = self.spec
        needs = " ".join(["torch", *self.sources.packages])
        title = f"{spec.name}: {spec.description}" if spec.description else spec.name
        text = dump(spec).replace("\\", "\\\\").replace('"""', r"\"\"\"").rstrip()
        written = f"Written by archspec {__version__} from the spec below (digest {spec.digest}); needs {needs}."
        keys = "The keys of `state_dict` are those of the network that archspec builds."
        return f"{title}.\n\n{written}\n{keys}\n\n" + "\n".join(f"    {line}".rstrip() for line in text.splitlines())

    def _part_class(self, one: PartClass) -> str:
        base = self._name(one.body.factory)
        parameters = "".join(f", {name}: {_annotation(values)}" for name, values in one.parameters.items())
        items = self.printer.arguments(one.body)
        call = self.printer.enclose("super().__init__(", items, ")", indent=2)
        about = " ".join((type(one.uses[0].part).__doc__ or one.name).strip().partition("\n\n")[0].split())
        shapes = sorted({_shapes(use) for use in one.uses if use.shapes is not None}, reverse=True)
        lines = [f"class {one.name}({base}):", *_docstring(about, shapes), ""]
        lines += [f"{STEP}def __init__(self{parameters}) -> None:", f"{STEP * 2}{call}"]
        return "\n".join(lines)

    def _network(self) -> str:
        layout = self.layout
        parallel = any(isinstance(stage, MapsSequence) for stage in layout.tree.stages)
        lines = [f"class {self.network}(nn.Module):", *_docstring(self._about(), []), ""]
        lines += [f"{STEP}def __init__(self) -> None:", f"{STEP * 2}super().__init__()"]
        if self.rates:
            lines.append(f"{STEP * 2}rates = {self.rates_text}  # stochastic depth")
        stages = CodeTerm("sequential", tuple(str(index) for index in range(len(layout.stages))), layout.stages)
        lines.append(f"{STEP * 2}self.stem = {self._print(layout.stem, 12)}")
        lines.append(f"{STEP * 2}self.stages = {self._print(stages, 14)}")
        if layout.head is not None:
            lines.append(f"{STEP * 2}self.head = {self._print(layout.head, 12)}")
        lines += [f"{STEP * 2}{line}" for line in self._initialising()]
        lines += ["", *_indented(FEATURES_PARALLEL if parallel else FEATURES), ""]
        lines += _indented(FORWARD.format(answer=self._answer(), about=self._output()))
        return "\n".join(lines)

    def _print(self, term: CodeTerm, used: int) -> str:
        return self.printer.print(self._called(term), indent=2, used=used)

    def _called(self, term: CodeTerm) -> CodeTerm:
        """A term in which parts are calls of their classes."""
        if term.label == (PART,):
            use = self.layout.uses[str(term.value)]
            return next(one for one in self.classes if any(use is own for own in one.uses)).call(use)
        return CodeTerm(term.kind, term.label, tuple(map(self._called, term.parts)), term.value)

    def _about(self) -> str:
        spec = self.spec
        size = f"(N, {spec.channels}, {spec.resolution}, {spec.resolution})"
        return f"{spec.name}, built for {size}; takes any size that its layers take."

    def _initialising(self) -> list[str]:
        opaque = [name for name, layer in self.layout.tree.walk() if isinstance(layer, Opaque)]
        if not opaque:
            return ["self.apply(initialise)"]
        names = ", ".join(map(literal, opaque))
        return [
            f"own = tuple(self.get_submodule(name) for name in ({names},))  # have initialised themselves",
            "kept = {part for module in own for part in module.modules()}",
            "for module in self.modules():",
            f"{STEP}if module not in kept:",
            f"{STEP * 2}initialise(module)",
        ]

    def _answer(self) -> str:
        tree = self.layout.tree
        count = len(self.spec.widths)
        several = tree.head is None and len(tree.reads) > 1
        if not (several or isinstance(tree.head, MapsReader | MapsLayer)):
            maps = "maps[-1]"
        elif tree.reads == tuple(range(count)):
            maps = "maps"
        else:
            maps = f"[{', '.join(f'maps[{number}]' for number in tree.reads)}]"
        return maps if tree.head is None else f"self.head({maps})"

    def _output(self) -> str:
        return "The head's output." if self.layout.tree.head is not None else "The last map, or the list of all maps."

    def _main(self) -> str:
        size = f"1, {self.spec.channels}, {self.spec.resolution}, {self.spec.resolution}"
        return "\n".join(
            [
                'if __name__ == "__main__":',
                f"{STEP}network = {self.network}().eval()",
                f'{STEP}print(f"{{sum(parameter.numel() for parameter in network.parameters()):,}} parameters")',
                f"{STEP}with torch.inference_mode():",
                f"{STEP * 2}maps = network.features(torch.zeros({size}))",
                f"{STEP}print([tuple(x.shape) for x in maps])",
            ]
        )


FEATURES = '''def features(self, x: Tensor) -> list[Tensor]:
    """Maps after each stage, finest first."""
    x = self.stem(x)
    maps: list[Tensor] = []
    for stage in self.stages:
        x = stage(x)
        maps.append(x)
    return maps'''
FEATURES_PARALLEL = '''def features(self, x: Tensor) -> list[Tensor]:
    """Maps of all branches after the last stage, finest first."""
    return self.stages([self.stem(x)])'''
FORWARD = '''def forward(self, x: Tensor):
    """{about}"""
    maps = self.features(x)
    return {answer}'''


def class_name(name: str) -> str:
    """A name of a class from a spec's: `hiri-vit-s` gives `HiriVitS`."""
    joined = "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", name)) or "Network"
    return f"Net{joined}" if joined[0].isdigit() else joined


def schedule(spec: ArchSpec, uses: Sequence[PartUse]) -> tuple[tuple[float, ...], str]:
    """The linear schedule of stochastic depth that the blocks follow, and the expression that gives it."""
    given = sorted({float(str(value)) for use in uses for value in _rates_of(use.term)})
    if len(given) < 3 or not spec.drop_path:
        return (), ""
    for last in range(1, 1000):
        steps = tuple(spec.drop_path * step / last for step in range(last + 1))
        if set(given) <= set(steps):
            return steps, f"[{spec.drop_path!r} * step / {last} for step in range({last + 1})]"
    return (), ""


def _rates_of(term: CodeTerm) -> list[object]:
    return [leaf.value for owner, leaf in leaves(term) if owner == RATE]


def _annotation(values: tuple[object, ...]) -> str:
    return type(values[0]).__name__ if values[0] is not None else "None"


def _shapes(use: PartUse) -> str:
    assert use.shapes is not None
    before, after = (f"(N, {', '.join(map(str, shape))})" for shape in use.shapes)
    return f"{before} -> {after}"


def _docstring(about: str, shapes: Sequence[str]) -> list[str]:
    text = about.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    lines = textwrap.wrap(f'"""{text}', 106, initial_indent=STEP, subsequent_indent=STEP)
    if shapes:
        lines += ["", f"{STEP}Shapes in this network:", *(f"{STEP * 2}{shape}" for shape in shapes), f'{STEP}"""']
    else:
        lines[-1] += '"""'
    return lines


def _indented(text: str) -> list[str]:
    return [f"{STEP}{line}".rstrip() for line in text.splitlines()]


def _import_key(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _grouped(imports: Sequence[str]) -> str:
    own = [line for line in imports if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in imports if line not in own]
    return "\n\n".join("\n".join(group) for group in (own, others) if group)
