"""rho = exp . d rho . log with d rho linear: a homomorphism iff d rho preserves brackets, a finite condition."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.errors import BlindProjectionError, ConfigError, UnknownLawError
from symdiff.representations.base import Representation, runs_of_equal_size
from symdiff.representations.exponential import matrix_exponential
from symdiff.representations.projection import project_brackets

Basis = Callable[[Float[Tensor, "k n c"]], Float[Tensor, "k n r"]]


def whole_algebra(generators: Float[Tensor, "k n c"]) -> Float[Tensor, "k n n"]:
    """The coordinate basis of the algebra: always sufficient, r = n."""
    n = generators.shape[1]
    return torch.eye(n, dtype=generators.dtype, device=generators.device).expand(len(generators), n, n)


def unknown_bracket(X: Tensor, Y: Tensor) -> Tensor:
    """The bracket of an algebra whose law is not known.

    Raises
    ------
    UnknownLawError
        Always.
    """
    del X, Y
    raise UnknownLawError(
        "the brackets of these actions are not known: their group law is not",
        "rho is neither penalised nor projected; say what the law is, if you know it",
    )


class LieRepresentation(Representation):
    """``rho(g) = exp(d rho(log g))``, block-diagonal.

    On a simply connected group with a global logarithm this is a homomorphism iff
    ``[d rho X, d rho Y] = d rho [X, Y]`` for all X, Y (Hall 2015, "Lie Groups, Lie Algebras, and Representations",
    Theorem 5.6). `penalty` measures the failure, `projected` removes it.

    Parameters
    ----------
    log
        ``[..., *element_shape] -> [..., n]``, coordinates in the Lie algebra.
    bracket
        ``([..., n], [..., n]) -> [..., n]``; ``None`` if it is not known, and rho is then bound by no law.
    algebra_dimension
        n.
    block_sizes
        Sizes of the diagonal blocks.
    sufficient_basis
        From ``d rho`` of k blocks, ``[k, n, b*b]``, an orthonormal basis ``[k, n, r]`` of a subalgebra on which the
        bracket equations imply all others. By default the whole algebra, which costs n^2 brackets; a family whose
        algebra is large supplies a small one.
    """

    form = "lie"

    def __init__(
        self,
        log: Callable[[Tensor], Tensor],
        bracket: Callable[[Tensor, Tensor], Tensor] | None,
        algebra_dimension: int,
        block_sizes: tuple[int, ...],
        sufficient_basis: Basis = whole_algebra,
    ) -> None:
        super().__init__()
        if not block_sizes:
            raise ConfigError("a representation needs at least one block")
        self.block_sizes = tuple(block_sizes)
        self.log = log
        self.bracket = unknown_bracket if bracket is None else bracket
        self.sufficient_basis = sufficient_basis
        self._runs = runs_of_equal_size(self.block_sizes)
        self.generators = nn.ParameterList(
            nn.Parameter(torch.randn(count, algebra_dimension, size * size) * 0.1 / algebra_dimension**0.5)
            for count, size in self._runs
        )
        """``d rho`` of the basis elements: one tensor ``[k, n, b*b]`` for each run of k blocks of size b."""

    def images(self) -> list[Float[Tensor, "k n c"]]:
        """``d rho`` of the basis elements as matrices, for each run; a subclass may keep fewer parameters than that."""
        return list(self.generators)

    def exponential(self, X: Float[Tensor, "*batch b b"]) -> Float[Tensor, "*batch b b"]:
        """The exponential of the blocks; a subclass whose values lie on a manifold takes that of the manifold."""
        return matrix_exponential(X)

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Diagonal blocks ``exp(d rho(log g))``."""
        coordinates = self.log(g)
        result = []
        for generators, (count, size) in zip(self.images(), self._runs, strict=True):
            flat = generators.transpose(0, 1).flatten(1)  # [n, k b b]: one product for all blocks
            result.append(self.exponential((coordinates @ flat).unflatten(-1, (count, size, size))))
        return result

    def bracket_defects(self) -> list[Float[Tensor, "k r r b b"]]:
        """``[d rho X_i, d rho X_j] - d rho [X_i, X_j]`` over the sufficient basis, for every block."""
        defects = []
        for generators, (_, size) in zip(self.images(), self._runs, strict=True):
            # The equations outside the sufficient basis hold to second order, so no gradient flows through it.
            basis = self.sufficient_basis(generators.detach())
            images = torch.einsum("knr,knc->krc", basis, generators).unflatten(-1, (size, size))
            vectors = basis.transpose(1, 2)
            brackets = self.bracket(vectors[:, :, None], vectors[:, None])
            expected = torch.einsum("krsn,knc->krsc", brackets, generators).unflatten(-1, (size, size))
            products = images[:, :, None] @ images[:, None]
            defects.append(products - products.transpose(1, 2) - expected)
        return defects

    def penalty(self, actions: Tensor) -> Float[Tensor, ""]:
        """Sum of squares of `bracket_defects`, every pair counted once; 0 where brackets are not known."""
        if self.bracket is unknown_bracket:
            return actions.new_zeros(())
        del actions  # the law of d rho concerns the algebra alone
        return torch.stack([defect.square().sum() for defect in self.bracket_defects()]).sum() / 2

    @torch.no_grad()
    def bracket_error(self) -> float:
        """Norm of the bracket defects relative to that of ``d rho`` itself; 0 for a homomorphism."""
        size = torch.stack([images.square().sum() for images in self.images()]).sum()
        defect = self.penalty(self.generators[0])
        return float((defect / size.clamp_min(torch.finfo(size.dtype).tiny)).sqrt())

    @torch.no_grad()
    def projected(self) -> tuple[LieRepresentation, float]:
        """The Lie-algebra homomorphism that Levenberg-Marquardt reaches from here, and how far it moved.

        Returns
        -------
        tuple
            A copy in form ``lie-projected`` whose brackets hold to rounding, and the relative change of ``d rho``.

        Raises
        ------
        BlindProjectionError
            The nearest homomorphism found sends the whole derived algebra [g, g] to 0: it no longer sees what it
            was to represent.
        RunError
            The iteration did not converge.
        """
        result = copy.deepcopy(self)
        result.form = "lie-projected"
        moved, total = 0.0, 0.0
        for target, (_, size) in zip(result.generators, self._runs, strict=True):
            before = target.detach().double().cpu()
            basis = self.sufficient_basis(before)
            after = project_brackets(before, basis, self.bracket, size)
            moved += float((after - before).square().sum())
            total += float(before.square().sum())
            target.data = after.to(target)
        result.refuse_blindness(self)
        for parameter in result.parameters():
            parameter.requires_grad_(False)
        return result, (moved / max(total, 1e-300)) ** 0.5

    @torch.no_grad()
    def refuse_blindness(self, before: LieRepresentation) -> None:
        """Raise `BlindProjectionError` if the derived algebra was represented in `before` and is not any more."""
        now, then = self._derived_norm(), before._derived_norm()
        if then > 0 and now < 1e-3 * then:
            raise BlindProjectionError(
                "projecting d rho onto the homomorphisms sent the derived algebra to 0 "
                f"(norm {then:.3g} -> {now:.3g}): every commutator would act as the identity",
                "train longer, lower the bracket penalty, or use the form `exact` or `lie`",
            )

    def _derived_norm(self) -> float:
        total = 0.0
        for generators in self.generators:
            basis = self.sufficient_basis(generators).transpose(1, 2)
            brackets = self.bracket(basis[:, :, None], basis[:, None])
            total += float(torch.einsum("krsn,knc->krsc", brackets, generators).square().sum())
        return math.sqrt(total)
