"""A driver in C for the registers of an accelerator, and a bench in which it runs."""
