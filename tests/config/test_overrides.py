"""Paths and names reach the configuration as they are typed; what Hydra cannot read is one line with what it can."""

import subprocess
from pathlib import Path

import pytest

from lossbench.config.composition import composed, groups, hydra_started
from lossbench.config.overrides import readable
from lossbench.errors import UserError
from lossbench.launch.expand import expand

ODD = (
    *("~/photos", "/tmp/ü", "/tmp/a=b (1)", "a=b", "a(1)", "a#b", "a&b", "a b", "it's", 'a"b', "a\\b", "a%b", "a!b"),
    *("a?b", "a;b", "a<b", "a|b", "a`b", "a^b", "$HOME", "@x", "1e3", "2024", "日本", "x,y (2)", "'", "\\", "C:\\d\\"),
)


def root_of(*words: str) -> object:
    with hydra_started():
        return composed(readable(["data=image_folder", *words], groups())).data.root


@pytest.mark.parametrize("path", ODD)
def test_a_path_is_taken_as_it_is_typed(path: str) -> None:
    assert root_of(f"data.root={path}") == path


def test_what_hydra_reads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "loss=power",
        "loss.q=0.5",
        "data.root='a b'",
        'data.root="x"',
        "seed=${oc.env:X}",
        "~logger",
        "+a.b=[1,2]",
    ]
    words += ["data.root=/a,/b", "seed=range(3)", "embeddings=null", "model.pretrained=true", "hydra/launcher=process"]
    assert readable(words, groups(), multirun=True) == words
    monkeypatch.setenv("HERE", "/there")
    assert root_of("data.root=${oc.env:HERE}/ü") == "/there/ü"


def swept(word: str) -> list[str]:
    with hydra_started() as _:
        from hydra.core.global_hydra import GlobalHydra

        loader = GlobalHydra.instance().config_loader()
        jobs = expand(readable([word], groups(), multirun=True), loader)
    return [str(job.parts[0].value) for job in jobs]


def test_a_comma_parts_the_paths_of_a_sweep() -> None:
    assert swept("data.root=/a,/b") == ["/a", "/b"]
    assert swept("data.root=~/a,~/b=c (1)") == ["~/a", "~/b=c (1)"]
    assert swept("data.root='x,y',2024,ü") == ["x,y", "2024", "ü"]


def test_a_comma_of_a_folder_that_exists_is_its_name(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    assert root_of(f"data.root={tmp_path}/a,b") == f"{tmp_path}/a,b"
    assert readable(["data.root=c,d"], groups()) == ["data.root=c,d"]  # Hydra asks what is meant


@pytest.mark.parametrize("word", ["loss.alpha=(1)", "monitor=val/ü", "optimizer.lr=a=b", "seed==1", "x='"])
def test_what_cannot_be_read_is_shown_in_quotes_that_a_shell_and_hydra_take(word: str) -> None:
    with pytest.raises(UserError, match="cannot be read; a text with such characters stands in quotes: ") as caught:
        readable([word], groups())
    advised = str(caught.value).rpartition("in quotes: ")[2]
    typed = subprocess.run(["sh", "-c", f"printf %s {advised}"], capture_output=True, text=True, check=True).stdout
    assert readable([typed], groups()) == [typed]
    assert typed.partition("=")[0] == word.partition("=")[0]


def test_the_values_of_a_sweep_function_are_not_parted() -> None:
    assert swept("data.root=choice('/a (1)',/b)") == ["/a (1)", "/b"]
    with pytest.raises(
        UserError, match=r"cannot be read; in choice\(\.\.\.\) a text with such characters stands in quotes"
    ):
        readable(["data.root=choice(/a (1),/b)"], groups(), multirun=True)
    assert root_of("data.root=tag(1)/ü") == "tag(1)/ü"


def test_files_of_ones_own_may_have_groups_and_use_keys_of_their_own(tmp_path: Path) -> None:
    for name, text in {"recipe/x": "seed: 7", "experiment/wide": "model:\n  width: ${width}"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    words = ["+recipe=x", "experiment=wide", "+width=128"]
    with hydra_started(tmp_path):
        config = composed(readable(words, groups(), own_files=True))
    assert (config.seed, config.model.width) == (7, 128)
    search = f"hydra.searchpath=[file://{tmp_path}]"
    assert readable([search, *words], groups()) == [search, *words]
    with pytest.raises(UserError, match=r"^\+recipe=x: no run reads recipe; "):
        readable(words, groups())


def test_a_range_is_typed_without_a_plus_and_is_one_value() -> None:
    typed = ["search.lr=[1e-4,1]", "+search.q={range:[0,1],scale:linear}", "search.lr.scale=log", "search.own=tuned"]
    read = [
        "++search.lr=[1e-4,1]",
        "++search.q={range:[0,1],scale:linear}",
        "++search.lr.scale=log",
        "search.own=tuned",
    ]
    assert readable(typed, ["search"], multirun=True) == read
    for word, hint in (("search.lr=1e-4,1", r"search\.lr=\[1e-4,1\]"), ("search.own=tuned,both", r"search\.own=both")):
        with pytest.raises(UserError, match=f"lists several values.*such as {hint}"):
            readable([word], ["search"], multirun=True)
    with pytest.raises(UserError, match=r"search=sgd: ranges are typed one by one"):
        readable(["search=sgd"], ["search"])
