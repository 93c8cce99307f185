"""A stored model that was damaged or altered is refused in one sentence, and no code of it runs."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.models.base import DESCRIPTION, DIGEST, load_model, save_model, seal
from lesion_fusion.models.domain import DOMAIN, Domain
from lesion_fusion.models.network import load_network
from lesion_fusion.tabular.classifiers import UntrustedModelError, load_estimator
from tests.models.toy import Cohort, domain_of, fitted_late, fitted_tabular, small_cohort

Values = dict[str, Any]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def stored(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    save_model(fitted_tabular(cohort, ("record", "image_descriptors")), folder / "classifier")
    save_model(fitted_late(cohort), folder / "late")
    return folder


def altered(folder: Path, change: Callable[[Values], object], to: Path) -> Path:
    """Return a copy of a stored model with a changed description, whose digest is made anew."""
    shutil.copytree(folder, to)
    values = json.loads((to / DESCRIPTION).read_text())
    change(values)
    (to / DESCRIPTION).write_text(json.dumps(values))
    seal(to)
    return to


def refusal(folder: Path) -> str:
    with pytest.raises(UntrustedModelError) as error:
        load_model(folder)
    message = str(error.value)
    assert "kedro run" in message
    assert "\n" not in message
    return message


ALTERED: dict[str, tuple[str, Callable[[Values], object], str]] = {
    "NaN": ("classifier", lambda v: v["calibration"].update(intercept=[math.nan]), "holds NaN"),
    "infinity": ("classifier", lambda v: v["calibration"].update(intercept=[math.inf]), "holds Infinity"),
    "null": ("classifier", lambda v: v["calibration"].update(intercept=[None]), "no map of finite numbers"),
    "shape": ("classifier", lambda v: v["calibration"].update(slope=[1.0]), "no map of finite numbers"),
    "three classes": ("classifier", lambda v: v.update(classes=["a", "b", "c"]), "not that of its classes"),
    "threshold": ("classifier", lambda v: v.update(threshold=9), "9 is no probability"),
    "threshold as text": ("classifier", lambda v: v.update(threshold="high"), "not supported"),
    "columns": ("classifier", lambda v: v["record_columns"].append("shoe_size"), "columns that don't exist: shoe_size"),
    "descriptors": ("classifier", lambda v: v["descriptor_names"].append("taste"), "don't exist: taste"),
    "one class": ("classifier", lambda v: v.update(classes=["benign", "benign"]), "names or classes are none"),
    "a part": ("classifier", lambda v: v.pop("views"), "it lacks 'views'"),
    "another kind": ("classifier", lambda v: v.update(kind="network"), "damaged or altered"),
    "a fusion's threshold": ("late", lambda v: v["fusions"][0].update(threshold=-1), "-1 is no probability"),
    "rule": ("late", lambda v: v["fusions"][0]["rule"].update(kind="oracle"), "no rule is called 'oracle'"),
    "itself": ("late", lambda v: v["members"].update(dict.fromkeys(v["members"], ".")), "'.' is not inside"),
    "outside": ("late", lambda v: v["members"].update(dict.fromkeys(v["members"], "../late")), "'../late' is not"),
    "absolute": ("late", lambda v: v["members"].update(dict.fromkeys(v["members"], "/tmp")), "'/tmp' is not inside"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_description_is_refused_even_with_a_digest_of_its_own(stored: Path, tmp_path: Path, what: str):
    name, change, problem = ALTERED[what]
    assert problem in refusal(altered(stored / name, change, tmp_path / "model"))


def test_a_member_that_is_a_link_to_the_model_itself_is_refused(stored: Path, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(stored / "late", folder)
    shutil.rmtree(folder / "member_0")
    (folder / "member_0").symlink_to(folder, target_is_directory=True)
    seal(folder)
    assert "'member_0' is not inside its folder" in refusal(folder)


@pytest.mark.parametrize("name", ["classifier", "late"])
def test_every_file_that_is_cut_short_changed_added_or_lost_is_noticed(stored: Path, tmp_path: Path, name: str):
    load_model(stored / name)
    files = [path.relative_to(stored / name) for path in (stored / name).rglob("*") if path.is_file()]
    damages: list[Callable[[Path], object]] = [
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.with_name("more.json").write_text("{}"),
    ]
    for number, damage in enumerate(damages):
        for file in files:
            folder = tmp_path / f"{number}" / str(file).replace("/", "_")
            shutil.copytree(stored / name, folder)
            damage(folder / file)
            refusal(folder)


def test_a_domain_with_nan_is_refused(cohort: Cohort, tmp_path: Path):
    model = fitted_tabular(cohort, ("record",))
    save_model(model, tmp_path / "model")
    domain_of(cohort, model).save(tmp_path / "model")
    load_model(tmp_path / "model")
    path = tmp_path / "model" / DOMAIN
    values = json.loads(path.read_text())
    values["numbers"]["age"]["low"] = math.nan
    path.write_text(json.dumps(values))
    with pytest.raises(UntrustedModelError, match=r"domain\.json is missing or damaged"):
        Domain.load(tmp_path / "model")
    with pytest.raises(UntrustedModelError, match=f"those that {DIGEST} was made of"):
        load_model(tmp_path / "model")


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize(
    "write",
    [
        lambda mark, file: file.write_bytes(pickle.dumps(Attack(mark))),
        lambda mark, file: skops.io.dump(partial(os.mkdir, str(mark)), file),
        lambda mark, file: skops.io.dump(FunctionTransformer(os.mkdir, kw_args={"path": str(mark)}), file),
    ],
)
def test_no_code_of_an_estimator_runs(tmp_path: Path, write: Callable[[Path, Path], object]):
    mark, file = tmp_path / "ran", tmp_path / "estimator.skops"
    write(mark, file)
    with pytest.raises((UntrustedModelError, zipfile.BadZipFile)):
        load_estimator(file)
    assert not mark.exists()


def test_no_code_of_a_network_runs(tmp_path: Path):
    mark, file = tmp_path / "ran", tmp_path / "network.keras"
    name = str(mark)
    layers = [keras.Input((2,)), keras.layers.Lambda(lambda x: (os.makedirs(name, exist_ok=True), x)[1])]
    keras.Sequential(layers).save(file)
    mark.rmdir()
    with pytest.raises(ValueError, match="safe_mode"):
        load_network(file)
    assert not mark.exists()


@pytest.mark.slow
def test_random_damage_under_a_new_digest_is_refused_or_harmless(stored: Path, tmp_path: Path):
    """500 times bytes of a file are replaced and the digest made anew, as an attacker would."""
    rng = random.Random(0)
    shutil.copytree(stored / "classifier", tmp_path / "model")
    for path in [tmp_path / "model" / name for name in (DESCRIPTION, "estimator.skops")]:
        whole = path.read_bytes()
        for _ in range(250):
            broken = bytearray(whole)
            for place in rng.choices(range(len(broken)), k=rng.randint(1, 4)):
                broken[place] = rng.randrange(256)
            path.write_bytes(bytes(broken[: rng.randint(1, len(broken))] if rng.random() < 0.3 else broken))
            seal(path.parent)
            try:
                load_model(path.parent)
            except UntrustedModelError:
                continue
        path.write_bytes(whole)
        assert zipfile.is_zipfile(tmp_path / "model" / "estimator.skops")
