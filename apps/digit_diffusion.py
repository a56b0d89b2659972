import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Digit diffusion")


@app.cell(hide_code=True)
def _():
    import contextlib

    import marimo as mo
    from atelier.errors import UserError

    live = mo.app_meta().request is not None  # a browser looks on; else a script, a test or an export
    mo.md(
        "<h1 style='font-size: 1.6rem; margin: 0'>Digit diffusion</h1> Pure noise becomes handwritten digits, step by "
        "step. Watch it, steer it, train a network of your own, and see how good it is."
    )
    return UserError, contextlib, live, mo


@app.cell(hide_code=True)
def _(live, mo):
    with mo.status.spinner("Loading the library …") if live else mo.capture_stdout():
        from atelier import figures
        from atelier.page.controls import asked_for, beside, control, folded, follow_in_address
        from atelier.diffusion.denoiser import Guidance
        from atelier.diffusion.schedules import build_schedule
        from atelier.digits import page, sheets
        from atelier.digits.judge_studio import COUNTS, JudgeStudio
        from atelier.digits.models import read_model, shipped_model
        from atelier.digits.settings import DEFAULT_MINUTES, DigitSettings
        from atelier.digits.steer_studio import EXPERIMENTS, Steering, SteerStudio
        from atelier.digits.studio import SampleStudio
        from atelier.digits.train_studio import KEEP_AFTER, TrainStudio
        from atelier.page.jobs import until_session_ends
        from atelier.page import Exporter
    return (
        COUNTS,
        DEFAULT_MINUTES,
        DigitSettings,
        EXPERIMENTS,
        Exporter,
        Guidance,
        JudgeStudio,
        KEEP_AFTER,
        SampleStudio,
        SteerStudio,
        Steering,
        TrainStudio,
        asked_for,
        beside,
        build_schedule,
        control,
        figures,
        folded,
        follow_in_address,
        page,
        read_model,
        sheets,
        shipped_model,
        until_session_ends,
    )


@app.cell(hide_code=True)
def _(DigitSettings, asked_for, live, mo):
    given, problem = asked_for(DigitSettings, "digit_diffusion", live)
    mo.callout(problem, kind="warn") if problem else None
    return (given,)


@app.cell(hide_code=True)
def _(
    JudgeStudio,
    SampleStudio,
    SteerStudio,
    Steering,
    TrainStudio,
    contextlib,
    given,
    live,
    shipped_model,
    until_session_ends,
):
    # What a session has. Everything that runs or is held ends with it.
    closing = contextlib.ExitStack()
    sampling = training = steering = judging = guard = None
    if live:
        sampling = SampleStudio(shipped_model(), given)
        training = TrainStudio(given)
        steering = SteerStudio(shipped_model(), Steering())
        judging = JudgeStudio(shipped_model(), given, 1000)
        for _studio in (sampling, training, steering, judging):
            closing.callback(_studio.close)
        guard = until_session_ends(closing)
    chosen = {"model": "Shipped U-Net", "settings": given}
    return chosen, closing, guard, judging, sampling, steering, training


@app.cell(hide_code=True)
def _(judging, live, mo, sampling, steering, training):
    sample_view = mo.ui.anywidget(sampling.canvas) if live else None
    train_view = mo.ui.anywidget(training.canvas) if live else None
    steer_view = mo.ui.anywidget(steering.canvas) if live else None
    judge_view = mo.ui.anywidget(judging.canvas) if live else None
    return judge_view, sample_view, steer_view, train_view


@app.cell(hide_code=True)
def _(mo):
    load_file = mo.ui.file(filetypes=[".safetensors"], max_size=200 << 20, label="Load a checkpoint")
    return (load_file,)


@app.cell(hide_code=True)
def _(UserError, chosen, live, load_file, mo, read_model, training):
    loaded_model = loaded_note = None
    if live and load_file.value:
        try:
            loaded_model = read_model(load_file.contents(), load_file.name())
            try:
                _words = training.load(load_file.contents())
            except UserError as _error:
                _words = f"Loaded for drawing, steering and judging. {_error}"
            chosen["model"] = loaded_model.title
            loaded_note = mo.callout(_words, kind="success")
        except UserError as _error:
            loaded_note = mo.callout(str(_error), kind="danger")
    return loaded_model, loaded_note


@app.cell(hide_code=True)
def _(chosen, live, loaded_model, mo, shipped_model, train_view, training):
    # The models there are: the shipped one, the newest of the training below, the loaded one.
    train_view
    models = {"Shipped U-Net": shipped_model} if live else {}
    if live and training.model() is not None:
        models["Trained here"] = training.model
    if loaded_model is not None:
        models[loaded_model.title] = lambda: loaded_model
    _first = chosen["model"] if chosen["model"] in models else next(iter(models), None)
    model_choice = mo.ui.dropdown(list(models), value=_first, label="Model", full_width=True)
    return model_choice, models


@app.cell(hide_code=True)
def _(chosen, live, model_choice, models):
    model = None
    if live:
        chosen["model"] = model_choice.value  # so that the choice outlives the list
        model = models[model_choice.value]()
    return (model,)


@app.cell(hide_code=True)
def _(DigitSettings, control, given, mo, page):
    _counts = [1, 2, 5, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400]
    _steps = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 200, 500, 1000]

    def _slider(values, value, text):
        return mo.ui.slider(
            steps=sorted({*values, value}), value=value, label=text, show_value=True, full_width=True, debounce=True
        )

    sample_controls = mo.ui.dictionary(
        {
            "digit": control(DigitSettings, "digit", given.digit, "Digits", {"all": "all of them"}),
            "samples": _slider(_counts, min(given.samples, 400), "How many"),
            "sampler": control(DigitSettings, "sampler", given.sampler, words=page.SAMPLER_WORDS),
            "sampling_steps": _slider(_steps, given.sampling_steps, "Steps"),
            "seed": mo.ui.number(0, 2**31 - 1, value=given.seed, label="Seed", full_width=True),
        }
    )
    eta_slider = control(DigitSettings, "eta", given.eta, "η of DDIM")
    return eta_slider, sample_controls


@app.cell(hide_code=True)
def _(chosen, live, mo, model):
    # Guidance opens at what suits the model; what was chosen otherwise stays when the model changes.
    guidance_slider = guidance_range = None
    if live:
        _scales = {0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 50, 100}
        _guidance = chosen["settings"].guide(model.guidance)
        guidance_slider = mo.ui.slider(
            steps=sorted(_scales | {_guidance.scale}),
            value=_guidance.scale,
            label="Guidance g",
            show_value=True,
            full_width=True,
            debounce=True,
        )
        guidance_range = mo.ui.range_slider(
            0,
            1,
            step=0.05,
            value=list(_guidance.interval),
            label="Guidance acts at noise fractions",
            show_value=True,
            full_width=True,
            debounce=True,
        )
    return guidance_range, guidance_slider


@app.cell(hide_code=True)
def _(
    Guidance,
    UserError,
    chosen,
    eta_slider,
    given,
    guidance_range,
    guidance_slider,
    live,
    model,
    sample_controls,
    sampling,
):
    # The same bounds hold at this door: a browser may send any value.
    refused = None
    settings = given
    if live:
        try:
            _shown = Guidance(guidance_slider.value, tuple(guidance_range.value))
            settings = chosen["settings"].replace(**sample_controls.value, eta=eta_slider.value)
            settings = chosen["settings"] = settings.with_guidance(_shown, model.guidance)
            sampling.configure(model, settings)
        except UserError as _error:
            refused = str(_error)
    return refused, settings


@app.cell(hide_code=True)
def _(live, mo, settings):
    scrubber = (
        mo.ui.slider(
            0,
            settings.sampling_steps,
            value=settings.sampling_steps,
            label="Go back to step",
            show_value=True,
            full_width=True,
        )
        if live
        else None
    )
    return (scrubber,)


@app.cell(hide_code=True)
def _(live, sampling, scrubber):
    if live:
        sampling.scrub(scrubber.value)
    return


@app.cell(hide_code=True)
def _(Exporter, closing, live, sampling):
    sample_exporters = {}
    if live:
        sample_exporters = {
            "png": Exporter("PNG", "digits.png", sampling.png),
            "gif": Exporter("GIF", "digits.gif", sampling.gif),
        }
        for _exporter in sample_exporters.values():
            closing.callback(_exporter.close)
    return (sample_exporters,)


@app.cell(hide_code=True)
def _(live, mo, sample_exporters):
    sample_export_views = [mo.ui.anywidget(exporter) for exporter in sample_exporters.values()] if live else []
    return (sample_export_views,)


@app.cell(hide_code=True)
def _(
    beside,
    eta_slider,
    folded,
    guidance_range,
    guidance_slider,
    live,
    mo,
    model,
    model_choice,
    models,
    page,
    refused,
    sample_controls,
    sample_export_views,
    sample_view,
    scrubber,
):
    def _sample():
        _names = page.class_note(model.classes)
        _digit, _count, *_others = sample_controls.elements.values()
        _labelled = model.denoiser.conditional
        _controls = mo.vstack(
            [
                *([model_choice] if len(models) > 1 else []),
                *([mo.md(f"<small>{_names}</small>")] if _names else []),
                _digit,
                _count,
                *([guidance_slider] if _labelled else []),
                *_others,
                folded({"More": [*([guidance_range] if _labelled else []), eta_slider]}),
                *([mo.md(f"<small>Guidance: {page.GUIDANCE_WORDS}</small>")] if _labelled else []),
            ],
            gap=0.6,
        )
        _notes = [mo.callout(refused, kind="danger")] if refused else []
        _files = mo.hstack([scrubber, *sample_export_views], widths=[3, 1, 1], align="center", gap=1)
        return beside(_controls, mo.vstack([*_notes, sample_view, _files]))

    _sample() if live else None
    return


@app.cell(hide_code=True)
def _(live, mo):
    view = mo.ui.tabs(dict.fromkeys(("Forward", "Train", "Steer", "How good", "How it works"), ""))
    view if live else None
    return (view,)


@app.cell(hide_code=True)
def _(DEFAULT_MINUTES, DigitSettings, KEEP_AFTER, control, given, mo, page):
    _minutes = [0.5, 1, 2, 3, 5, 10, 15, 20, 30, 45, 60]
    _epochs = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 50, 100]
    _rates = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2]
    _batches = [16, 32, 64, 128, 256, 512]
    _ends = ("minutes", "epochs")

    def _slider(values, value, text):
        return mo.ui.slider(
            steps=sorted({*values, value}), value=value, label=text, show_value=True, full_width=True, debounce=True
        )

    train_controls = mo.ui.dictionary(
        {
            "dataset": control(DigitSettings, "dataset", given.dataset, "Data set", page.DATASET_WORDS),
            "backbone": control(DigitSettings, "backbone", given.backbone, "Network", page.BACKBONE_WORDS),
            "schedule": control(DigitSettings, "schedule", given.schedule, words=page.SCHEDULE_WORDS),
            "target": control(DigitSettings, "target", given.target, "It predicts", page.TARGET_WORDS),
            "batch": _slider(_batches, given.batch, "Batch"),
            "optimiser": control(DigitSettings, "optimiser", given.optimiser, words=page.OPTIMISER_WORDS),
            "learning_rate": mo.ui.dropdown(
                {f"{rate:g}": rate for rate in sorted({*_rates, given.learning_rate})},
                value=f"{given.learning_rate:g}",
                label="Learning rate",
                full_width=True,
            ),
            "label_dropout": control(DigitSettings, "label_dropout", given.label_dropout),
            "ema": _slider([0.0, 0.9, 0.99, 0.995, 0.999, 0.9995, 0.9999], given.ema, "Averaging (EMA)"),
        }
    )
    train_unit = mo.ui.dropdown(_ends, value=_ends[given.epochs is not None], label="Train for", full_width=True)
    train_length = {
        "minutes": _slider(_minutes, given.train_minutes or DEFAULT_MINUTES, "Minutes"),
        "epochs": _slider(_epochs, given.epochs or 1, "Epochs"),
    }
    train_minutes, train_epochs = train_length["minutes"], train_length["epochs"]
    keep_choice = mo.ui.multiselect(
        {f"{epoch:g}": epoch for epoch in KEEP_AFTER},
        value=["0.1", "0.5", "1", "2", "5"],
        max_selections=5,
        label="Keep samples after epochs",
        full_width=True,
    )
    return keep_choice, train_controls, train_epochs, train_minutes, train_unit


@app.cell(hide_code=True)
def _(
    UserError,
    keep_choice,
    live,
    loaded_model,
    settings,
    train_controls,
    train_epochs,
    train_minutes,
    train_unit,
    training,
    view,
):
    loaded_model  # its recipe takes the place of the controls
    train_problem = None
    if live and view.value == "Train":
        try:
            _end = {"epochs": None, "train_minutes": train_minutes.value}
            if train_unit.value == "epochs":
                _end = {"epochs": train_epochs.value, "train_minutes": None}
            training.configure(settings.replace(**train_controls.value, **_end), keep_choice.value)
        except UserError as _error:
            train_problem = str(_error)
    return (train_problem,)


@app.cell(hide_code=True)
def _(Exporter, closing, live, steering, training):
    more_exporters = {}
    if live:
        more_exporters = {
            "checkpoint": Exporter("Save the checkpoint", "digits.safetensors", training.checkpoint),
            "steer": Exporter("PNG", "steering.png", steering.png),
        }
        for _exporter in more_exporters.values():
            closing.callback(_exporter.close)
    return (more_exporters,)


@app.cell(hide_code=True)
def _(live, mo, more_exporters):
    more_export_views = {name: mo.ui.anywidget(exporter) for name, exporter in more_exporters.items()} if live else {}
    return (more_export_views,)


@app.cell(hide_code=True)
def _(EXPERIMENTS, mo):
    experiment = mo.ui.dropdown(
        {kind.title: name for name, kind in EXPERIMENTS.items()}, value="Guidance sweep", label="Experiment"
    )
    return (experiment,)


@app.cell(hide_code=True)
def _(EXPERIMENTS, experiment, mo):
    _controls = {
        "first": mo.ui.slider(0, 9, value=3, label="Label", show_value=True),
        "second": mo.ui.slider(0, 9, value=8, label="Other label", show_value=True),
        "real": mo.ui.number(0, 3_999, value=0, label="Test digit number"),
        "seed": mo.ui.number(0, 2**31 - 1, value=0, label="Seed"),
    }
    steer_controls = mo.ui.dictionary({name: _controls[name] for name in EXPERIMENTS[experiment.value].uses})
    return (steer_controls,)


@app.cell(hide_code=True)
def _(Steering, UserError, experiment, live, model, steer_controls, steering, view):
    steer_problem = None
    if live and view.value == "Steer":
        try:
            steering.configure(model, Steering(experiment.value, **steer_controls.value))
        except UserError as _error:
            steer_problem = str(_error)
    return (steer_problem,)


@app.cell(hide_code=True)
def _(COUNTS, mo):
    judge_count = mo.ui.slider(steps=list(COUNTS), value=1000, label="Digits to judge", show_value=True)
    return (judge_count,)


@app.cell(hide_code=True)
def _(UserError, judge_count, judging, live, model, settings):
    judge_problem = None
    if live:
        try:
            judging.configure(model, settings, judge_count.value)
        except UserError as _error:
            judge_problem = str(_error)
    return (judge_problem,)


@app.cell(hide_code=True)
def _(given, mo, page):
    forward_schedule = mo.ui.dropdown(
        {word: name for name, word in page.SCHEDULE_WORDS.items()},
        value=page.SCHEDULE_WORDS[given.schedule],
        label="Schedule",
    )
    forward_length = mo.ui.slider(
        steps=sorted({10, 20, 50, 100, 200, 300, 500, 1000, 2000, 5000, given.timesteps}),
        value=given.timesteps,
        label="T",
        show_value=True,
    )
    forward_rescale = mo.ui.switch(value=True, label="scale β by 1000/T")
    forward_digit = mo.ui.slider(0, 9, value=3, label="Digit", show_value=True)
    return forward_digit, forward_length, forward_rescale, forward_schedule


@app.cell(hide_code=True)
def _(UserError, build_schedule, forward_length, forward_rescale, forward_schedule):
    schedule_problem = None
    try:
        _options = {"rescale": forward_rescale.value} if forward_schedule.value == "linear" else {}
        schedule = build_schedule(forward_schedule.value, T=forward_length.value, **_options)
    except UserError as _error:
        schedule, schedule_problem = build_schedule("flow"), str(_error)
    return schedule, schedule_problem


@app.cell(hide_code=True)
def _(mo, schedule):
    forward_time = mo.ui.slider(
        0, schedule.T, step=1, value=round(0.4 * schedule.T), label="t", show_value=True, full_width=True
    )
    return (forward_time,)


@app.cell(hide_code=True)
def _(
    EXPERIMENTS,
    beside,
    experiment,
    figures,
    folded,
    forward_digit,
    forward_length,
    forward_rescale,
    forward_schedule,
    forward_time,
    judge_count,
    judge_problem,
    judge_view,
    judging,
    keep_choice,
    live,
    load_file,
    loaded_note,
    mo,
    model,
    model_choice,
    models,
    more_export_views,
    page,
    schedule,
    schedule_problem,
    sheets,
    steer_controls,
    steer_problem,
    steer_view,
    train_controls,
    train_epochs,
    train_minutes,
    train_problem,
    train_unit,
    train_view,
    training,
    view,
):
    def _forward():
        _images, _note = page.example_digits()
        _strip, _now = page.drowning(schedule, _images[forward_digit.value], forward_time.value)
        _fraction = float(schedule.noise_fraction(forward_time.value + schedule.alphas.new_zeros(())))
        _controls = [forward_schedule, forward_length, forward_digit]
        if forward_schedule.value == "linear":
            _controls.append(forward_rescale)
        return mo.vstack(
            [
                mo.md(
                    "Training spoils digits on purpose: $x_t = \\alpha_t\\, x_0 + \\sigma_t\\, \\varepsilon$, with more "
                    "noise the larger $t$ is. The schedule says how fast."
                ),
                mo.hstack(_controls, justify="start", gap=2, wrap=True),
                *([mo.callout(schedule_problem, kind="danger")] if schedule_problem else []),
                mo.hstack(
                    [
                        mo.image(sheets.png(_now, scale=6), width=168, rounded=True),
                        mo.vstack(
                            [
                                forward_time,
                                mo.image(sheets.png(_strip, page.STRIP, 4), width="100%"),
                                mo.md(f"From t = 0 to T = {schedule.T:,}; at t, **{_fraction:.0%}** is noise. {_note}"),
                            ]
                        ),
                    ],
                    widths=[1, 5],
                    gap=1.5,
                    align="center",
                ),
                mo.Html(figures.svg(page.schedule_curves(schedule, forward_time.value))),
                mo.md(page.leak_words(schedule)),
            ]
        )

    def _train():
        _elements = train_controls.elements
        _first = [_elements[name] for name in ("dataset", "backbone", "schedule", "target")]
        _more = [_elements[name] for name in ("batch", "optimiser", "learning_rate", "label_dropout", "ema")]
        _controls = mo.vstack(
            [
                *_first,
                train_unit,
                train_epochs if train_unit.value == "epochs" else train_minutes,
                folded({"More": [*_more, keep_choice]}),
            ],
            gap=0.5,
        )
        _notes = [mo.callout(train_problem, kind="danger")] if train_problem else []
        _notes += [loaded_note] if loaded_note else []
        _notes += [mo.callout(training.note, kind="warn")] if training.note else []
        _picture = mo.vstack(
            [
                *_notes,
                train_view,
                mo.hstack([more_export_views["checkpoint"], load_file, model_choice], align="center", wrap=True),
                mo.md(
                    "<small>Pause or finish, then choose *Trained here* as the model: drawing, steering and judging "
                    "use it, with the guidance that suits a network of its age unless you choose another. A checkpoint "
                    "holds all that is needed to go on exactly where it was.</small>"
                ),
            ]
        )
        return beside(_controls, _picture)

    def _steer():
        return mo.vstack(
            [
                mo.hstack(
                    [experiment, *steer_controls.elements.values(), *([model_choice] if len(models) > 1 else [])],
                    justify="start",
                    gap=2,
                    wrap=True,
                ),
                mo.md(EXPERIMENTS[experiment.value].about),
                *(
                    [mo.callout(steer_problem, kind="danger")]
                    if steer_problem
                    else [steer_view, more_export_views["steer"]]
                ),
            ]
        )

    def _judge():
        judge_view  # what is below follows the judging
        _report = judging.report
        _found = _report.figures() if _report else model.figures
        _parts = [
            mo.md(
                "A second network, trained to read digits, looks at generated digits and at real ones. Every figure stands "
                "beside what as many *real* digits score (the floor: better cannot be told apart) and pure noise."
            ),
            mo.hstack([judge_count, *([model_choice] if len(models) > 1 else [])], justify="start", gap=2),
            *([mo.callout(judge_problem, kind="danger")] if judge_problem else []),
            judge_view,
            *([mo.callout(judging.note, kind="warn")] if judging.note else []),
        ]
        if _found:
            _parts += [
                mo.callout(mo.md(page.verdict(_found)), kind="info"),
                mo.md(page.figure_table(_found)),
                mo.md(page.small(page.figure_note(_found, stored=_report is None))),
            ]
        if _report:
            _figures = [mo.Html(figures.svg(page.histogram_figure(_report, model.classes)))]
            if _report.labels is not None:
                _figures.insert(0, mo.Html(figures.svg(page.confusion_figure(_report, model.classes))))
            _close = _report.memorisation
            _parts += [
                mo.hstack(_figures, widths="equal", align="center"),
                mo.md(
                    "**The nearest pairs**: generated above, the nearest of all training images below, with distances."
                ),
                mo.image(page.nearest_pairs(_close), width="100%"),
            ]
        return mo.vstack(_parts)

    def _words():
        return mo.md(page.PROSE)

    _views = {"Forward": _forward, "Train": _train, "Steer": _steer, "How good": _judge, "How it works": _words}
    _views[view.value or "Forward"]() if live else None
    return


@app.cell(hide_code=True)
def _(follow_in_address, live, settings):
    # The address follows the controls, so that it can be shared.
    if live:
        follow_in_address(settings.changed())
    return


@app.cell(hide_code=True)
def _(UserError, given, live, mo):
    # Without a browser: a script writes files, an exported page shows what was drawn.
    finished = None
    if not live:
        from atelier.digits import command
        from atelier.page.terminal import print_summary

        try:
            if mo.app_meta().mode == "script":
                print_summary(command.run_command(given))
            else:
                finished = command.finish(given)
        except UserError as _error:
            raise SystemExit(f"digit_diffusion: {_error}") from None
    mo.Html(command.report(given, finished).body()) if finished else None
    return


if __name__ == "__main__":
    app.run()
