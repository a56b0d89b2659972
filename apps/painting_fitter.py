# /// script
# [tool.marimo.opengraph]
# title = "Painting fitter"
# description = "A small network learns the colour of every place in a painting, while you watch."
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", css_file="notebook.css", app_title="Painting fitter")

with app.setup:
    import functools

    import marimo as mo
    from atelier import data, fields, page, volumes  # nothing here imports torch
    from atelier.page import choice, number, path, seed, switch


@app.cell(hide_code=True)
def _():
    page.title(
        "Painting fitter",
        "A small network learns the colour of every place in a painting, while you watch.",
        *("Look closer", "Replay and look inside", "Race", "Spectrum", "Repair", "Three dimensions"),
        *("Your own picture", "Take home", "How it works", "Try this"),
    )
    return


@app.cell
def _():
    # Each control is a slider here, a word of the address, and an option of the command line.
    picture_ask, network_ask, training_ask, race_ask, repair_ask, volume_ask = page.controls(
        dict(
            picture=choice(data.PICTURES, "mona_lisa", paths=True, about="picture to learn"),
            size=number(64, 1024, 384, step=16, title="Size, pixels", about="pixels on the longer side"),
            gray=switch(about="learn a gray picture"),
        ),
        dict(
            network=choice(fields.NETWORKS, "hashgrid", about="network that learns it"),
            checkpoint=path(about="network file to go on from"),
        ),
        dict(
            steps=number(1, 1_000_000, 3000, log=True, about="training steps"),
            seconds=number(0.1, 3600, about="seconds of training, instead of steps"),
            loss=choice(fields.LOSSES, "l2", about="function to minimise"),
            optimiser=choice(fields.OPTIMISERS, "adam", about="optimiser"),
            decay=switch(True, about="let the learning rate fall along a cosine"),
            sampling=choice(fields.SAMPLINGS, "lattice", about="how the pixels of a step are chosen"),
            batch=number(64, 65536, whole=True, title="Pixels a step", about="pixels a step; auto: the network's own"),
            held_out=switch(title="Hold out half", about="learn from half of the pixels, test on the others"),
            seed=seed(),
        ),
        dict(
            race_seconds=number(
                1, 60, 5, title="Processor seconds each", about="processor seconds of the race for each network"
            )
        ),
        dict(
            known=choice(fields.KNOWN, "half", about="pixels that are left when others are repaired"),
            repair_seconds=number(1, 60, 5, title="Seconds", about="seconds of training in the repair"),
        ),
        dict(
            volume=path(about="volume to learn, a .npy file or a TIFF stack"),
            volume_seconds=number(1, 600, 15, log=True, title="Seconds", about="seconds of training on the volume"),
        ),
        later=[fields.OPTIONS],
    )
    return network_ask, picture_ask, race_ask, repair_ask, training_ask, volume_ask


@app.cell
def _(network_ask):
    # The options of the chosen network. The learning rate is a knob: it can change while the run goes on.
    _chosen = network_ask.value["network"]
    options_ask, rate_ask = page.controls(fields.options_of(_chosen), fields.rate_of(_chosen))
    rate = rate_ask.knobs
    return options_ask, rate, rate_ask


@app.cell(hide_code=True)
def _():
    # Made here, where nothing above changes, so that they keep what a reader has chosen and made.
    canvas = page.live(poster="painting_fitter")
    race_canvas = page.live(height=240, verb="Race", clock="s of processor time", brief=True)
    repair_canvas = page.live(height=240, verb="Repair", brief=True)
    solid_canvas, solid_view = page.live(height=200, verb="Fit", brief=True), page.volume()
    upload = page.upload(filetypes=[".png", ".jpg", ".jpeg", ".webp"], max_size=25 << 20, label="Choose a picture")
    load_file = page.upload(filetypes=[".safetensors"], max_size=50 << 20, label="Load a checkpoint")
    solid_file = page.upload(filetypes=[".npy", ".tif", ".tiff"], max_size=64 << 20, label="Choose a volume")
    runners = {"the network above": ""} | {kind.title: name for name, kind in fields.NETWORKS.items()}
    _first = [fields.NETWORKS[name].title for name in ("hashgrid", "fourier", "siren", "relu")]
    runners_ask = mo.ui.multiselect(runners, value=_first, max_selections=4)
    _sizes = [1024, 2048, 4096, 8192]
    large_size = mo.ui.slider(steps=_sizes, value=2048, label="Large picture, pixels", show_value=True)
    return (
        canvas,
        large_size,
        load_file,
        race_canvas,
        repair_canvas,
        runners,
        runners_ask,
        solid_canvas,
        solid_file,
        solid_view,
        upload,
    )


@app.cell
def _(canvas, network_ask, options_ask, picture_ask, rate_ask, training_ask):
    _controls = page.panel(
        *(picture_ask, network_ask, training_ask, rate_ask, options_ask),
        first=["picture", "size", "gray", "network", "steps", "learning_rate"],
        more={"The network": list(fields.OPTIONS), "The training": list(training_ask.controls)[1:]},
    )
    page.beside(_controls, canvas)
    return


@app.cell(hide_code=True)
def _(picture_ask, upload):
    # A file that cannot be read stops nothing: its sentence stands beside its button.
    _asked = picture_ask.value | {"picture": upload.contents(), "title": upload.name()}
    own_picture, picture_problem = page.attempt(data.load_picture, **_asked) if upload.value else (None, "")
    return own_picture, picture_problem


@app.cell
def _(own_picture, picture_ask):
    with page.check():
        picture = own_picture or data.load_picture(**picture_ask.value)
    return (picture,)


@app.cell(hide_code=True)
def _(load_file, network_ask, picture):
    _asked = {"network": network_ask.value["network"], "picture": picture, "checkpoint": load_file.contents()}
    loaded, load_problem = page.attempt(fields.build, **_asked) if load_file.value else (None, "")
    _words = f"{load_problem} The file chosen under Take home is not used."
    mo.callout(_words, kind="warn") if load_problem else None
    return load_problem, loaded


@app.cell
def _(loaded, network_ask, options_ask, picture, training_ask):
    # In place of this network, any torch module works that maps places (N, 2) to colours (N, 3).
    _options = network_ask.value | options_ask.value | {"seed": training_ask.value["seed"]}
    with page.check():
        network = loaded or fields.build(**_options, picture=picture)
    return (network,)


@app.cell
def _(training_ask):
    # A name, or a function of your own: loss(colours, wanted) gives losses, all of shape (N, 3).
    loss = training_ask.value["loss"]
    return (loss,)


@app.cell
def _(canvas, loss, network, picture, rate, training_ask):
    # `fields.fit` is a generator: it yields after each step, and `fields.panels` draws what a step looks like.
    with page.check():
        _training = training_ask.value | rate | {"loss": loss}
        _opening = fields.finished(picture, network, **_training)
        run = canvas.play(fields.fit, network, picture, **_training, show=fields.panels, opening=_opening)
    return (run,)


@app.cell(hide_code=True)
def _(canvas, run):
    canvas  # this cell, and those below, follow the run when it comes to rest
    step, hint = run.step, mo.md("*This appears when the run rests.*")
    learned = run.args[1]  # its picture; a long run that is paused waits before it follows a change
    _note = (
        "<small>The network's size counts its weights as float32. The JPEG is the best one of this picture that is not "
        f"larger. JPEG was designed for pictures, and often wins. {learned.note}</small>"
    )
    mo.vstack([page.stats(fields.honest_numbers(step)), mo.md(_note)], gap=0.3) if step else hint
    return hint, learned, step


@app.cell(hide_code=True)
def _():
    viewer = page.viewer()
    _text = """
    ## Look closer
    Drag to move, turn the wheel to magnify. On the left, the network draws colours *between* the pixels that it learned. On
    the right, the same pixels are enlarged by bicubic interpolation. The network is a function of the place, so it has a
    value anywhere, but it has seen no data between the pixels. Compare the two by eye, also while the network learns.
    """
    page.section(_text, viewer)
    return (viewer,)


@app.cell
def _(canvas, learned, run, viewer):
    canvas  # the viewer follows the run, also while it goes on
    pixels = fields.bicubic(learned)

    def _views(step, pixels=pixels):
        return {"the network": fields.renderer(step.network), "its pixels, bicubic": pixels}

    viewer.follow(run, _views, learned.aspect)
    return (pixels,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Replay and look inside
    After a run, the slider goes back in time. Each small picture is one unit of the network: its value at each place, from black to
    white on its own scale. The next layer combines these pictures, and the last layer combines them to colours.
    """)
    return


@app.cell
def _(hint, step):
    page.replay(fields.look_inside(step)) if step else hint
    return


@app.cell(hide_code=True)
def _(race_ask, race_canvas, runners_ask):
    _text = """
    ## Race
    The same picture, the same processor time for each. Choose up to four networks and press **Race**.
    """
    page.section(_text, page.row(runners_ask, page.panel(race_ask), flex="0 1 auto; min-width: 230px"), race_canvas)
    return


@app.cell
def _(network, picture, runners, runners_ask, training_ask):
    racers = {
        title: fields.build(name, picture=picture, seed=training_ask.value["seed"]) if name else network
        for title, name in runners.items()
        if name in runners_ask.value
    }
    return (racers,)


@app.cell
def _(loss, picture, race_ask, race_canvas, racers, training_ask):
    _options = {name: training_ask.value[name] for name in ("sampling", "held_out", "seed")} | {"loss": loss}
    _options["seconds"] = race_ask.value["race_seconds"]
    _how = {"show": fields.race_panels, "start": False, "aside": True}
    race = race_canvas.play(fields.race, racers, picture, **_options, **_how)
    return (race,)


@app.cell(hide_code=True)
def _(race, race_canvas):
    race_canvas  # the table follows the race
    page.table(fields.standings(race.step)) if race.step else None
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Spectrum
    Any picture is a sum of waves, a few broad ones and many fine ones. A plain ReLU perceptron learns the broad ones quickly
    and the fine ones hardly at all: **spectral bias**. Its line falls below the painting's, and its picture is blurred.
    Choose *ReLU perceptron* above, press Play, and compare. With sines, Fourier features or grids a network learns fine waves.
    """)
    return


@app.cell
def _(hint, step):
    mo.Html(fields.spectrum(step)) if step else hint
    return


@app.cell(hide_code=True)
def _(repair_ask):
    _text = """
    ## Repair
    Hide some pixels, and let the network learn the others: it has a colour for every place, also for those that it never saw.
    Beside it stands **total variation**, a classic of picture restoration: of all pictures with the known pixels, the one with the
    least sum of differences. Both figures are of the *hidden* pixels alone. Which of the two wins depends on what is missing.
    """
    page.section(_text, page.panel(repair_ask, across=True))
    return


@app.cell(hide_code=True)
def _(picture, repair_ask):
    cover_pad = page.pad(fields.small_picture(picture), draws=False)
    cover_pad if repair_ask.value["known"] == "painted" else None
    return (cover_pad,)


@app.cell(hide_code=True)
def _(repair_canvas):
    repair_canvas
    return


@app.cell
def _(cover_pad, picture, repair_ask, training_ask):
    # `known` is a mask (height, width): any Boolean tensor will do, for instance torch.rand(picture.pixels.shape[:2]) < 0.3
    with page.check():
        known = fields.known_pixels(picture, repair_ask.value["known"], training_ask.value["seed"], cover_pad.covered)
    return (known,)


@app.cell
def _(known, loss, network, picture, repair_ask, repair_canvas, training_ask):
    _options = {"seconds": repair_ask.value["repair_seconds"], "steps": None, "loss": loss}
    _options |= {"seed": training_ask.value["seed"]}
    _how = {"show": fields.repair_panels, "start": False, "aside": True}
    _repair = repair_canvas.play(fields.repair, network, picture, known, **_options, **_how)
    return


@app.cell(hide_code=True)
def _(solid_file, volume_ask):
    _text = """
    ## Three dimensions
    Nothing ties a coordinate network to the plane. Given a third coordinate, the network that is chosen above learns a
    *volume*: a value at each place in space. Press **Fit**, and watch it come to be, in three slices and in space; turn it and
    cut it open. At rest, the network itself draws the slices, and a cut across an axis, also between the voxels.
    """
    page.section(_text, page.row(page.panel(volume_ask), solid_file, flex="0 1 auto; min-width: 190px"))
    return


@app.cell
def _(solid_file, volume_ask):
    # (depth, height, width, channels) in [0, 1]: a .npy file, a TIFF stack, or any array: volumes.prepared(array)
    with page.check():
        _source = solid_file.contents() or volume_ask.value["volume"]
        volume = volumes.prepared(_source, solid_file.name() or str(_source)) if _source else volumes.example()
    return (volume,)


@app.cell
def _(network_ask, options_ask, volume):
    # A network of your own maps places (N, 3) to values (N, channels).
    with page.check():
        solid_network = fields.build(network_ask.value["network"], **options_ask.value, picture=volume)
    return (solid_network,)


@app.cell
def _(loss, solid_canvas, solid_network, volume, volume_ask):
    # The same `fit` as above.
    _options = {"seconds": volume_ask.value["volume_seconds"], "steps": None, "loss": loss}
    _how = {"show": volumes.fit_panels, "opening": volumes.opening(volume), "aside": not volume_ask.value["volume"]}
    solid = solid_canvas.play(fields.fit, solid_network, volume, **_options, **_how)
    return (solid,)


@app.cell(hide_code=True)
def _(solid_canvas):
    solid_canvas
    return


@app.cell
def _(solid, solid_canvas, solid_view, volume):
    solid_canvas  # the volume in space follows the run, also while it goes on
    solid_view.follow(solid, functools.partial(volumes.fit_view, volume))
    return


@app.cell(hide_code=True)
def _(solid_view):
    solid_view
    return


@app.cell(hide_code=True)
def _(solid, solid_canvas):
    solid_canvas
    solid_files = {}
    if solid.step:
        for _ending, _title in volumes.ENDINGS.items():
            _make = functools.partial(volumes.fit_file, solid.step, _ending)
            solid_files[f"volume{_ending}"] = page.File(_title, "the network's volume", _make)
        _make = functools.partial(fields.checkpoint, solid.step)
        solid_files["volume.safetensors"] = page.File("Checkpoint", "the network", _make)
    page.take_home(solid_files)
    return (solid_files,)


@app.cell(hide_code=True)
def _(own_picture, picture_problem, upload):
    _text = "## Your own picture\nA PNG, JPEG or WebP of at most 25 MB. It replaces the painting above."
    page.section(_text, upload, *page.told(picture_problem, "It is the picture above now." if own_picture else ""))
    return


@app.cell(hide_code=True)
def _(large_size, load_file, load_problem, loaded):
    _text = """
    ## Take home
    The run as files. A checkpoint holds the network itself: load it again, here or with `--checkpoint`, and Play continues
    its training. The page draws the network in any browser, without Python: a small network needs less than 200 kB there, a
    hash grid about a megabyte.
    """
    _told = page.told(load_problem, "Loaded: it is the network above now, and Play goes on with it." if loaded else "")
    page.section(_text, mo.hstack([large_size, load_file], justify="start", gap=2, wrap=True), *_told)
    return


@app.cell
def _(hint, large_size, learned, picture_ask, solid, solid_files, step, upload, volume_ask):
    _name = (upload.name() or picture_ask.value["picture"]).rsplit("/", 1)[-1].rsplit(".", 1)[0]

    def _large():
        return fields.large_picture(step.network, learned.aspect, large_size.value)

    _files = {
        f"{_name}.safetensors": page.File("Checkpoint", "the network itself", lambda: fields.checkpoint(step)),
        f"{_name}.gif": page.File("Animation", "original, network, curves", lambda: fields.training_gif(step)),
        f"{_name}.png": page.File("Comparison", "original, network, error", lambda: fields.comparison(step)),
        f"{_name}.html": page.File("A page", "to roam by itself", lambda: fields.page_file(step), written=False),
        f"{_name}.glsl": page.File(
            "For ShaderToy", "a small network as a shader", lambda: fields.shadertoy_file(step), written=False
        ),
        f"{_name}-large.png": page.File("Large picture", "the network drawn at any size", _large, written=False),
    }
    _solid = solid.step if volume_ask.value["volume"] else None  # asked for on the command line
    _files |= solid_files if _solid else {}

    def _summary():
        return fields.summary(step) | ({"volume": fields.summary(_solid)} if _solid else {})

    page.take_home(_files, _summary) if step else hint
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## How it works
    A **coordinate network** is a function $f_\theta(x, y)$ that gives a colour for every place. It never sees the painting as
    a whole. Each training step evaluates it at some thousand pixels, measures the error of the colours,

    $$\mathcal{L}(\theta) = \frac{1}{n} \sum_{i=1}^{n} \lVert f_\theta(x_i, y_i) - c_i \rVert^2,$$

    and moves the weights $\theta$ down the gradient. After some thousand steps the weights hold the painting.

    - **Why a plain perceptron blurs.** ReLU layers favour slow functions: fine waves need steep weights, which gradient
      descent reaches late. *Spectrum* shows it.
    - **How the others differ.** Fourier features and SIREN start with fast waves. A hash grid stores learned features at the
      vertices of grids from coarse to fine, and a small network reads them.
    - **Any size and any zoom.** A place need not be a pixel, so the same weights draw at any size. They hold no more detail
      than the pixels: see *Look closer*.
    - **PSNR** is the mean squared error in decibels, over all pixels, with colours in 0 to 1: 30 dB looks fair, 40 dB is hard
      to tell from the original, each 6 dB halve the error. **SSIM** compares local structure; 1 means equal.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Try this
    In `marimo edit`, first add `import torch` to the first cell. Then change one line, and the cells that depend on it run
    again; what you have made begins to learn at once. A control whose line you replaced has no effect meanwhile. Undo one edit
    before you try the next.

    1. **Your own network.** Replace the call of `fields.build(…)` by
       `torch.nn.Sequential(torch.nn.Linear(2, 128), torch.nn.Tanh(), torch.nn.Linear(128, 3))`. The flow, the viewer and
       the files work with it, and the race, if you choose *the network above* there.
    2. **Your own picture, computed.** Replace `data.load_picture(…)` by
       `data.Picture("Mosaic", torch.rand(8, 8, 3).repeat_interleave(16, 0).repeat_interleave(16, 1))`, a tensor (height, width, 3)
       in [0, 1].
    3. **Your own loss.** In place of `loss = …` write
       `loss = lambda colours, wanted: ((colours - wanted) ** 2 + 1e-6).sqrt()`, which forgives single pixels that are far off.
    """)
    return


if __name__ == "__main__":
    app.run()
