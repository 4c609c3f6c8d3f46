"""One row for each public loss: what it is, what it should compute, and what the laws may try on it.

Each file here has `CASES`, and where they are needed `TERMS`, the parts that a loss is the sum of, and `ALIASES`, YAMLs
that show a loss under another name. A new file is found by itself.
"""

import pkgutil
from importlib import import_module

from lossbench.losses.case import Case
from tests.cases.naive import Aliases

FILES = [import_module(f"tests.cases.{each.name}") for each in pkgutil.iter_modules(__path__)]
CASES: list[Case] = [case for file in FILES for case in getattr(file, "CASES", ())]
TERMS: dict[str, set[str]] = {}
ALIASES: Aliases = {}
for file in FILES:
    TERMS |= getattr(file, "TERMS", {})
    ALIASES |= getattr(file, "ALIASES", {})
