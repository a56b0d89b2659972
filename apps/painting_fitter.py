import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Painting fitter")


@app.cell(hide_code=True)
def _():
    import contextlib

    import marimo as mo
    from atelier.page.controls import asked_for, beside, control, folded, follow_in_address
    from atelier.errors import UserError
    from atelier.painting.settings import PaintingSettings

    live = mo.app_meta().request is not None  # a browser looks on; else a script, a test or an export
    return (PaintingSettings, UserError, asked_for, beside, contextlib, control, folded, follow_in_address, live, mo)


@app.cell(hide_code=True)
def _(PaintingSettings, asked_for, live):
    given, problem = asked_for(PaintingSettings, "painting_fitter", live, check=PaintingSettings.known_picture)
    return given, problem


@app.cell(hide_code=True)
def _(mo, problem):
    _promise = mo.md(
        "<h1 style='font-size: 1.6rem; margin: 0'>Painting fitter</h1> A small network learns the colour of every place in a "
        "painting, while you watch. Then look closer than its pixels go."
    )
    mo.vstack([_promise, *([mo.callout(problem, kind="warn")] if problem else [])], gap=0.3)
    return


@app.cell(hide_code=True)
def _(live, mo):
    with mo.status.spinner("Loading the library …") if live else mo.capture_stdout():
        from atelier.data.download import DownloadError
        from atelier.data.pictures import (
            BUILT_IN,
            PAINTINGS,
            load_picture,
            painting_download,
            prepare,
            read_picture,
        )
        from atelier.fields.networks import NETWORKS
        from atelier.fields.window import Window
        from atelier.page.jobs import until_session_ends
        from atelier.painting import page
        from atelier.painting.race_studio import RaceStudio
        from atelier.painting.settings import DEFAULT_STEPS, OPTIONS
        from atelier.painting.studio import Studio
        from atelier.page import Exporter, Viewer
    return (
        BUILT_IN,
        DEFAULT_STEPS,
        DownloadError,
        Exporter,
        NETWORKS,
        OPTIONS,
        PAINTINGS,
        RaceStudio,
        Studio,
        Viewer,
        Window,
        load_picture,
        page,
        painting_download,
        prepare,
        read_picture,
        until_session_ends,
    )


@app.cell(hide_code=True)
def _(BUILT_IN, NETWORKS, PAINTINGS, PaintingSettings, control, given, mo):
    _titles = {name: painting.title for name, painting in PAINTINGS.items()} | BUILT_IN
    picture_choice = mo.ui.dropdown(
        {title: name for name, title in _titles.items()},
        value=_titles.get(given.picture, "Mona Lisa"),
        label="Picture",
        full_width=True,
    )
    upload = mo.ui.file(filetypes=[".png", ".jpg", ".jpeg", ".webp"], max_size=25 << 20, label="Choose")
    size_slider = control(PaintingSettings, "size", given.size, "Size, pixels")
    gray_switch = control(PaintingSettings, "gray", given.gray)
    network_choice = control(
        PaintingSettings, "network", given.network, words={name: kind.title for name, kind in NETWORKS.items()}
    )
    return gray_switch, network_choice, picture_choice, size_slider, upload


@app.cell(hide_code=True)
def _(DEFAULT_STEPS, NETWORKS, OPTIONS, PaintingSettings, control, given, mo, network_choice):
    # A new network brings its own defaults; what the address gave belongs to the network it named.
    _kind = NETWORKS[network_choice.value]
    _own = given if given.network == network_choice.value else PaintingSettings(network=network_choice.value)
    _values = {
        "learning_rate": _own.learning_rate or _kind.learning_rate,
        "batch": _own.batch or _kind.batch,
        **{
            name: getattr(_own, name)
            for name in ("final", "loss", "optimiser", "sampling", "held_out", "decay", "seed")
        },
        **({"budget": _own.budget} if network_choice.value == "hashgrid" else {}),
    }
    for _name in OPTIONS:
        if _name in _kind.options:
            _set = getattr(_own, _name)
            _values[_name] = _kind.options[_name] if _set in (None, "auto") else _set
    _texts = {"batch": "Pixels a step", "budget": "Parameters ÷ values", "table_size": "Table size, log₂"}
    _steps = _own.steps or DEFAULT_STEPS
    steps_slider = mo.ui.slider(
        steps=sorted({100, 200, 500, 1000, 2000, 3000, 5000, 10_000, 20_000, 50_000, _steps}),
        value=_steps,
        label="Steps",
        show_value=True,
        full_width=True,
    )
    knobs = mo.ui.dictionary(
        {
            name: control(PaintingSettings, name, value, _texts.get(name))
            for name, value in _values.items()
            if name not in ("learning_rate", "seed")
        }
        | {"seed": mo.ui.number(0, 2**31 - 1, value=_values["seed"], label="Seed", full_width=True)}
    )
    rate_slider = control(PaintingSettings, "learning_rate", _values["learning_rate"], "Learning rate")
    return knobs, rate_slider, steps_slider


@app.cell(hide_code=True)
def _(UserError, given, gray_switch, knobs, live, network_choice, picture_choice, size_slider, steps_slider):
    # The same bounds hold at this door: a browser may send any value.
    refused = None
    try:
        settings = (
            given.replace(
                picture=picture_choice.value,
                network=network_choice.value,
                size=size_slider.value,
                gray=gray_switch.value,
                steps=steps_slider.value if given.seconds is None else given.steps,
                learning_rate=None,
                **{
                    name: None
                    for name in ("width", "depth", "frequency", "scale", "octaves", "levels", "table_size")
                    if name not in knobs.value
                },
                **({} if "norm" in knobs.value else {"norm": "auto"}),
                **knobs.value,
            ).plain()
            if live
            else given
        )
    except UserError as _error:
        settings, refused = given, str(_error)
    return refused, settings


@app.cell(hide_code=True)
def _(
    DownloadError,
    PAINTINGS,
    UserError,
    contextlib,
    live,
    load_picture,
    mo,
    painting_download,
    prepare,
    read_picture,
    settings,
    upload,
):
    picture_problem = None
    try:
        if live and upload.value:
            picture = prepare(read_picture(upload.contents()), upload.name(), settings.size, settings.gray)
        else:
            if live and settings.picture in PAINTINGS:
                with contextlib.suppress(DownloadError):
                    for _step in painting_download(settings.picture):
                        mo.output.replace(mo.md(f"Fetching the painting … {_step.done / 1e3:,.0f} kB"))
            picture = load_picture(settings.picture, settings.size, settings.gray)
    except UserError as _error:
        if not live:
            raise SystemExit(f"painting_fitter: {_error}") from None
        picture_problem = str(_error)
        picture = load_picture("mona_lisa", settings.size, settings.gray)
    mo.output.clear()
    return picture, picture_problem


@app.cell(hide_code=True)
def _(RaceStudio, Studio, contextlib, given, live, load_picture, until_session_ends):
    # One studio a session. Everything that runs or is held ends with the session.
    closing = contextlib.ExitStack()
    studio = race_studio = guard = None
    if live:
        studio = Studio(given, load_picture(given.picture, given.size, given.gray))
        race_studio = RaceStudio()
        closing.callback(studio.close)
        closing.callback(race_studio.close)
        guard = until_session_ends(closing)
    return closing, guard, race_studio, studio


@app.cell(hide_code=True)
def _(live, mo, race_studio, studio):
    canvas_view = mo.ui.anywidget(studio.canvas) if live else None
    race_view = mo.ui.anywidget(race_studio.canvas) if live else None
    return canvas_view, race_view


@app.cell(hide_code=True)
def _(live, picture, settings, studio):
    if live:
        studio.configure(settings, picture)
    configured = settings
    return (configured,)


@app.cell(hide_code=True)
def _(UserError, configured, live, rate_slider, studio):
    # The rate is turned while the run goes on: nothing else on the page needs to follow it.
    rate_problem = None
    rate = configured.learning_rate
    if live:
        try:
            studio.set_learning_rate(rate_slider.value)
            rate = rate_slider.value
        except UserError as _error:
            rate_problem = str(_error)
    return rate, rate_problem


@app.cell(hide_code=True)
def _(
    beside,
    canvas_view,
    folded,
    gray_switch,
    knobs,
    live,
    mo,
    network_choice,
    picture,
    picture_choice,
    picture_problem,
    rate_problem,
    rate_slider,
    refused,
    size_slider,
    steps_slider,
    upload,
):
    _controls = mo.vstack(
        [
            picture_choice,
            size_slider,
            gray_switch,
            network_choice,
            steps_slider,
            rate_slider,
            folded({"Network and training": list(knobs.elements.values()), "Your own picture": [upload]}),
        ],
        gap=0.6,
    )
    _notes = [
        mo.callout(text, kind=kind)
        for text, kind in ((refused, "danger"), (picture_problem, "danger"), (rate_problem, "danger"))
        if text
    ]
    _about = [mo.md(f"<small>{picture.note}</small>")] if picture.note else []
    beside(mo.vstack([_controls, *_about]), mo.vstack([*_notes, canvas_view])) if live else None
    return


@app.cell(hide_code=True)
def _(canvas_view, configured, live, mo, page, studio):
    canvas_view, configured  # this strip follows the run
    _strip = None
    if live and studio.run is not None and studio.run.last is not None:
        _strip = mo.hstack(
            [mo.stat(value, label=name) for name, value in page.honest_numbers(studio.run).items()], widths="equal"
        )
    _strip
    return


@app.cell(hide_code=True)
def _(live, mo):
    view = mo.ui.tabs(dict.fromkeys(("Look closer", "Replay", "Race", "Spectrum", "Take home", "How it works"), ""))
    view if live else None
    return (view,)


@app.cell(hide_code=True)
def _(Exporter, Viewer, Window, closing, live, mo, studio):
    viewer = None
    if live:
        viewer = Viewer(studio.look, Window(aspect=studio.picture.aspect))
        closing.callback(viewer.close)
    large_size = mo.ui.slider(steps=[1024, 2048, 4096, 8192], value=2048, label="Pixels", show_value=True)
    exporters = {}
    if live:
        exporters = {
            "Animation": Exporter("GIF", "training.gif", studio.gif),
            "Comparison": Exporter("PNG", "comparison.png", studio.comparison),
            "Checkpoint": Exporter("safetensors", "network.safetensors", studio.checkpoint),
            "Large picture": Exporter("PNG", "painting.png", lambda: studio.large(large_size.value)),
        }
        for _exporter in exporters.values():
            closing.callback(_exporter.close)
    load_file = mo.ui.file(filetypes=[".safetensors"], max_size=50 << 20, label="Load a checkpoint")
    return exporters, large_size, load_file, viewer


@app.cell(hide_code=True)
def _(exporters, live, mo, viewer):
    viewer_view = mo.ui.anywidget(viewer) if live else None
    export_views = {name: mo.ui.anywidget(exporter) for name, exporter in exporters.items()}
    return export_views, viewer_view


@app.cell(hide_code=True)
def _(canvas_view, configured, live, studio, viewer):
    canvas_view, configured  # another picture, or a run that came to rest
    if live:
        viewer.redraw(window=studio.window_for(viewer.window))
    return


@app.cell(hide_code=True)
def _(UserError, live, load_file, mo, studio):
    loaded_note = None
    if live and load_file.value:
        try:
            loaded_note = mo.callout(studio.load(load_file.contents()), kind="success")
        except UserError as _error:
            loaded_note = mo.callout(str(_error), kind="danger")
    return (loaded_note,)


@app.cell(hide_code=True)
def _(NETWORKS, mo):
    runners = mo.ui.multiselect(
        {kind.title: name for name, kind in NETWORKS.items()},
        value=[NETWORKS[name].title for name in ("hashgrid", "fourier", "siren", "relu")],
        max_selections=4,
        label="Who runs",
    )
    race_seconds = mo.ui.slider(2, 60, value=5, step=1, label="Processor seconds each", show_value=True)
    return race_seconds, runners


@app.cell(hide_code=True)
def _(UserError, configured, live, picture, race_seconds, race_studio, runners):
    race_problem = None
    if live:
        try:
            race_studio.configure(configured, picture, runners.value, race_seconds.value)
        except UserError as _error:
            race_problem = str(_error)
    return (race_problem,)


@app.cell(hide_code=True)
def _(canvas_view, configured, live, mo, studio):
    canvas_view, configured
    moments = studio.moments() if live else []
    moment_slider = (
        mo.ui.slider(0, len(moments) - 1, value=len(moments) - 1, label="Moment of the training", full_width=True)
        if len(moments) > 1
        else None
    )
    return moment_slider, moments


@app.cell(hide_code=True)
def _(
    canvas_view,
    export_views,
    large_size,
    live,
    load_file,
    loaded_note,
    mo,
    moment_slider,
    moments,
    page,
    race_problem,
    race_seconds,
    race_studio,
    race_view,
    runners,
    studio,
    view,
    viewer_view,
):
    def _look():
        return mo.vstack(
            [
                mo.md(
                    "Drag to move, turn the wheel to magnify. Left, the network is asked for colours *between* the "
                    "pixels it learned; right, the same pixels enlarged by bicubic interpolation. The network is a "
                    "function of a place, so it can be asked anywhere. Whether its answers are better, judge by eye: "
                    "between the pixels nothing was taught, and both make it up."
                ),
                viewer_view,
            ]
        )

    def _replay():
        if moment_slider is None:
            return mo.md(
                "Press **Play** and let the network learn: pause it or wait for its end, then go back in time here."
            )
        _moment = moments[moment_slider.value]
        return mo.vstack(
            [
                moment_slider,
                mo.md(
                    f"Step **{_moment.step:,}** · {_moment.seconds:.1f} s · {_moment.psnr:.1f} dB · SSIM {_moment.ssim:.3f}"
                ),
                mo.hstack(
                    [
                        mo.image(page.picture_at(studio.run, _moment), width=300),
                        mo.vstack(
                            [
                                mo.image(sheet, caption=caption, width="100%")
                                for caption, sheet in page.neuron_sheets(studio.run, _moment).items()
                            ]
                        ),
                    ],
                    widths=[1, 2],
                    align="start",
                    gap=1.5,
                ),
                mo.md(
                    "Each small picture is one unit of the network: how strongly it answers at each place, from black "
                    "to white on its own scale. The next layer mixes these pictures, and the last one mixes them to colours."
                ),
            ]
        )

    def _race():
        race_view  # the table follows the race
        _table = race_studio.table()
        return mo.vstack(
            [
                mo.md("The same painting, the same processor time for each: press Play."),
                mo.hstack([runners, race_seconds], widths=[2, 1], align="end"),
                *([mo.callout(race_problem, kind="danger")] if race_problem else []),
                race_view,
                *([mo.ui.table(_table, selection=None, pagination=False)] if _table else []),
            ]
        )

    def _spectrum():
        if studio.run is None or studio.run.last is None:
            return mo.md("Press **Play** first.")
        return mo.hstack(
            [
                mo.Html(page.spectrum_svg(studio.run)),
                mo.md(
                    "Any picture is a sum of waves, a few broad ones and many fine ones. A plain ReLU perceptron learns "
                    "the broad ones quickly and the fine ones hardly at all: **spectral bias**. Its line falls away from "
                    "the painting's, and the eye sees a blur. Choose *ReLU perceptron*, press Play, and compare. Sines, "
                    "Fourier features and grids bring the fine waves within reach."
                ),
            ],
            widths=[3, 2],
            align="center",
            gap=2,
        )

    def _home():
        _rows = [
            ("Animation", "original, network and curves, from the first step to the last", export_views["Animation"]),
            ("Comparison", "original, network and error side by side", export_views["Comparison"]),
            (
                "Large picture",
                "the network drawn at any size",
                mo.hstack([large_size, export_views["Large picture"]], justify="start", gap=1),
            ),
            ("Checkpoint", "the network itself; load it again to go on", export_views["Checkpoint"]),
        ]
        return mo.vstack(
            [
                *(
                    mo.hstack([mo.md(f"**{name}**: {what}"), widget], widths=[2, 3], align="center")
                    for name, what, widget in _rows
                ),
                load_file,
                *([loaded_note] if loaded_note else []),
            ]
        )

    def _words():
        return mo.md(
            """
            A **coordinate network** is a function $f_\\theta(x, y)$ that gives a colour for every place. It never sees the
            painting as a whole. Each step asks it for the colours of some thousand pixels, measures how wrong they are,

            $$\\mathcal{L}(\\theta) = \\frac{1}{n} \\sum_{i=1}^{n} \\lVert f_\\theta(x_i, y_i) - c_i \\rVert^2,$$

            and nudges the weights $\\theta$ downhill. After some thousand steps the painting *is* the weights.

            - **Why a plain perceptron blurs.** ReLU layers favour slow functions: fine waves need steep weights, which
              gradient descent reaches late. *Spectrum* shows it.
            - **What the others do.** Fourier features and SIREN hand the network fast waves to begin with. A hash grid
              stores learned features at the vertices of grids from coarse to fine, and a small network reads them.
            - **What "continuous" buys.** A place need not be a pixel. The same weights draw at any size and any zoom.
              They do not know more than the pixels told: *Look closer* lets you judge.
            - **PSNR** counts the mean squared error in decibels, on all pixels, from colours in 0 to 1: 30 dB looks fair,
              40 dB is hard to tell from the original, each 6 dB halve the error. **SSIM** compares local structure; 1 is equal.
            """
        )

    canvas_view
    _views = {
        "Look closer": _look,
        "Replay": _replay,
        "Race": _race,
        "Spectrum": _spectrum,
        "Take home": _home,
        "How it works": _words,
    }
    _views[view.value or "Look closer"]() if live else None
    return


@app.cell(hide_code=True)
def _(NETWORKS, follow_in_address, live, rate, settings):
    # The address follows the controls, so that it can be shared.
    if live:
        _now = settings.changed()
        if rate not in (None, NETWORKS[settings.network].learning_rate):
            _now = settings.replace(learning_rate=rate).changed()
        follow_in_address(_now)
    return


@app.cell(hide_code=True)
def _(UserError, live, mo, settings):
    # Without a browser: a script writes files, an exported page shows the finished run.
    finished = None
    if not live:
        from atelier.painting import command
        from atelier.page.terminal import print_summary

        try:
            if mo.app_meta().mode == "script":
                print_summary(command.run_command(settings))
            else:
                finished = command.finished_run(settings)
        except UserError as _error:
            raise SystemExit(f"painting_fitter: {_error}") from None
    mo.Html(command.report(settings, finished).body()) if finished else None
    return


if __name__ == "__main__":
    app.run()
