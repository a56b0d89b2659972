# /// script
# [tool.marimo.opengraph]
# title = "Restoration lab"
# description = "Break a digit, and see what it could have been, with the share of each answer."
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", css_file="notebook.css", app_title="Restoration lab")

with app.setup:
    import marimo as mo
    from atelier import diffusion, page, restoration  # nothing here imports torch
    from atelier.page import choice, number, path, seed


@app.cell(hide_code=True)
def _():
    page.title(
        "Restoration lab",
        "Break a digit, and a diffusion model draws what it could have been. Where many answers fit, you see all of them.",
        *("Ambiguity", "Two dimensions", "The exact answer", "Read by diffusion"),
        *("Take home", "How it works", "Try this"),
    )
    return


@app.cell
def _():
    # Each control is a slider here, a word of the address, and an option of the command line.
    break_controls = dict(
        digit=number(0, 9_999, 20, title="Test digit number", about="number of the test digit to break"),
        task=choice(restoration.TASKS, "mask", title="Break it", about="how it is broken"),
        noise=number(
            0.0, restoration.MOST_NOISE, 0.05, step=0.01, title="Noise σ", about="noise in grey values 0 to 1"
        ),
        drawing=path(about="picture of a digit, white on black, in place of a test digit"),
        painted=path(about="picture of a mask, white where covered, for the task painted"),
    )
    repair_controls = dict(
        method=choice(restoration.METHODS, "pigdm", title="Repair it by", about="how the posterior is sampled"),
        samples=number(1, 1000, 16, log=True, about="number of samples"),
        told=choice(restoration.LABELS, "none", title="Label that the network is told", about="label it is told"),
        seed=seed(),
        checkpoint=path(about="checkpoint of the prior, instead of the shipped network"),
    )
    plane_controls = dict(
        plane=choice(
            restoration.PLANES, "moons", title="Distribution", about="distribution in two dimensions, for --report"
        ),
        plane_method=choice(restoration.PLANE_METHODS, "pigdm", title="Sampled by", about="how it is sampled"),
    )
    _later = [restoration.BREAKS | restoration.WAYS, restoration.PLANE_OPTIONS]
    break_ask, repair_ask, plane_ask = page.controls(break_controls, repair_controls, plane_controls, later=_later)
    return break_ask, plane_ask, repair_ask


@app.cell(hide_code=True)
def _():
    canvas = page.live(poster="restoration_lab", height=270)
    load_file = page.upload(filetypes=[".safetensors"], max_size=200 << 20, label="Load a prior")
    pad = page.pad()
    use_brush = pad.widget.use  # not the pad, whose strokes would run a cell again
    return canvas, load_file, pad, use_brush


@app.cell(hide_code=True)
def _(break_ask, use_brush):
    use_brush("cover" if break_ask.value["task"] == "painted" else "draw")
    return


@app.cell(hide_code=True)
def _(load_file, repair_ask):
    _file = load_file.contents() or repair_ask.value["checkpoint"]
    loaded, file_problem = page.attempt(diffusion.read_model, _file, load_file.name() or "") if _file else (None, "")
    return file_problem, loaded


@app.cell(hide_code=True)
def _(break_ask, canvas, file_problem, load_file, loaded, repair_ask):
    _told = page.told(file_problem, "Loaded: it is the prior now." if loaded else "")
    _repair = page.panel(repair_ask, first=["method", "samples", "seed"], more={"The prior": ["told"]})
    _panel = [page.panel(break_ask, first=["digit", "task", "noise"]), _repair, load_file, *_told]
    page.beside(mo.vstack(_panel, gap=0.6), canvas)
    return


@app.cell(hide_code=True)
def _(break_ask, repair_ask):
    # What the task and the method can be asked for beside.
    _task, _method = break_ask.value["task"], repair_ask.value["method"]
    task_ask = page.controls(restoration.breaks_of(_task) | restoration.ways_of(_method), keep=True)
    return (task_ask,)


@app.cell(hide_code=True)
def _(break_ask, method, pad, task_ask):
    _note = restoration.fit_note(break_ask.value["task"], method)
    _hint = "Draw a digit of your own, or choose *Paint a mask* above and cover here what is to be lost."
    _beside = mo.vstack([mo.md(_hint), page.panel(task_ask, notes=_note, across=True)], gap=0.4)
    mo.Html(
        f'<div style="display: flex; flex-wrap: wrap; gap: 1rem 2rem"><div>{pad}</div>'
        f'<div style="flex: 1 1 280px; min-width: 0">{_beside}</div></div>'
    )
    return


@app.cell
def _(break_ask, pad):
    # A digit of your own and a painted mask, (28, 28) uint8 each. None: the test digit, and nothing is painted over.
    with page.check():
        _drawing, _mask = (break_ask.value[_name] for _name in ("drawing", "painted"))
        drawn = restoration.read_pixels(_drawing) if _drawing else pad.drawn
        painted = restoration.read_pixels(_mask) if _mask else pad.covered
        painted = painted if break_ask.value["task"] == "painted" else None
    return drawn, painted


@app.cell(hide_code=True)
def _(break_ask, drawn):
    _words = "Your drawing is broken here, and not the test digit. *Clear* brings the test digit back."
    mo.md(f"<small>{_words}</small>") if drawn is not None and not break_ask.value["drawing"] else None
    return


@app.cell
def _(loaded):
    # The prior. A denoiser of your own: diffusion.Model("Mine", denoiser).
    model = loaded or diffusion.choose_model("shipped")
    return (model,)


@app.cell
def _(repair_ask):
    # A name, or a function of your own: method(prior, problem, x, t, s, noise, strength) gives x at the lower time s,
    # and x0_hat.
    method = repair_ask.value["method"]
    return (method,)


@app.cell
def _(break_ask, canvas, drawn, method, model, painted, repair_ask, task_ask):
    # `restoration.repair` is a generator: it yields after each step, `restoration.panels` draws what a step looks like.
    asked = {name: break_ask.value[name] for name in ("digit", "task", "noise")} | task_ask.value
    asked |= {name: repair_ask.value[name] for name in ("samples", "told", "seed")} | {"method": method}
    asked |= {"drawn": drawn, "painted": painted}
    run = canvas.play(restoration.repair, model, **asked, show=restoration.panels, moments=restoration.moments)
    return asked, run


@app.cell(hide_code=True)
def _(canvas, run):
    canvas  # follows the run
    _text = """
    ## Ambiguity
    A measurement does not say what the digit was. It says which digits are possible, and how likely each of them is. So the
    answer is not one picture but many: samples of the *posterior*. A second network reads each of them.
    """
    _rows = restoration.sample_rows(run.step)
    _table = mo.accordion({"Each sample: PSNR, SSIM, distance to the measurement, label": page.table(_rows)})
    page.section(_text, mo.Html(restoration.answer(run.step)), *([_table] if _rows else []))
    return


@app.cell
def _(break_ask, drawn, model, pad):
    with page.check():
        truth = restoration.digit_of(model, break_ask.value["digit"], drawn)[0][None]  # (1, 28, 28) uint8
    pad.show(truth[0].numpy())
    return (truth,)


@app.cell(hide_code=True)
def _(plane_ask):
    # What the distribution and the method can be asked for beside.
    plane_more = page.controls(restoration.plane_options(*plane_ask.value.values()), keep=True)
    return (plane_more,)


@app.cell(hide_code=True)
def _():
    plane_canvas = page.live(verb="Sample", height=360)
    return (plane_canvas,)


@app.cell(hide_code=True)
def _(plane_ask, plane_more):
    _text = r"""
    ## Two dimensions
    A digit has 784 numbers. With two of them everything can be seen: a distribution whose denoiser is exact, the way of each
    sample from the noise, the line on which a measurement $y = a \cdot x + n$ puts it, and beside the samples the *true*
    posterior. What they miss here is the fault of the method alone.

    Try *Three islands* with σ = 0.3. No method finds how many samples belong on each island, not even with many steps: a sample
    chooses its island while the noise is high, where all of them approximate. The shares under *Ambiguity* are estimates for
    the same reason.
    """
    page.section(_text, page.panel(plane_ask, across=True), page.panel(plane_more, across=True))
    return


@app.cell
def _(plane_ask, plane_canvas, plane_more, repair_ask, truth):
    # The `method` of your own from above works here, too: sampled_by = method
    sampled_by = plane_ask.value["plane_method"]
    _about = plane_more.value | {"seed": repair_ask.value["seed"]}
    _about |= {"drawn": truth} if plane_ask.value["plane"] == "drawn" else {}
    plane_run = plane_canvas.play(
        restoration.sample_plane,
        plane_ask.value["plane"],
        sampled_by,
        **_about,
        show=restoration.plane_panels,
        aside=True,
    )
    return (plane_run,)


@app.cell(hide_code=True)
def _(plane_canvas, plane_run):
    mo.vstack([plane_canvas, mo.md(restoration.plane_words(plane_run.step))], gap=0.6)
    return


@app.cell(hide_code=True)
def _():
    exact_canvas = page.live(verb="Compare", brief=True, height=120)
    _text = """
    ## The exact answer
    For the 60,000 training digits alone the best denoiser can be written down: the mean of all of them, each weighted by how
    likely it became the noisy picture. No network can beat it on these digits. But it knows nothing else: on a *new* digit
    it answers with training digits. Press **Compare**: where the network's line on *test* digits lies below the exact one on
    test digits, it has learned what digits have in common instead of remembering them.
    """
    page.section(_text, exact_canvas)
    return (exact_canvas,)


@app.cell
def _(exact_canvas, model):
    compared = exact_canvas.play(
        restoration.compare, model, n=50, show=restoration.comparison_panels, start=False, aside=True
    )
    return (compared,)


@app.cell(hide_code=True)
def _(compared, exact_canvas):
    exact_canvas
    mo.stop(compared.step is None)
    mo.md(restoration.comparison_words(compared.step))
    return


@app.cell(hide_code=True)
def _():
    read_canvas = page.live(verb="Read", brief=True, height=120)
    _text = """
    ## Read by diffusion
    The network was never taught to read, only to denoise a digit whose label it is told. Yet it reads: noise is added to
    the digit above, and the network removes it once for each of the ten labels. The right label helps most.
    """
    page.section(_text, read_canvas)
    return (read_canvas,)


@app.cell
def _(model, read_canvas, truth):
    _how = {"show": restoration.reading_panels, "start": False, "aside": True}
    reading = read_canvas.play(restoration.classify, model, truth, draws=32, **_how)
    return (reading,)


@app.cell(hide_code=True)
def _(read_canvas, reading):
    read_canvas
    mo.stop(reading.step is None)
    mo.vstack([mo.md(restoration.reading_words(reading.step)), mo.Html(restoration.reading_figure(reading.step))])
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Take home
    The repair as it stands: pictures, numbers, and the way from noise to the samples.
    """)
    return


@app.cell
def _(run):
    _file = page.File
    files = {
        "restored.png": _file("Pictures", "digit, measurement, samples", lambda: restoration.samples_png(run.step)),
        "restored.npz": _file("Arrays", "samples, measurement, labels", lambda: restoration.samples_npz(run.step)),
        "restored.gif": _file("Animation", "noise to samples", lambda: restoration.samples_gif(run.step)),
        "restored.json": _file("Figures", "settings and scores", lambda: restoration.summary_json(run.step)),
    }
    page.take_home(files, summary=lambda: restoration.summary(run.step))
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## How it works
    **An inverse problem.** A picture $x$ is not seen itself. A device measures

    $$y = A x + n, \qquad n \sim \mathcal{N}(0, \sigma_y^2 I).$$

    $A$ is known: it selects pixels, blurs, or takes means over blocks. Here it is one of DeepInv's physics. To go back from $y$ to
    $x$ is hard in two ways. Where $A$ drops something (a mask), infinitely many $x$ give the same $y$. Where $A$ makes
    something small (fine detail under a blur), going back makes the noise large. The *pseudo-inverse* $A^{+} y$ suffers from
    both.

    **The missing part is a prior.** Bayes' rule combines what is measured with what digits look like:

    $$p(x \mid y) \propto p(y \mid x)\, p(x).$$

    The first factor, the likelihood, is simple: $-\log p(y \mid x) = \lVert y - A x \rVert^2 / 2\sigma_y^2$. The prior is the diffusion model. Total
    variation, the classic choice, says only that pictures are flat with few edges; a model of digits also knows that a stem
    belongs under a loop.

    **Why samples.** The picture with the smallest expected error is the posterior mean. Where several digits are possible it
    is a blend that is none of them. Samples are digits, and their frequencies say how sure one can be. The standard deviation
    shows where they differ.

    **From the denoiser to the posterior.** A denoiser knows the slope of the prior at each noise level (Tweedie's formula),

    $$\nabla \log p_t(x_t) = (\alpha_t\, \hat x_0 - x_t) / \sigma_t^2, \qquad \hat x_0 = \mathbb{E}[x_0 \mid x_t].$$

    To sample the posterior one adds $\nabla \log p_t(y \mid x_t)$. That needs an average over all $x_0$ that $x_t$ could come from,
    and nobody can compute it. Here the methods differ:

    | method | what it puts in its place | right for |
    |:---|:---|:---|
    | ΠGDM | $x_0$ is Gaussian around $\hat x_0$ with variance $r_t^2 = \sigma_t^2 / (\alpha_t^2 + \sigma_t^2)$ | Gaussian priors of variance 1 |
    | DPS | $x_0$ is $\hat x_0$ exactly, with a step of fixed length | small noise levels, roughly |
    | DiffPIR | no slope: $\hat x_0$ moves towards the measurement | the mean; its spread is too small |
    | DDRM | for each singular value: the measurement or the network, whichever is better | independent parts |
    | Replacement | known pixels come from the measurement, with noise; then both parts are reconciled | noise only; masks, with repetitions |
    | Annealed Langevin | noisy steps up both slopes at each level | all priors, with many small steps |

    All are tested on Gaussians and Gaussian mixtures, whose posterior is known in closed form.

    **Distance to the measurement** is $\lVert y - A x \rVert$ per measured value. A sample that fits has about the distance
    $\sigma_y$. Less is too little: such a sample fits the noise, too.

    ## Try this
    Open the notebook with `marimo edit apps/restoration_lab.py`, change one line, and watch the page follow.

    1. **How much does the prior know?** Below the three lines that begin with `asked` write
       `asked |= {"task": "pixels", "kept": 0.03}`. With 3 % of the pixels, what do the samples have in common?
    2. **A wrong prior.** Write `asked |= {"told": "3"}` there, for a digit that is no 3. Does the network bend the digit, or the
       measurement?
    3. **Your own method.** In place of `method = …` write a function. This one asks for the picture nearest to
       $\hat x_0$ that fits the measurement, and adds fresh noise:

       ```python
       def method(prior, problem, x, t, s, noise, strength=1):
           x0_hat = problem.nearest(prior(x, t.t), strength * (t.sigma / t.alpha) ** 2)
           return s.alpha * x0_hat + s.sigma * noise(), x0_hat
       ```
    """)
    return


if __name__ == "__main__":
    app.run()
