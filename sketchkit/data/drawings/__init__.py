"""What the drawings of a training look like, and a person's drawing brought to that look; numpy and OpenCV alone."""

from sketchkit.data.drawings.frame import Frame
from sketchkit.data.drawings.profile import DrawingProfile, measure_drawings
from sketchkit.data.drawings.reading import Reading, read_drawing

__all__ = ["DrawingProfile", "Frame", "Reading", "measure_drawings", "read_drawing"]
