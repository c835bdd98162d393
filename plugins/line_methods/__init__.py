"""Ways to draw lines of a grey picture.

The defaults were chosen by eye on drawings and photos with a short side of 512 pixels. Lengths are in pixels; beyond
its border a picture goes on as its last row or column.
"""
