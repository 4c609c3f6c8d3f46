"""What a paper takes: a table that LaTeX compiles, a paragraph of methods, and pictures with embedded fonts."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import compare_runs, find_in, make_arm, make_run

from lossbench.plots.theme import save
from lossbench.report.comparison import Comparison
from lossbench.report.figures import draw_figures
from lossbench.report.papers.latex import latex_table
from lossbench.report.papers.methods import methods

LATEX = next((name for name in ("tectonic", "pdflatex", "lualatex", "xelatex") if shutil.which(name)), None)
BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83]
BETTER = [score + 0.05 + 0.001 * (k % 3) for k, score in enumerate(BASE)]
SLIGHTLY = [score + 0.004 + 0.0002 * (k % 3) for k, score in enumerate(BASE)]
OPEN = [score + 0.05 * (-1) ** k for k, score in enumerate(BASE)]
NASTY = {"loss.name": r"p_1 & 50% #^~{}\\[2] $x$"}


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    study = tmp_path / "study"
    counts = {"train_counts": {"examples": 1078, "smallest_class": 100, "largest_class": 110}}
    for loss, scores in (("cross_entropy", BASE), ("power", BETTER), ("cosine_xent", SLIGHTLY), ("inverse", OPEN)):
        make_arm(study, loss, scores, kind="replicate", result=counts)
    make_arm(study, "nasty", OPEN, kind="replicate", settings=NASTY, result=counts)
    return compare_runs(study)


def rows_of(tex: str) -> list[str]:
    body = tex.split(r"\midrule")[1].split(r"\bottomrule")[0]
    return [line.removesuffix(r" \\") for line in body.strip().splitlines()]


def is_balanced(tex: str) -> bool:
    depth = 0
    for sign in re.sub(r"\\[{}\\]", "", tex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def columns(line: str) -> int:
    return 1 + len(re.findall(r"(?<!\\)&", line))


def test_only_what_the_test_found_better_is_bold(comparison: Comparison) -> None:
    verdicts = {label: (pair.verdict, pair.qualifier) for label, pair in comparison.paired.items()}
    assert verdicts["power"] == ("better", None)
    assert verdicts["cosine_xent"] == ("equivalent", "slightly better")
    assert verdicts["inverse"][0] == "undecided"
    tex = latex_table(comparison)
    bold = [row for row in rows_of(tex) if "bf" in row]
    assert len(bold) == 1
    assert bold[0].startswith(r"\textbf{power} & 8 & $")
    assert r"$\mathbf{+5.09}$" in bold[0]
    assert tex.count("bf{") == 2
    (open_row,) = (row for row in rows_of(tex) if row.startswith("inverse"))
    assert open_row.endswith(" & undecided")
    slight = replace(comparison.paired["power"], qualifier="slightly better")
    tex_of_slight = latex_table(replace(comparison, paired={**comparison.paired, "power": slight}))
    assert [row for row in rows_of(tex_of_slight) if row.endswith(" & slightly better") and "bf" not in row]
    waiting = latex_table(replace(comparison, provisional=1))
    assert "bf" not in waiting
    assert "nothing is judged" in waiting


def test_braces_and_columns_balance_and_names_are_escaped(comparison: Comparison) -> None:
    tex = latex_table(comparison)
    assert is_balanced(tex)
    (spec,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", tex)
    head = tex.split(r"\toprule")[1].split(r"\midrule")[0].strip()
    assert {columns(line) for line in (head, *rows_of(tex))} == {len(spec)}
    assert r"p\_1 \& 50\% \#\textasciicircum{}\textasciitilde{}\{\}" in tex
    assert not re.search(r"(?<!\\)[#%](?! \\usepackage)", tex)
    alone = latex_table(replace(comparison, baseline=None, paired={}))
    assert is_balanced(alone)
    assert "Difference" not in alone


def test_the_caption_says_n_pairing_correction_and_margin(comparison: Comparison) -> None:
    (caption,) = re.findall(r"\\caption\{(.*)\}", latex_table(comparison))
    for words in ("8 replicates", "paired by replicate", "4 planned comparisons", "max-T", "within 1.00 points"):
        assert words in caption
    assert "look" not in caption


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed (tectonic, pdflatex, lualatex or xelatex)")
def test_the_table_compiles(comparison: Comparison, tmp_path: Path) -> None:
    source = tmp_path / "paper.tex"
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
    source.write_text(f"{head}\n{latex_table(comparison)}\\end{{document}}\n")
    assert LATEX is not None
    options = [] if LATEX == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([LATEX, *options, source.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert source.with_suffix(".pdf").exists()


def test_the_methods_say_what_was_paired_drawn_corrected_and_with_what(comparison: Comparison) -> None:
    text = methods(comparison)
    for words in (
        "We compared power, ",
        " with cross_entropy by test/accuracy on digits: 10 classes",
        "Each of 8 replicates drew the split into training, validation and test examples anew",
        "differences are paired by replicate",
        "simultaneously for the 4 planned comparisons (max-T",
        "a sign-flip test of the replicates' mean differences",
        "Differences below 1.00 points were taken not to matter",
        "Nadeau and Bengio (2003)",  # there are no predictions
        "degrees of freedom are the number of repeats less one",
    ):
        assert words in text, (words, text)
    assert "look" not in text
    assert text.endswith(".")
    assert ".." not in text


def test_the_methods_of_seeds_looks_failures_and_open_runs(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make_arm(study, "cross_entropy", BASE)
    make_arm(study, "power", BETTER[:7])
    make_run(study, "power", 7, state="failed", status={"reason": "nan", "cause": "diverged"})
    found = compare_runs(study)
    text = methods(found)
    assert "on one fixed split, to which the results refer" in text
    assert "Runs that diverged count as outcomes" in text
    assert "(power: 1)" in text
    again = compare_runs(study, margin=0.02)
    assert again.paired["power"].look == 2
    assert "This was look 2 at these comparisons, whose p-values were multiplied by 10 for it" in methods(again)
    assert "and for look 2" in latex_table(again)
    make_run(study, "power", 8, state="planned")
    assert "1 run is still to be done, and nothing has been tested yet" in methods(compare_runs(study))
    alone = tmp_path / "alone"
    make_arm(alone, "power", BASE)
    assert "no loss was taken as a baseline" in methods(compare_runs(alone)).lower()


def test_pictures_are_pdf_with_embedded_truetype_fonts(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for loss, scores in (("cross_entropy", BASE), ("power", BETTER)):
        make_arm(study, loss, scores)
    figures = draw_figures(find_in(study))
    assert len(figures) > 2
    for figure in figures:
        path = tmp_path / f"{figure.name}.pdf"
        save(figure.figure, path)
        pdf = path.read_bytes()
        assert b"/FontFile2" in pdf, figure.name
        assert b"/Type3" not in pdf
        assert b"/Type1" not in pdf
        if shutil.which("pdffonts"):
            listed = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout
            assert "Type 3" not in listed
            assert " no " not in listed.splitlines()[2]
