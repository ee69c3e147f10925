"""Builds on disk: complete or absent, with builders at once."""

import pytest

from adqhw.cosim.simulators.build_cache import build_folder, built, making
from adqhw.spec import InputError


def test_a_build_is_named_by_everything_in_its_key(tmp_path):
    keys = [["a", {"x": 1}], ["a", {"x": 2}], ["b", {"x": 1}]]
    folders = {build_folder(tmp_path, "kind", key) for key in keys}
    assert len(folders) == 3
    assert build_folder(tmp_path, "kind", ["a", {"y": 1, "x": 2}]) == build_folder(
        tmp_path, "kind", ["a", {"x": 2, "y": 1}]
    )


def test_a_build_appears_when_it_is_complete(tmp_path):
    folder = build_folder(tmp_path / "cache", "kind", "key")
    with making(folder, {"a.v": "module a;"}) as unfinished:
        assert not folder.exists()
        (unfinished / "made").write_text((unfinished / "a.v").read_text() + " made")
    assert (folder / "made").read_text() == "module a; made"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_build_that_is_there_first_stays(tmp_path):  # two builders of one design at once
    folder = build_folder(tmp_path, "kind", "key")
    with making(folder, {"who": "second"}), making(folder, {"who": "first"}):
        pass
    assert (folder / "who").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt(), ValueError()])
@pytest.mark.parametrize("keep", [False, True])
def test_a_build_that_fails_leaves_nothing_but_a_log_that_is_named(error, keep, tmp_path):
    folder = build_folder(tmp_path, "kind", "key")
    with pytest.raises(type(error)), making(folder, {"log": ""}, keep_refused=keep):
        raise error
    left = [path.name[:7] for path in tmp_path.iterdir()]
    assert left == (["making_"] if keep and isinstance(error, InputError) else [])


def test_a_cache_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="Build folder must be writable, not"),
        making(build_folder(tmp_path / "file", "kind", "key"), {}),
    ):
        pass


def test_a_build_is_made_once_and_again_without_its_result(tmp_path):
    folder, runs = build_folder(tmp_path, "kind", "key"), []

    def make(path):
        runs.append(sorted(entry.name for entry in path.iterdir()))
        (path / "result").write_text("r")

    for _ in range(2):
        assert built(folder, make, {"a.v": "module a;"}, result="result") == folder
    assert runs == [["a.v"]]
    (folder / "result").unlink()
    built(folder, make, {"a.v": "module a;"}, result="result")
    assert len(runs) == 2
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.v", "result"]
