"""From a program to the plan of kernel calls."""
