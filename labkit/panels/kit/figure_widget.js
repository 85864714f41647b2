// A picture at the resolution of the screen, which reports where the pointer is in the coordinates of its axes.
const PAUSE = 60; // ms between two reports
const AWAY = 12; // pixels from a point to its numbers
const PATIENCE = 2000; // ms to wait for an answer before another report

// What is at the fractions (u, v) of the picture, from its upper left corner; null outside all axes.
function locate(axes, u, v) {
  const number = axes.findIndex(({ box: [left, top, right, bottom] }) => left <= u && u <= right && top <= v && v <= bottom);
  if (number < 0) return null;
  const { box: [left, top, right, bottom], x, y } = axes[number];
  return { axes: number, x: value(x, (u - left) / (right - left)), y: value(y, (bottom - v) / (bottom - top)) };
}

function value([low, high, logarithmic], part) {
  return logarithmic ? low * (high / low) ** part : low + (high - low) * part;
}

// Where numbers stand: right or left of their point, below or above it if the picture is too narrow; never over it.
function beside(place, [width, height], [wide, high]) {
  const [x, y] = [place[0] * width, place[1] * height];
  if (x + AWAY + wide <= width) return [x + AWAY, y - high / 2];
  if (x - AWAY - wide >= 0) return [x - AWAY - wide, y - high / 2];
  const left = Math.max(0, Math.min(x - wide / 2, width - wide));
  return [left, y + AWAY + high <= height ? y + AWAY : y - AWAY - high];
}

function render({ model, el }) {
  const image = document.createElement("img");
  image.className = "widget-image";
  const tip = document.createElement("div");
  tip.className = "labkit-tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  el.classList.add("labkit-figure");
  el.append(image, tip);

  let address = "";
  const draw = () => {
    const before = address;
    address = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    image.onload = () => { URL.revokeObjectURL(before); measure(); };
    image.src = address;
  };
  const name = () => { image.alt = model.get("alt"); };
  const measure = () => {
    const pixels = Math.round(image.clientWidth * window.devicePixelRatio);
    if (!pixels || pixels === model.get("pixels")) return;
    model.set("pixels", pixels);
    model.save_changes();
  };

  let here = null, asked = 0, timer = 0;
  const where = (event) => {
    const box = image.getBoundingClientRect();
    return locate(model.get("axes"), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  const hide = () => { tip.hidden = true; image.style.cursor = ""; };
  const report = () => {
    timer = 0;
    if (!here) return;
    if (Date.now() - asked < PATIENCE) { timer = setTimeout(report, PAUSE); return; }
    asked = Date.now();
    model.send({ event: "hover", ...here });
  };
  image.addEventListener("pointermove", (event) => {
    here = where(event);
    if (!here) hide();
    else if (!timer) timer = setTimeout(report, PAUSE);
  });
  image.addEventListener("pointerleave", () => { here = null; hide(); });
  // a click comes in whole pixels, which would hit another point of a dense cloud than the one whose numbers are shown
  image.addEventListener("pointerup", (event) => { here = where(event); });
  image.addEventListener("click", (event) => {
    const at = here ?? where(event);
    if (at) model.send({ event: "click", ...at });
  });
  const answer = ({ text, place, clickable }) => {
    asked = 0;
    if (!here || !text) { hide(); return; }
    image.style.cursor = clickable ? "pointer" : "";
    tip.textContent = text;
    tip.style.left = tip.style.top = "0";
    tip.hidden = false;
    const [left, top] = beside(place, [image.clientWidth, image.clientHeight], [tip.offsetWidth, tip.offsetHeight]);
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  };

  model.on("change:value", draw);
  model.on("change:alt", name);
  model.on("msg:custom", answer);
  const resized = new ResizeObserver(() => { clearTimeout(resized.timer); resized.timer = setTimeout(measure, 200); });
  resized.observe(image);
  draw();
  name();
  return () => { resized.disconnect(); clearTimeout(timer); URL.revokeObjectURL(address); };
}

export default { render };
