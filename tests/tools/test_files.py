"""A file is written whole or not at all, and never through a link."""

import os
import resource
from pathlib import Path

import pytest

from palestra.tools.files import write_whole


@pytest.mark.parametrize("place", ["file", "file.part"])
def test_a_link_is_replaced_and_not_written_through(tmp_path: Path, place: str) -> None:
    ours = tmp_path / "ours"
    ours.write_text("precious")
    (tmp_path / place).symlink_to(ours)
    path = tmp_path / "file"
    assert write_whole(path, lambda part: part.write_text("new")) == 3
    assert ours.read_text() == "precious"
    assert path.read_text() == "new"
    assert not path.is_symlink()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["file", "ours"]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"^\S+/file cannot be written: File too large\.$"):
            write_whole(path, lambda part: part.write_bytes(bytes(2_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert [x.name for x in tmp_path.iterdir()] == ["file"]


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError, match="cannot be written: No such file or directory"):
        write_whole(path, lambda part: part.write_text("new"))


def test_what_is_no_file_stays_and_is_bad_input(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "pipe")
    with pytest.raises(PermissionError, match="pipe cannot be written: it is a folder or a device"):
        write_whole(path, lambda part: part.write_text("new"))
    assert path.is_fifo()
