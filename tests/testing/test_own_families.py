"""The families of this repository, and the toys, keep every law a third party's family has to keep."""

from __future__ import annotations

from symdiff.groups import GroupFamily
from symdiff.testing import GroupFamilySuite
from symdiff.testing.toys import CyclicTranslations, PixelRotations
from symdiff_affine.family import AffineFamily
from symdiff_affine.options import AffineOptions
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.options import GeomstatsOptions
from tests.escnn.makers import family as plane


class TestCyclicTranslations(GroupFamilySuite):
    def family(self) -> GroupFamily:
        return CyclicTranslations((1, 4, 5))


class TestPixelRotations(GroupFamilySuite):
    latent = 4

    def family(self) -> GroupFamily:
        return PixelRotations((2, 3, 3))


class TestAffine(GroupFamilySuite):
    latent = 4
    examples = 8

    def family(self) -> GroupFamily:
        return AffineFamily((1, 3, 4))


class TestExactAffine(GroupFamilySuite):
    latent = 4
    examples = 3

    def family(self) -> GroupFamily:
        return AffineFamily((1, 3, 4), AffineOptions(rho="exact"))


class TestThirdsOfATurn(GroupFamilySuite):
    latent = 8
    examples = 3

    def family(self) -> GroupFamily:
        return plane("C3", (1, 6, 6))


class TestDihedralOfTheSquare(GroupFamilySuite):
    latent = 8
    examples = 3

    def family(self) -> GroupFamily:
        return plane("D4", (1, 5, 5))


class TestRotations(GroupFamilySuite):
    latent = 8
    examples = 3

    def family(self) -> GroupFamily:
        return plane("SO2", (1, 5, 5))


class TestRotationsAndMirrors(GroupFamilySuite):
    latent = 8
    examples = 3

    def family(self) -> GroupFamily:
        return plane("O2", (1, 5, 5))


class TestGeomstats(GroupFamilySuite):
    examples = 3

    def family(self) -> GroupFamily:
        return GeomstatsFamily((1, 2, 3), GeomstatsOptions(manifold="triangular", n=2))
