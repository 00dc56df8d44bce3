"""Distillation from a frozen teacher: its answer to the images that the student sees joins the labels.

The teacher sees the images after augmentation and mixing, as the student does ("knowledge distillation: a good teacher
is patient and consistent", Beyer et al. 2022, arXiv 2106.05237, section 3), so that its answer needs no mixing.
"""

from typing import TYPE_CHECKING, final

from archspec.errors import FieldError
from search.recipe.teacher import TeacherSpec
from search.tasks.task import Normalisation, Student

if TYPE_CHECKING:
    from torch import Tensor


@final
class FrozenTeacher:
    """A frozen teacher on the student's device.

    Args:
        teacher: what was asked.
        student: the network under training, a built spec, which says the classes.

    Raises:
        FieldError: the teacher cannot be had or has other classes; the field begins with `teacher`.
    """

    def __init__(self, teacher: TeacherSpec, student: Student) -> None:
        from archspec.model.network import Network
        from search.weights.teacher_network import load_teacher

        classes = getattr(student.model.spec.head, "classes", None) if isinstance(student.model, Network) else None
        if classes is None:
            raise FieldError("teacher", "needs a student that was built from a spec whose head has classes")
        try:
            found = load_teacher(teacher, classes)
        except FieldError as error:
            raise FieldError(f"teacher.{error.field}", error.rule) from None
        device = next(student.model.parameters()).device
        self._teacher, self._student = teacher, student
        self._network, self._side = found.network.to(device), found.resolution
        self._scale = None
        if found.mean is not None and found.std is not None:
            given = student.normalisation
            if given is None:
                raise FieldError("teacher", "needs images whose normalisation the data set states")
            self._scale = _rescaling(given, Normalisation(found.mean, found.std))

    def logits(self, images: "Tensor") -> "Tensor":
        """The answer (N, classes), float32, to images as the student sees them; no gradient."""
        import torch
        from torch.nn import functional as F

        with torch.no_grad():
            if self._scale is not None:
                factor, offset = (torch.tensor(part, device=images.device)[:, None, None] for part in self._scale)
                images = images * factor + offset
            if images.shape[-1] != self._side or images.shape[-2] != self._side:
                images = F.interpolate(images, (self._side, self._side), mode="bicubic", antialias=True)
            with self._student.autocast:
                answer: Tensor = self._network(images.contiguous(memory_format=self._student.memory_format))
        return answer.float()

    def join(self, loss: "Tensor", student: "Tensor", teacher: "Tensor") -> "Tensor":
        """The loss with the teacher's part: see `TeacherSpec`.

        Args:
            loss: of the labels, a scalar.
            student: logits (N, classes) of the student.
            teacher: logits (N, classes) of the teacher.
        """
        from torch.nn import functional as F

        asked = self._teacher
        if asked.hard:
            other = F.cross_entropy(student, teacher.argmax(1))
        else:
            own, aim = ((logits / asked.temperature).log_softmax(1) for logits in (student, teacher))
            other = asked.temperature**2 * F.kl_div(own, aim, reduction="batchmean", log_target=True)
        return (1 - asked.weight) * loss + asked.weight * other


def _rescaling(given: Normalisation, wanted: Normalisation) -> tuple[list[float], list[float]] | None:
    """Factor and offset by channel that turn images of one normalisation into those of another; None where equal."""
    if given == wanted:
        return None
    columns = list(zip(given.mean, given.std, wanted.mean, wanted.std, strict=True))
    return [std / new for _, std, _, new in columns], [(mean - centre) / new for mean, _, centre, new in columns]
