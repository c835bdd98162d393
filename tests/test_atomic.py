"""Files that readers never see half of."""

import os

import pytest

from sketchkit.atomic import write_whole
from sketchkit.errors import DataError


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is no regular file, and would be replaced by one"):
        write_whole(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1
