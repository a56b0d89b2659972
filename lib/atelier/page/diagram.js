// An SVG whose parts with tabindex and data-node can be chosen, by mouse and by keyboard.

function render({ model, el }) {
  const send = sender(model);
  const stage = element("div", { class: "drawing" });
  el.replaceChildren(element("div", { class: "atelier diagram" }, stage));
  const part = (event) => event.target.closest?.("[data-node][tabindex]");
  stage.onclick = (event) => { const node = part(event); if (node) send("choose", node.dataset.node); };
  stage.onkeydown = (event) => {
    const node = part(event);
    if (!node || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    send("choose", node.dataset.node);
  };
  const draw = () => { stage.innerHTML = model.get("svg"); };
  const forget = listen(model, { "change:svg": draw });
  draw();
  return forget;
}

export default { render };
