"use strict";

/* Charts of the last minutes: lines in SVG, drawn anew every second. */
const Charts = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const HEIGHT = 84, LEFT = 0, TOP = 10, BOTTOM = 14;

  const percent = (digits) => (value) => `${(100 * value).toFixed(digits)} %`;
  const round = (value) => `${Number(value.toPrecision(3))}`;
  const short = (value) => `${Number((100 * value).toPrecision(3))} %`;
  const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

  /* A point is [time_s, fps, p50_ms, p99_ms, dropped, tc, flicker, disagreement]. */
  const KINDS = [
    { name: "latency", title: "Latency p50", second: "p99", fields: [2, 3], show: ms, axis: (value) => `${round(value)} ms`, least: 1 },
    { name: "fps", title: "Frames per second", fields: [1], show: (value) => value.toFixed(1), least: 1 },
    { name: "dropped", title: "Dropped per second", fields: [4], show: (value) => value.toFixed(0), least: 4 },
    { name: "tc", title: "Running tc", fields: [5], show: percent(1), axis: short, top: 1, floats: true },
    { name: "flicker", title: "Running flicker", fields: [6], show: percent(2), axis: short, least: 0.002 },
    { name: "disagreement", title: "Disagreement", fields: [7], show: percent(2), axis: short, least: 0.002, shadow: true },
  ];

  function element(name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  class Chart {
    constructor(kind, title) {
      this.kind = kind;
      this.points = [];
      this.figure = document.createElement("figure");
      this.figure.className = "chart";
      this.figure.dataset.chart = kind.name;
      const caption = document.createElement("figcaption");
      const label = document.createElement("span");
      label.textContent = title;
      this.value = document.createElement("b");
      caption.append(label, this.value);
      this.svg = element("svg", { role: "img", "aria-label": title });
      this.figure.append(caption, this.svg);
      this.cursor = null;
      this.svg.addEventListener("pointermove", (event) => { this.cursor = event.offsetX; this.draw(); });
      this.svg.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
    }

    show(points, seconds) {
      this.points = points;
      this.seconds = seconds;
      this.draw();
    }

    draw() {
      const { kind, points, svg } = this;
      const width = this.figure.clientWidth || 240;
      svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      svg.replaceChildren();
      const now = points.length ? points[points.length - 1][0] : 0;
      const shown = points.filter((point) => now - point[0] <= this.seconds);
      const values = shown.flatMap((point) => kind.fields.map((field) => point[field])).filter((value) => value !== null && value !== undefined);
      if (!values.length) {
        this.value.textContent = "–";
        svg.append(element("line", { class: "grid", x1: LEFT, x2: width, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
        svg.append(element("text", { class: "none", x: width / 2, y: HEIGHT / 2 }, "nothing yet"));
        return;
      }
      const [low, high] = this.limits(values);
      const x = (time) => width - (now - time) / this.seconds * (width - LEFT);
      const y = (value) => HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
      for (const value of [low, high]) {
        svg.append(element("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
        svg.append(element("text", { x: LEFT, y: y(value) - 3 }, (kind.axis || round)(value)));
      }
      svg.append(element("text", { x: LEFT, y: HEIGHT - 2 }, `${this.seconds / 60} min ago`));
      svg.append(element("text", { x: width, y: HEIGHT - 2, "text-anchor": "end" }, "now"));
      kind.fields.forEach((field, number) => {
        const runs = lines(shown, field);
        if (number === 0) for (const run of runs) svg.append(element("path", { class: "area", d: `${path(run, field, x, y)}L${x(run[run.length - 1][0])},${y(low)}L${x(run[0][0])},${y(low)}Z` }));
      });
      kind.fields.forEach((field, number) => {
        for (const run of lines(shown, field)) svg.append(element("path", { class: `line s${number}`, d: path(run, field, x, y) }));
      });
      let at = shown[shown.length - 1];
      if (this.cursor !== null) {
        const time = now - (width - this.cursor) / (width - LEFT) * this.seconds;
        at = shown.reduce((best, point) => Math.abs(point[0] - time) < Math.abs(best[0] - time) ? point : best);
        svg.append(element("line", { class: "cross", x1: x(at[0]), x2: x(at[0]), y1: TOP, y2: HEIGHT - BOTTOM }));
      }
      this.tell(at, this.cursor !== null ? now : at[0]);
    }

    tell(point, now) {
      const [first, second] = this.kind.fields.map((field) => point[field]);
      const known = (value) => value === null || value === undefined ? "–" : this.kind.show(value);
      const ago = Math.round(now - point[0]);
      this.value.replaceChildren(ago ? `${known(first)} · ${ago} s ago` : known(first));
      if (this.kind.fields.length > 1) {
        const small = document.createElement("span");
        small.className = "second";
        small.textContent = `${this.kind.second} ${known(second)}`;
        this.value.append(small);
      }
    }

    limits(values) {
      const { kind } = this;
      const most = Math.max(...values), least = Math.min(...values);
      if (kind.floats) {
        const low = Math.max(0, Math.floor((least - 0.01) * 50) / 50);
        return [low, kind.top];
      }
      return [0, nice(Math.max(most, kind.least))];
    }
  }

  /* Runs of neighbouring points that have a value. */
  function lines(points, field) {
    const runs = [[]];
    for (const point of points) {
      if (point[field] === null || point[field] === undefined) runs.push([]);
      else runs[runs.length - 1].push(point);
    }
    return runs.filter((run) => run.length);
  }

  function path(run, field, x, y) {
    return run.map((point, index) => `${index ? "L" : "M"}${x(point[0]).toFixed(1)},${y(point[field]).toFixed(1)}`).join("") + (run.length === 1 ? "h.1" : "");
  }

  /* The next of 1, 1.5, 2, 3, 5, 7.5 times a power of ten. */
  function nice(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * power >= value * 0.9999);
  }

  function make(shadow) {
    return KINDS.filter((kind) => shadow || !kind.shadow).map((kind) => new Chart(kind, kind.title));
  }

  return { make };
})();
