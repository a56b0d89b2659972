# /// script
# [tool.marimo.opengraph]
# title = "Digit diffusion"
# description = "A diffusion model draws handwritten digits out of noise. Steer, train and measure it."
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", css_file="notebook.css", app_title="Digit diffusion")

with app.setup:
    import functools

    import marimo as mo
    from atelier import data, diffusion, drawing, page  # nothing here imports torch
    from atelier.page import choice, number, path, seed, switch, text


@app.cell(hide_code=True)
def _():
    page.title(
        "Digit diffusion",
        "Pure noise becomes handwritten digits, step by step. Watch it, steer it, train your own network, and measure how "
        "good it is.",
        *("Play", "Train your own", "Forward", "Steer", "How good", "Take home", "How it works", "Try this"),
    )
    return


@app.cell
def _(file_controls, train_controls):
    # Each control is a slider here, a word of the address, and an option of the command line. Those of the training,
    # `train_controls` and `file_controls`, stand in the section "Train your own".
    draw_controls = dict(
        digit=choice(diffusion.DIGITS, "all", title="Digits", about="digit to draw, or all of them in turn"),
        samples=number(1, 10_000, 60, log=True, title="How many", about="number of digits to draw"),
        sampler=choice(diffusion.FEW | diffusion.SAMPLERS, "few4", about="sampler"),
        seed=seed(),
        precision=text("auto", door="command", about="float32, bfloat16 or float16; auto: what is fastest here"),
        layout=text("auto", door="command", about="memory layout, contiguous or channels_last"),
    )
    way_controls = dict(
        sampling_steps=number(1, 1000, 30, log=True, title="Steps", about="steps from noise to digit"),
        eta=number(0.0, 1, 0.0, step=0.05, title="η of DDIM", about="fresh noise in DDIM's steps, 1 is DDPM"),
    )
    _later = [way_controls | diffusion.GUIDANCE]
    draw_ask, train_ask, file_ask = page.controls(draw_controls, train_controls, file_controls, later=_later)
    with page.check():
        trains = diffusion.trains(**train_ask.given, **file_ask.given)
    return draw_ask, file_ask, train_ask, trains, way_controls


@app.cell(hide_code=True)
def _():
    canvas = page.live(poster="digit_diffusion", height=292)
    train_canvas = page.live(verb="Train", height=240)
    measure_canvas = page.live(verb="Measure how long it takes", brief=True)
    mixer = page.mixer()
    steer_canvas = page.live(poster="digit_steering", height=560, verb="Run", brief=True)
    judge_canvas = page.live(verb="Judge", brief=True)
    load_file = page.upload(filetypes=[".safetensors"], max_size=200 << 20, label="Load a checkpoint")
    return canvas, judge_canvas, load_file, measure_canvas, mixer, steer_canvas, train_canvas


@app.cell(hide_code=True)
def _(file_ask, load_file):
    _file = load_file.contents() or file_ask.value["checkpoint"]
    loaded, file_problem = page.attempt(diffusion.read_model, _file, load_file.name() or "") if _file else (None, "")
    resume = file_ask.value["resume"] or (loaded.goes_on if loaded else "")
    return file_problem, loaded, resume


@app.cell(hide_code=True)
def _(loaded, trains):
    _kinds = {"shipped": "Shipped U-Net", "trained": "The one trained below"} | (
        {"file": "The loaded file"} if loaded else {}
    )
    _first = "file" if loaded else "trained" if trains else "shipped"
    model_ask = page.controls(dict(model=choice(_kinds, _first, title="Network that draws", door="page")), keep=True)
    return (model_ask,)


@app.cell(hide_code=True)
def _(canvas, draw_ask, model_ask):
    page.beside(page.panel(model_ask, draw_ask, first=["model", "digit", "samples", "sampler", "seed"]), canvas)
    return


@app.cell
def _(loaded, model_ask, train_canvas, training):
    # The network that draws, and what is known of it. A denoiser of your own: diffusion.Model("Mine", denoiser).
    train_canvas
    with page.check():
        model = diffusion.choose_model(model_ask.value["model"], training.step, loaded)
    return (model,)


@app.cell
def _(draw_ask):
    # A name, or a function of your own: sampler(predict, x, t, s, noise) gives x at the lower time s, and x0_hat.
    sampler = draw_ask.value["sampler"]
    return (sampler,)


@app.cell
def _(model, sampler, way_controls):
    # For 4, 2 or 1 steps a network draws that was distilled from the shipped one. Guidance begins at what suits it.
    drawer = diffusion.with_steps(model, sampler)
    _used = [] if drawer.denoiser.knots else ["sampling_steps", "eta"] if sampler == "ddim" else ["sampling_steps"]
    way_ask = page.controls({name: way_controls[name] for name in _used} | diffusion.guidance_of(drawer), keep=True)
    return drawer, way_ask


@app.cell(hide_code=True)
def _(drawer, model, sampler, way_ask):
    _notes = [model.note, diffusion.class_note(model), diffusion.steps_note(drawer, sampler)]
    if "guidance" in way_ask.value:
        _where = "It acts at noise fractions {guidance_from:g} to {guidance_to:g}; 0 acts everywhere."
        _notes.append(f"Guidance: {diffusion.GUIDES[way_ask.value.get('guidance_by', 'label')].about}")
        _notes.append(_where.format(**way_ask.value) if "guidance_from" in way_ask.value else "")
    page.panel(way_ask, notes=" ".join(filter(None, _notes)), across=True)
    return


@app.cell
def _(canvas, draw_ask, drawer, sampler, way_ask):
    # `diffusion.draw` is a generator: it yields after each step, and `diffusion.panels` draws what a step looks like.
    asked = {**draw_ask.value, **way_ask.value, "sampler": sampler}
    run = canvas.play(diffusion.draw, drawer, **asked, show=diffusion.panels, moments=diffusion.moments)
    return asked, run


@app.cell(hide_code=True)
def _(corners_ask, player):
    _text = """
    ## Play
    Move over the square: the label is blended between its corners, and ten digits follow at once. *Walk* leads from one
    starting noise to the next, which changes the handwriting.
    """
    page.section(_text, page.row(*corners_ask.elements.values(), flex="0 1 9rem"), player)
    return


@app.cell
def _():
    _corners = {f"corner_{k}": (f"Corner {k}", digit) for k, digit in enumerate((3, 8, 0, 6), 1)}
    _corners = {name: number(0, 9, digit, title=title, door="page") for name, (title, digit) in _corners.items()}
    corners_ask = page.Ask(_corners)
    _knobs = dict(x=number(0.0, 1, 0.1), y=number(0.0, 1, 0.1), walk=number(0.0, 20, 0.0, step=0.02))
    _knobs["guidance"] = number(1.0, 5, 2.5, step=0.05, title="Guidance g")
    player = page.instrument(_knobs, pad=("x", "y"))
    return corners_ask, player


@app.cell
def _(corners_ask, drawer, player):
    _corners = list(corners_ask.value.values())
    with page.check():
        player.widget.play(diffusion.morphing(drawer, _corners), corners=[str(digit) for digit in _corners])
    return


@app.cell(hide_code=True)
def _(file_problem, keep_choice, load_file, loaded, measure_canvas, train_ask, train_canvas):
    _text = """
    ## Train your own
    A new network learns to tell the noise in digits from the digits. While it learns, it draws from the same sixty noises
    again and again. Press *Pause* and choose it above as the network that draws: drawing, steering and judging then use it.
    """
    _first = ["dataset", "backbone", "schedule", "target", "train_minutes", "epochs"]
    _panel = page.panel(train_ask, first=_first, more={"More": list(train_ask.controls)[6:]})
    _right = [train_canvas, mo.hstack([load_file, measure_canvas], justify="start", align="start", gap=2, wrap=True)]
    _goes_on = "Train goes on from it, with its network and recipe; set the time in all."
    _words = f"Loaded: it is among the networks that draw, above. {loaded.note or _goes_on}" if loaded else ""
    _right += page.told(file_problem, _words)
    page.section(_text, page.beside(mo.vstack([_panel, keep_choice], gap=0.6), mo.vstack(_right)))
    return


@app.cell
def _(more_controls):
    train_controls = dict(
        dataset=choice(data.DATASETS, "mnist", title="Data set", about="data set to train on"),
        backbone=choice(diffusion.BACKBONES, "unet", title="Network to train", about="network that is trained"),
        schedule=choice(diffusion.SCHEDULES, "flow", about="noise schedule it is trained on"),
        target=choice(diffusion.TARGETS, "flow", title="It predicts", about="what the network predicts"),
        train_minutes=number(0.001, 1440.0, title="Minutes (10 if empty)", about="minutes of training"),
        epochs=number(0.001, 10_000.0, title="or epochs", about="epochs of training"),
        **more_controls,
    )
    return (train_controls,)


@app.cell(hide_code=True)
def _():
    _averages = (0.0, 0.9, 0.99, 0.995, 0.999, 0.9995, 0.9999)
    more_controls = dict(
        timesteps=number(2, diffusion.LARGEST_T, 1000, log=True, title="T", about="steps T of the schedule"),
        rescale=switch(True, title="Linear β times 1000/T", about="scale the linear schedule's beta by 1000/T"),
        batch=number(1, 4096, 128, log=True, about="images in a training step"),
        optimiser=choice(diffusion.OPTIMISERS, "muon", about="optimiser (muon: of matrices and convolutions)"),
        learning_rate=number(1e-5, 1e-1, 2e-3, log=True, about="peak learning rate"),
        label_dropout=number(0.0, 1, 0.1, step=0.05, about="share of labels hidden in training"),
        ema=number(
            0.0, 0.99999, 0.999, stops=_averages, title="Averaging (EMA)", about="decay of the averaged weights"
        ),
    )
    file_controls = dict(
        checkpoint=path(about="checkpoint to draw from, instead of the shipped one"),
        resume=path(about="checkpoint of a training run to go on with"),
        evaluate=number(100, 30_000, whole=True, door="command", about="also judge so many digits"),
    )
    _epochs = {f"{epoch:g}": epoch for epoch in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50)}
    _look = {"label": "Keep samples after epochs", "full_width": True}
    keep_choice = mo.ui.multiselect(_epochs, value=["0.1", "0.5", "1", "2", "5"], max_selections=5, **_look)
    return file_controls, keep_choice, more_controls


@app.cell
def _(train_ask):
    with page.check():
        _linear = {"rescale": train_ask.value["rescale"]} if train_ask.value["schedule"] == "linear" else {}
        schedule = diffusion.build_schedule(train_ask.value["schedule"], T=train_ask.value["timesteps"], **_linear)
    return (schedule,)


@app.cell
def _():
    # What is trained, and how. In place of the backbone's name: your own module (x, noise_fraction, label_weights) -> y.
    def lesson(asked, schedule, seed):
        denoiser = diffusion.build_denoiser(asked["backbone"], schedule, asked["target"], seed=seed)
        return denoiser, asked["dataset"], diffusion.recipe_of(asked, seed)

    return (lesson,)


@app.cell
def _(draw_ask, keep_choice, lesson, measure_canvas, resume, schedule, train_ask, train_canvas, trains):
    # Train runs `diffusion.learn` on this lesson. What you change meanwhile is for the next run.
    _form = {name: draw_ask.value[name] for name in ("precision", "layout")}
    _lesson = functools.partial(lesson, train_ask.value | _form, schedule, draw_ask.value["seed"])
    _files = {"resume": resume, "checkpoint": page.out_file("checkpoint.safetensors")}
    _when = {"start": False, "held": True, "alone": trains, "together": True}
    _look = {"show": diffusion.learning_panels, "opening": diffusion.before_learning(keep_choice.value)}
    training = train_canvas.play(diffusion.learn, _lesson, keep_after=keep_choice.value, **_files, **_when, **_look)
    _ = measure_canvas.play(diffusion.measure, _lesson, show=diffusion.measured, start=False, alone=False)
    return (training,)


@app.cell(hide_code=True)
def _(train_canvas, training):
    train_canvas
    mo.callout(training.step.data_note, kind="warn") if training.step and training.step.data_note else None
    return


@app.cell(hide_code=True)
def _(mixer, train_ask):
    _text = r"""
    ## Forward
    Training mixes noise into digits: $x_t = \alpha_t\, x_0 + \sigma_t\, \varepsilon$. The larger $t$, the more noise. The
    schedule says how fast; it is the one of the training above. Drag $t$.
    """
    _shown = ["schedule", "timesteps"] + (["rescale"] if train_ask.value["schedule"] == "linear" else [])
    page.section(_text, page.row(*(train_ask.elements[name] for name in _shown)), mixer)
    return


@app.cell
def _(mixer, schedule):
    way = diffusion.forward(schedule)  # alpha and sigma over t, and digits to mix with noise
    mixer.show(way)
    mo.md(f"{diffusion.leak_words(schedule)} {way.note}")
    return


@app.cell(hide_code=True)
def _(steer_ask, steer_canvas):
    _text = """
    ## Steer
    What does guidance do? What lies between a 3 and an 8? Choose an experiment and press *Run*.
    """
    _experiment = diffusion.EXPERIMENTS[steer_ask.value["kind"]]
    _row = page.row(*(steer_ask.elements[name] for name in ("kind", *_experiment.uses)))
    page.section(_text, _row, mo.md(_experiment.about), steer_canvas)
    return


@app.cell
def _():
    steer_controls = dict(
        kind=choice(diffusion.EXPERIMENTS, "sweep", title="Experiment", door="page"),
        first=number(0, 9, 3, title="Label", door="page"),
        second=number(0, 9, 8, title="Other label", door="page"),
        real=number(0, diffusion.MOST_REAL, 0, title="Test digit number", door="page"),
        steer_seed=number(0, 2**31 - 1, 0, title="Seed of the noise", door="page"),
    )
    steer_ask = page.controls(steer_controls)
    return (steer_ask,)


@app.cell
def _(model, steer_ask, steer_canvas):
    _options = {"show": diffusion.steering_panels, "start": False, "aside": True}
    steering = steer_canvas.play(diffusion.experiment, model, **steer_ask.value, **_options)
    return (steering,)


@app.cell(hide_code=True)
def _(file_ask):
    _most = file_ask.value["evaluate"] or 1000
    _steps = sorted({100, 200, 500, 1000, 2000, 5000, 10_000, _most})
    judge_count = mo.ui.slider(steps=_steps, value=_most, label="Digits to judge", show_value=True)
    return (judge_count,)


@app.cell(hide_code=True)
def _(judge_canvas, judge_count):
    _text = """
    ## How good
    A second network, trained to read digits, looks at generated digits and at real ones. Each figure stands beside the score
    of as many *real* digits (the floor, the best score possible) and of pure noise. No setting here was chosen by it.
    """
    page.section(_text, judge_count, judge_canvas)
    return


@app.cell
def _(asked, drawer, file_ask, judge_canvas, judge_count):
    _names = ("sampler", "seed", "precision", "layout", *diffusion.GUIDANCE)
    _sampling = {name: asked[name] for name in _names if name in asked} | {"n": judge_count.value}
    _sampling |= {"steps": asked["sampling_steps"]} if "sampling_steps" in asked else {}
    _when = {"start": False, "held": True, "alone": file_ask.value["evaluate"] is not None}
    judging = judge_canvas.play(diffusion.judge_model, drawer, **_sampling, show=diffusion.judging_panels, **_when)
    return (judging,)


@app.cell(hide_code=True)
def _(drawer, judge_canvas, judging, model):
    judge_canvas  # follows the judging
    judgement = diffusion.Judgement(drawer, judging.step)
    _parts = [mo.md("This network was not judged yet: press *Judge*.")]
    if judgement.figures:
        _note = mo.md(f"<small>{judgement.note}</small>")
        _parts = [mo.callout(mo.md(judgement.verdict), kind="info"), page.table(judgement.table), _note]
    _pictures = [
        mo.vstack(
            [mo.md(f"**{_name}**"), mo.Html(_is) if isinstance(_is, str) else mo.image(drawing.encoded(_is), alt=_name)]
        )
        for _name, _is in judgement.pictures().items()
    ]
    _ways = diffusion.ways_table(model)
    _few = [mo.md("**Few steps or many**: what each way to draw costs, and how good it is."), page.table(_ways)]
    mo.vstack([*_parts, mo.hstack(_pictures, wrap=True, gap=2, align="start"), *(_few if _ways else [])])
    return (judgement,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Take home
    The drawing as it stands, and the training: a checkpoint holds all that is needed to go on exactly where it was. Load it
    under *Train your own*, or give it as `--resume`.
    """)
    return


@app.cell
def _(judging, run, steering, training, trains):
    _file = page.File
    files = {
        "samples.png": _file("Digits", "as they stand now", lambda: diffusion.digits_png(run.step)),
        "samples.npz": _file("Arrays", "images and labels", lambda: diffusion.digits_npz(run.step)),
        "samples.gif": _file("Animation", "noise to digits", lambda: diffusion.digits_gif(run.step), False),
        "steering.png": _file("Steering", "the experiment", lambda: diffusion.picture(steering.step), False),
        "checkpoint.safetensors": _file("Training", "to go on", lambda: diffusion.saved(training.newest), trains),
    }
    page.take_home(files, summary=lambda: diffusion.summary(run.step, training.step, judging.step))
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## How it works
    **Forward: mix in noise.** A digit $x_0$ is mixed with Gaussian noise $\varepsilon$,

    $$x_t = \alpha_t\, x_0 + \sigma_t\, \varepsilon, \qquad \mathrm{SNR}(t) = \alpha_t^2 / \sigma_t^2,$$

    from $t = 0$, the digit, to $t = T$, only noise. The **schedule** says how fast $\alpha_t$ falls. Sampling starts from
    pure noise. If $\alpha_T$ is not zero, the network was trained on something else there: the last picture leaks.

    **Training.** For random digits, times and noises the network $f_\theta$ predicts a **target** $y$ from $x_t$:

    $$\mathcal{L}(\theta) = \mathbb{E}_{x_0, \varepsilon, t} \lVert f_\theta(x_t, t, c) - y \rVert^2, \qquad
    y \in \{\varepsilon,\; x_0,\; \alpha_t \varepsilon - \sigma_t x_0,\; \varepsilon - x_0\}.$$

    Each of the four targets, together with $x_t$, gives an estimate $\hat x_0$ of the digit. At much noise this estimate is
    a blur: the mean of all digits that are possible.

    AdamW scales the step of each weight by itself. Muon makes the step of a whole matrix of weights orthogonal, so that all
    directions learn at the same pace, also the rare ones. Biases and the thin layers at both ends stay with AdamW.

    **The reverse step.** Move a little from the noise towards the estimate, then ask the network again. DDIM does it so:

    $$x_s = \alpha_s\, \hat x_0 + \sigma_s\, \hat\varepsilon, \qquad
    \hat\varepsilon = (x_t - \alpha_t\, \hat x_0) / \sigma_t, \qquad s < t.$$

    DDPM adds fresh noise at every step. Heun and DPM-Solver++ use how the estimate *changes*, and need fewer steps.

    **Guidance.** Training hides the label $c$ now and then, so the network also predicts without it. Sampling extrapolates
    along the difference:

    $$\hat\varepsilon = \varepsilon_\varnothing + g\,(\varepsilon_c - \varepsilon_\varnothing).$$

    $g = 0$ ignores the label, $g = 1$ is the plain model, more makes digits clearer and more alike. Guidance helps only at
    middling noise: at much noise it reduces variety, at little noise it only costs time. So it acts between two noise
    fractions; $g = 0$ acts everywhere.

    **Few steps.** A *distilled* network, the student, learned to cover in one step what its teacher, the network of many
    steps, covers in five or more. The scale of guidance is one of its inputs, so that a step costs one network call.

    **How good.** The *classifier-FID* compares the mean and the covariance of a classifier's features, generated against
    real,

    $$d^2 = \lVert \mu_g - \mu_r \rVert^2 + \mathrm{tr}\,\bigl(C_g + C_r - 2\,(C_g C_r)^{1/2}\bigr).$$

    A sample is never the whole, so even real digits do not score zero: their score is the *floor*. *Precision* is the share
    of generated digits that look real, *recall* the share of real digits that the network can draw.

    ## Try this
    Open the notebook with `marimo edit apps/digit_diffusion.py`, change one line, and watch the page follow.

    1. **Your own sampler.** In place of `sampler = …` write a function that replaces all noise by fresh noise:

       ```python
       def sampler(predict, x, t, s, noise):
           x0_hat = predict(x, t.t)
           return s.alpha * x0_hat + s.sigma * noise(), x0_hat
       ```
    2. **Your own schedule.** Replace the call of `diffusion.build_schedule` by `diffusion.build_schedule("linear", T=50,
       rescale=False)`, and look at *Forward*: much of the digit is left at the end. ⟲ trains on it.
    3. **Your own network.** Add `import torch` to the first cell, write a module above `lesson`, and give `build_denoiser` there
       `Mine()` in place of `asked["backbone"]`. ⟲ trains it from the start. It takes the noisy digits (N, 1, 28, 28), their noise
       fractions (N,) and label weights (N, 11), and gives (N, 1, 28, 28):

       ```python
       class Mine(torch.nn.Module):
           def __init__(self):
               super().__init__()
               self.first = torch.nn.Conv2d(1, 64, 5, padding=2)
               self.last = torch.nn.Conv2d(64, 1, 5, padding=2)
               self.labels = torch.nn.Linear(12, 64)

           def forward(self, x, noise_fraction, label_weights):
               about = self.labels(torch.cat([noise_fraction[:, None], label_weights], 1))
               return self.last((self.first(x) + about[:, :, None, None]).relu())
       ```
    """)
    return


if __name__ == "__main__":
    app.run()
