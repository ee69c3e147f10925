"""The accelerator whose lanes hold weights for several pixels; everything around array and output
stage."""
