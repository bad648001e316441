/* The page: connects, shows streams, classes and figures, and connects again when the connection is lost. */
(() => {
  const KEPT_S = 600, SPANS = [120, 600];
  const MEANING = { streaming: "good", starting: "open", waiting: "open", ended: "", frozen: "bad", failed: "bad" };
  const at = (id) => document.getElementById(id);

  let socket = null, streams = [], pictures = [], charts = [], histories = [], hello = null;
  let shown = null, focus = 0, seconds = SPANS[0], opacity = 0.5, pause = 500;
  const hidden = new Set();

  function connect() {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => typeof event.data === "string" ? take(JSON.parse(event.data)) : draw(event.data);
    socket.onclose = again;
  }

  async function again() {
    const ended = streams.length && streams.every((stream) => stream.state === "ended" || stream.state === "failed");
    if (ended) say("The run has ended; the last picture stays.");
    else { say("The connection is lost; trying again."); badge("connection lost", "bad"); }
    try {
      const answer = await fetch("/healthz", { cache: "no-store" });
      if (answer.status === 401) { location.reload(); return; }
    } catch { /* nobody is there */ }
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, 8000);
  }

  function take(message) {
    pause = 500;
    if (message.kind === "hello") begin(message); else tick(message);
  }

  function send(message) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  async function draw(buffer) {
    let number = null;
    try {
      const length = new DataView(buffer).getUint32(0, true);
      number = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))).stream;
      const frame = await Pictures.decode(buffer);
      if (pictures[number]) pictures[number].take(frame);
    } finally {
      if (number !== null) send({ drawn: number });
    }
  }

  function begin(message) {
    say("");
    hello = message;
    streams = message.streams;
    histories = streams.map((stream) => stream.history.slice());
    pictures = streams.map((stream, number) => new Pictures.Picture(stream, number));
    if (shown !== null && shown >= streams.length) shown = null;
    if (focus >= streams.length) focus = 0;
    if (streams.length === 1) shown = 0;
    pictures.forEach((picture, number) => picture.canvas.addEventListener("click", () => { focus = number; arrange(); }));
    charts = Charts.make(message.shadow);
    at("charts").replaceChildren(...charts.map((chart) => chart.figure));
    const { model, backend, threads } = message.facts;
    at("model").textContent = model || "etc-edge";
    document.title = `${model || "etc-edge"} · preview`;
    at("facts").textContent = [backend, threads && `${threads} ${threads === 1 ? "thread" : "threads"}`, streams.length === 1 && streams[0].name].filter(Boolean).join(" · ") || "starting";
    at("streams").hidden = streams.length < 2;
    look();
    arrange();
  }

  /* Which streams are shown, and whose classes and figures. */
  function arrange() {
    const visible = streams.map((_, number) => number).filter((number) => shown === null || number === shown);
    at("tiles").style.setProperty("--columns", Math.ceil(Math.sqrt(visible.length)) || 1);
    at("tiles").replaceChildren(...visible.map((number) => pictures[number].figure));
    pictures.forEach((picture, number) => picture.figure.classList.toggle("focus", shown === null && streams.length > 1 && number === focus));
    const choices = [[null, "All"], ...streams.map((stream, number) => [number, stream.name])];
    at("streams").replaceChildren(...choices.map(([number, name]) => button(name, shown === number, () => { shown = number; if (number !== null) focus = number; arrange(); })));
    at("of").textContent = streams.length > 1 ? `of ${streams[focus].name}` : "";
    watch();
    legend();
    figures();
  }

  function button(text, pressed, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-pressed", pressed);
    made.addEventListener("click", action);
    return made;
  }

  /* A page that nobody sees asks for no pictures. */
  function watch() {
    const visible = streams.map((_, number) => number).filter((number) => shown === null || number === shown);
    send({ watch: document.hidden ? [] : visible });
  }

  function legend() {
    const classes = streams.length ? streams[focus].classes : [];
    at("legend").replaceChildren(...classes.map(({ name, color_rgb: color }) => {
      const row = document.createElement("li");
      const made = button("", !hidden.has(name), () => { if (!hidden.delete(name)) hidden.add(name); look(); });
      made.dataset.class = name;
      made.addEventListener("dblclick", () => { classes.forEach((other) => hidden.add(other.name)); hidden.delete(name); look(); });
      const [swatch, label, share, bar, fill] = ["span", "span", "span", "span", "i"].map((tag) => document.createElement(tag));
      swatch.className = "swatch"; swatch.style.background = `rgb(${color.join(",")})`;
      label.className = "name"; label.textContent = name; label.title = name;
      share.className = "share";
      bar.className = "bar"; bar.append(fill);
      made.append(swatch, label, share, bar);
      row.append(made);
      return row;
    }));
    shares();
  }

  function look() {
    pictures.forEach((picture) => picture.setLook(opacity, hidden));
    for (const row of at("legend").querySelectorAll("button")) row.setAttribute("aria-pressed", !hidden.has(row.dataset.class));
    at("opacity-value").textContent = `${Math.round(100 * opacity)} %`;
  }

  function shares() {
    const found = streams[focus] && streams[focus].shares;
    at("legend").querySelectorAll("button").forEach((row, label) => {
      const share = found ? found[label] : 0;
      row.querySelector(".share").textContent = share >= 0.01 ? `${Math.round(100 * share)} %` : share > 0 ? "<1 %" : "–";
      row.querySelector("i").style.width = `${100 * share}%`;
    });
  }

  function tick(message) {
    message.streams.forEach((now, number) => {
      const stream = streams[number];
      if (!stream) return;
      Object.assign(stream, now);
      const history = histories[number], last = history[history.length - 1];
      if (now.point && (!last || now.point[0] > last[0])) {
        history.push(now.point);
        while (history.length && now.point[0] - history[0][0] > KEPT_S) history.shift();
      }
    });
    const worst = ["failed", "frozen", "waiting", "starting", "streaming", "ended"].find((state) => streams.some((stream) => stream.state === state)) || "starting";
    badge(streams.length > 1 && worst !== "streaming" && worst !== "ended" ? `${streams.find((stream) => stream.state === worst).name}: ${worst}` : worst, MEANING[worst]);
    if (message.shadow_failure) say(message.shadow_failure);
    const { frames, dropped, compared } = streams[focus];
    const numbers = [`${frames.toLocaleString("en")} frames`, `${dropped.toLocaleString("en")} dropped`];
    if (hello.shadow) numbers.push(`${compared.toLocaleString("en")} compared with ${hello.shadow}`);
    numbers.push(`${message.clients} ${message.clients === 1 ? "viewer" : "viewers"}`);
    at("counts").textContent = numbers.join(" · ");
    shares();
    figures();
  }

  function figures() {
    charts.forEach((chart) => chart.show(histories[focus] || [], seconds));
    const events = (streams[focus] && streams[focus].events) || [];
    at("happened").hidden = !events.length;
    at("events").replaceChildren(...events.slice(-6).reverse().map((event) => {
      const row = document.createElement("li"), time = document.createElement("time");
      time.textContent = new Date(1000 * event.time_s).toLocaleTimeString();
      row.append(time, event.text);
      return row;
    }));
  }

  function badge(text, kind) {
    at("state").textContent = text;
    at("state").className = `pill ${kind}`;
  }

  function say(text) {
    at("notice").textContent = text;
    at("notice").hidden = !text;
  }

  at("opacity").addEventListener("input", (event) => { opacity = event.target.value / 100; look(); });
  at("all").addEventListener("click", () => { hidden.clear(); look(); });
  at("none").addEventListener("click", () => { streams.forEach((stream) => stream.classes.forEach(({ name }) => hidden.add(name))); look(); });
  at("fullscreen").addEventListener("click", () => { if (document.fullscreenElement) document.exitFullscreen(); else at("tiles").requestFullscreen(); });
  at("spans").append(...SPANS.map((span) => button(`${span / 60} min`, span === seconds, (event) => {
    seconds = span;
    for (const other of at("spans").children) other.setAttribute("aria-pressed", other === event.target);
    figures();
  })));
  document.addEventListener("visibilitychange", watch);
  addEventListener("resize", figures);
  connect();
})();
