// An SVG whose parts with tabindex and data-node can be chosen, by mouse and by keyboard.

function render({ model, el }) {
  const send = sender(model);
  const drawing = element("div", { class: "drawing" });
  const told = problemLine(model);
  el.replaceChildren(element("div", { class: "atelier diagram" }, drawing, told.node));
  const part = (event) => event.target.closest?.("[data-node][tabindex]");
  drawing.onclick = (event) => { const node = part(event); if (node) send("choose", node.dataset.node); };
  drawing.onkeydown = (event) => {
    const node = part(event);
    if (!node || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    send("choose", node.dataset.node);
  };
  const draw = () => { drawing.innerHTML = model.get("svg"); };
  const forget = listen(model, { "change:svg": draw });
  draw();
  return () => { forget(); told.forget(); };
}

export default { render };
