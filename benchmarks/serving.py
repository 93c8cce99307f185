"""Time of a warm answer against the bare forward pass of the model's parts in the same process, and over HTTP.

Run `python benchmarks/serving.py`. Models trained on phantoms: late fusions of a classifier on the record with one on
image descriptors, with a network, and with both; and the network alone. The bare pass is image descriptors, classifiers
and networks on what they take; with decoding it starts at the bytes of the PNG files. Answers and passes are timed in
turn, so that both have the same machine; `--clock processor` counts the processor's time, so that other programs
don't count. The server is that of `lesion-fusion serve`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.schema import predictor_columns
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.datasets.mlflow_runs import ServableModel, StoredModelsDataset
from lesion_fusion.imaging.descriptors import default_names, describe
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.networks import build_network
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import decode_image, decode_mask
from lesion_fusion.models.base import FittedModel, save_model
from lesion_fusion.models.classifier import FittedClassifier
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.models.late import FittedFusion, FittedLate
from lesion_fusion.models.late_rules import Mean
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.serving.schema import IMAGE, MASK
from lesion_fusion.serving.served_model import BUNDLE, ServedModel
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.encoding import feature_table, make_encoder

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
CLASSES = ("benign", "malignant")
RECORD = predictor_columns(("metadata", "descriptors"))
CALIBRATION = Calibration(np.array([[1.0]]), np.array([0.0]), np.eye(2) / 50)
SEEN = ImageInput(variant="crop_with_mask", size=48)


class Study:
    """Phantoms of the collection's usual frame, with their record."""

    def __init__(self, cases: int) -> None:
        made = parse_cohort({"cases": cases, "normal_cases": 0, "seed": 1, "min_side": 480, "max_side": 600})
        self.images, self.masks = render_images(made), render_masks(made)
        reader = Ingestion(reader="breast_lesions_usg")
        self.cases, _, _ = build_cases(published_table(made), self.images, self.masks, reader)
        self.descriptors = make_image_descriptors(self.cases, self.images, self.masks)
        self.labels = (self.cases["classification"] == "malignant").to_numpy().astype(int)

    def classifier(self, name: str, views: tuple[str, ...]) -> FittedClassifier:
        """Return a classifier fitted on all cases."""
        record = RECORD if "record" in views else ()
        names = tuple(default_names()) if "image_descriptors" in views else ()
        table = feature_table(views, self.cases, record, self.descriptors, names)
        estimator = Pipeline([("encode", make_encoder(list(table), 8)), ("classify", CLASSIFIERS[name](0))])
        family = "clinical" if record else "imaging"
        fitted = estimator.fit(table, self.labels)
        return FittedClassifier(family, name, CLASSES, 0.3, views, record, names, fitted, CALIBRATION)

    def request(self, i: int) -> dict[str, object]:
        """Return a case as a server gets it."""
        case = self.cases.iloc[i]
        cells = {name: case[name] for name in RECORD if pd.notna(case[name])}
        pictures = {IMAGE: self.images[case["image_file"]](), MASK: self.masks[case["tumor_mask_file"]]()}
        return cells | {name: base64.b64encode(content).decode() for name, content in pictures.items()}


def late(name: str, *members: FittedModel) -> FittedLate:
    """Return the mean of members."""
    named = {f"{member.family}.{member.name}": member for member in members}
    fusion = FittedFusion(Mean(), CALIBRATION, 0.3)
    return FittedLate("fusion", name, CLASSES, named, {tuple(named): fusion}, {(key,): 1.0 for key in named})


def bare_pass(model: FittedModel, study: Study, i: int, decoding: bool) -> Callable[[], object]:
    """Return the forward passes of a model's parts for a case, and what they need of its image where `decoding`."""
    case = study.cases.iloc[[i]]
    content = study.images[case["image_file"].iloc[0]]()
    outline = study.masks[case["tumor_mask_file"].iloc[0]]()
    image, mask = decode_image(content, IMAGE), decode_mask(outline, MASK)
    members = list(model.members.values()) if isinstance(model, FittedLate) else [model]
    parts: list[Callable[[], object]] = [lambda: describe(image, mask)] if model.uses_descriptors else []
    if decoding:
        parts += [lambda: decode_image(content, IMAGE), lambda: decode_mask(outline, MASK)]
        parts += [lambda seen=seen: lesion_image(image, mask, [], seen) for seen in model.image_inputs]
    for member in members:
        if isinstance(member, FittedClassifier):
            names, described = member.descriptor_names, study.descriptors.iloc[[i]]
            table = feature_table(member.views, case, member.record_columns, described, names)
            ask = getattr(member.estimator, "predict_proba", None) or member.estimator.decision_function
            parts.append(lambda ask=ask, table=table: ask(table))
        else:
            assert isinstance(member, FittedNetwork)
            pixels = np.float32(lesion_image(image, mask, [], member.image_input)[None])
            parts.append(lambda network=member.network, pixels=pixels: network.predict_on_batch(pixels))
    return lambda: [part() for part in parts]


def medians_ms(calls: Sequence[Callable[[], object]], times: int, clock: Callable[[], float]) -> list[float]:
    """Return the median time of each call, ms, made in turn `times` times after five that don't count."""
    taken = np.empty((times + 5, len(calls)))
    for i in range(len(taken)):
        for j, call in enumerate(calls):
            start = clock()
            call()
            taken[i, j] = clock() - start
    return [float(one) for one in np.median(taken[5:], axis=0) * 1000]


def in_process(model: FittedModel, study: Study, times: int, clock: str) -> None:
    """Print the time of a warm answer and of the bare pass."""
    with tempfile.TemporaryDirectory() as workshop:
        bundle = Path(workshop) / "bundle"
        save_model(model, bundle)
        Domain.of(model, study.cases, study.descriptors, ServingRules()).save(bundle)
        served = ServedModel()
        start = time.perf_counter()
        served.load_context(SimpleNamespace(artifacts={BUNDLE: str(bundle)}))  # type: ignore[arg-type]
        loading = time.perf_counter() - start
    rows = pd.DataFrame([study.request(0)])
    passes = [bare_pass(model, study, 0, decoding) for decoding in (False, True)]
    answer, bare, from_bytes = medians_ms([lambda: served.predict(None, rows), *passes], times, CLOCKS[clock])
    print(
        f"{model.family}.{model.name}: loaded in {loading:.1f} s; a case {answer:.1f} ms; its parts {bare:.1f} ms, "
        f"ratio {answer / bare:.2f}; with decoding {from_bytes:.1f} ms, ratio {answer / from_bytes:.2f}"
    )


def over_http(model: FittedModel, study: Study, requests: int, clients: int) -> None:
    """Print how many of many clients' requests a server answers, and how fast."""
    with tempfile.TemporaryDirectory() as workshop, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        uri = f"sqlite:///{workshop}/mlflow.db"
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("benchmark", Path(workshop, "artifacts").as_uri()))
        domain = Domain.of(model, study.cases, study.descriptors, ServingRules())
        example = pd.DataFrame([study.request(0)])
        dataset = StoredModelsDataset()
        dataset.save([ServableModel(model, domain, example)])
        uri_of_model = dataset.load()[model.full_name]
        command = [sys.executable, "-m", "lesion_fusion", "serve", "--model", uri_of_model, "--port", str(port)]
        with open(os.devnull, "w") as quiet:
            server = subprocess.Popen(
                command, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, stdout=quiet, stderr=quiet
            )
        try:
            start = time.perf_counter()
            while not _answers(f"http://127.0.0.1:{port}/ping"):
                time.sleep(0.2)
            print(f"  server up after {time.perf_counter() - start:.1f} s")
            load(f"http://127.0.0.1:{port}/invocations", server.pid, study, requests, clients)
        finally:
            server.terminate()
            server.wait(30)


def load(url: str, server: int, study: Study, requests: int, clients: int) -> None:
    """Print what many clients' good and bad requests get, how fast, and the server's memory (where Linux tells it)."""
    good = [json.dumps({"dataframe_records": [study.request(i)]}).encode() for i in range(8)]
    unreadable = {**study.request(0), IMAGE: base64.b64encode(b"GIF89a").decode()}
    bad = [b"[" * 100_000, b'{"inputs": {"age": 50}}', b'{"dataframe_records": [{"agee": 50}]}', b"{"]
    bad += [b'{"dataframe_records": [{"age": ' + b"9" * 5_000 + b"}]}"]
    bad += [json.dumps({"dataframe_records": [unreadable]}).encode()]
    # Every fourth is a bad one.
    bodies = [bad[i // 4 % len(bad)] if i % 4 == 3 else good[i % len(good)] for i in range(requests)]
    memory = []
    with ThreadPoolExecutor(clients) as pool:
        start, taken = time.perf_counter(), []
        for part in np.array_split(np.arange(requests), 4):
            taken += list(pool.map(lambda i: _post(url, bodies[i]), part))
            memory.append(_memory(server))
        seconds = time.perf_counter() - start
    wrong = sum(status != (400 if i % 4 == 3 else 200) for i, (status, _) in enumerate(taken))
    times = np.array([one for i, (_, one) in enumerate(taken) if i % 4 < 3]) * 1000
    print(
        f"  {requests} requests from {clients} clients, every fourth a bad one: {wrong} lost or answered wrongly, "
        f"{requests / seconds:.0f} per second, good ones p50 {np.median(times):.0f} ms, "
        f"p99 {np.percentile(times, 99):.0f} ms; memory after each quarter {', '.join(map(str, memory))} MiB"
    )


def _memory(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines() if Path("/proc/self/status").exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS")), 0)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _post(url: str, body: bytes) -> tuple[int, float]:
    """Return the status, 0 where there is none, and the seconds until the answer."""
    start = time.perf_counter()
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            response.read()
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        status = 0
    return status, time.perf_counter() - start


def main() -> None:
    """Print the times of each kind of model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="answers to take the median of")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="what milliseconds are of")
    parser.add_argument("--requests", type=int, default=2000, help="requests to a server, from 8 clients")
    parser.add_argument("--only", help="one fusion alone, such as descriptors")
    parser.add_argument("--no-http", action="store_true", help="without a server")
    options = parser.parse_args()
    study = Study(60)
    record = study.classifier("logistic_regression", ("record",))
    descriptors = study.classifier("svm_rbf", ("image_descriptors",))
    untrained = build_network("small_cnn", SEEN.shape, 2)
    network = FittedNetwork("imaging", "small_cnn", CLASSES, 0.3, untrained, SEEN, CALIBRATION)
    fusions = {"descriptors": (descriptors,), "network": (network,), "descriptors_and_network": (descriptors, network)}
    models = (*(late(name, record, *others) for name, others in fusions.items()), network)
    for model in (one for one in models if options.only in (None, one.name)):
        in_process(model, study, options.times, options.clock)
        if not options.no_http:
            over_http(model, study, options.requests, 8)


if __name__ == "__main__":
    main()
