"""The version of this distribution, as it was installed."""

from importlib.metadata import version

VERSION = version("adqhw")
