# /// script
# [tool.marimo.opengraph]
# title = "Random-field explorer"
# description = "Networks that nobody trained, as art: breed, roam, animate and print them, flat or in space."
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", css_file="notebook.css", app_title="Random-field explorer")

with app.setup:
    from functools import partial

    import marimo as mo
    from atelier import cppn, drawing, page, volumes  # nothing here imports torch


@app.cell(hide_code=True)
def _():
    page.title(
        "Random-field explorer",
        "Networks that nobody trained draw pictures that nobody planned. Choose the one you like, and it has children.",
        *("Knobs", "Look inside", "Family", "Animate", "Print", "Volumes", "Keep", "How it works", "Try this"),
    )
    return


@app.cell
def _():
    # What an address and a command line can ask for: a picture, a recipe, a style, any property of a field.
    begin_ask, strength_ask, files_ask = page.controls(
        cppn.begin_options(),
        dict(strength=page.number(0, 1, cppn.STRENGTH, step=0.01, title="Siblings: from tweak to overhaul")),
        cppn.file_options() | volumes.volume_options(),
        later=[cppn.motion_options()],
    )
    return begin_ask, files_ask, strength_ask


@app.cell
def _(begin_ask):
    with page.check():
        begin = cppn.begin(**begin_ask.value)  # or your own: cppn.FieldSpec(seed=3, topology="mlp")
    return (begin,)


@app.cell
def _(begin):
    # An exploration: the picture, its family, its siblings. Visitors' favourites stay in their own browsers.
    browser_shelf = page.shelf("atelier favourites")
    with page.check():
        breeder = cppn.Breeder(begin, shelf=browser_shelf.widget if page.session().visitor else None)
    return breeder, browser_shelf


@app.cell(hide_code=True)
def _(breeder):
    viewer = page.viewer(poster="random_fields", longer=560, spans="shorter", least=1e-3, most=1e12)
    siblings = page.gallery(
        breeder.choose,
        {"Cross…": breeder.cross, "More siblings": lambda picks: breeder.more()},
        poster="random_fields_siblings",
    )
    _acts = {"Surprise me": breeder.surprise, "Other colours": breeder.recolour}
    buttons = page.actions({**_acts, "Undo": breeder.undo, "Keep": breeder.keep}, lead=True)
    knob_view = page.viewer(longer=420, spans="shorter", least=1e-3, most=1e12)
    graph, tree = page.diagram(), page.diagram(choose=lambda number: breeder.back_to(int(number)))
    # Knobs stand still while they are turned: they are made anew only for a picture that came another way.
    get_base, set_base = mo.state(0)
    get_turned, set_turned = mo.state(0)
    return buttons, get_base, get_turned, graph, knob_view, set_base, set_turned, siblings, tree, viewer


@app.cell(hide_code=True)
def _(browser_shelf, buttons, siblings, strength_ask, viewer):
    page.row(
        mo.Html(f"{viewer}<div style='margin-top: .4rem'>{buttons}{browser_shelf}</div>"),
        mo.Html(f"{siblings}<div style='margin-top: .3rem'>{page.panel(strength_ask)}</div>"),
        # a page of less than 40rem gives each the whole width
        flex="0 1 min(100%, max(19rem, min(50% - 1.1rem, 100vh - 15.5rem), (40rem - 100%) * 99)); --tallest: 40rem",
    )
    return


@app.cell(hide_code=True)
def _(begin_ask, breeder, shown):
    shown
    note = " ".join([*begin_ask.sentences.values(), breeder.note or (cppn.hint(breeder.spec) if breeder.draft else "")])
    note = mo.as_html(note)  # as it is: a name in it may come from a file
    mo.Html(f"<div role='status' style='min-height: 1.5em'>{note}</div>")
    return (note,)


@app.cell(hide_code=True)
def _(breeder, buttons, get_turned, kept, keeping, loaded, siblings, strength_ask, tree, viewer):
    # Every click, turned knob and dropped file has changed the breeder. The page below shows its state.
    buttons, get_turned(), kept, keeping, loaded, siblings, tree
    with breeder.telling():
        breeder.set_strength(strength_ask.value["strength"])
        breeder.look(viewer.window)
    shown = breeder.recipe
    return (shown,)


@app.cell(hide_code=True)
def _(breeder, knob_view, set_base, shown, siblings, viewer):
    new_picture, new_knobs, new_siblings = breeder.news()  # since the last time
    if new_picture:
        viewer.show({breeder.name: breeder.drawing}, window=shown.place)
    if new_siblings:
        siblings.fill(breeder.breed(), total=cppn.LITTER)
    if new_knobs:
        set_base(lambda count: count + 1)
    knob_view.show({breeder.name: breeder.drawing}, window=shown.place)
    page.follow_in_address({**dict.fromkeys(cppn.begin_options()), "field": cppn.to_token(shown)})
    return


@app.cell(hide_code=True)
def _(breeder, get_base):
    get_base()
    base = breeder.spec
    knob_groups = {group: knobs for group, knobs in cppn.knobs_of(base).items() if knobs}
    knob_ask = page.Ask({name: knob for knobs in knob_groups.values() for name, knob in knobs.items()})
    mo.md("""
    ## Knobs
    Everything that makes this picture, and only what does something in it. Turn a knob, and the picture is drawn anew.
    """)
    return base, knob_ask, knob_groups


@app.cell(hide_code=True)
def _(base, breeder, knob_ask, set_turned):
    _before = breeder.spec, breeder.note
    with breeder.telling():
        breeder.turn(base, knob_ask.value)
    if (breeder.spec, breeder.note) != _before:
        set_turned(lambda count: count + 1)
    return


@app.cell(hide_code=True)
def _(knob_ask, knob_groups, knob_view):
    _fold = "<details {} style='break-inside: avoid; padding-bottom: 1rem'><summary><b>{}</b></summary>{}</details>"
    _panels = {group: page.panel(knob_ask, first=list(knobs)) for group, knobs in knob_groups.items()}
    _knobs = "".join(_fold.format("open" * (group != "Weights"), group, panel) for group, panel in _panels.items())
    mo.Html(
        "<div style='display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start'>"
        "<style>@media (min-width: 700px) { .beside-knobs { position: sticky; top: .5rem } }</style>"
        "<div class='beside-knobs' style='flex: 1 1 min(100%, 19rem); max-width: 26rem'>"
        f"{knob_view}</div><div style='flex: 3 1 min(100%, 30rem); min-width: 0; columns: 12rem; column-gap: 1.5rem'>"
        f"{_knobs}</div></div>"
    )
    return


@app.cell(hide_code=True)
def _(note):
    note
    return


@app.cell(hide_code=True)
def _(graph, shown):
    node, _curve = cppn.activation_of(shown.spec, graph.chosen)
    curve_ask = page.Ask(dict(curve=page.choice(cppn.ACTIVATIONS, _curve, title=f"Curve of {node}", door="page")))
    mo.md("""
    ## Look inside
    The network of this field: a place of the plane goes in on the left, its colour comes out on the right. Click a node to
    see what its neurons see, and give it another curve.
    """)
    return curve_ask, node


@app.cell(hide_code=True)
def _(breeder, curve_ask, node, set_turned):
    _curve = curve_ask.value["curve"]
    if (node, _curve) != cppn.activation_of(breeder.spec, node):
        breeder.set_activation(node, _curve)
        set_turned(lambda count: count + 1)
    return


@app.cell
def _(graph, node, shown):
    graph.svg = cppn.graph_svg(shown.spec, selected=node)
    sheet = cppn.neuron_sheet(shown, node)  # what the neurons of this node see, black to white
    strips = cppn.neuron_strips(shown)  # ten neurons of every node
    return sheet, strips


@app.cell(hide_code=True)
def _(curve_ask, graph, node, sheet, strips):
    _rows = [
        (mo.md(f"<small>{_name}</small>"), mo.image(drawing.encoded(_strip), alt=_name, height=72))
        for _name, _strip in strips.items()
    ]
    _sheet = mo.image(drawing.encoded(sheet), alt=f"Neurons of {node}", width=640, style={"max-width": "100%"})
    mo.vstack(
        [
            *(graph, page.row(page.panel(curve_ask))),
            mo.md(f"**{node.capitalize()}**: its neurons over the plane, each from black to white on its own scale"),
            _sheet,
            mo.md("**Every layer**: ten of its neurons"),
            mo.vstack([part for row in _rows for part in row], gap=0.2).style({"overflow-x": "auto"}),
        ],
        gap=0.6,
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md("""
    ## Family
    Click any picture to go back to it. Thick lines lead from its ancestors to the current picture.
    """)
    return


@app.cell
def _(breeder, shown, tree):
    shown
    tree.svg = cppn.family_tree(breeder.family)
    tree
    return


@app.cell(hide_code=True)
def _(files_ask):
    motion_ask = page.controls(cppn.motion_options(files_ask.value["animate"]))
    loop = page.loop()
    mo.md("""
    ## Animate
    A walk says what each frame shows: where one looks, the latent vector, or the weights. Every walk ends where it began,
    so the loop has no seam. A field whose only inputs are *spiral* and *theta* can be zoomed into without end.
    """)
    return loop, motion_ask


@app.cell
def _(motion_ask, shown):
    motion = motion_ask.value
    walk = cppn.walk_for(motion["walk"], shown, motion["reach"], motion["path"])  # t in [0, 1] -> a recipe
    return motion, walk


@app.cell
def _(loop, motion, walk):
    # The page draws it by its own shader, at the display's rate; without a graphics processor Python draws it.
    loop.widget.show(cppn.seen_on(walk), motion["frames"] / motion["fps"])
    return


@app.cell(hide_code=True)
def _(breeder, loop, motion, motion_ask, walk):
    _form = {"zoom": ["walk", "reach"], "latent": ["walk", "path"], "weights": ["walk"]}[motion["walk"]]
    _count, _side, _ending = motion["frames"], int(motion["side"]), f".{motion['format']}"
    _make = partial(cppn.animation_file, walk, _count, (_side, _side), motion["fps"], _ending)
    _file = page.File("The animation", f"{_count} frames of {_side} pixels", _make)
    _panel = page.panel(motion_ask, first=[*_form, "frames", "fps", "side", "format"])
    _name = f"{breeder.stem}-{motion['walk']}{_ending}"
    page.beside(mo.vstack([_panel, page.take_home({_name: _file})], gap=0.8), loop)
    return


@app.cell(hide_code=True)
def _():
    paper_ask = page.Ask(dict(paper=cppn.PAPER))
    mo.md("""
    ## Print
    The picture is *drawn* at this size, not enlarged: more pixels show more of the same function.
    """)
    return (paper_ask,)


@app.cell
def _(files_ask, paper_ask, shown):
    paper, samples = paper_ask.value["paper"], files_ask.value["supersample"]
    print_size = files_ask.value["size"] if paper == "own" else tuple(map(int, paper.split("x")))
    cost = cppn.estimate(shown.spec, print_size, supersample=samples)
    return cost, paper, print_size, samples


@app.cell(hide_code=True)
def _(breeder, cost, files_ask, paper, paper_ask, print_size, samples, shown):
    _w, _h = print_size
    _make = partial(cppn.print_file, shown, print_size, supersample=samples)
    _file = page.File("The print", f"{_w} × {_h} pixels, with its recipe", _make)
    _asked = page.panel(files_ask, first=["supersample", "size"] if paper == "own" else ["supersample"])
    _costs = f"""About **{cost.seconds:,.0f} seconds** and **{cost.bytes / 1e6:,.0f} MB** of memory besides the file
        itself, on this machine; {_w / 300 * 2.54:.0f} × {_h / 300 * 2.54:.0f} cm at 300 dpi."""
    _files = page.take_home({f"{breeder.stem}-{_w}x{_h}.png": _file})
    mo.vstack([page.row(page.panel(paper_ask), _asked), mo.md(_costs), _files], gap=0.6)
    return


@app.cell(hide_code=True)
def _():
    volume_ask = page.Ask(volumes.growth_options())
    growing = page.live(verb="Fill space", height=40, brief=True)
    solid_view = page.volume()
    mo.md("""
    ## Volumes
    Give the network a third coordinate, $z$, and it fills space: at each place a colour, and from one more output a density.
    Layers in a row and webs keep the picture above: it is the plane $z = 0$ of the volume. Press **Fill space**, then drag to
    turn it, cut it open, and move the cross in the slices. When you lift the hand, the network itself draws the slices and a
    cut across an axis, finer than the voxels.
    """)
    return growing, solid_view, volume_ask


@app.cell
def _(growing, shown, volume_ask):
    # `volumes.grow` yields the voxels (D, H, W, 4), coarse at first. Any field will do: cppn.FieldSpec(seed=7)
    _options = {"voxels": int(volume_ask.value["voxels"]), "envelope": volume_ask.value["envelope"]}
    _how = {"show": volumes.growth_panels, "start": False, "aside": True}
    grown = growing.play(volumes.grow, shown.spec, **_options, **_how)
    return (grown,)


@app.cell
def _(grown, growing, solid_view):
    growing  # the volume below follows, also while it grows
    solid_view.follow(grown, volumes.growth_view)
    return


@app.cell(hide_code=True)
def _(breeder, files_ask, motion, shown, volume_ask):
    # For the page, or as the command line asks for them.
    _asked, _here, _ending = files_ask.value, volume_ask.value, f".{motion['format']}"
    _voxels = _asked["volume"] or int(_here["voxels"])
    _shape = {"voxels": _voxels, "envelope": (_asked if _asked["volume"] else _here)["envelope"]}
    _still, _turn = (partial(_make, shown.spec, **_shape) for _make in (volumes.still_file, volumes.turntable_file))
    volume_files = {
        f"{breeder.stem}-volume.png": page.File("The volume", "a still picture", _still),
        f"{breeder.stem}-turntable{_ending}": page.File("Turntable", "once around", partial(_turn, ending=_ending)),
    }
    for _end, _title in volumes.ENDINGS.items():
        _name = f"{breeder.stem}-volume{_end}"
        _make = partial(volumes.volume_file, shown.spec, **_shape, ending=_end, path=page.out_file(_name))
        volume_files[_name] = page.File(_title, "colour and density", _make)
    return (volume_files,)


@app.cell(hide_code=True)
def _(grown, growing, solid_view, volume_ask, volume_files):
    growing
    _grown = [solid_view, page.take_home(volume_files)] if grown.step else []
    mo.vstack([page.panel(volume_ask, across=True), growing, *_grown], gap=0.6)
    return


@app.cell(hide_code=True)
def _(breeder):
    name_text = mo.ui.text(placeholder="Name", label="Keep what you see as", max_length=80)
    keeping = page.actions({"Keep it": lambda: breeder.keep(name_text.value)})
    kept = page.gallery(breeder.open_favourite, {"Remove": breeder.forget}, columns=6)
    upload = page.upload(
        filetypes=[".png", ".json"], kind="area", max_size=60 << 20, label="Drop a PNG or JSON that Atelier saved"
    )
    mo.md("""
    ## Keep
    A picture carries its recipe: save it, and drop the file here to continue from it later.
    """)
    return keeping, kept, name_text, upload


@app.cell(hide_code=True)
def _(breeder, upload):
    loaded = upload.name()
    if loaded:
        with breeder.telling():
            breeder.load(upload.contents(), loaded)
    return (loaded,)


@app.cell
def _(breeder, browser_shelf, kept, shown):
    browser_shelf, shown
    favourites = breeder.favourites()
    kept.show([cppn.thumbnail(recipe) for recipe in favourites.values()], list(favourites))
    return (favourites,)


@app.cell(hide_code=True)
def _(breeder, favourites, files_ask, motion, shown, volume_files):
    # On the page each is a button; a script writes the first two, and what --grid and --animate ask for.
    _asked, _ending, _title = files_ask.value, f".{motion['format']}", "{} × {} pixels, with its recipe"
    _size, _grid, _kind = _asked["size"], _asked["grid"], _asked["animate"]
    _print = partial(cppn.print_file, shown, _size, supersample=_asked["supersample"])
    _sheet = partial(cppn.siblings_file, shown, _grid or (4, 4), breeder.strength)
    _kept = partial(cppn.favourites_file, favourites)
    _files = {
        f"{breeder.stem}.png": page.File("The picture", _title.format(*_size), _print),
        "recipe.json": page.File("The recipe", "all that makes the picture", partial(cppn.to_file, shown)),
        f"{breeder.stem}-siblings.png": page.File("Siblings", "a sheet of them", _sheet, _grid is not None),
        f"{breeder.stem}.html": page.File("A page", "to roam by itself", partial(cppn.page_file, shown), written=False),
        f"{breeder.stem}.glsl": page.File(
            "For ShaderToy", "the network as a shader", partial(cppn.shadertoy_file, shown), written=False
        ),
        "favourites.json": page.File("All favourites", "to load them elsewhere", _kept, written=False),
    }
    if _kind != "none":
        _walk = cppn.walk_for(_kind, shown)
        _make = partial(cppn.animation_file, _walk, motion["frames"], _size, motion["fps"], _ending)
        _files[f"{breeder.stem}-{_kind}{_ending}"] = page.File("Animation", "a loop", _make)
    _files |= volume_files if _asked["volume"] else {}
    _told = {"size": _size} | ({"volume": _asked["volume"]} if _asked["volume"] else {})
    files = page.take_home(_files, lambda: breeder.summary() | _told)
    return (files,)


@app.cell(hide_code=True)
def _(browser_shelf, favourites, files, keeping, kept, name_text, note, upload):
    _where = "Favourites are kept in `favourites.json`, in the data folder."
    if page.session().visitor:
        _where = "Favourites stay in *this browser*; the server keeps none. Take them with you to have them in another."
        if not browser_shelf.works:
            _where = "**This browser keeps nothing** (its storage is full or switched off): take the favourites home."
    _none = mo.md("*Nothing kept yet.* **Keep** puts what you see here, with its window.")
    _name = mo.hstack([name_text, keeping], justify="start", gap=1, wrap=True, align="end")
    mo.vstack([_name, note, kept if favourites else _none, mo.md(_where), files, upload], gap=0.7)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## How it works
    A **compositional pattern-producing network** (CPPN, Stanley 2007) is a function from a place to a colour. Ask it at
    $(x, y)$, and it answers red, green and blue. A picture is made of its answers at all pixels. Nobody teaches the
    network: its weights are *drawn at random*, and you choose.

    - **Why there are shapes at all.** Each layer mixes smooth waves and bends them by a curve (sine, bump, tanh). Neighbouring
      places get nearly equal numbers all the way through, so the result is smooth; where the bending folds, edges appear.
    - **What the inputs do.** Given $r$, the distance from the centre, a network can draw rings. Given a sine of $x$, it repeats.
      Folding the plane before the network sees it makes mirrors, rosettes and tiles.
    - **Why zooming in never ends in pixels.** There are none. Zooming asks the same function at places closer together, and
      what you see is computed there, not enlarged.
    - **Who draws it.** The network is also written as a *shader*, a program for your own graphics processor, which draws
      while your hand moves. Deeper than zoom 1,500 its 32-bit numbers no longer tell the points apart; from there on the
      Python draws with 64 bits.
    - **What it does not promise.** A smooth function looked at closely enough is nearly flat: zoom a thousand times into most
      fields, and one soft gradient is left. Only fields made of *spiral* and *theta* look the same at every
      power of two, and repeat without end. Coordinates are 64-bit numbers, which suffice for a zoom of up to about
      10¹² at the centre.
    - **Breeding.** A child has its parent's weights, turned by a small angle towards other random ones, and sometimes another
      curve, input or palette. Crossing takes wiring, inputs and colours each from one parent, and weights from between
      them. You are the judge, as in *Picbreeder* (Secretan et al., 2008).

    ## Try this
    Open the notebook with `marimo edit apps/cppn_explorer.py` and change a line; the page follows.

    1. Replace `cppn.begin(**begin_ask.value)` by `cppn.FieldSpec(seed=3, topology="mlp")`: layers in a row in place of a random
       web. Add `symmetry="kaleidoscope"`.
    2. Or write `cppn.FieldSpec(inputs=("spiral", "theta"), cycles=4)` there, and zoom in: the picture never ends.
    3. Replace the call of `cppn.walk_for` by `cppn.window_walk(shown, cppn.WHOLE.replace(x=0.5, zoom=4))`, and play the loop:
       a walk of your own.
    """)
    return


if __name__ == "__main__":
    app.run()
