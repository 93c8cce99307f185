"""The stage as a whole: its page says what the tables say, escapes what it is given and asks nothing of the network."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import CSVDataset
from PIL import Image

from lesion_fusion.cohort.folds import folds_digest
from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.datasets.plots import PlotsDataset
from lesion_fusion.evaluation.comparisons import PlannedComparisons, planned_comparisons
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import CaseInputs, Family
from lesion_fusion.notation import number, p_value, signed, words
from lesion_fusion.pipelines.reporting.pipeline import create_pipeline
from lesion_fusion.pipelines.reporting.table_nodes import compare_with_reader
from lesion_fusion.reporting.parameters import ReportParameters
from lesion_fusion.reporting.sections import SECTIONS, each_model
from lesion_fusion.reporting.sections.answer import first_sentence
from lesion_fusion.statistics.metrics import METRICS
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, ToyStudy, picture, toy_study

EVIL = "<script>alert('x')</script>"
GLOSSARY = 'id="glossary"'
CALLS_ALL = '<span class="warning">calls every case</span>'
pytestmark = pytest.mark.medium


class Page(HTMLParser):
    """Tags with attributes, all text, and the <data> elements of each row of the leaderboard."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: dict[str, list[tuple[float, str]]] = {}
        self._row: str | None = None
        self._value: str | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "tr":
            self._row = attributes.get("data-model")
        if tag == "data" and self._row:
            self._value = attributes["value"]

    def handle_data(self, data):
        self.text += data
        if self._value is not None and self._row is not None:
            self.rows.setdefault(self._row, []).append((float(self._value), data))
            self._value = None


TABLES = (
    "shap_values",
    "models_table",
    "missing_modality",
    "network_combinations",
    "family_comparisons",
    "reader_comparison",
    "reader_operating_points",
    "subgroups",
    "subgroup_differences",
)


# The plots over all models.
REPORT_PLOTS = (
    "class_distribution",
    "leaderboard",
    "roc_curves",
    "calibration_curves",
    "decision_curves",
    "confusion_matrices",
    "risk_distributions",
    "comparisons",
    "roc_against_reader",
)
EXAMPLES = ("image_inputs", "augmentation")
DRAWN = Outline()


def stage(outline: Outline = DRAWN) -> Pipeline:
    """The pipeline of the stage."""
    return create_pipeline("crop_with_mask", outline)


def in_memory(datasets: dict) -> dict:
    return {name: MemoryDataset(value, copy_mode="assign") for name, value in datasets.items()}


def run_stage(toy: ToyStudy, folder: Path) -> dict:
    """The outputs of the whole stage."""
    kept = (*TABLES, "cohort_plots", "report_plots", "example_plots", "shap_plots")
    catalog = DataCatalog(
        in_memory(toy.datasets)
        | {name: CSVDataset(filepath=str(folder / f"{name}.csv"), save_args={"index": False}) for name in TABLES}
        | {name: PlotsDataset(filepath=str(folder / name)) for name in kept if name not in TABLES}
    )
    outputs = SequentialRunner().run(stage(), catalog)
    return {name: dataset.load() for name, dataset in outputs.items()} | {name: catalog.load(name) for name in kept}


def page_of(toy: ToyStudy, outputs: dict, **changed: object) -> str:
    """The page that is written of the study with some datasets changed; nothing is drawn anew."""
    outline = changed.get("params:preprocessing.outline", DRAWN)
    assert isinstance(outline, Outline)
    sections = [f"write_{one.name}" for one in SECTIONS if one.name != "outlines" or outline.source != "drawn"]
    drawn = {
        "cohort_plots": dict.fromkeys(("ages", "birads", "missingness", "classes"), picture()),
        "report_plots": dict.fromkeys(REPORT_PLOTS, picture()),
        "example_plots": dict.fromkeys(EXAMPLES, picture()),
        "shap_plots": {CLINICAL: picture()},
    }
    tables = {name: outputs[name] for name in TABLES}
    catalog = DataCatalog(in_memory(toy.datasets | drawn | tables | changed))
    return SequentialRunner().run(stage(outline).only_nodes(*sections, "write_report"), catalog)["report"].load()


def with_model(toy: ToyStudy, name: str, **changed: object) -> dict[str, Family]:
    """The family of a model in which the model has some parts changed."""
    dataset = f"{name.split('.')[0]}_models"
    models = toy.datasets[dataset].models
    return {dataset: Family({**models, name: replace(models[name], **changed)})}


@pytest.fixture(scope="module")
def toy() -> ToyStudy:
    return toy_study()


@pytest.fixture(scope="module")
def outputs(toy: ToyStudy, tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_stage(toy, tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def html(outputs: dict) -> str:
    return outputs["report"]


def test_the_leaderboard_says_which_models_saw_the_drawn_outline(html: str) -> None:
    seen = re.findall(r'data-model="([^"]+)".*?<td class="soft">([^<]*)</td>', html, flags=re.DOTALL)
    assert dict(seen) == {CLINICAL: "", IMAGING: "drawn", FUSION: "drawn"}


def test_every_number_of_the_leaderboard_stands_in_the_page(toy: ToyStudy, html: str) -> None:
    page = Page(html)
    board = toy.datasets["leaderboard"]
    assert list(page.rows) == [f"{row.family}.{row.model}" for row in board.itertuples()]
    for _, row in board.iterrows():
        shown = page.rows[f"{row['family']}.{row['model']}"]
        expected = [(float(row["rank"]), str(row["rank"]))]
        expected += _three(row, "auroc", number)
        if pd.notna(row["baseline_difference"]):
            expected += _three(row, "baseline_difference", signed)
            expected.append((row["baseline_p"], shown[len(expected)][1]))
        for name in ("brier", "calibration_slope", "sensitivity", "specificity"):
            expected += _three(row, name, number, METRICS[name].digits)
        assert shown == expected


def _three(row: pd.Series, name: str, text, digits: int = 3) -> list[tuple[float, str]]:
    return [(value, text(value, digits)) for value in (row[name], row[f"{name}_low"], row[f"{name}_high"])]


def test_the_page_asks_nothing_of_the_network(html: str) -> None:
    page = Page(html)
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"href", "src", "srcset", "action", "poster", "data"} and value
    ]
    assert addresses
    assert all(value.startswith(("#", "data:image/webp;base64,")) for value in addresses)
    assert "url(" not in html
    assert "@import" not in html
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}


def script_of(html: str) -> str:
    """The page's one script, which the page's policy allows by its digest."""
    before, script, _ = (html.partition("<script>")[0], *html.partition("<script>")[2].partition("</script>")[::2])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in before
    return script


def test_the_page_runs_its_own_script_alone(html: str) -> None:
    assert [attributes for tag, attributes in Page(html).tags if tag == "script"] == [{}]
    script = script_of(html)
    for word in ("fetch", "XMLHttpRequest", "import(", "http", "eval", "innerHTML"):
        assert word not in script


@pytest.mark.parametrize(
    ("difference", "p", "verdict", "said"),
    [
        (0.05, 0.0499, "better", "The image adds to the record"),
        (0.05, 0.0514, "not significant", "It is not shown that the image adds anything"),
        (-0.05, 0.001, "worse", "The model with the image is worse than the model of the record"),
    ],
)
def test_the_answer_agrees_with_the_planned_table(
    toy: ToyStudy, outputs: dict, difference: float, p: float, verdict: str, said: str
) -> None:
    bounds = {"difference": difference, "difference_low": difference - 0.04, "difference_high": difference + 0.04}
    planned = toy.datasets["planned_comparisons"].copy()
    fused = planned["model"] == FUSION
    planned.loc[fused, [*bounds, "p", "p_holm"]] = [*bounds.values(), p, p]
    html = page_of(toy, outputs, planned_comparisons=planned)
    answer = html.split('class="answer"')[1].split("</section>")[0]
    row = html.split('<tr><th scope="row">+ image')[1].split("</tr>")[0]
    assert said in answer
    assert f"{verdict} in 1 (" in answer
    assert verdict in row
    assert p_value(p) in answer
    assert f'<data value="{p}">{p_value(p)}</data>' in row
    sentence = first_sentence(planned, toy.datasets["params:comparisons"], 0.95)
    assert sentence in Page(answer).text


def test_what_was_chosen_after_the_run_is_marked(html: str) -> None:
    section = html.split('aria-label="Comparison of the families"')[1].split("</table>")[0]
    assert section.count('<tr><th scope="row"') == section.count("(post hoc)") == 3
    assert "Post hoc" in section.split("</caption>")[0]


def test_a_threshold_that_decides_nothing_is_marked(toy: ToyStudy, outputs: dict) -> None:
    board = toy.datasets["leaderboard"].copy()
    board.loc[board["family"] == "imaging", ["sensitivity", "specificity"]] = 1.0, 0.0
    html = page_of(toy, outputs, leaderboard=board)
    assert CALLS_ALL not in page_of(toy, outputs)
    row = html.split(f'data-model="{IMAGING}"')[1].split("</tr>")[0]
    assert CALLS_ALL in row
    # In the leaderboard and in the table of its family.
    assert html.count(CALLS_ALL) == 2


# Width at which the page shows a picture on a wide screen, CSS pixels by class, and the smallest letters, points.
SHOWN = {"single": 640, "medium": 864, "wide": 1107, "small": 384, "fill": 528}
SMALLEST_LETTERS = 9.5


def test_letters_of_plots_are_shown_at_nine_pixels_or_more(html: str) -> None:
    section = html.split('id="each_model"')[0]
    for _, attributes in (tag for tag in Page(section).tags if tag[0] == "img"):
        with Image.open(io.BytesIO(base64.b64decode(str(attributes["src"]).split(",")[1]))) as picture:
            inches = picture.width / 150
        assert SMALLEST_LETTERS / 72 * SHOWN[str(attributes["class"])] / inches >= 9, attributes["alt"]


def test_models_far_down_have_their_numbers_without_plots(
    toy: ToyStudy, outputs: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(each_model, "PICTURED", 0)
    section = page_of(toy, outputs).split('id="each_model"')[1]
    assert "<img" not in section
    for name in (CLINICAL, IMAGING, FUSION):
        assert f'aria-label="Metrics of {name}"' in section
        assert f"_plots/{name}</code>" in section


def test_the_page_of_a_small_study_is_small(html: str) -> None:
    assert len(html) < 1_500_000


def test_links_lead_somewhere_and_names_are_given_once(html: str) -> None:
    page = Page(html)
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    targets = {attributes["href"].removeprefix("#") for tag, attributes in page.tags if tag == "a"}
    assert len(names) == len(set(names))
    assert targets <= set(names)


def test_pictures_have_alternative_texts_and_tables_captions(html: str) -> None:
    page = Page(html)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    # Those over all models and of the cohort, one of each model, the importance, SHAP values, three of the network.
    assert len(pictures) == len(REPORT_PLOTS) + len(EXAMPLES) + 4 + 3 + 1 + 1 + 3
    assert all(attributes["alt"] for attributes in pictures)
    assert html.count("<table") == html.count("<caption")


def test_a_fusion_without_a_part_shows_its_figure_or_that_it_withholds_its_answer(outputs: dict, html: str) -> None:
    section = html.split('id="missing"')[1].split("</section>")[0]
    answered = outputs["missing_modality"].iloc[0]
    assert f'<data value="{answered["difference"]}">{signed(answered["difference"])}</data>' in section
    assert f"No answer without record: {FUSION}." in section
    assert section.count('scope="row"') == 1


def test_text_from_data_and_configuration_is_escaped(toy: ToyStudy, outputs: dict) -> None:
    log = toy.datasets["clinical_models"].models[CLINICAL].training_log.assign(**{EVIL: EVIL})
    audit = copy.deepcopy(toy.datasets["cohort_audit"])
    audit["findings"][0] |= {"title": EVIL, "sentence": EVIL, "explanation": EVIL}
    audit["tables"]["exclusions"] = [{"kind": EVIL, "cases": 1}]
    cohort = {"title": EVIL, "patients": False, "description": EVIL, "source": EVIL, "limitations": (EVIL,)}
    html = page_of(
        toy,
        outputs,
        **{
            "promotion": [decision | {"reasons": [EVIL]} for decision in toy.datasets["promotion"]],
            "cohort_audit": audit,
            **with_model(toy, CLINICAL, training_log=log),
            "params:report": ReportParameters.model_validate({"cohort": cohort, "command": f'" onclick="{EVIL}'}),
        },
    )
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert EVIL not in script_of(html)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(EVIL) >= 12


def test_synthetic_cohorts_are_marked_and_others_are_not(toy: ToyStudy, outputs: dict) -> None:
    cohort = {"title": "Clinic", "patients": True, "description": "A clinic's."}
    parameters = ReportParameters.model_validate({"cohort": cohort, "command": "kedro run"})
    assert "These are not patients" in outputs["report"]
    assert "These are not patients" not in page_of(toy, outputs, **{"params:report": parameters})


def test_a_step_shows_what_it_is_worth_in_decisions(html: str) -> None:
    assert "Net benefit, difference" in html
    assert "is computed for a biopsy at a risk of" in html


def test_the_page_says_what_identifies_the_study_and_nothing_of_the_day(toy: ToyStudy, html: str) -> None:
    for text in ("c0ffee", folds_digest(toy.datasets["folds"]), "kedro run --params seed=1"):
        assert text in html


def test_the_same_inputs_give_the_same_page(toy: ToyStudy, outputs: dict) -> None:
    assert page_of(toy, outputs) == page_of(toy, outputs)


def test_families_are_compared_with_fusion_first(outputs: dict) -> None:
    table = outputs["family_comparisons"]
    assert list(zip(table["model"], table["reference"], strict=True)) == [
        (FUSION, CLINICAL),
        (FUSION, IMAGING),
        (CLINICAL, IMAGING),
    ]


@pytest.mark.parametrize(("difference", "p", "kept"), [(0.1, 0.01, True), (0.1, 0.4, False), (-0.1, 0.01, False)])
def test_a_candidate_is_said_to_be_kept_or_not(toy: ToyStudy, outputs: dict, difference: float, p: float, kept: bool):
    board = toy.datasets["leaderboard"].copy()
    fused = board["family"] == "fusion"
    board.loc[fused, ["must_beat_difference", "must_beat_p"]] = difference, p
    page = page_of(toy, outputs, leaderboard=board.assign(kept=kept | ~fused))
    cells = page.split('aria-label="Candidates"')[1].split("</table>")[0]
    assert ("<td>kept</td>" in cells) is kept
    assert ("<td>not kept</td>" in cells) is not kept
    assert page.count("not kept</span>") == (not kept)


def test_without_candidates_the_page_has_no_table_of_them(toy: ToyStudy, outputs: dict) -> None:
    assert 'aria-label="Candidates"' not in page_of(
        toy, outputs, leaderboard=toy.datasets["leaderboard"].assign(must_beat=None, must_beat_difference=None)
    )


def test_all_models_stand_in_one_table(outputs: dict) -> None:
    table = outputs["models_table"]
    assert list(table.loc[table["Family"] == "clinical", "Model"]) == ["logistic_regression"]
    assert table["AUROC"].str.fullmatch(r"0\.\d{3} \(0\.\d{3} to \d\.\d{3}\)").all()


@pytest.mark.slow
def test_three_classes_are_reported_without_what_only_two_have(tmp_path: Path) -> None:
    html = run_stage(toy_study(target="three_class", n=120), tmp_path)["report"].split(GLOSSARY)[0]
    assert "malignant against all others" in html
    assert "Calibration slope" not in html
    assert "Planned comparisons: what each step adds" in html
    assert "Net benefit, difference" not in html
    assert "is computed for a biopsy at a risk of" not in html
    assert "The class of the highest probability" in html


@pytest.mark.slow
def test_one_family_is_reported_alone(toy: ToyStudy, tmp_path: Path) -> None:
    board = toy.datasets["leaderboard"]
    alone = ToyStudy((CLINICAL,), copy.copy(toy.datasets))
    alone.datasets["leaderboard"] = board[board["family"] == "clinical"]
    alone.datasets["promotion"] = toy.datasets["promotion"][:1]
    nothing_planned = PlannedComparisons()
    alone.datasets |= {
        "params:comparisons": nothing_planned,
        "planned_comparisons": planned_comparisons([], nothing_planned, toy.datasets["reporting.judge"]),
    }
    alone.datasets |= {f"{family}_models": Family({}) for family in ("imaging", "fusion")}
    alone.datasets |= {f"{family}_results": FamilyResults() for family in ("imaging", "fusion")}
    html = run_stage(alone, tmp_path)["report"].split(GLOSSARY)[0]
    assert "Only one family of models was run" in html
    assert "This run does not answer whether the image adds anything to the record" in html
    # The checklists name it for any run.
    assert "Grad-CAM" not in html.split('id="checklist"')[0]


def test_the_reader_and_the_subgroups_stand_in_the_page(outputs: dict, html: str) -> None:
    assert set(outputs["reader_comparison"]["reference"]) == {"BI-RADS category"}
    for cut in outputs["reader_operating_points"]["cut"]:
        assert cut in html
    for level in outputs["subgroups"]["level"]:
        assert escape(words(str(level))) in html


def test_a_cohort_without_a_category_is_reported_without_a_reader(toy: ToyStudy, outputs: dict) -> None:
    cases = toy.datasets["study_cases"].assign(
        birads=pd.Series(pd.NA, index=toy.datasets["study_cases"].index, dtype="str")
    )
    judge: Judge = toy.datasets["reporting.judge"]
    differences, points = compare_with_reader(cases, judge, toy.datasets["params:study"], *[Family({})] * 3)
    assert differences.empty
    assert points.empty
    page = page_of(toy, outputs, reader_comparison=differences, reader_operating_points=points)
    assert "no BI-RADS category" in page


def test_a_network_shows_its_attention_its_training_and_its_cases(outputs: dict, html: str) -> None:
    assert outputs["network_combinations"]["model"].tolist() == [IMAGING]
    assert outputs["network_combinations"]["backbone"].tolist() == ["small_cnn"]
    alternatives = [attributes["alt"] or "" for tag, attributes in Page(html).tags if tag == "img"]
    for start in ("Crops of the best", "Share of attention inside", "Loss, accuracy and AUROC"):
        assert len([text for text in alternatives if text.startswith(start)]) == 1
    assert "Combinations" not in html


def test_several_networks_stand_in_one_table(toy: ToyStudy, outputs: dict) -> None:
    one = outputs["network_combinations"]
    two = pd.concat([one, one.assign(model="imaging.other", backbone="Xception")], ignore_index=True)
    html = page_of(toy, outputs, network_combinations=two)
    assert "Combinations" in html
    assert "Xception" in html


def test_the_best_classifier_is_explained_and_its_values_sum_to_its_log_odds(toy: ToyStudy, outputs: dict) -> None:
    values, model = outputs["shap_values"], toy.datasets["clinical_models"].models[CLINICAL].model
    assert set(values["model"]) == {CLINICAL}
    cases = toy.datasets["study_cases"].set_index("case_id", drop=False)
    explained = cases.loc[values["case_id"].unique()]
    assert len(explained) == 12
    probabilities = model.probabilities(CaseInputs(explained))[:, 1]
    sums = values.groupby("case_id", sort=False)["contribution"].sum() + values["base"].iloc[0]
    np.testing.assert_allclose(sums, np.log(probabilities / (1 - probabilities)), atol=1e-6)
    of_case = values[values["case_id"] == explained.index[0]].set_index("column")["value"]
    assert float(of_case["age"]) == explained["age"].iloc[0] or pd.isna(explained["age"].iloc[0])
    assert of_case["shape"] == explained["shape"].iloc[0] or pd.isna(explained["shape"].iloc[0])
