import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Digit diffusion")


@app.cell(hide_code=True)
def _():
    import contextlib
    import sys

    import marimo as mo
    from atelier.errors import UserError

    live = mo.app_meta().request is not None  # a browser looks on; else a script, a test or an export
    mo.md(
        "<h1 style='font-size: 1.6rem; margin: 0'>Digit diffusion</h1> Pure noise becomes handwritten digits, step by "
        "step. Watch it, steer it, train a network of your own, and see how good it is."
    )
    return UserError, contextlib, live, mo, sys


@app.cell(hide_code=True)
def _(live, mo):
    with mo.status.spinner("Loading the library …") if live else mo.capture_stdout():
        from atelier import figures
        from atelier.controls import control
        from atelier.diffusion.schedules import build_schedule
        from atelier.digits import page, sheets
        from atelier.digits.models import shipped_model
        from atelier.digits.settings import DigitSettings
        from atelier.digits.studio import SampleStudio
        from atelier.jobs import until_session_ends
        from atelier.widgets import Exporter
    return (
        DigitSettings,
        Exporter,
        SampleStudio,
        build_schedule,
        control,
        figures,
        page,
        sheets,
        shipped_model,
        until_session_ends,
    )


@app.cell(hide_code=True)
def _(DigitSettings, UserError, live, mo, sys):
    problem = None
    try:
        if live:
            _words = {key: word for key, word in mo.query_params().to_dict().items() if key != "file"}
            given = DigitSettings.read(_words, address=True)
        elif "help" in mo.cli_args():
            print(DigitSettings.usage("python apps/digit_diffusion.py"))
            sys.exit(0)
        else:
            given = DigitSettings.read(mo.cli_args().to_dict())
    except UserError as _error:
        if not live:
            sys.exit(f"digit diffusion: {_error}")
        given, problem = DigitSettings(), f"{_error} The defaults are used instead."
    mo.callout(problem, kind="warn") if problem else None
    return (given,)


@app.cell(hide_code=True)
def _(SampleStudio, contextlib, given, live, shipped_model, until_session_ends):
    # What a session has. Everything that runs or is held ends with it.
    closing = contextlib.ExitStack()
    sampling = guard = None
    if live:
        sampling = SampleStudio(shipped_model(), given)
        closing.callback(sampling.close)
        guard = until_session_ends(closing)
    return closing, guard, sampling


@app.cell(hide_code=True)
def _(live, mo, sampling):
    sample_view = mo.ui.anywidget(sampling.canvas) if live else None
    return (sample_view,)


@app.cell(hide_code=True)
def _(DigitSettings, control, given, mo, page):
    _counts = [1, 2, 5, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400]
    _steps = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 200, 500, 1000]
    _scales = [0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 50, 100]

    def _slider(values, value, text):
        return mo.ui.slider(
            steps=sorted({*values, value}), value=value, label=text, show_value=True, full_width=True, debounce=True
        )

    sample_controls = mo.ui.dictionary(
        {
            "digit": control(DigitSettings, "digit", given.digit, "Digits", {"all": "all of them"}),
            "samples": _slider(_counts, min(given.samples, 400), "How many"),
            "guidance": _slider(_scales, given.guidance, "Guidance g"),
            "sampler": control(DigitSettings, "sampler", given.sampler, words=page.SAMPLER_WORDS),
            "sampling_steps": _slider(_steps, given.sampling_steps, "Steps"),
            "seed": mo.ui.number(0, 2**31 - 1, value=given.seed, label="Seed", full_width=True),
        }
    )
    guidance_range = mo.ui.range_slider(
        0,
        1,
        step=0.05,
        value=[given.guidance_from, given.guidance_to],
        label="Guidance acts at noise fractions",
        show_value=True,
        full_width=True,
        debounce=True,
    )
    eta_slider = control(DigitSettings, "eta", given.eta, "η of DDIM")
    return eta_slider, guidance_range, sample_controls


@app.cell(hide_code=True)
def _(UserError, eta_slider, given, guidance_range, live, sample_controls, sampling, shipped_model):
    # The same bounds hold at this door: a browser may send any value.
    refused = None
    settings = given
    if live:
        try:
            _low, _high = guidance_range.value
            settings = given.replace(
                **sample_controls.value, eta=eta_slider.value, guidance_from=_low, guidance_to=_high
            )
            sampling.configure(shipped_model(), settings)
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
    eta_slider,
    guidance_range,
    live,
    mo,
    page,
    refused,
    sample_controls,
    sample_export_views,
    sample_view,
    scrubber,
):
    _controls = mo.vstack(
        [
            *sample_controls.elements.values(),
            mo.accordion({"More": mo.vstack([guidance_range, eta_slider])}),
            mo.md(f"<small>Guidance: {page.GUIDANCE_WORDS}</small>"),
        ],
        gap=0.6,
    )
    _notes = [mo.callout(refused, kind="danger")] if refused else []
    (
        mo.hstack(
            [
                _controls,
                mo.vstack(
                    [
                        *_notes,
                        sample_view,
                        mo.hstack([scrubber, *sample_export_views], widths=[3, 1, 1], align="center", gap=1),
                    ]
                ),
            ],
            widths=[1, 4],
            gap=1.5,
            align="start",
        )
        if live
        else None
    )
    return


@app.cell(hide_code=True)
def _(live, mo):
    view = mo.ui.tabs(dict.fromkeys(("Forward", "How it works"), ""))
    view if live else None
    return (view,)


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
    figures,
    forward_digit,
    forward_length,
    forward_rescale,
    forward_schedule,
    forward_time,
    live,
    mo,
    page,
    schedule,
    schedule_problem,
    sheets,
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

    def _words():
        return mo.md("")

    _views = {"Forward": _forward, "How it works": _words}
    _views[view.value or "Forward"]() if live else None
    return


@app.cell(hide_code=True)
def _(live, mo, settings):
    # The address follows the controls, so that it can be shared.
    if live:
        _now = settings.changed()
        _params = mo.query_params()
        for _key in list(_params.to_dict()):
            if _key != "file" and _key not in _now:
                _params.remove(_key)
        for _key, _word in _now.items():
            if _params.get(_key) != _word:
                _params.set(_key, _word)
    return


@app.cell(hide_code=True)
def _(UserError, given, live, mo):
    # Without a browser: a script writes files, an exported page shows what was drawn.
    finished = None
    if not live:
        from atelier.digits import command

        try:
            if mo.app_meta().mode == "script":
                command.print_summary(command.run_command(given))
            else:
                finished = command.finish(given)
        except UserError as _error:
            raise SystemExit(f"digit diffusion: {_error}") from None
    mo.Html(command.report(given, finished).body()) if finished else None
    return


if __name__ == "__main__":
    app.run()
