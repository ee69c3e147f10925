"""The accelerator behind AXI: registers, host port, gates of the image and the result."""
