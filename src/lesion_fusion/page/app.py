"""The page itself: elements in the browser, and what happens when the reader changes something."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape
from nicegui import background_tasks, events, run, ui

from lesion_fusion.cohort.schema import COLUMN, SEPARATOR, Column, Kind
from lesion_fusion.imaging.png import ImageDefect
from lesion_fusion.page import views
from lesion_fusion.page.case import BIRADS, SHOWN, Case, Told, ask, explain, propose, sample
from lesion_fusion.page.outline import Outline
from lesion_fusion.page.texts import category, explanation, label, text, value_text

if TYPE_CHECKING:
    from lesion_fusion.serving.served_model import ServedModel

_LOG = logging.getLogger(__name__)
_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_FORMATS = ".png,.jpg,.jpeg,.tif,.tiff,.bmp,.dcm,image/png,image/jpeg,application/dicom"
# Changes that follow one another within this time, in seconds, are answered together.
_PAUSE = 0.12
# A click this near to a point or side, as a share of the image's longer side, means it.
_REACH = 0.03
_STEPS = {"ArrowUp": (0, -1), "ArrowDown": (0, 1), "ArrowLeft": (-1, 0), "ArrowRight": (1, 0)}
# A choice in a list of categories: its name, and its explanation below.
_OPTION = (
    '<q-item v-bind="props.itemProps"><q-item-section>'
    '<q-item-label>{{ props.opt.label.split(": ")[0] }}</q-item-label>'
    '<q-item-label caption>{{ props.opt.label.split(": ").slice(1).join(": ") }}</q-item-label>'
    "</q-item-section></q-item>"
)
_DROP = (
    '<div class="drop-head"><span>{words}<small>{formats}</small></span>'
    '<q-btn no-caps unelevated color="primary" label="{choose}" @click="props.pickFiles"><q-uploader-add-trigger />'
    "</q-btn></div>"
)


class Loading:
    """A model that is loaded in the background, and then asked once, so that the reader's first answer is quick.

    `columns` of the record that it reads are known before it is loaded, where `read_columns` finds them.
    """

    def __init__(
        self, load: Callable[[], ServedModel], read_columns: Callable[[], Sequence[str] | None] = lambda: None
    ) -> None:
        self.columns: Sequence[str] | None = None
        self.model: ServedModel | None = None
        self.fault = ""
        self._load, self._read_columns = load, read_columns

    def start(self) -> None:
        """Begin to load."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            columns = self._read_columns()
            # What a column that a cohort declared is, is known once the model is loaded.
            self.columns = columns if columns is not None and set(columns) <= set(COLUMN) else None
            model = self._load()
            self.columns = model.model.record_columns
            self.model = model
            explain(model, sample(0), ask(model, sample(0)))
            # Only now: what draws takes seconds to import, and no answer waits for it.
            propose(model, sample(0))
        except Exception as error:
            self.fault = text("not_loaded", error=error)
            _LOG.error("%s", self.fault)


class Page:
    """One reader's page: the case, and the elements that show it."""

    def __init__(self, loading: Loading, megabytes: int) -> None:
        self._loading, self._megabytes = loading, megabytes
        self.case, self.told = Case(), Told()
        self._inputs: dict[str, Any] = {}
        self._undo: list[Outline] = []
        self._dragging = False
        self._samples = self._turn = 0
        self._asking, self._explaining, self._turning = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    def build(self) -> None:
        """Put all elements on the page."""
        ui.add_css(_STYLE)
        ui.colors(primary="#0b5c94")
        with ui.element("header").classes("top"):
            _html(f"<h1>{text('title')}</h1><p class='device' role='note'>{text('not_a_device')}</p>")
            _html(f"<p class='stored'>{text('nothing_stored')}</p>")
        with ui.element("div").classes("columns"):
            with ui.element("section").classes("card image-card"):
                _html(f"<h2>{text('image.heading')}</h2>")
                self._build_image()
            with ui.element("section").classes("card record-card"):
                _html(f"<h2>{text('record.heading')}</h2>")
                self._kept = ui.label(text("record.kept")).classes("alert").props("role=status")
                self._kept.visible = False
                self._form = ui.element("div").classes("form")
                with self._form:
                    ui.label(text("loading")).classes("quiet").props("role=status")
            self._answer = ui.element("section").classes("card answer-card")
            with self._answer:
                _html(f"<h2>{text('answer.heading')}</h2>")
                self._build_answer()
        self._sheet = ui.html("", sanitize=False).classes("sheet")
        self._timer = ui.timer(0.2, self._once_loaded)

    def _build_image(self) -> None:
        most = self._megabytes * 2**20
        upload = ui.upload(on_upload=self._uploaded, on_rejected=self._rejected, auto_upload=True, max_file_size=most)
        self._upload = upload.props(f'accept="{_FORMATS}" flat').classes("drop").mark("upload")
        formats = text("image.formats", megabytes=self._megabytes)
        head = _DROP.format(words=text("image.drop"), formats=formats, choose=text("image.choose"))
        upload.add_slot("header", head)
        with upload.add_slot("list"):
            self._fault = ui.label("").classes("alert").props("role=alert")
            self._fault.visible = False
            with ui.element("div").classes("notice") as self._proposal:
                ui.label(text("outline.proposal")).props("role=status")
                _button(
                    "outline.take", lambda: self._set_outline(self._outline.taken_over()), "unelevated color=primary"
                )
            self._proposal.visible = False
            self._figure = ui.interactive_image(
                on_mouse=self._pointer, events=["pointerdown", "pointermove", "pointerup", "pointercancel"]
            )
            self._figure.props.update({"tabindex": 0, "role": "application", "aria-label": text("image.alt")})
            with self._figure.classes("figure"):
                self._overlay = ui.html("", sanitize=False).classes("overlay")
            self._figure.visible = False
            for key in _STEPS:
                self._figure.on(f"keydown.{key.removeprefix('Arrow').lower()}.prevent", lambda: None)
            self._figure.on("keydown", self._key, ["key", "shiftKey"])
            self._build_frames()
            self._status = ui.label(text("image.none")).classes("quiet").props("role=status")
        with ui.element("div").classes("tools"):
            self._more_samples = _button("image.sample", self._next_sample, "outline")
            self._machine = _button("outline.machine", self._propose)
            self._machine.visible = False
            self._tools = [
                self._machine,
                _button("outline.draw", lambda: self._set_outline(Outline(self._size))),
                _button("outline.ellipse", lambda: self._set_outline(Outline.ellipse(self._size))),
                _button("outline.finish", lambda: self._set_outline(self._outline.finish())),
                _button("outline.undo", self._take_back),
            ]
        for tool in self._tools:
            tool.disable()
        keys = f"<summary>{text('outline.keys_heading')}</summary><p>{text('outline.keys')}</p>"
        ui.html(keys, sanitize=False, tag="details").classes("keys")

    def _build_frames(self) -> None:
        """Build what chooses the frame of a loop: a slider, and buttons for a finger that wants the very next one."""
        self._frames = ui.element("div").classes("frames")
        with self._frames:
            self._frame_words = ui.label("").classes("frame-words")
            _button("frame.previous", lambda: self._want(self._wanted - 1))
            # The browser's own slider: that of the library has no name where the keyboard reaches it.
            slider = ui.input(value="1", on_change=lambda: self._turn_to(self._wanted)).mark("frame")
            self._slider = slider.props("type=range min=1 max=1 dense borderless")
            self._slider.props["aria-label"] = text("frame.heading")
            _button("frame.next", lambda: self._want(self._wanted + 1))
        self._frames.visible = False

    def _build_answer(self) -> None:
        waiting = _html(f"<p class='quiet'>{text('answer.waiting')}</p>", "panel-answer").props("aria-live=polite")
        self._panels = {"answer": waiting}
        self._more = ui.element("div")
        with self._more:
            for name in ("reader", "why", "missing"):
                _html(f"<h3>{text(f'{name}.heading')}</h3>")
                self._panels[name] = _html("", f"panel-{name}")
            self._panels["foot"] = _html("", "panel-foot")
            printing = ui.button(text("sheet.print")).props("no-caps unelevated color=primary").classes("print")
            printing.on("click", js_handler="() => window.print()")
        self._more.visible = False

    def _once_loaded(self) -> None:
        loading = self._loading
        settled = bool(loading.fault) or loading.model is not None
        if loading.fault:
            self._form.clear()
            self._inputs = {}
            with self._form:
                ui.label(loading.fault).classes("alert").props("role=alert")
        elif loading.columns is not None and not self._inputs:
            self._build_form(loading.columns)
        if settled:
            self._timer.deactivate()
            self._machine.visible = loading.model is not None and loading.model.draw is not None
            if not self.case.empty:
                self._changed()
                self._begin_outline()

    def _build_form(self, columns: Sequence[str]) -> None:
        self.fields = [*columns, *([BIRADS] if BIRADS not in columns else [])]
        self._form.clear()
        with self._form:
            _html(f"<p class='quiet'>{text('record.lead')}</p>", "wide")
            self._inputs = {name: self._field(COLUMN[name]) for name in self.fields}
            for field in self._inputs.values():
                field.props("outlined dense stack-label options-dense")
            _button("record.clear", self._clear_record).classes("wide")
        self._fill_in()

    def _field(self, column: Column) -> Any:
        name, words = column.name, label(column.name)
        if column.kind is Kind.NUMBER:
            bounds = text("record.number", low=f"{column.low:g}", high=f"{column.high:g}")
            field = ui.number(words, min=column.low, max=column.high, on_change=lambda e: self._set(name, e.value))
            field.props["hint"] = f"{explanation(name)}. {bounds}"
            return field.props("clearable").mark(name)
        if not column.categories:
            return ui.input(words, on_change=lambda e: self._set(name, e.value)).mark(name)
        several = column.kind is Kind.MULTIPLE
        options = {} if several else {"": text("not_given")}
        options |= {one: ": ".join(filter(None, category(name, one))) for one in column.categories}
        empty: Any = [] if several else ""
        field = ui.select(
            options, label=words, multiple=several, value=empty, on_change=lambda e: self._set(name, e.value)
        )
        field.add_slot("option", _OPTION)
        field.props["hint"] = explanation(name) + (f"; {text('record.several')}" if several else "")
        return field.props("behavior=menu").mark(name)

    def _fill_in(self) -> None:
        """Show the case's record in the form."""
        record = dict(self.case.record)
        for name, field in self._inputs.items():
            value: Any = record.get(name)
            if COLUMN[name].kind is Kind.MULTIPLE:
                value = str(value).split(SEPARATOR) if value else []
            elif COLUMN[name].kind is not Kind.NUMBER:
                value = value or ""
            field.set_value(value)
            self._show_value(name)

    def _show_value(self, name: str) -> None:
        if COLUMN[name].categories:
            self._inputs[name].props["display-value"] = value_text(name, self.case.record.get(name))
            self._inputs[name].update()

    def _set(self, name: str, value: object) -> None:
        before = self.case.record.get(name)
        self.case.set(name, value)
        self._show_value(name)
        if self.case.record.get(name) != before:
            self._kept.visible = False
            self._changed()

    def _clear_record(self) -> None:
        self.case.record = {}
        self._kept.visible = False
        self._fill_in()
        self._changed()

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        self._upload.reset()
        case = await self._decoded(content, event.file.name)
        if case is not None:
            before = self.case
            self._open(replace(case, record={} if before.is_sample else before.record))
            self._kept.visible = before.image is not None and bool(self.case.record)

    async def _decoded(self, content: bytes, name: str, frame: int = 1) -> Case | None:
        """Return the case of an image file; None where it can't be used, which is told."""
        try:
            return await run.io_bound(Case.of_file, content, name, frame)
        except ImageDefect as defect:
            self._refuse(text("image.refused", problem=defect.problem.capitalize(), mend=defect.mend))
            return None

    async def _turn_to(self, frame: int) -> None:
        """Show another frame of the loop: of those chosen while one is decoded, the last."""
        async with self._turning:
            case = self.case
            if frame == case.frame or frame != self._wanted:
                return
            other = await self._decoded(case.loop, case.name, frame)
            if self.case is not case:
                return  # Another file was opened meanwhile.
            if other is not None:
                self._take(case.turned_to(other))
            elif frame == self._wanted:
                self._want(case.frame)

    @property
    def _wanted(self) -> int:
        return int(self._slider.value)

    def _want(self, frame: int) -> None:
        """Choose a frame, or the one nearest to it; it is shown once it is decoded."""
        self._slider.set_value(str(min(max(frame, 1), self.case.frames)))

    async def _propose(self) -> None:
        """Have the model's networks draw the outline: of an image that was replaced meanwhile it is of no use."""
        case, model, before = self.case, self._loading.model, self.case.outline
        if model is None or model.draw is None or case.image is None:
            return
        self._machine.props("loading")
        self._status.set_text(text("outline.drawing"))
        found = await run.io_bound(propose, model, case)
        self._machine.props(remove="loading")
        self._draw()
        if self.case is case and case.outline is before:
            self._fault.visible = False
            if found is None:
                self._refuse(text("outline.no_lesion"))
            else:
                self._set_outline(found)

    def _rejected(self) -> None:
        self._refuse(text("image.too_large", megabytes=self._megabytes))

    def _refuse(self, words: str) -> None:
        self._fault.set_text(words)
        self._fault.visible = True

    async def _next_sample(self) -> None:
        self._more_samples.props("loading")
        case, model = await run.io_bound(sample, self._samples), self._loading.model
        if model is not None and model.domain.outlines == "predicted":
            case = replace(case, outline=Outline(case.outline.size))
        self._open(case)
        self._more_samples.props(remove="loading")
        self._samples += 1

    def _open(self, case: Case) -> None:
        """Show a case of another image."""
        self._take(case)
        self._frames.visible = case.frames > 1
        self._slider.props["max"] = case.frames
        self._slider.update()
        self._want(case.frame)
        self._kept.visible = False

    def _take(self, case: Case) -> None:
        """Show an image, or another frame of it, with its outline and record."""
        self.case, self._undo, self._dragging = case, [], False
        self._fault.visible, self._figure.visible = False, True
        width, height = self._size
        self._figure.set_source(case.picture)
        self._figure.style(f"max-width: calc(54vh * {width / height:.3f})")
        for tool in self._tools:
            tool.enable()
        self._fill_in()
        self._draw()
        self._changed()
        self._begin_outline()

    def _begin_outline(self) -> None:
        if self.case.outline is not None and not self.case.outline.points:
            background_tasks.create(self._propose())

    @property
    def _outline(self) -> Outline:
        assert self.case.outline is not None
        return self.case.outline

    @property
    def _size(self) -> tuple[int, int]:
        return self._outline.size

    def _draw(self) -> None:
        width, height = self._size
        words = [
            text("image.shown", name=views.image_name(self.case), width=width, height=height),
            views.outline_words(self.case.outline),
        ]
        if self.case.others:
            words.append(text("frame.others", frames=", ".join(map(str, sorted(self.case.others)))))
        self._status.set_text(" ".join(words))
        self._frame_words.set_text(text("frame.shown", frame=self.case.frame, frames=self.case.frames))
        self._overlay.set_content(views.overlay(self.case.outline))
        model = self._loading.model
        self._proposal.visible = model is not None and self.case.proposal(model.domain.outlines) is not None

    def _set_outline(self, outline: Outline, remember: bool = True) -> None:
        """Take a changed outline; `remember` it as a step that can be undone."""
        before = self._outline
        if remember and outline.points != before.points:
            self._undo = [*self._undo[-99:], before]
        self.case.outline = outline
        self._draw()
        kept = (outline.points, outline.closed, outline.source) == (before.points, before.closed, before.source)
        if remember and not kept:
            self._changed()

    def _take_back(self) -> None:
        if self._undo:
            self.case.outline = self._undo.pop()
            self._draw()
            self._changed()

    def _pointer(self, event: events.MouseEventArguments) -> None:
        """Draw and move with a mouse, pen or finger."""
        size, outline = self._size, self._outline
        scale = max(1.0, max(size) / SHOWN)
        point = event.image_x * scale, event.image_y * scale
        reach = _REACH * max(size)
        if event.type == "pointerdown" and event.button == 0:
            near = outline.point_at(point, reach)
            if not outline.closed and near == 0 and outline.finish().closed:
                self._set_outline(outline.finish())
            elif near is not None:
                # The drag is one step, remembered where it begins.
                self._undo.append(outline)
                self._dragging = True
                self._set_outline(outline.choose(near), remember=False)
            elif not outline.closed or outline.side_at(point, reach):
                self._set_outline(outline.add(point))
                self._dragging = outline.closed
            else:
                self._set_outline(outline.choose(None))
        elif self._dragging and event.type == "pointermove" and event.buttons:
            self._set_outline(outline.place(point), remember=False)
        elif self._dragging:
            self._dragging = False
            if self._undo[-1].points == outline.points:
                self._undo.pop()
            else:
                self._changed()

    def _key(self, event: events.GenericEventArguments) -> None:
        """Draw and move with the keyboard."""
        if self.case.outline is None:
            return
        key, outline = event.args["key"], self._outline
        step = (10 if event.args["shiftKey"] else 1) * max(1, round(max(self._size) / 300))
        chosen = outline.chosen
        acts: dict[str, Callable[[], Outline]] = {
            "n": lambda: outline.choose(0 if chosen is None else chosen + 1),
            "p": lambda: outline.choose(-1 if chosen is None else chosen - 1),
            "a": outline.split,
            "Delete": outline.remove,
            "Backspace": outline.remove,
            "Escape": lambda: outline.choose(None),
            "Enter": outline.finish,
            "e": lambda: Outline.ellipse(self._size),
            "+": lambda: outline.scale(1.05),
            "-": lambda: outline.scale(1 / 1.05),
        }
        act = acts.get(key.lower() if len(key) == 1 else key)
        if key in _STEPS:
            self._set_outline(outline.shift(*(step * way for way in _STEPS[key])))
        elif key == "u":
            self._take_back()
        elif act is not None:
            self._set_outline(act())

    def _changed(self) -> None:
        """Ask the model anew, after the last of several changes; until then the answer is marked as an old one."""
        self._turn += 1
        if self._loading.model is None:
            words = escape(self._loading.fault or text("answer.loading"))
            self._panels["answer"].set_content(f"<p class='quiet'>{words}</p>")
            return
        self._answer.classes(add="old").props("aria-busy=true")
        background_tasks.create(self._ask(self._turn))

    async def _ask(self, turn: int) -> None:
        await asyncio.sleep(_PAUSE)
        async with self._asking:
            model = self._loading.model
            if turn != self._turn or model is None:
                return  # A later change asks.
            case = replace(self.case, record=dict(self.case.record))
            told = await run.io_bound(ask, model, case)
            if turn != self._turn:
                return
            self._show(model, told)
        # Reasons take longer, the first ones many seconds: no answer waits for those of an earlier case.
        async with self._explaining:
            if told.answer and turn == self._turn:
                told = await run.io_bound(explain, model, case, told)
                if turn == self._turn:
                    self._show(model, told)

    def _show(self, model: ServedModel, told: Told) -> None:
        self.told = told
        shown = views.view(self.case, told, model.model, model.domain)
        for name, panel in self._panels.items():
            panel.set_content(views.panel(name, shown) if told.answer or name == "answer" else "")
        self._more.visible = bool(told.answer)
        self._answer.classes(remove="old").props("aria-busy=false")
        sheet = views.sheet_view(self.case, told, model.model, model.domain, self.fields)
        self._sheet.set_content(views.panel("sheet", sheet))


def _html(content: str, classes: str = "") -> Any:
    return ui.html(content, sanitize=False).classes(classes)


def _button(key: str, act: Callable[[], object], look: str = "flat") -> Any:
    return ui.button(text(key), on_click=act).props(f"no-caps {look} dense").mark(key)
