"""Parameters that are not allowed are refused before anything runs, all at once, with their place and what there is."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from kedro.framework import project
from omegaconf import OmegaConf

from lesion_fusion.config import reading
from lesion_fusion.config.configuration import Configuration
from lesion_fusion.parameters import InvalidParameterError, validated
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from tests.config.resolved import configured, loader

IMAGE = {"kind": "network", "image_input": "crop", "network": {"backbone": "small_cnn"}}
JOINT = IMAGE | {"kind": "joint", "fusion": "gated"}
RECORD = {"kind": "classifier", "classifier": "mlp", "views": ["record"]}
EMBEDDED = RECORD | {"views": ["embeddings"]}
PIXELS = RECORD | {"views": ["pixels"]}
UNSEEN = {"kind": "transferred", "source": "other.imaging.cnn", "image_inputs": ["crop"], "calibrated": False}
BOTH = {"kind": "late", "members": ["fusion.a", "fusion.b"], "calibrated": False}


@cache
def base() -> dict[str, Any]:
    return {**loader()["globals"], **loader().unchecked("parameters")}


def values(**groups: Any) -> dict[str, Any]:
    """The parameters of conf/base with a few models of our own, and other groups where given."""
    return {
        **base(),
        "preprocessing": {"folds": {}, "image_inputs": {"crop": {}}},
        "comparisons": {},
        "evaluation": {"baseline": "clinical.baseline"},
        "network_comparison": None,
        "pretraining": None,
        "clinical": {"baseline": RECORD},
        "imaging": {"cnn": IMAGE},
        "fusion": None,
        "paper_reproduction": {
            "compared": ["clinical.bayes"],
            "clinical": {"bayes": {"kind": "classifier", "classifier": "naive_bayes", "views": ["record"]}},
        },
        **groups,
    }


def read(**groups: Any) -> Configuration:
    return validated(Configuration, values(**groups))


def faults(**groups: Any) -> list[str]:
    with pytest.raises(InvalidParameterError) as error:
        read(**groups)
    return str(error.value).splitlines()


def fusion(**entries: Any) -> dict[str, Any]:
    return {"joint": JOINT, **entries}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sed": 3}, r"^sed: no parameter is called sed\. Did you mean seed\? There are: .*cohort"),
        ({"tunning": {"inner_folds": 3}}, r"^tunning: no .* Did you mean tuning\?"),
        ({"study": {"sead": 3}}, r"^study\.sead: no .* Did you mean seed\?"),
        ({"synthetic": {"csaes": 60}}, r"^synthetic\.csaes: no parameter is called csaes\. Did you mean cases\?"),
        ({"synthetic": {"seed": 60}}, r"^synthetic\.seed: .* set the parameter seed"),
        ({"tuning": {"decision": {"sensitivity": 1}}}, r"^tuning\.decision\.sensitivity: .*mean minimum_sensitivity\?"),
        (
            {"imaging": {"cnn": {"network": {"epcohs": 3}}}},
            r"^imaging\.cnn\.network\.epcohs: no .* Did you mean epochs\?",
        ),
        (
            {"paper_reproduction": {"clinical": {"bayes": {"gird": {}}}}},
            r"^paper_reproduction\.clinical\.bayes\.gird: no .* Did you mean grid\?",
        ),
        (
            {"audit": {"explained": {"LF402": {"reason": "so", "cover": []}}}},
            r"^audit\.explained\.LF402\.cover: .*covers",
        ),
        ({"zzz": 3}, r"^zzz: no parameter is called zzz\. There are:"),
    ],
)
def test_an_unknown_name_is_refused_at_any_depth_with_the_nearest(params: dict[str, Any], message: str):
    together: Any = OmegaConf.to_container(OmegaConf.merge(values(), params))
    with pytest.raises(InvalidParameterError, match=message):
        validated(Configuration, together)


def test_parameters_of_a_command_are_checked_too_at_any_depth():
    with pytest.raises(
        InvalidParameterError, match=r"^--params: synthetic\.csaes: no parameter .* Did you mean cases\?"
    ):
        configured(synthetic={"csaes": 60})


@pytest.mark.medium
def test_all_faults_are_named_at_once():
    with pytest.raises(InvalidParameterError) as error:
        configured(
            sed=1, study={"sead": 3, "target": "x"}, synthetic={"cases": -4}, clinical={"xgboost": {"kind": "x"}}
        )
    assert [line.split(":")[1].strip() for line in str(error.value).splitlines()] == [
        "synthetic.cases",
        "study.target",
        "study.sead",
        "clinical.xgboost.kind",
        "sed",
    ]


@pytest.mark.parametrize("name", ["cohort", "data_folder", "data_root", "grids"])
def test_what_only_files_read_is_refused_as_a_parameter_of_a_command(name: str):
    with pytest.raises(InvalidParameterError, match=rf"^{name}: --params can't change it; set it in conf/"):
        configured(**{name: "other"})


def test_results_are_stored_under_the_cohort_of_the_study():
    with pytest.raises(InvalidParameterError, match=r"^--params: study\.cohort: is other, but .* under synthetic"):
        configured(study={"cohort": "other"})


def test_parameters_of_a_command_win():
    configuration = configured(seed=7, synthetic={"cases": 60}, tuning={"inner_folds": 3})
    assert (configuration.seed, configuration.study.seed) == (7, 7)
    assert (configuration.synthetic.cases, configuration.synthetic.prevalence) == (60, 0.39)
    assert configuration.tuning.inner_folds == 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("netwrok", r"^fusion\.one\.kind: no kind is called netwrok\. Did you mean network\? There are: classifier, "),
        (None, r"^fusion\.one\.kind: missing; it says what the entry is\. There are: .*joint, late, transferred"),
    ],
)
def test_a_kind_that_is_misspelt_or_missing_is_refused_with_the_known_ones(kind: str | None, message: str):
    entry = {name: value for name, value in (IMAGE | {"kind": kind}).items() if value is not None}
    (line,) = faults(fusion={"one": entry})
    assert re.search(message, line)


def test_an_entry_is_read_as_its_kind():
    models = read(fusion=fusion(one=EMBEDDED | {"network": "imaging.cnn"}, two=UNSEEN)).models
    assert {name: entry.kind for name, entry in models.items()} == {
        "clinical.baseline": "classifier",
        "imaging.cnn": "network",
        "fusion.joint": "joint",
        "fusion.one": "classifier",
        "fusion.two": "transferred",
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (EMBEDDED | {"network": "fusion.joint"}, r"fusion\.one\.network: fusion\.joint is no network .*imaging\.cnn"),
        (EMBEDDED | {"network": "imaging.cnm"}, r"fusion\.one\.network: imaging\.cnm .* Did you mean imaging\.cnn\?"),
        (IMAGE | {"image_input": "corp"}, r"fusion\.one\.image_input: corp is no image input .* There are: crop"),
        (PIXELS | {"image_input": "corp"}, r"fusion\.one\.image_input: corp is no image input .* There are: crop"),
        (UNSEEN | {"image_inputs": ["crop", "corp"]}, r"fusion\.one\.image_inputs: corp is no image input"),
        (
            {"kind": "late", "members": ["imaging.cnn", "imaging.cnm"]},
            r"fusion\.one\.members: imaging\.cnm is no model",
        ),
        ({"kind": "late", "members": ["imaging.cnn", "fusion.one"]}, r"fusion\.one is a member of fusion\.one"),
        (
            {"kind": "late", "members": ["imaging.cnn", "fusion.two"]},
            r"fusion\.(one|two) is a member of fusion\.(one|two) is a member",
        ),
        (RECORD | {"must_beat": "imaging.cnm"}, r"fusion\.one\.must_beat: imaging\.cnm is no other model"),
        (RECORD | {"must_beat": "fusion.one"}, r"fusion\.one\.must_beat: fusion\.one is no other model"),
    ],
)
def test_an_entry_that_names_what_is_not_configured_is_refused(entry: dict[str, Any], message: str):
    two = {"kind": "late", "members": ["imaging.cnn", "fusion.one"]}
    (line,) = faults(fusion=fusion(one=entry, two=two))
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"evaluation": {"baseline": "imaging.cnm"}}, r"^evaluation\.baseline: imaging\.cnm .* imaging\.cnn"),
        ({"explanation": {"models": ["imaging.cnn"]}}, r"^explanation\.models: imaging\.cnn is no classifier"),
        (
            {"promotion": {"compared_families": ["clincal"]}},
            r"^promotion\.compared_families: clincal .*mean clinical\?",
        ),
        (
            {"comparisons": {"groups": {"ours": {"title": "?", "rows": [{"what": "w", "model": "imaging.cnm"}]}}}},
            r"^comparisons\.groups\.ours: imaging\.cnm is no model \(row `w`.* There are: clinical\.baseline",
        ),
        ({"pretraining": {"one": {"image_input": "corp", "network": {}}}}, r"^pretraining\.one\.image_input: corp"),
        (
            {
                "network_comparison": {
                    "backbones": ["Xception"],
                    "optimizers": ["adam"],
                    "image_input": "corp",
                    "network": {},
                }
            },
            r"^network_comparison\.image_input: corp",
        ),
        (
            {"preprocessing": {"folds": {}, "image_inputs": {"crop": None}}},
            r"^preprocessing\.image_inputs: has no entry",
        ),
    ],
)
def test_a_group_that_names_what_is_not_configured_is_refused(groups: dict[str, Any], message: str):
    (line,) = faults(**groups)
    assert re.search(message, line)


def test_a_baseline_is_on_the_leaderboard():
    (line,) = faults(clinical={"baseline": RECORD | {"ablation": True}})
    assert line.startswith("evaluation.baseline: clinical.baseline is no model on the leaderboard")


def test_all_names_that_are_not_configured_are_told_at_once():
    late = {"kind": "late", "members": ["imaging.a", "imaging.b"]}
    assert len(faults(evaluation={"baseline": "x.y"}, fusion={"one": late})) == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "late", "members": None}, r"fusion\.one\.members: Input should be a valid list, not None"),
        (RECORD | {"views": None}, r"fusion\.one\.views"),
        (EMBEDDED, r"`network` names"),
        (PIXELS, r"`image_input` names"),
        (RECORD | {"predictors": []}, r"fusion\.one\.predictors"),
        ({"kind": "network", "network": {"backbone": "small_cnn"}}, r"fusion\.one\.image_input: Field required"),
        (IMAGE | {"network": {"backbone": "DenseNet1210"}}, r"fusion\.one\.network\.backbone: .*121"),
        (RECORD | {"classifier": "mpl"}, r"fusion\.one\.classifier: .*mlp"),
        (5, r"fusion\.one: an entry is a group of parameters, .*not 5"),
    ],
)
def test_wrong_parameters_are_told_with_their_place(entry: Any, message: str):
    (line,) = faults(fusion={"one": entry})
    assert re.search(message, line)


def test_a_mean_that_is_not_calibrated_has_members_that_learn_nothing_here():
    nested = {"kind": "late", "members": ["fusion.a", "fusion.both"], "calibrated": False}
    read(fusion={"a": UNSEEN, "b": UNSEEN, "both": BOTH, "nested": nested})
    (line,) = faults(fusion={"a": UNSEEN, "b": UNSEEN | {"calibrated": True}, "both": BOTH})
    assert re.search(r"^fusion\.both\.members: fusion\.b learns .* fusion\.a", line)


@pytest.mark.parametrize(("enabled", "there"), [(False, False), ("false", False), (True, True), ("true", True)])
def test_an_entry_that_is_not_enabled_is_left_out_with_or_without_quotes(enabled: bool | str, there: bool):
    pretraining = {"two": {"image_input": "crop", "network": {}, "enabled": enabled}, "three": None}
    configuration = read(fusion={"one": RECORD | {"enabled": enabled}, "null": None}, pretraining=pretraining)
    assert list(configuration.fusion) == ["one"] * there
    assert list(configuration.pretraining) == ["two"] * there


def test_what_is_neither_true_nor_false_is_refused_with_its_place():
    assert faults(fusion={"one": RECORD | {"enabled": "maybe"}}) == ["fusion.one.enabled: true or false, not 'maybe'"]


def test_a_backbone_that_is_not_named_is_the_default_one_for_its_features_too():
    frozen = {"kind": "network", "image_input": "crop", "network": {"regime": "frozen", "weights": "random"}}
    outputs = family_pipeline("fusion", "fusion", read(fusion={"one": frozen}).fusion).all_outputs()
    assert "backbone_features.DenseNet121_random_crop" in outputs


def test_lists_of_models_follow_the_entries():
    rows = [{"what": "w", "model": "fusion.c", "reference": "imaging.cnn"}, {"what": "v", "model": "imaging.cnn"}]
    groups = {
        "one": {"title": "t", "rows": rows},
        "off": {"enabled": False, "title": "t", "rows": rows[1:]},
        "no": None,
    }
    configuration = read(
        fusion={
            "c": RECORD | {"must_beat": "imaging.cnn"},
            "a": RECORD | {"ablation": True, "must_beat": "imaging.cnn"},
        },
        comparisons={"groups": groups},
    )
    assert configuration.ranked == ["clinical.baseline", "imaging.cnn", "fusion.c"]
    assert configuration.comparisons.models == ["fusion.c", "imaging.cnn"]


def test_pipelines_are_built_anew_only_for_another_configuration(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_in_use", [])
    built: list[str] = []
    monkeypatch.setattr(project, "PACKAGE_NAME", "lesion_fusion")
    monkeypatch.setattr(project.pipelines, "configure", built.append)
    first, second = read(), read(fusion={"one": RECORD})
    counts = []
    for one in (first, read(), second, second):
        reading.use(one)
        counts.append(len(built))
    assert counts == [1, 1, 2, 2]
    assert reading.configuration() == second


WHOLE = {"folds": {}, "image_inputs": {"crop": {}, "whole": {"variant": "whole"}}}
METADATA = RECORD | {"predictors": ["metadata"]}
CLAIMED = {
    "metadata": METADATA,
    "record": RECORD,
    "verdict": RECORD | {"predictors": ["assessment"]},
    "descriptors": RECORD | {"views": ["image_descriptors"]},
    "crop": IMAGE,
    "whole": IMAGE | {"image_input": "whole"},
    "joint": JOINT | {"image_input": "whole", "predictors": ["metadata"]},
    "embedded": EMBEDDED | {"network": "imaging.cnn"},
    "unseen": UNSEEN | {"image_inputs": []},
    "late": {"kind": "late", "members": ["fusion.metadata", "fusion.whole"]},
    "late_drawn": {"kind": "late", "members": ["fusion.late", "fusion.crop"]},
}


@pytest.mark.parametrize(
    ("model", "reading"),
    [
        *((name, "") for name in ("metadata", "whole", "joint", "late")),
        ("record", "descriptors"),
        ("verdict", "assessment"),
        *((name, "outline") for name in ("descriptors", "crop", "embedded", "unseen", "late_drawn")),
    ],
)
@pytest.mark.parametrize("place", ["model", "reference"])
def test_a_row_that_claims_no_reader_may_name_no_model_that_reads_what_one_gave(model: str, reading: str, place: str):
    row = {"what": "w", "model": "fusion.metadata", "without_reader": True} | {place: f"fusion.{model}"}
    groups = {"one": {"title": "t", "rows": [row]}}
    settings = {"preprocessing": WHOLE, "fusion": CLAIMED, "comparisons": {"groups": groups}}
    if not reading:
        assert read(**settings).comparisons.rows[0].without_reader
        return
    (line,) = faults(**settings)
    claim = rf"row `w` claims without_reader, but fusion\.{model} reads a radiologist's {reading} \("
    assert re.search(rf"^comparisons\.groups\.one: {claim}", line)
    groups["one"]["rows"][0]["without_reader"] = False
    read(**settings)


def test_a_predicted_outline_is_no_reading():
    row = {"what": "w", "model": "fusion.late_drawn", "without_reader": True}
    settings = {"fusion": CLAIMED, "comparisons": {"groups": {"one": {"title": "t", "rows": [row]}}}}
    for source, refused in (("predicted", 0), ("drawn_or_predicted", 1), ("drawn", 1)):
        preprocessing = WHOLE | {"outline": {"source": source}}
        if refused:
            assert len(faults(preprocessing=preprocessing, **settings)) == 1
        else:
            read(preprocessing=preprocessing, **settings)


def test_served_networks_draw_where_they_are_asked_for_and_a_model_sees_an_outline():
    def served(imaging: dict[str, Any], **outline: Any) -> bool:
        return read(preprocessing=WHOLE | {"outline": outline}, imaging=imaging).served_outline is not None

    crop, whole = {"cnn": IMAGE}, {"cnn": IMAGE | {"image_input": "whole"}}
    assert served(crop, served=True)
    assert not served(crop, served=False)
    assert not served(whole, served=True)
    assert served(crop, source="predicted")
