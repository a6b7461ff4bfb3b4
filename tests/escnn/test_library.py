"""escnn's habits are dealt with in one place, and that place is still needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csc_matrix
from sklearn.utils.extmath import randomized_svd

from symdiff.errors import MissingExtraError
from symdiff_escnn import library


def test_its_bases_still_crash_on_the_scikit_learn_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    library.escnn()
    import escnn.group._numerical as numerical

    constraint = csc_matrix(np.diag([1.0, 0.0])).todense()  # an np.matrix, as escnn makes them
    assert numerical.null(constraint, False).shape == (2, 1)
    monkeypatch.setattr(numerical, "randomized_svd", randomized_svd)
    with pytest.raises(TypeError, match="matrix"):  # the day this passes, library.py can leave the name alone
        numerical.null(constraint, False)


def test_without_it_the_one_command_that_adds_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = library.find_spec
    monkeypatch.setattr(library, "find_spec", lambda name: None if name == "escnn" else find(name))
    with pytest.raises(MissingExtraError, match="escnn is not installed") as caught:
        library.refuse_if_missing()
    assert caught.value.hint == "pip install --no-deps escnn==1.0.11"
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        library.refuse_if_missing()
    assert caught.value.hint == library.COMMAND


def test_the_plugin_is_imported_without_torch_and_without_escnn() -> None:
    code = "import sys, symdiff_escnn, symdiff_escnn.library; print({'torch', 'escnn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_its_warning_of_a_missing_package_for_so3_is_not_passed_on() -> None:
    code = "import symdiff_escnn.library as library; library.escnn()"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, "py3nj" in done.stderr) == ("", False)
