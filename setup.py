# The metadata are in pyproject.toml; this stub serves tools that look for it.
from setuptools import setup


setup()
