"""Overrides as they are typed: paths and names get the quotes that Hydra's grammar asks for. Torch-free."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from lossbench.config.schema import TYPED
from lossbench.config.searched import SEARCH
from lossbench.errors import UserError, one_line

LISTS = ("train_list", "val_list", "test_list")
PATHS = ("runs_dir", "root", *LISTS, "cache_dir", "embeddings", "pretrained", "noise_file")
HASHES = ("parent",)
TEXTS = (*PATHS, *HASHES, "study", "project", "experiment_name", "tracking_uri", "baseline")
"""Last parts of keys whose values are free text: what Hydra's grammar cannot read in them is meant as it stands."""
SEVERAL = ("callbacks", "logger", "experiment", "debug")
"""Groups of which [a,b] takes two options."""
EVERY = ("data", "loss", "model", "features", "optimizer", "scheduler", "trainer", "augment")
"""Groups of which a run has an option."""
SETTING = re.compile(r"(?P<key>[+]{0,2}[\w./@-]+)=(?P<value>.*)", re.DOTALL)
ELEMENT = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^,])+")
SWEEP = re.compile(r"(choice|glob|range|sort|shuffle|tag|interval)[(]")
HINT = "a text with such characters stands in quotes"


def readable(
    words: Sequence[str], groups: Sequence[str], *, multirun: bool = False, own_files: bool = False
) -> list[str]:
    """Quote the paths and names among overrides where Hydra's grammar needs it.

    Args:
        words: overrides as typed.
        groups: names of the groups, whose values are names of options.
        multirun: whether a comma parts the values of a sweep.
        own_files: whether YAML files of the user's own are read, which may have groups and use keys of their own.

    Returns:
        The overrides as Hydra reads them.

    Raises:
        UserError: an override that cannot be read, with the form that can; or a group without the name of an option.
    """
    quoted = [_readable(_searched(word), multirun) for word in words]
    for word in quoted:
        _check_group(word, groups)
        _check_replicate(word)
    if not own_files and not any(word.lstrip("+").startswith("hydra.searchpath=") or "${" in word for word in words):
        for word in words:  # but for 'model.hidden=[${width}]' with +width=128
            _check_added(word, groups)
    return quoted


def _searched(word: str) -> str:
    """Let a range be typed without a plus: which settings have one is known once everything is composed."""
    found = re.fullmatch(r"[+]{0,2}search[.](?P<name>\w[\w.]*)=(?P<value>.*)", word, re.DOTALL)
    if found is None:
        return word
    override, _ = _parsed(word)
    if override is not None and override.is_sweep_override():
        example = "search.own=both" if found["name"] == "own" else f"search.{found['name']}=[{found['value']}]"
        raise UserError(f"{word} lists several values, and all losses are searched alike; write one, such as {example}")
    return word if found["name"] == "own" else f"++{word.lstrip('+')}"


def _readable(word: str, multirun: bool) -> str:
    found, (override, reason) = SETTING.fullmatch(word), _parsed(word)
    if found is None or found["key"].rpartition(".")[2].lstrip("+") not in TEXTS:
        return _require_read(word, override, reason)
    if multirun and SWEEP.match(found["value"]):
        return _require_read(word, override, reason)
    if _needs_quotes(found, override):
        return f"{found['key']}={_texts(found['value'], multirun)}"
    is_name = not multirun and override is not None and override.is_sweep_override() and _names_a_file(found)
    return f"{found['key']}={_quoted(found['value'])}" if is_name else word


def _needs_quotes(found: re.Match[str], override: Override | None) -> bool:
    """Whether Hydra cannot read a text, or reads a number where a path or a hash is meant."""
    is_hash = found["key"] in HASHES
    return override is None or ((is_hash or _is_path(found)) and _holds_numbers(override))


def _texts(value: str, multirun: bool) -> str:
    parts = ELEMENT.findall(value) if multirun else [value]
    return ",".join(map(_text, parts))


def _require_read(word: str, override: Override | None, reason: str) -> str:
    if override is None:
        raise _unreadable(word, reason)
    return word


def _parsed(word: str) -> tuple[Override | None, str]:
    """What Hydra reads, or None and its reason."""
    try:
        return OverridesParser.create().parse_override(word), ""
    except HydraException as error:
        return None, one_line(error)


def _holds_numbers(override: Override) -> bool:
    """Whether it is a number, or a list of values a,b with numbers among them: a folder may be called 2024."""
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) and value.simple_form else [value]
    return any(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _names_a_file(found: re.Match[str]) -> bool:
    return _is_path(found) and Path(os.path.expanduser(found["value"])).exists()


def _is_path(found: re.Match[str]) -> bool:
    return found["key"].rpartition(".")[2].lstrip("+") in PATHS


def _text(value: str) -> str:
    """A value that Hydra reads as a text, or as what it is where it is no number."""
    override, _ = _parsed(f"key={value}")
    return _quoted(value) if override is None or _holds_numbers(override) else value


def _quoted(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()


def _unreadable(word: str, reason: str) -> UserError:
    key, sign, value = word.partition("=")
    if not sign:
        return UserError(f"{word!r} is no setting; write {word.strip() or 'KEY'}=VALUE")
    if key == "data":
        return UserError(
            f"{word}: for images in a folder write data=image_folder data.root={value}; --help lists the options"
        )
    if re.search(r"^,|,$|,,", value):
        return UserError(f"{word} cannot be read: a value beside a comma is missing")
    if re.search(r"\s[\w.]+=", value):
        return UserError(f"{word} cannot be read: each setting is a word of its own")
    if "while evaluating" in reason or "Unknown function" in reason:
        return UserError(f"{word} cannot be read: {reason}")
    if function := SWEEP.match(value):
        return UserError(f"{word} cannot be read; in {function[0]}...) {HINT}, such as choice('a (1)',b)")
    return UserError(f"{word} cannot be read; {HINT}: {shlex.quote(f'{key}={_quoted(value)}')}")


def _check_added(word: str, groups: Sequence[str]) -> None:
    """Refuse a new key beside the groups: no run reads it."""
    found = re.match(r"[+]{1,2}(\w+)=", word)
    if found and found[1] not in (*groups, *TYPED, "runs_dir", "force", "plan"):
        raise UserError(
            f"{word}: no run reads {found[1]}; leave it out, or write the key with its part, such as "
            "trainer.max_epochs=3; --help lists them"
        )


def _check_replicate(word: str) -> None:
    """Refuse a replicate of the data alone: it decides the seed too."""
    if found := re.match(r"[+]{0,2}data[.]replicate=(.*)", word):
        raise UserError(f"{word}: a replicate decides the split and the seed; type replicate={found[1]}")


def _check_group(word: str, groups: Sequence[str]) -> None:
    """Refuse a group whose value is no name of an option: Hydra would merge a mapping into the default option."""
    override, _ = _parsed(word)
    if override is None or override.key_or_group not in groups:
        return
    if override.key_or_group == SEARCH:
        raise UserError(f"{word}: ranges are typed one by one, such as search.lr=[1e-4,1] or search.own=tuned")
    value, group = override.value(), override.key_or_group
    if override.is_delete():
        if group in EVERY:
            raise UserError(f"~{group}: every run has one; choose another with {group}=NAME")
        return
    if isinstance(value, str) or override.is_sweep_override() or (group in SEVERAL and isinstance(value, list)):
        return
    raise UserError(
        f"{word}: {group} takes the name of an option, {group}=NAME; --help lists them, and {group}.KEY=VALUE is a "
        "single setting"
    )
