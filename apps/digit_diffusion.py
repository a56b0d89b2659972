import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Digit diffusion")

with app.setup:
    import functools

    import marimo as mo
    from atelier import data, diffusion, drawing, page  # nothing here imports torch
    from atelier.page import choice, number, seed, switch, text


@app.cell(hide_code=True)
def _():
    page.title(
        "Digit diffusion",
        "Pure noise becomes handwritten digits, step by step. Watch it, steer it, train a network of your own, and see how "
        "good it is.",
        *("Train your own", "Forward", "Steer", "How good", "Take home", "How it works", "Try this"),
    )
    return


@app.cell
def _(file_controls, train_controls):
    # Each control is a slider here, a word of the address, and an option of the command line.
    draw_controls = dict(
        digit=choice(diffusion.DIGITS, "all", title="Digits", about="digit to draw, or all of them in turn"),
        samples=number(1, 10_000, 60, log=True, title="How many", about="number of digits to draw"),
        sampler=choice(diffusion.SAMPLERS, "dpmpp", about="sampler"),
        sampling_steps=number(1, 1000, 30, log=True, title="Steps", about="steps from noise to digit"),
        eta=number(0.0, 1, 0.0, step=0.05, title="η of DDIM", about="fresh noise in DDIM's steps, 1 is DDPM"),
        seed=seed(),
    )
    draw_ask, train_ask, file_ask = page.controls(
        draw_controls, train_controls, file_controls, later=diffusion.GUIDANCE
    )
    return draw_ask, file_ask, train_ask


@app.cell(hide_code=True)
def _():
    canvas = page.live(poster="digit_diffusion", height=292)
    return (canvas,)


@app.cell(hide_code=True)
def _(file_ask, load_file, train_ask):
    with page.check():
        trains = diffusion.trains(**train_ask.value, **file_ask.value)
    file = load_file.contents() or file_ask.value["checkpoint"]
    loaded, file_problem = page.attempt(diffusion.read_model, file, load_file.name() or "") if file else (None, "")
    _kinds = {"Shipped U-Net": "shipped", "The one trained below": "trained"} | (
        {"The loaded file": "file"} if loaded else {}
    )
    _first = "The loaded file" if loaded else "The one trained below" if trains else "Shipped U-Net"
    resume = file_ask.value["resume"] or (loaded.goes_on if loaded else "")
    model_choice = mo.ui.dropdown(_kinds, value=_first, label="Network that draws", full_width=True)
    return file_problem, loaded, model_choice, resume, trains


@app.cell
def _(loaded, model_choice, train_canvas, training):
    # The network that draws, and what is known of it. A denoiser of your own: diffusion.Model("Mine", denoiser).
    train_canvas
    with page.check():
        model = diffusion.choose_model(model_choice.value, training.step, loaded)
    return (model,)


@app.cell
def _(model):
    # Guidance begins at what suits this network; what you choose stays when the network changes.
    guidance_ask = page.controls(diffusion.guidance_of(model), keep=True)
    return (guidance_ask,)


@app.cell(hide_code=True)
def _(canvas, draw_ask, guidance_ask, model, model_choice):
    _knobs = ["digit", "samples", "guidance", "sampler", "sampling_steps"]
    _notes = [model.note, diffusion.class_note(model)]
    if _acts := guidance_ask.value:
        _where = "noise fractions {guidance_from:g} to {guidance_to:g}; 0 acts everywhere".format(**_acts)
        _notes.append(f"Guidance: {diffusion.GUIDANCE_WORDS} It acts at {_where}.")
    page.beside(
        mo.vstack(
            [
                model_choice,
                page.panel(
                    draw_ask,
                    guidance_ask,
                    first=_knobs,
                    more={"More": ["guidance_from", "guidance_to", "seed", "eta"]},
                    notes=" ".join(filter(None, _notes)),
                ),
            ],
            gap=0.6,
        ),
        canvas,
    )
    return


@app.cell
def _(draw_ask):
    # A name, or a function of your own: sampler(predict, x, t, s, noise) gives x at the lower time s, and x0_hat.
    sampler = draw_ask.value["sampler"]
    return (sampler,)


@app.cell
def _(canvas, draw_ask, guidance_ask, model, sampler):
    # `diffusion.draw` is a generator: it yields after each step, and `diffusion.panels` draws what a step looks like.
    asked = {**draw_ask.value, **guidance_ask.value, "sampler": sampler}
    run = canvas.play(diffusion.draw, model, **asked, show=diffusion.panels, moments=diffusion.moments)
    return asked, run


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Train your own
    A fresh network learns to tell what was mixed into digits. It draws from the same sixty noises again and again, so one sees
    it learn. Press *Pause*, and choose it as the network above: drawing, steering and judging then use it.
    """)
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
        checkpoint=text(door="command", about="checkpoint to draw from, instead of the shipped one"),
        resume=text(door="command", about="checkpoint of a training run to go on with"),
        evaluate=number(100, 60_000, whole=True, door="command", about="also judge so many digits"),
    )
    load_file = page.upload(filetypes=[".safetensors"], max_size=200 << 20, label="Load a checkpoint")
    keep_choice = mo.ui.multiselect(
        {f"{epoch:g}": epoch for epoch in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50)},
        value=["0.1", "0.5", "1", "2", "5"],
        max_selections=5,
        label="Keep samples after epochs",
        full_width=True,
    )
    train_canvas = page.live(verb="Train", height=240)
    measure_canvas = page.live(verb="Measure how long it takes", brief=True)
    return file_controls, keep_choice, load_file, measure_canvas, more_controls, train_canvas


@app.cell
def _(train_ask):
    with page.check():
        _linear = {"rescale": train_ask.value["rescale"]} if train_ask.value["schedule"] == "linear" else {}
        schedule = diffusion.build_schedule(train_ask.value["schedule"], T=train_ask.value["timesteps"], **_linear)
    return (schedule,)


@app.cell
def _():
    # What is trained, and how. In place of the backbone's name: your own module (x, noise_fraction, labels) -> prediction.
    def lesson(asked, schedule, seed):
        denoiser = diffusion.build_denoiser(asked["backbone"], schedule, asked["target"], seed=seed)
        return denoiser, asked["dataset"], diffusion.recipe_of(asked, seed)

    return (lesson,)


@app.cell
def _(draw_ask, keep_choice, lesson, resume, schedule, train_ask, train_canvas, trains):
    # Train runs `diffusion.learn` on this lesson. What you change meanwhile is for the next run.
    asked_lesson = functools.partial(lesson, train_ask.value, schedule, draw_ask.value["seed"])
    _files = {"resume": resume, "checkpoint": page.written("checkpoint.safetensors")}
    _when = {"start": False, "held": True, "alone": trains, "together": True}
    _look = {"show": diffusion.learning_panels, "opening": diffusion.before_learning(keep_choice.value)}
    training = train_canvas.play(
        diffusion.learn, asked_lesson, keep_after=keep_choice.value, **_files, **_when, **_look
    )
    return asked_lesson, training


@app.cell(hide_code=True)
def _(asked_lesson, measure_canvas):
    measuring = measure_canvas.play(diffusion.measure, asked_lesson, show=diffusion.measured, start=False, alone=False)
    return (measuring,)


@app.cell(hide_code=True)
def _(file_problem, keep_choice, load_file, loaded, measure_canvas, train_ask, train_canvas):
    _first = ["dataset", "backbone", "schedule", "target", "train_minutes", "epochs"]
    _file_words = "Loaded: choose it above as the network that draws. " if loaded else ""
    if loaded:
        _file_words += loaded.note or "Train goes on from it, with its network and recipe; set the time in all."
    page.beside(
        mo.vstack(
            [page.panel(train_ask, first=_first, more={"More": list(train_ask.controls)[6:]}), keep_choice], gap=0.6
        ),
        mo.vstack(
            [
                train_canvas,
                mo.hstack([load_file, measure_canvas], justify="start", align="center", gap=2, wrap=True),
                *([mo.callout(file_problem, kind="danger")] if file_problem else []),
                *([mo.callout(_file_words, kind="success")] if _file_words else []),
            ]
        ),
    )
    return


@app.cell(hide_code=True)
def _(train_canvas, training):
    train_canvas
    mo.callout(training.step.data_note, kind="warn") if training.step and training.step.data_note else None
    return


@app.cell(hide_code=True)
def _(train_ask):
    _shown = ["schedule", "timesteps"] + (["rescale"] if train_ask.value["schedule"] == "linear" else [])
    mo.vstack(
        [
            mo.md(
                "## Forward\nTraining spoils digits on purpose: $x_t = \\alpha_t\\, x_0 + \\sigma_t\\, \\varepsilon$, with more "
                "noise the larger $t$ is. The schedule, the one that is trained on, says how fast. Drag $t$."
            ),
            page.row(*(train_ask.elements[name] for name in _shown)),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mixer = page.mixer()
    mixer
    return (mixer,)


@app.cell
def _(mixer, schedule):
    way = diffusion.forward(schedule)  # alpha and sigma over t, and digits to spoil
    mixer.show(way.pictures, way.noise, way.times, way.alphas, way.sigmas, way.charts)
    mo.md(f"{diffusion.leak_words(schedule)} {way.note}")
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Steer
    What does guidance do? What lies between a 3 and an 8? Choose an experiment and press *Run*.
    """)
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


@app.cell(hide_code=True)
def _(steer_ask, steer_canvas):
    _experiment = diffusion.EXPERIMENTS[steer_ask.value["kind"]]
    mo.vstack(
        [
            page.row(*(steer_ask.elements[name] for name in ("kind", *_experiment.uses))),
            mo.md(_experiment.about),
            steer_canvas,
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    steer_canvas = page.live(poster="digit_steering", height=560, verb="Run", brief=True)
    return (steer_canvas,)


@app.cell
def _(model, steer_ask, steer_canvas):
    steering = steer_canvas.play(
        diffusion.experiment, model, **steer_ask.value, show=diffusion.steering_panels, start=False, aside=True
    )
    return (steering,)


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## How good
    A second network, trained to read digits, looks at generated digits and at real ones. Every figure stands beside what as
    many *real* digits score (the floor: better cannot be told apart) and pure noise.
    """)
    return


@app.cell(hide_code=True)
def _(file_ask):
    judge_count = mo.ui.slider(
        steps=sorted({100, 200, 500, 1000, 2000, 5000, 10_000, file_ask.value["evaluate"] or 1000}),
        value=file_ask.value["evaluate"] or 1000,
        label="Digits to judge",
        show_value=True,
    )
    judge_canvas = page.live(verb="Judge", brief=True)
    mo.vstack([judge_count, judge_canvas])
    return judge_canvas, judge_count


@app.cell
def _(asked, file_ask, judge_canvas, judge_count, model):
    _sampling = {name: asked[name] for name in ("sampler", "seed", *diffusion.GUIDANCE) if name in asked}
    _sampling |= {"n": judge_count.value, "steps": asked["sampling_steps"]}
    _when = {"start": False, "held": True, "alone": file_ask.value["evaluate"] is not None}
    judging = judge_canvas.play(diffusion.judge_model, model, **_sampling, show=diffusion.judging_panels, **_when)
    return (judging,)


@app.cell(hide_code=True)
def _(judge_canvas, judging, model):
    judge_canvas  # follows the judging
    judgement = diffusion.Judgement(model, judging.step)
    mo.vstack(
        [
            mo.callout(mo.md(judgement.verdict), kind="info"),
            page.table(judgement.table),
            mo.md(f"<small>{judgement.note}</small>"),
        ]
    ) if judgement.figures else mo.md("This network was not judged yet: press *Judge*.")
    return (judgement,)


@app.cell(hide_code=True)
def _(judgement):
    mo.hstack(
        [
            mo.vstack(
                [
                    mo.md(f"**{_caption}**"),
                    mo.Html(_found) if isinstance(_found, str) else mo.image(drawing.encoded(_found), alt=_caption),
                ]
            )
            for _caption, _found in judgement.pictures().items()
        ],
        wrap=True,
        gap=2,
        align="start",
    )
    return


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
    page.take_home(
        {
            "samples.png": page.File("Digits", "as they stand now", lambda: diffusion.digits_png(run.step)),
            "samples.npz": page.File("Arrays", "images and labels", lambda: diffusion.digits_npz(run.step)),
            "samples.gif": page.File(
                "Animation", "noise to digits", lambda: diffusion.digits_gif(run.step), written=False
            ),
            "steering.png": page.File(
                "Steering", "the experiment", lambda: diffusion.picture(steering.step), written=False
            ),
            "checkpoint.safetensors": page.File(
                "Training", "to go on", lambda: diffusion.saved(training.newest), written=trains
            ),
        },
        summary=lambda: diffusion.summary(run.step, training.step, judging.step),
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## How it works
    **Forward: noise on purpose.** A digit $x_0$ is mixed with Gaussian noise $\varepsilon$,

    $$x_t = \alpha_t\, x_0 + \sigma_t\, \varepsilon, \qquad \mathrm{SNR}(t) = \alpha_t^2 / \sigma_t^2,$$

    from $t = 0$, the digit, to $t = T$, only noise. The **schedule** says how fast $\alpha_t$ falls. If it does not fall to
    zero, the last picture leaks something of the digit, which sampling, starting from pure noise, does not have.

    **Training: guess what was mixed in.** For random digits, times and noises the network is asked for a **target** $y$,
    and nudged towards it:

    $$\mathcal{L}(\theta) = \mathbb{E}_{x_0, \varepsilon, t} \lVert f_\theta(x_t, t, c) - y \rVert^2, \qquad
    y \in \{\varepsilon,\; x_0,\; \alpha_t \varepsilon - \sigma_t x_0,\; \varepsilon - x_0\}.$$

    The four targets say the same in other words: from each of them and $x_t$ follows the digit $\hat x_0$ that the network
    believes is below the noise. Far from the digit that belief is a blur, the mean of all digits that it could be.

    Of the two optimisers, AdamW scales the step of every weight by itself. Muon looks at whole matrices of weights, and
    makes their steps orthogonal: all directions learn at the same pace, also those that the digits seldom ask for. Biases
    and the thin layers at both ends stay with AdamW.

    **The reverse step.** Go a little of the way from noise to that belief, then ask again. Deterministic DDIM does it so:

    $$x_s = \alpha_s\, \hat x_0 + \sigma_s\, \hat\varepsilon, \qquad
    \hat\varepsilon = (x_t - \alpha_t\, \hat x_0) / \sigma_t, \qquad s < t.$$

    DDPM adds fresh noise at every step. Heun and DPM-Solver++ look at how the belief *changes*, and need fewer steps.

    **Guidance: insist on the label.** In training the label $c$ is hidden now and then, so the network also knows what it
    would say without. Sampling goes beyond the difference:

    $$\hat\varepsilon = \varepsilon_\varnothing + g\,(\varepsilon_c - \varepsilon_\varnothing).$$

    $g = 0$ ignores the label, $g = 1$ is the plain model, more makes digits clearer and more alike. It is needed only at
    middling noise: early it narrows the choice, late it only costs time. So it acts between two noise fractions, which you
    can move; $g = 0$ acts everywhere.

    **How good.** The *classifier-FID* compares the mean and the covariance of a classifier's features, generated against
    real,

    $$d^2 = \lVert \mu_g - \mu_r \rVert^2 + \mathrm{tr}\,\bigl(C_g + C_r - 2\,(C_g C_r)^{1/2}\bigr).$$

    It is not zero even for real digits, since a sample is never the whole: that is the *floor*. *Precision* asks whether
    generated digits look real, *recall* whether every kind of real digit is drawn too.

    ## Try this
    Open the notebook with `marimo edit apps/digit_diffusion.py`, change one line, and watch the page follow.

    1. **Your own sampler.** In place of `sampler = …` write a function that throws all noise away and takes fresh one:

           def sampler(predict, x, t, s, noise):
               x0_hat = predict(x, t.t)
               return s.alpha * x0_hat + s.sigma * noise(), x0_hat
    2. **Your own schedule.** Replace the call of `diffusion.build_schedule` by `diffusion.build_schedule("linear", T=50,
       rescale=False)`, and look at *Forward*: half of the digit is left at the end. Train on it.
    3. **Your own network.** In `lesson`, give `build_denoiser` in place of `asked["backbone"]` a module whose `forward`
       takes `(x, noise_fraction, labels)`, of shapes (N, 1, 28, 28), (N,) and (N, 11), and gives (N, 1, 28, 28).
    """)
    return


if __name__ == "__main__":
    app.run()
