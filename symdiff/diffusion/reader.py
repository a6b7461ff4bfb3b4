"""Which images can be read as a digit, judged by a classifier that has never seen a generated one."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from symdiff.diffusion.quality import PrincipalComponents

COMPONENTS = 64
NEIGHBOURS = 10


class Reader:
    """A classifier of digits that also says when it cannot tell, or has seen nothing like it.

    Both judgements are made on principal components of the training images. `margin` is that of a support vector
    machine with a Gaussian kernel. `familiarity` is the local outlier factor (Breunig et al. 2000), which compares the
    distance to the nearest training images with the distances among these: so that a straight 1, whose like lie close
    together, is held to a stricter standard than a sprawling 8. Calibrated probabilities are of no use here: they call
    noise a sure digit.

    Parameters
    ----------
    components
        Coordinates it reads.
    classifier, outliers
        Fitted scikit-learn estimators: one-against-one decisions, and the outlier factor.
    """

    def __init__(self, components: PrincipalComponents, classifier: Any, outliers: Any) -> None:
        self.components = components
        self.classifier = classifier
        self.outliers = outliers

    @classmethod
    def fit(cls, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]) -> Reader:
        """The reader of these images, whose classes are numbered from 0."""
        from sklearn.neighbors import LocalOutlierFactor  # slow to import
        from sklearn.svm import SVC

        components = PrincipalComponents.fit(images, COMPONENTS)
        x = components(images).numpy()
        classifier = SVC(C=10.0, decision_function_shape="ovo").fit(x, labels.numpy())
        return cls(components, classifier, LocalOutlierFactor(n_neighbors=NEIGHBOURS, novelty=True).fit(x))

    def margins(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """The least of the decisions for each class against every other one, negative where it loses one."""
        decisions = torch.from_numpy(self.classifier.decision_function(self.components(images).numpy()))
        classes = len(self.classifier.classes_)
        first, second = torch.triu_indices(classes, classes, offset=1)
        against = torch.full((len(images), classes, classes), torch.inf, dtype=decisions.dtype)
        against[:, first, second] = decisions
        against[:, second, first] = -decisions
        return against.amin(dim=2)

    def familiarity(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The local outlier factor with its sign turned: about -1 among the training images, less outside."""
        return torch.from_numpy(self.outliers.score_samples(self.components(images).numpy()))

    def accuracy(self, images: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"]) -> float:
        """Share of `images` read as their label."""
        return float((self.margins(images).argmax(dim=1) == labels).double().mean())

    def unreadable(
        self, images: Float[Tensor, "n c h w"], reference: Float[Tensor, "m c h w"], level: float = 0.05
    ) -> Bool[Tensor, " n"]:
        """Which images are less sure, or less familiar, than all but a share `level` of the `reference` images.

        Of the reference images themselves between `level` and twice that are.
        """
        found = torch.zeros(len(images), dtype=torch.bool)
        for score in (lambda x: self.margins(x).amax(dim=1), self.familiarity):
            found |= score(images) < score(reference).quantile(level)
        return found
