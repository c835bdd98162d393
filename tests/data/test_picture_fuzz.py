"""Whatever a file holds, it is read or refused in a line: soon, in little memory, and without a word on the terminal.

SKETCHKIT_FUZZ=10000 tries more of them than the suite does.
"""

import os
import resource
import time
import warnings

from sketchkit.data.image_io import UnreadableImage, probe_image, read_image
from tests.data.picture_fuzz import damaged, whole_pictures

COUNT = int(os.environ.get("SKETCHKIT_FUZZ", "360"))
LONGEST = 5  # seconds of the processor, which other processes do not stretch
MEMORY = 2**20  # KiB


def tried(path):
    """The sizes that both readers tell, or their refusals."""
    for reader in (probe_image, read_image):
        try:
            found = reader(path)
        except UnreadableImage as error:
            assert "\n" not in str(error) and path.name in str(error)
            yield None
        else:
            yield found.shape[1::-1] if reader is read_image else (found.width, found.height)


def test_damaged_pictures_are_read_or_refused(tmp_path, capfd):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read, said = 0, ""
    with warnings.catch_warnings(record=True):
        for number, (ending, data) in enumerate(damaged(COUNT)):
            path = tmp_path / f"{number}.{ending}"
            path.write_bytes(data)
            start = time.process_time()
            probed, shape = tried(path)
            assert time.process_time() - start < LONGEST, path
            assert shape is None or probed == shape, path
            read += shape is not None
            path.unlink()
            # OpenCV's own JPEG and PNG libraries cannot be told to be silent.
            words = capfd.readouterr().err
            said += words if ending not in ("jpg", "png") else ""
    assert 0.02 * COUNT < read < 0.9 * COUNT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
    assert said == ""


def test_what_the_damage_is_done_to_is_read(tmp_path):
    refused = []
    for number, (ending, data) in enumerate(whole_pictures()):
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(data)
        probed, shape = tried(path)
        assert probed and shape in (probed, None), path
        refused += [number] if shape is None else []
    assert len(refused) == 1  # the fractions
