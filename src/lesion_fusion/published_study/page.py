"""The report of the reproduction: statements in plain words, and tables as the template takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

import lesion_fusion
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.tables import records
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.notation import Estimate, listing, number, percent, signed, with_interval, words
from lesion_fusion.published_study.article import Article, printed_value, rounding
from lesion_fusion.published_study.comparison import comparison_columns, published_column
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import DRAWN_OUTLINES, SHORTCUTS, Protocol
from lesion_fusion.reporting.page import Statement, fill, render_page
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections.answer import statements_html
from lesion_fusion.reporting.standing import estimate

INPUTS = {"clinical": "from the record", "imaging": "from the image", "fusion": "from both"}


def write_page(
    comparison: pd.DataFrame,
    shortcuts: pd.DataFrame,
    luck: pd.DataFrame,
    rows: pd.DataFrame,
    plots: Mapping[str, bytes],
    cohort_plots: Mapping[str, bytes],
    cohort_audit: Mapping[str, Any],
    parameters: PaperReproduction,
    article: Article,
    report: ReportParameters,
    evaluation: Evaluation,
    study: Study,
) -> str:
    """Return the report, one HTML file."""
    classes, seen = parameters.protocol.classes, rows.loc[~rows["permuted"]]
    collected = seen.loc[seen["copy"] == 0, "label"].value_counts()
    gains = _gains_by_model(shortcuts)
    title = f"{report.cohort.title}: the published study, reproduced"
    identity = {"Cohort digest": cohort_audit["cohort_digest"], "Seed": str(study.seed)}
    return render_page(
        __name__,
        title=title,
        heading=title,
        identity=identity | {"lesion-fusion": lesion_fusion.__version__},
        answer=fill(
            "lesion_fusion.published_study.headline",
            statements=statements_html(statements(comparison, shortcuts, luck, parameters, article)),
            verdict=verdict(agreement(comparison, article), headline(comparison, article)),
            rows=headline(comparison, article),
            classes=[len(one.classes) for one in (parameters.protocol, parameters.fusion_protocol, Protocol.of())],
            commonest=_share_of_the_commonest(collected, Protocol.of()),
            confidence=evaluation.confidence,
        ),
        cohort=report.cohort,
        parameters=parameters,
        article=article,
        agreement=agreement(comparison, article),
        collected={name: int(collected[name]) for name in classes},
        balanced=int(seen["label"].isin(classes).sum()),
        metrics=METRICS,
        compared=_compared_models(comparison, parameters),
        gains=gains,
        outlines_priced=any(DRAWN_OUTLINES in of_model for of_model in gains.values()),
        drawn_outlines=DRAWN_OUTLINES,
        models={name: entry.describe() for name, entry in parameters.entries.items()},
        plots=plots,
        cohort_plots=cohort_plots,
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        command=report.typed(study.seed, pipeline="paper_reproduction"),
        full_scale=_full_scale(report.typed(study.seed, pipeline="paper_reproduction"), parameters),
    )


def _share_of_the_commonest(collected: pd.Series, protocol: Protocol) -> float:
    """Return the share of the most frequent of a protocol's classes among the cases collected of them."""
    counts = collected.reindex(list(protocol.classes), fill_value=0)
    return float(counts.max() / counts.sum())


def _full_scale(command: str, parameters: PaperReproduction) -> str:
    """Return the command that trains the article's networks throughout; nothing where the run did."""
    if parameters.networks is None or parameters.networks.network.get("regime") != "frozen":
        return ""
    settings = {"regime": "fine_tune", "weights": "imagenet", "unfrozen_share": "1.0"}
    changed = [f"paper_reproduction.networks.network.{name}={value}" for name, value in settings.items()]
    return f"KERAS_BACKEND=jax {','.join([command, *changed])}"


def _compared_models(comparison: pd.DataFrame, parameters: PaperReproduction) -> dict[str, dict[str, list[Any]]]:
    """Return {family: {model: its rows}}: metric and each protocol's estimate, None where undefined."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in records(comparison):
        values = {name: defined(row, name) for name in comparison_columns(parameters)}
        rows = found.setdefault(row["family"], {}).setdefault(row["model"], [])
        rows.append({"metric": row["metric"], **values})
    return found


def _gains_by_model(shortcuts: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Return {`<family>.<model>`: {shortcut: {metric: its estimates `with_shortcut` and `adds`}}}."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in records(shortcuts):
        metrics = found.setdefault(f"{row['family']}.{row['model']}", {}).setdefault(row["shortcut"], {})
        metrics[row["metric"]] = {name: defined(row, name) for name in ("with_shortcut", "adds")}
    return found


def headline(comparison: pd.DataFrame, article: Article) -> list[dict[str, Any]]:
    """Return, of each family, the model with the highest accuracy published and its counterpart here, by protocol."""
    accuracies = _by_model(comparison, "accuracy")
    found = []
    for family, reported in article.figures.items():
        models = [one for one in reported.values() if one.accuracy and one.here and family in INPUTS]
        best = max(models, key=lambda one: printed_value(next(iter(one.accuracy.values()))) or 0.0, default=None)
        if best is None or best.here[0] not in accuracies.index:
            continue
        place, text = next(iter(best.accuracy.items()))
        row: Any = accuracies.loc[best.here[0]]
        columns = {"reproduced": published_column(family), "leak_free": "leak_free", "no_signal": "no_signal"}
        found.append(
            {"family": INPUTS[family], "model": best.here[0], "printed": text, "where": f"{best.name}, {place}"}
            | {name: defined(row, column) for name, column in columns.items()}
        )
    return found


def verdict(compared: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Return in two sentences what came of `agreement` and `headline`; of neither where nothing is compared."""
    outside = [f"{one['metric']} of {one['name']}" for one in compared if not one["within"]]
    found = []
    if compared:
        found.append(
            f"Judged as the article judged, {len(compared) - len(outside)} of {len(compared)} of its figures come out "
            f"here, as nearly as two test sets of its size agree{f'; not so: {listing(outside)}' if outside else ''}."
        )
    lost = [row["reproduced"].value - row["leak_free"].value for row in rows if row["reproduced"] and row["leak_free"]]
    if lost:
        found.append(
            "With its data leaks closed (copies of tested cases among those learned from, columns that state the "
            "outcome among the inputs), the models of this table are right less often than so judged, by "
            f"{number(min(lost))} to {number(max(lost))}."
        )
    return found


def agreement(comparison: pd.DataFrame, article: Article) -> list[dict[str, Any]]:
    """Return every published metric that a model here is held against: name, metric, printed, ours, difference, within.

    `within`: whether two test sets of this size differ as much in 95 % of draws, half a unit of the last printed digit
    allowed. Models that differ from the article's by design, as a note says, are left out.
    """
    found = []
    for row in records(comparison.dropna(subset=["published", "chance"])):
        name = f"{row['family']}.{row['model']}"
        reported = article.reported(name)
        # One figure is one, however many models here are held against it.
        if reported is None or reported.note or reported.here[0] != name:
            continue
        (place, text), *_ = article.printed(name, row["metric"]).items()
        ours = row[published_column(row["family"])]
        difference = ours - row["published"]
        within = abs(difference) <= row["chance"] + rounding(text)
        metric = METRICS[row["metric"]].label
        found.append(
            {"name": name, "metric": metric, "printed": text, "place": place, "ours": ours}
            | {"difference": difference, "chance": row["chance"], "within": within}
        )
    return found


def statements(
    comparison: pd.DataFrame,
    shortcuts: pd.DataFrame,
    luck: pd.DataFrame,
    parameters: PaperReproduction,
    article: Article,
) -> list[Statement]:
    """Return the answer: what was published, what comes out here with and without leaks, what of no signal."""
    found = [*_published(article), *_reproduced(comparison, parameters), *_agrees(agreement(comparison, article))]
    found.append(_without_signal(comparison, parameters))
    if not shortcuts.empty:
        found.append(_gains(shortcuts))
    if not luck.empty:
        found.append(_luck(luck, comparison))
    return found


def _agrees(compared: list[dict[str, Any]]) -> list[Statement]:
    """Return how many published figures are reproduced as nearly as test sets of this size can tell."""
    outside = [one for one in compared if not one["within"]]
    each = [
        f"{one['metric']} of {one['name']} {one['printed']} published, {number(one['ours'])} here" for one in outside
    ]
    detail = f"Further apart: {'; '.join(each)}." if each else "None is further apart."
    headline = (
        f"{len(compared) - len(outside)} of {len(compared)} published figures are reproduced as nearly as one test set "
        "can tell."
    )
    return [Statement(headline, detail)] if compared else []


def _published(article: Article) -> list[Statement]:
    """Return the highest accuracy published of each family, as printed; nothing where none is known."""
    best = []
    for family, models in article.figures.items():
        printed = [(text, f"{one.name}, {place}") for one in models.values() for place, text in one.accuracy.items()]
        if printed and family in INPUTS:
            text, where = max(printed, key=lambda one: printed_value(one[0]) or 0)
            best.append(f"{text} {INPUTS[family]} ({where})")
    return [Statement(f"The article reports an accuracy of up to {listing(best)}.", "")] if best else []


def _reproduced(comparison: pd.DataFrame, parameters: PaperReproduction) -> list[Statement]:
    """Return the most accurate model of each family as reproduced; then the same models without a leak, where run."""
    accuracies, areas = _by_model(comparison, "accuracy"), _by_model(comparison, "lesion_auroc")
    first = accuracies[accuracies.groupby("family")["reproduced"].rank(ascending=False, method="min") == 1]
    best = first.drop_duplicates("family")
    tied = first.index.difference(best.index, sort=False)
    others = f" As accurate: {listing(list(tied))}." if len(tied) else ""
    intervals = " Intervals say how far a figure would move with other patients; they do not cover the error of a leak."
    leak_free = "Without leaks (no copies of tested cases in training, no outcome as an input), the same models reach"
    published = (
        f"Under the {_protocol(parameters)} protocol, with fusion too judged on {len(parameters.protocol.classes)} "
        "classes, the most accurate models here reach"
    )
    found = []
    for column, opening, note in (
        ("reproduced", published, others),
        ("leak_free", leak_free, intervals),
    ):
        rows: list[tuple[Any, Any]] = list(best.dropna(subset=column).iterrows())
        each = [f"{number(row[column])} {INPUTS[row['family']]} ({name})" for name, row in rows]
        texts = [f"{name} {_text(row, column)}, {_text(areas.loc[name], column)}" for name, row in rows]
        detail = f"Accuracy and AUROC of malignant against benign: {'; '.join(texts)}.{note}"
        found += [Statement(f"{opening} an accuracy of {listing(each)}.", detail)] if rows else []
    return found


def _without_signal(comparison: pd.DataFrame, parameters: PaperReproduction) -> Statement:
    accuracies, areas = _by_model(comparison, "accuracy"), _by_model(comparison, "auroc")
    shown = accuracies["no_signal"]
    name: Any = shown.idxmax()
    text = (
        f"The classes were dealt out anew over the patients, which leaves nothing to learn. {name}, the most accurate, "
        f"then has an accuracy of {_text(accuracies.loc[name], 'no_signal')} and an AUROC of "
        f"{_text(areas.loc[name], 'no_signal')}; over all models the accuracy lies between {number(shown.min())} and "
        f"{number(shown.max())}."
    )
    honest = areas.dropna(subset=["no_signal_leak_free"])
    if not honest.empty:
        each = [f"{_text(row, 'no_signal_leak_free')} ({name})" for name, row in honest.iterrows()]
        text += f" Without the shortcuts the AUROC on these labels is {listing(each)}."
    return Statement(
        f"Where there is nothing to find, the {_protocol(parameters)} protocol still shows an accuracy of "
        f"{percent(shown.max(), 1)} (chance: {percent(1 / len(parameters.protocol.classes), 1)}).",
        text,
    )


def _gains(shortcuts: pd.DataFrame) -> Statement:
    priced = (*SHORTCUTS, DRAWN_OUTLINES)
    alone = _by_model(shortcuts[shortcuts["shortcut"].isin(priced)], "auroc").dropna(subset=["adds"])
    parts = []
    for name in priced:
        each = [f"{signed(row['adds'])} ({row['family']})" for row in records(alone[alone["shortcut"] == name])]
        parts += [f"{words(name)} {listing(each)}"] if each else []
    largest = words(alone.iloc[int(alone["adds"].argmax())]["shortcut"])
    return Statement(
        f'Of the shortcuts alone, "{largest}" adds most to the AUROC.',
        f"What each adds to the leak-free AUROC, switched on alone: {'; '.join(parts)}. Together they need not add up; "
        "intervals stand in the tables.",
    )


def _luck(luck: pd.DataFrame, comparison: pd.DataFrame) -> Statement:
    accuracies, pooled = _by_model(luck, "accuracy"), _by_model(comparison, "accuracy")["leak_free"]
    spans = accuracies.groupby(level=0, sort=False)["value"].agg(["min", "max"])
    each = [
        f"{name} {number(low)} to {number(high)} (cross-validated {number(pooled[name])})"
        for name, low, high in spans.itertuples()
    ]
    sets, widest = accuracies["test_set"].max(), (spans["max"] - spans["min"]).max()
    return Statement(
        f"One test set is luck: {sets} of them differ by up to {number(widest, 2)} in accuracy.",
        f"Lowest and highest accuracy of single test sets, no shortcut else: {'; '.join(each)}.",
    )


def _protocol(parameters: PaperReproduction) -> str:
    return "published" if parameters.protocol.name == "paper" else "configured"


def _by_model(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of one metric, by `<family>.<model>`."""
    rows = table[table["metric"] == metric]
    return rows.set_index(rows["family"] + "." + rows["model"])


def defined(row: Mapping[str, Any] | pd.Series, column: str) -> Estimate | None:
    """Return a metric with its interval; None where one of the three is not defined."""
    found = estimate(row, column)
    return None if pd.isna([found.value, found.low, found.high]).any() else found


def _text(row: Mapping[str, Any] | pd.Series, column: str) -> str:
    found = defined(row, column)
    return "not defined" if found is None else with_interval(found)
