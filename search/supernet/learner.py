"""A supernet under training: the passes of a step, and the statistics with which a layout answers."""

from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from archspec.spec.schema import ArchSpec
from search.supernet.plan import SupernetPlan
from search.supernet.statistics import estimate_statistics
from search.supernet.supernet import Supernet
from search.tasks.task import Answer
from search.train.step import PassLoss, SeveralPasses


@final
class SupernetLearner(nn.Module, SeveralPasses):
    """A supernet as the training loop sees it.

    Each step trains uniformly drawn layouts (single path one-shot, Guo et al. 2020), and with the sandwich rule the
    largest and the smallest one as well (Yu and Huang 2019); with in-place distillation the others learn from the
    answer of the largest alone. In evaluation mode it is its largest layout, or the one that `choose` was asked for,
    with statistics of batch norm of its own.

    Args:
        supernet: the shared parameters.
        plan: what is trained in each step.
        images: batches (N, 3, H, W) on the device, as in evaluation, over which statistics are taken.
    """

    def __init__(self, supernet: Supernet, plan: SupernetPlan, images: Sequence[Tensor]) -> None:
        super().__init__()
        self.supernet = supernet
        self._plan, self._images = plan, images
        self._ready = False

    @property
    def pass_count(self) -> int:
        return self._plan.passes

    def passes(self, number: int, loss: PassLoss) -> Iterator[PassLoss]:
        plan = self._plan
        others = plan.draws.draw(plan.seed, number, plan.paths)
        if not plan.sandwich:
            for spec in others:
                self.supernet.activate(spec)
                yield loss
            return
        teacher: list[Tensor] = []

        def taught(answer: Answer) -> Tensor:
            teacher.append(answer.detach().float().softmax(1))
            return loss(answer)

        def learn(answer: Answer) -> Tensor:
            return F.cross_entropy(answer.float(), teacher[0])

        self.supernet.activate(plan.draws.largest)
        yield taught if plan.distill else loss
        for spec in (plan.draws.smallest, *others):
            self.supernet.activate(spec)
            yield learn if plan.distill else loss

    def train(self, mode: bool = True) -> "SupernetLearner":
        """Training or evaluation mode; with training, which changes the weights, what was chosen is forgotten."""
        self._ready = self._ready and not mode
        super().train(mode)
        return self

    def choose(self, spec: ArchSpec) -> None:
        """Answer as this layout in evaluation mode, with statistics that are taken now.

        Raises:
            RunError: the supernet lacks the layout.
        """
        self.supernet.forget_buffers()
        self.supernet.activate(spec)
        self.supernet.set_buffers(spec, estimate_statistics(self.supernet, spec, self._images))
        self._ready = True

    def forward(self, images: Tensor) -> Answer:
        """The answer (N, classes) of the layout that a pass, or `choose`, has made ready."""
        if not self.training and not self._ready:
            self.choose(self._plan.draws.largest)
        return self.supernet(images)
