import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Random-field explorer")


@app.cell(hide_code=True)
def _():
    import contextlib

    import marimo as mo
    from atelier.page.controls import asked_for, follow_in_address
    from atelier.errors import UserError
    from atelier.explorer.settings import ExplorerSettings

    live = mo.app_meta().request is not None  # a browser looks on; else a script, a test or an export
    return ExplorerSettings, UserError, asked_for, contextlib, follow_in_address, live, mo


@app.cell(hide_code=True)
def _(ExplorerSettings, asked_for, live):
    given, problem = asked_for(ExplorerSettings, "cppn_explorer", live, check=ExplorerSettings.begin)
    return given, problem


@app.cell(hide_code=True)
def _(mo, problem):
    _promise = mo.md(
        "<span style='font-size: 1.35rem; font-weight: 700'>Random-field explorer</span> &ensp; Networks that nobody trained draw "
        "pictures that nobody planned. Choose the one you like, and it has children."
    )
    mo.vstack([_promise, *([mo.callout(problem, kind="warn")] if problem else [])], gap=0.2)
    return


@app.cell(hide_code=True)
def _(live, mo):
    with mo.status.spinner("Loading the library …") if live else mo.capture_stdout():
        from atelier.explorer import drawings, knobs
        from atelier.explorer.exports import WALKS
        from atelier.explorer.stage import Loop, Stage
        from atelier.cppn.activations import ACTIVATIONS
        from atelier.cppn.rendering import estimate
        from atelier.cppn.window import read_size
        from atelier.page.jobs import until_session_ends
    return ACTIVATIONS, Loop, Stage, WALKS, drawings, estimate, knobs, read_size, until_session_ends


@app.cell(hide_code=True)
def _(Stage, contextlib, given, live, mo, until_session_ends):
    # One stage a session. Everything that runs or is held ends with the session.
    closing = contextlib.ExitStack()
    stage = guard = None
    if live:
        stage = Stage(given, visitors=mo.app_meta().mode == "run")
        closing.callback(stage.close)
        guard = until_session_ends(closing)
    return closing, guard, stage


@app.cell(hide_code=True)
def _(live, mo, stage):
    actions_view = mo.ui.anywidget(stage.actions) if live else None
    viewer_view = mo.ui.anywidget(stage.viewer) if live else None
    gallery_view = mo.ui.anywidget(stage.gallery) if live else None
    graph_view = mo.ui.anywidget(stage.graph) if live else None
    tree_view = mo.ui.anywidget(stage.tree) if live else None
    keeping_view = mo.ui.anywidget(stage.keeping) if live else None
    kept_view = mo.ui.anywidget(stage.kept) if live else None
    canvas_view = mo.ui.anywidget(stage.canvas) if live else None
    export_views = {name: mo.ui.anywidget(made) for name, made in stage.exporters.items()} if live else {}
    # In a web app favourites stay in the visitor's browser; an empty piece of the page reaches into it.
    shelf_view = mo.ui.anywidget(stage.shelf) if live and mo.app_meta().mode == "run" else None
    return (
        actions_view,
        canvas_view,
        export_views,
        gallery_view,
        graph_view,
        keeping_view,
        kept_view,
        shelf_view,
        tree_view,
        viewer_view,
    )


@app.cell(hide_code=True)
def _(given, mo):
    strength_slider = mo.ui.slider(0.01, 1, step=0.01, value=max(0.01, given.strength), debounce=True, full_width=True)
    return (strength_slider,)


@app.cell(hide_code=True)
def _(live, stage, strength_slider):
    if live:
        stage.set_strength(strength_slider.value)
    return


@app.cell(hide_code=True)
def _(mo):
    load_file = mo.ui.file(
        filetypes=[".png", ".json"], kind="area", max_size=60 << 20, label="Drop a PNG or JSON that Atelier saved"
    )
    return (load_file,)


@app.cell(hide_code=True)
def _(live, load_file, stage):
    if live and load_file.value:
        stage.load(load_file.contents(), load_file.name())
    loaded = load_file.value
    return (loaded,)


@app.cell(hide_code=True)
def _(actions_view, gallery_view, kept_view, latent_given, live, loaded, node_choice_made, stage, tree_view):
    # What shows another picture; the cells that look at `shown` run again after it.
    actions_view, gallery_view, kept_view, latent_given, loaded, node_choice_made, tree_view
    shown = (stage.explorer.spec, stage.explorer.name) if live else None
    return (shown,)


@app.cell(hide_code=True)
def _(mo):
    get_node_choice, set_node_choice = mo.state(None)
    get_latent, set_latent = mo.state(None)
    return get_latent, get_node_choice, set_latent, set_node_choice


@app.cell(hide_code=True)
def _(get_node_choice):
    node_choice_made = get_node_choice()
    return (node_choice_made,)


@app.cell(hide_code=True)
def _(get_latent):
    latent_given = get_latent()
    return (latent_given,)


@app.cell(hide_code=True)
def _(actions_view, gallery_view, live, mo, shelf_view, strength_slider, viewer_view):
    _strength = mo.Html(
        "<div style='display: flex; gap: .6rem; align-items: center; font-size: .875rem'><span>tweak</span>"
        f"<div style='flex: 1'>{strength_slider}</div><span>overhaul</span></div>"
    )
    _side = "flex: 0 1 min(100%, clamp(18rem, 60vh, 30rem)); min-width: 0"
    (
        mo.Html(
            "<div style='display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start'>"
            f"<div style='{_side}'>{viewer_view}<div style='margin-top: .4rem'>{actions_view}{'' if shelf_view is None else shelf_view}</div></div>"
            f"<div style='{_side}'>{gallery_view}<div style='margin-top: .2rem'>{_strength}</div></div></div>"
        )
        if live
        else None
    )
    return


@app.cell(hide_code=True)
def _(favourite_names, knobs_turned, live, mo, shown, stage):
    favourite_names, knobs_turned, shown
    _notes = [(stage.problem, "danger"), (stage.knob_problem, "danger"), (stage.note, "success")] if live else []
    mo.vstack([mo.callout(text, kind=kind) for text, kind in _notes if text]) if any(
        text for text, _ in _notes
    ) else None
    return


@app.cell(hide_code=True)
def _(live, mo):
    view = mo.ui.tabs(
        dict.fromkeys(
            ("Knobs", "Look inside", "Family", "Animate", "Print", "Favourites & recipes", "How it works"), ""
        )
    )
    view if live else None
    return (view,)


@app.cell(hide_code=True)
def _(knobs, live, mo, shown, stage):
    shown  # another picture brings its own knobs
    base = stage.explorer.spec if live else None
    knob_controls = mo.ui.dictionary(
        {group: mo.ui.dictionary(knobs.knobs(base, names)) for group, names in knobs.GROUPS.items()} if live else {}
    )
    latent_controls = mo.ui.array(knobs.latent_sliders(base) if live else [])
    first = {}  # where these knobs stood at first, noted before anyone turns them
    return base, first, knob_controls, latent_controls


@app.cell(hide_code=True)
def _(live, mo, set_latent, shown, stage):
    shown

    def _give(value):
        stage.give_latent(int(value or 0))
        set_latent((value, stage.explorer.token))

    latent_size = (
        mo.ui.number(
            0, 64, step=1, value=len(stage.explorer.spec.latent), label="Length of the latent vector", on_change=_give
        )
        if live
        else None
    )
    return (latent_size,)


@app.cell(hide_code=True)
def _(UserError, base, first, knob_controls, knobs, latent_controls, live, stage):
    knobs_turned = None
    if live:
        first.setdefault("knobs", knob_controls.value)
        first.setdefault("latent", latent_controls.value)
        try:
            _changes = {}
            for _group, _values in knob_controls.value.items():
                _changes |= knobs.changes(first["knobs"][_group], _values)
            if latent_controls.value != first["latent"]:
                _changes["latent"] = tuple(float(v) for v in latent_controls.value)
            stage.tune(base, _changes)
        except UserError as _error:
            stage.knob_problem = str(_error)
        knobs_turned = stage.explorer.spec
    return (knobs_turned,)


@app.cell(hide_code=True)
def _(Loop, WALKS, mo):
    _own = Loop()
    loop_form = mo.ui.dictionary(
        {
            "kind": mo.ui.dropdown({text: name for name, text in WALKS.items()}, value=WALKS[_own.kind], label="Walk"),
            "path": mo.ui.dropdown(
                {
                    "closed spline": "spline",
                    "straight lines": "lerp",
                    "great circles": "slerp",
                    "figure of eight": "eight",
                },
                value="closed spline",
                label="Path",
            ),
            "reach": mo.ui.slider(
                steps=[0.1, 0.5, 2, 4, 8, 16, 32, 64, 256, 1024], value=16, label="Zoom", show_value=True
            ),
            "frames": mo.ui.slider(12, 480, step=12, value=_own.frames, label="Frames", show_value=True),
            "fps": mo.ui.slider(5, 60, step=1, value=_own.fps, label="A second", show_value=True),
            "side": mo.ui.dropdown(
                {f"{side} pixels": side for side in (256, 384, 512, 768, 1080)}, value="512 pixels", label="Size"
            ),
            "ending": mo.ui.dropdown(
                {"WebP": ".webp", "GIF": ".gif", "APNG": ".png", "MP4": ".mp4"}, value="WebP", label="Format"
            ),
        }
    )
    return (loop_form,)


@app.cell(hide_code=True)
def _(Loop, live, loop_form, stage):
    if live:
        stage.set_loop(Loop(**loop_form.value))
    chosen_loop = stage.loop if live else None
    return (chosen_loop,)


@app.cell(hide_code=True)
def _(chosen_loop, live, mo, stage):
    frame_slider = (
        mo.ui.slider(
            1, chosen_loop.frames, value=1, label="Frame", full_width=True, on_change=lambda n: stage.seek(int(n) - 1)
        )
        if live
        else None
    )
    return (frame_slider,)


@app.cell(hide_code=True)
def _(mo):
    print_choice = mo.ui.dropdown(
        [
            "1024x1024",
            "2048x2048",
            "4096x4096",
            "8192x8192",
            "16384x16384",
            "1920x1080",
            "3840x2160",
            "2480x3508",
            "other",
        ],
        value="4096x4096",
        label="Pixels",
    )
    print_text = mo.ui.text("3000x2000", label="Other size")
    print_samples = mo.ui.dropdown(
        {"one sample a pixel": 1, "2 × 2 samples": 2, "3 × 3 samples": 3, "4 × 4 samples": 4},
        value="one sample a pixel",
        label="Smooth edges",
    )
    return print_choice, print_samples, print_text


@app.cell(hide_code=True)
def _(mo):
    favourite_name = mo.ui.text(placeholder="Name", label="Keep what you see as")
    return (favourite_name,)


@app.cell(hide_code=True)
def _(favourite_name, live, stage):
    if live:
        stage.name_wanted = favourite_name.value
    return


@app.cell(hide_code=True)
def _(mo):
    get_forgotten, set_forgotten = mo.state(0)
    return get_forgotten, set_forgotten


@app.cell(hide_code=True)
def _(get_forgotten):
    forgotten = get_forgotten()
    return (forgotten,)


@app.cell(hide_code=True)
def _(actions_view, forgotten, keeping_view, kept_view, live, loaded, mo, set_forgotten, shelf_view, stage):
    actions_view, forgotten, keeping_view, kept_view, loaded, shelf_view
    favourite_names = stage.favourites() if live else []

    def _forget(name):
        if name:
            stage.forget(name)
            set_forgotten(lambda n: n + 1)

    forget_choice = mo.ui.dropdown(favourite_names, label="Remove", on_change=_forget)
    return favourite_names, forget_choice


@app.cell(hide_code=True)
def _(ACTIVATIONS, graph_view, live, mo, set_node_choice, shown, stage):
    graph_view, shown  # the node that was clicked

    def _set(activation):
        stage.set_activation(activation)
        set_node_choice((stage.node, activation, stage.explorer.token))

    node_choice = (
        mo.ui.dropdown(list(ACTIVATIONS), value=stage.activation(), label=f"Activation of {stage.node}", on_change=_set)
        if live
        else None
    )
    return (node_choice,)


@app.cell(hide_code=True)
def _(
    UserError,
    canvas_view,
    drawings,
    estimate,
    export_views,
    favourite_name,
    favourite_names,
    forget_choice,
    frame_slider,
    graph_view,
    keeping_view,
    kept_view,
    knob_controls,
    latent_controls,
    latent_size,
    live,
    load_file,
    loop_form,
    mo,
    node_choice,
    print_choice,
    print_samples,
    print_text,
    read_size,
    shown,
    stage,
    tree_view,
    view,
):
    shown

    def _knobs():
        def column(names):
            return mo.vstack(names, gap=0.4)

        _latent = [
            latent_size,
            *knob_controls["Latent"].elements.values(),
            *(latent_controls.elements or [mo.md("<small>Give the field some latent numbers, and turn them.</small>")]),
        ]
        _groups = {
            group: column(list(controls.elements.values()))
            for group, controls in knob_controls.elements.items()
            if group != "Latent"
        } | {"Latent": column(_latent)}

        def card(group):
            return (
                f"<details {'' if group == 'Weights' else 'open'} style='margin-bottom: 1rem'><summary style='cursor: pointer; "
                f"font-weight: 600; margin-bottom: .5rem'>{group}</summary>{_groups[group]}</details>"
            )

        _columns = (("Structure",), ("Inputs",), ("Colour",), ("Latent", "Weights"))
        _cards = "".join(
            f"<div style='flex: 1 1 15rem; min-width: 0'>{''.join(map(card, column))}</div>" for column in _columns
        )
        return mo.Html(
            f"<div style='display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: flex-start'>{_cards}</div>"
        )

    def _inside():
        stage.show_graph()
        return mo.vstack(
            [
                mo.md("Click a node to see what its neurons see, and to give it another curve."),
                graph_view,
                node_choice,
                mo.Html(drawings.sheet_html(stage.recipe, stage.node)),
                mo.md("**Every layer**, ten of its neurons each, from black to white on their own scale:"),
                mo.Html(drawings.strips_html(stage.explorer.spec, drawings.node_strips(stage.recipe))),
            ],
            gap=0.7,
        )

    def _family():
        stage.show_tree()
        return mo.vstack(
            [
                mo.md("Nobody is forgotten: click any picture to go back to it. The thick line is how you came here."),
                tree_view,
            ]
        )

    def _animate():
        stage.show_loop()
        _hidden = {"latent": ("reach",), "zoom": ("path",), "weights": ("reach", "path")}[loop_form.value["kind"]]
        _form = [element for name, element in loop_form.elements.items() if name not in _hidden]
        return mo.Html(
            "<div style='display: flex; flex-wrap: wrap; gap: 1rem 2rem'>"
            f"<div style='flex: 1 1 27rem; max-width: 34rem; min-width: 0'>{canvas_view}{frame_slider}</div>"
            f"<div style='flex: 1 1 18rem; min-width: 0'>"
            f"{mo.vstack([*_form, export_views['animation']], gap=0.5)}"
            "<p style='font-size: .875rem; opacity: .8; max-width: 30rem'>Every walk ends where it began, so the loop has no seam. "
            "A field whose only inputs are <i>spiral</i> and <i>theta</i> can be zoomed into for ever.</p></div></div>"
        )

    def _print():
        _text = print_text.value if print_choice.value == "other" else print_choice.value
        try:
            stage.set_print(read_size(_text or ""), print_samples.value)
            _cost = estimate(stage.explorer.spec, stage.print_size, supersample=print_samples.value)
            _words = mo.md(
                f"About **{_cost.seconds:,.0f} seconds** and **{_cost.bytes / 1e6:,.0f} MB** of memory besides the file itself, on this machine; "
                f"{stage.print_size[0] / 300 * 2.54:.0f} × {stage.print_size[1] / 300 * 2.54:.0f} cm at 300 dpi."
            )
            _button = export_views["print"]
        except UserError as _error:
            _words, _button = mo.callout(str(_error), kind="danger"), mo.md("")
        return mo.vstack(
            [
                mo.md("The picture is *drawn* at this size, not enlarged: more pixels show more of the same function."),
                mo.hstack(
                    [print_choice, *([print_text] if print_choice.value == "other" else []), print_samples],
                    justify="start",
                    gap=1.5,
                    wrap=True,
                ),
                _words,
                _button,
            ]
        )

    def _favourites():
        stage.show_favourites()
        return mo.vstack(
            [
                mo.hstack(
                    [favourite_name, keeping_view, forget_choice],
                    justify="start",
                    gap=1,
                    wrap=True,
                    align="end",
                ),
                kept_view
                if favourite_names
                else mo.md("*Nothing kept yet.* **Keep** puts what you see here, with its window."),
                mo.md(
                    f"{stage.where_kept} A picture carries its recipe: take it home, and drop the file here to go on "
                    "from it, years later."
                ),
                mo.hstack(
                    [export_views[name] for name in ("picture", "recipe", "favourites")], justify="start", wrap=True
                ),
                load_file,
            ]
        )

    def _words():
        return mo.md(
            """
            A **compositional pattern-producing network** (CPPN, Stanley 2007) is a function from a place to a colour. Ask it at
            $(x, y)$, and it answers red, green and blue. A picture is what comes of asking at every pixel. Here nobody teaches
            the network: its weights are *drawn at random*, and you choose.

            - **Why there are shapes at all.** Each layer mixes smooth waves and bends them by a curve (sine, bump, tanh). Neighbouring
              places get nearly equal numbers all the way through, so the result is smooth; where the bending folds, edges appear.
            - **What the inputs do.** Given $r$, the distance from the centre, a network can draw rings. Given a sine of $x$, it repeats.
              Folding the plane before the network sees it makes mirrors, rosettes and tiles.
            - **Why zooming in never ends in pixels.** There are none. Zooming asks the same function at places closer together, and
              what you see is computed there, not enlarged.
            - **What it does not promise.** A smooth function looked at closely enough is nearly flat: zoom a thousand times into most
              fields, and one soft gradient is left. Only fields made of *spiral* and *theta* look the same at every
              power of two, and repeat for ever. Coordinates are 64-bit numbers, which hold out to a zoom of about a million
              million at the centre.
            - **Breeding.** A child has its parent's weights, turned by a small angle towards other random ones, and sometimes another
              curve, input or palette. Crossing takes wiring, inputs and colours each from one parent, and weights from between
              them. You are the judge, as in *Picbreeder* (Secretan et al., 2008).
            """
        )

    _views = {
        "Knobs": _knobs,
        "Look inside": _inside,
        "Family": _family,
        "Animate": _animate,
        "Print": _print,
        "Favourites & recipes": _favourites,
        "How it works": _words,
    }
    _views[view.value or "Knobs"]() if live else None
    return


@app.cell(hide_code=True)
def _(follow_in_address, knobs_turned, live, shown, stage, viewer_view):
    # The address follows what is seen, so that it can be shared.
    knobs_turned, shown, viewer_view
    if live:
        stage.follow()
        follow_in_address({"field": stage.explorer.token})
    return


@app.cell(hide_code=True)
def _(UserError, given, live, mo):
    # Without a browser: a script writes files, an exported page shows the finished picture.
    finished = None
    if not live:
        from atelier.explorer import command
        from atelier.page.terminal import print_summary

        try:
            if mo.app_meta().mode == "script":
                print_summary(command.run_command(given))
            else:
                finished = command.report(given)
        except UserError as _error:
            raise SystemExit(f"cppn_explorer: {_error}") from None
    mo.Html(finished.body()) if finished else None
    return


if __name__ == "__main__":
    app.run()
