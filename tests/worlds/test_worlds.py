"""Worlds: the images really are moved by the actions, and the factors by the law that meta states."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.errors import DiskError, UsageError
from symdiff.worlds import WORLDS, make_world, save_world, world
from symdiff.worlds.circles import Scrambled
from symdiff.worlds.ellipse import turned_ellipses
from symdiff.worlds.points import CLOUD, WEIGHT
from symdiff.worlds.rotation import random_rotations, rotations
from symdiff.worlds.scrambling import Scrambling

NAMES = sorted(WORLDS)
CIRCLES = ["displaced", "oriented", "scrambled"]
seeds = st.integers(0, 2**32 - 1)


def displacements(episodes):
    """Places moved along each circle, worked out from the actions and meta alone."""
    actions = episodes.actions.astype(np.float64)
    if "scrambling" in episodes.meta:
        told = episodes.meta["scrambling"]
        first, *turns = (np.array(turn) for turn in told["Q"])
        for turn in reversed(turns):
            actions = np.sinh(told["bend"] * (actions @ turn)) / told["bend"]
        actions = actions @ first
    return actions @ np.array(episodes.meta["axes"]) * episodes.meta["steps"] / (2 * math.pi)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_have_the_shapes_and_types_that_are_promised(name):
    made = make_world(name, 3, 4, seed=5)
    channels = 3 if name == "scrambled" else 1
    size, factors = {"displaced": (2, 2), "points": (3, 9)}.get(name, (3, 3))
    assert made.observations.shape == (3, 5, channels, 32, 32)
    assert made.actions.shape == (3, 4, size)
    assert made.factors.shape == (3, 5, factors)
    assert (made.observations.dtype, made.actions.dtype, made.factors.dtype) == (np.uint8, np.float32, np.float32)
    assert made.meta["world"] == name


@pytest.mark.parametrize("name", CIRCLES)
@settings(max_examples=15)
@given(seed=seeds)
def test_factors_move_by_the_law_in_meta(name, seed):
    made = make_world(name, 4, 3, seed)
    expected = made.factors[:, :-1] + displacements(made) * (2 * math.pi / 32)
    assert np.abs(np.exp(1j * expected) - np.exp(1j * made.factors[:, 1:])).max() < 1e-5


@settings(max_examples=15)
@given(seed=seeds)
def test_the_displaced_image_is_the_one_before_rolled_round_the_edges(seed):
    made = make_world("displaced", 4, 3, seed)
    moves = displacements(made)
    assert np.abs(moves).max() < 10.001
    assert np.abs(moves - np.rint(moves)).max() < 1e-4
    for image, after, (x, y) in zip(
        made.observations[:, :-1].reshape(-1, 32, 32),
        made.observations[:, 1:].reshape(-1, 32, 32),
        np.rint(moves).astype(int).reshape(-1, 2),
        strict=True,
    ):
        assert (np.roll(image, (y, x), (0, 1)) == after).all()


@settings(max_examples=15)
@given(seed=seeds)
def test_rotations_of_points_multiply_on_the_left(seed):
    made = make_world("points", 4, 3, seed)
    R = made.factors.reshape(4, 4, 3, 3).astype(np.float64)
    assert np.abs(rotations(made.actions) @ R[:, :-1] - R[:, 1:]).max() < 1e-5
    assert np.linalg.norm(made.actions, axis=-1).max() <= math.pi / 3 + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_a_function_of_the_factors_and_moves_as_they_do(name):
    made, kind = make_world(name, 6, 3, seed=1), world(name)
    if name == "points":
        states = made.factors.astype(np.float64)
    else:
        states = np.rint(made.factors * 32 / (2 * math.pi)).astype(int)
    again = kind.images(states.reshape(-1, states.shape[-1])).reshape(made.observations.shape)
    # The float32 factors round the soft discs of the points by at most one level.
    assert np.abs(again.astype(int) - made.observations).max() <= (1 if name == "points" else 0)


@pytest.mark.parametrize("name", ["displaced", "oriented", "scrambled"])
def test_going_once_round_a_circle_brings_the_same_image_back_and_no_fewer_places_do(name):
    kind = world(name)
    for circle in range(len(kind.circles)):
        states = np.zeros((33, len(kind.circles)), int)
        states[:, circle] = np.arange(33) % 32
        images = kind.images(states)
        assert (images[0] == images[32]).all()
        assert len(np.unique(images[:32].reshape(32, -1), axis=0)) == 32


def test_a_displaced_world_visits_all_1024_positions():
    made = make_world("displaced", 2000, 8)
    images = made.observations.reshape(-1, 1024)
    assert len({image.tobytes() for image in images}) == 1024
    assert set(np.unique(images)) == {0, 255}


def test_no_rotation_leaves_the_cloud_alone():
    gram = CLOUD @ CLOUD.T
    assert np.linalg.matrix_rank(CLOUD) == 3
    for order in ([1, 0], [2, 1, 0], [3, 1, 2, 0], [0, 4, 2, 3, 1], [0, 1, 5, 3, 4, 2]):
        permuted = list(order) + list(range(len(order), len(CLOUD)))
        same = np.allclose(gram[np.ix_(permuted, permuted)], gram) and np.allclose(WEIGHT[permuted], WEIGHT)
        assert not same


def test_the_share_of_an_ellipse_that_is_covered_is_that_of_its_area():
    smooth = turned_ellipses(8, smooth=True)
    assert smooth.sum((1, 2)) == pytest.approx(math.pi * 70, rel=5e-3)
    assert ((smooth > 0) & (smooth < 1)).any()


@settings(max_examples=15)
@given(seed=seeds, scale=st.floats(0.01, 3))
def test_scrambling_has_an_inverse(seed, scale):
    actions = scale * np.random.default_rng(seed).normal(size=(50, 3))
    scrambling = Scrambling(3)
    assert np.abs(scrambling.inverse(scrambling(actions)) - actions).max() < 1e-9 * (1 + np.abs(actions).max())


def test_no_linear_map_explains_scrambled_actions():
    told = make_world("scrambled", 500, 2).actions.reshape(-1, 3)
    done = make_world("oriented", 500, 2).actions.reshape(-1, 3)  # the same moves, told plainly
    residual = np.linalg.lstsq(done, told, rcond=None)[1].sum() / (told**2).sum()
    assert residual > 0.01


@settings(max_examples=15)
@given(seed=seeds)
def test_rotations_are_orthogonal_and_turn_by_the_length_of_their_vector(seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(20, 3)) * rng.uniform(0, 1, (20, 1))
    R = rotations(vectors)
    for matrices in (R, random_rotations(rng, 20)):
        assert np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
        assert np.linalg.det(matrices) == pytest.approx(1)
    angle = np.linalg.norm(vectors, axis=1)
    assert np.trace(R, axis1=1, axis2=2) == pytest.approx(1 + 2 * np.cos(angle))
    assert np.abs(np.einsum("nij,nj->ni", R, vectors) - vectors).max() < 1e-12
    assert np.abs(rotations(np.zeros(3)) - np.eye(3)).max() == 0
    assert rotations(np.array([0, 0, math.pi / 2])) @ [1, 0, 0] == pytest.approx([0, 1, 0])


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(name, tmp_path):
    for file, seed in (("a", 3), ("b", 3), ("c", 4)):
        save_world(make_world(name, 5, 2, seed), tmp_path / f"{file}.npz")
    a, b, c = ((tmp_path / f"{file}.npz").read_bytes() for file in "abc")
    assert a == b != c
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert (stored["observations"] == make_world(name, 5, 2, 3).observations).all()
        assert json.loads(str(stored["meta"])) == make_world(name, 5, 2, 3).meta


def test_smooth_images_move_as_the_binary_ones_do():
    smooth, hard = Scrambled(smooth=True).episodes(4, 2), Scrambled().episodes(4, 2)
    assert (smooth.factors == hard.factors).all()
    assert (smooth.actions == hard.actions).all()
    assert (smooth.observations != hard.observations).any()


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no world 'displacd'") as caught:
        make_world("displacd")
    assert caught.value.hint == "did you mean 'displaced'?"
    for wrong in ({"sequences": 0}, {"length": 0}, {"seed": -1}):
        with pytest.raises(UsageError, match="must be at least"):
            make_world("displaced", **wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError):
        save_world(make_world("displaced", 1, 1), tmp_path / "file" / "a.npz")
