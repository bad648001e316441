/* A stream's picture: the frame as a JPEG, and its labels coloured here, so that opacity and classes are this page's own. */
const Pictures = (() => {
  const text = new TextDecoder();

  async function inflate(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Header length (uint32), header (JSON), JPEG, labels (zlib). */
  async function decode(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(text.decode(new Uint8Array(buffer, 4, length)));
    const jpeg = new Uint8Array(buffer, 4 + length, header.jpeg_bytes);
    const packed = new Uint8Array(buffer, 4 + length + header.jpeg_bytes);
    const [image, labels] = await Promise.all([createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })), inflate(packed)]);
    return { header, image, labels };
  }

  class Picture {
    constructor(stream, number) {
      this.stream = stream;
      this.look = null;
      this.frame = null;
      this.drawn = 0;
      this.colors = new Uint32Array(256);
      this.figure = document.createElement("figure");
      this.figure.className = "tile";
      this.figure.dataset.stream = number;
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `Labels over ${stream.name}`);
      this.caption = document.createElement("figcaption");
      this.caption.textContent = stream.name;
      this.wait = document.createElement("div");
      this.wait.className = "wait";
      this.wait.textContent = "waiting for a frame";
      this.under = document.createElement("div");
      this.under.className = "under";
      this.under.hidden = true;
      this.figure.append(this.canvas, this.wait, this.caption, this.under);
      this.tint = document.createElement("canvas");
      this.canvas.addEventListener("pointermove", (event) => this.point(event));
      this.canvas.addEventListener("pointerdown", (event) => this.point(event));
      this.canvas.addEventListener("pointerleave", () => { this.under.hidden = true; });
    }

    /* Opacity 0 to 1, and names of classes that are hidden. */
    setLook(opacity, hidden) {
      this.opacity = opacity;
      this.stream.classes.forEach(({ name, color_rgb: [red, green, blue] }, label) => {
        this.colors[label] = hidden.has(name) ? 0 : (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
      });
      this.tinted = false;
      this.draw();
    }

    take(frame) {
      if (this.frame) this.frame.image.close();
      this.frame = frame;
      this.tinted = false;
      this.wait.hidden = true;
      const [height, width] = frame.header.size_hw;
      for (const canvas of [this.canvas, this.tint]) {
        if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      }
      this.draw();
      this.drawn += 1;
      this.canvas.dataset.drawn = this.drawn;
      this.canvas.dataset.index = frame.header.index;
      this.caption.textContent = `${this.stream.name} · frame ${frame.header.index} · ${frame.header.latency_ms.toFixed(1)} ms`;
    }

    draw() {
      if (!this.frame) return;
      const { width, height } = this.canvas;
      if (!this.tinted) {
        const pixels = new ImageData(width, height);
        const words = new Uint32Array(pixels.data.buffer);
        const { labels } = this.frame, { colors } = this;
        for (let place = 0; place < words.length; place += 1) words[place] = colors[labels[place]];
        this.tint.getContext("2d").putImageData(pixels, 0, 0);
        this.tinted = true;
      }
      const context = this.canvas.getContext("2d");
      context.globalAlpha = 1;
      context.drawImage(this.frame.image, 0, 0, width, height);
      context.globalAlpha = this.opacity;
      context.drawImage(this.tint, 0, 0);
    }

    /* Say what lies under the pointer. */
    point(event) {
      if (!this.frame) return;
      const { width, height } = this.canvas;
      const box = this.canvas.getBoundingClientRect();
      const scale = Math.min(box.width / width, box.height / height);
      const left = (box.width - width * scale) / 2, top = (box.height - height * scale) / 2;
      const x = Math.floor((event.clientX - box.left - left) / scale), y = Math.floor((event.clientY - box.top - top) / scale);
      const inside = x >= 0 && y >= 0 && x < width && y < height;
      const found = inside ? this.stream.classes[this.frame.labels[y * width + x]] : undefined;
      this.under.hidden = !found;
      if (!found) return;
      const home = this.figure.getBoundingClientRect();
      this.under.textContent = found.name;
      this.under.style.left = `${event.clientX - home.left}px`;
      this.under.style.top = `${event.clientY - home.top}px`;
      this.under.style.borderColor = `rgb(${found.color_rgb.join(",")})`;
    }
  }

  return { Picture, decode };
})();
