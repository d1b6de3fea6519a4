"use strict";
(() => {
  const TICKS = [0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 88, 90, 92, 93, 94, 95, 96, 97, 98, 99];
  const MARGIN = { left: 58, right: 14, top: 14, bottom: 44 };
  const STRIP = 34; // pixels for scores of minus infinity
  const REACH = 18; // how far from the pointer a point is looked for
  const BUCKET = 18; // side of the squares of the spatial lookup
  const data = JSON.parse(document.getElementById("points").textContent);
  const byId = (id) => document.getElementById(`scatter-${id}`);
  const [plot, detail, cell] = ["plot", "detail", "cell"].map(byId);
  const [chooseSet, chooseProxy, chooseIndex] = ["set", "proxy", "index"].map(byId);
  const [ground, mark] = plot.querySelectorAll("canvas");
  const unpacked = new Map();
  let view = null; // the points that are shown, and where they lie
  let current = -1;
  let held = false;

  async function unpack(text) {
    if (!unpacked.has(text)) {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(text, await new Response(stream).arrayBuffer());
    }
    return unpacked.get(text);
  }

  async function column(packed) {
    const buffer = await unpack(packed.values);
    return packed.type === "f8" ? new Float64Array(buffer) : new Float32Array(buffer);
  }

  async function show() {
    const set = data.sets[chooseSet.value];
    const proxy = set.proxies[chooseProxy.value];
    const [arch, accuracy, score] = await Promise.all([set.arch, set.accuracy, proxy].map(column));
    const names = JSON.parse(new TextDecoder().decode(await unpack(data.names[set.names])));
    const known = [...score.keys()].filter((i) => !Number.isNaN(score[i]) && !Number.isNaN(accuracy[i]));
    const byScore = [...known].sort((a, b) => score[a] - score[b] || accuracy[a] - accuracy[b]);
    const byAccuracy = [...known].sort((a, b) => accuracy[a] - accuracy[b] || a - b);
    const places = (order) => new Map(order.map((i, place) => [i, place]));
    view = {
      set, proxy, arch, accuracy, score, names, known, byScore, byAccuracy,
      scorePlace: places(byScore), accuracyPlace: places(byAccuracy),
    };
    const infinite = known.filter((i) => score[i] === -Infinity).length;
    byId("caption").textContent =
      `${known.length.toLocaleString("en")} of ${set.count} architectures of ${set.space} have a score and an accuracy` +
      (infinite ? `, ${infinite.toLocaleString("en")} of them with a score of −∞ (in the strip on the left).` : ".");
    held = false;
    layOut();
    select(-1);
  }

  // Accuracy is drawn linear in the logarithm of the error, as in the figures.
  const height = (percent) => -Math.log10(Math.max(100 - percent, 0.01));

  function layOut() {
    const { width, height: tall } = plot.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [ground, mark]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    const { known, score, accuracy } = view;
    const finite = known.filter((i) => Number.isFinite(score[i]));
    const strip = finite.length < known.length ? STRIP : 0;
    const x = scale(finite.map((i) => score[i]), MARGIN.left + strip, width - MARGIN.right);
    const y = scale(known.map((i) => height(accuracy[i])), tall - MARGIN.bottom, MARGIN.top);
    const px = new Float32Array(score.length);
    const py = new Float32Array(score.length);
    const buckets = new Map();
    known.forEach((i, order) => {
      const spread = ((order * 0.618034) % 1) * (STRIP - 16) + 4;
      px[i] = Number.isFinite(score[i]) ? x.at(score[i]) : MARGIN.left + spread;
      py[i] = y.at(height(accuracy[i]));
      const key = bucket(px[i], py[i]);
      if (!buckets.has(key)) buckets.set(key, []);
      buckets.get(key).push(i);
    });
    Object.assign(view, { width, tall, strip, x, y, px, py, buckets });
    draw();
  }

  function scale(values, from, to) {
    let [low, high] = values.length ? [Infinity, -Infinity] : [0, 1];
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const margin = (high - low || 1) * 0.03;
    low -= margin;
    high += margin;
    return { low, high, at: (value) => from + ((value - low) / (high - low)) * (to - from) };
  }

  const bucket = (px, py) => `${Math.floor(px / BUCKET)},${Math.floor(py / BUCKET)}`;
  const colour = (name) => getComputedStyle(plot).getPropertyValue(`--${name}`).trim();

  function draw() {
    const { width, tall, strip, x, y, px, py, known, proxy, set } = view;
    const pen = ground.getContext("2d");
    pen.clearRect(0, 0, width, tall);
    pen.font = "12px system-ui, sans-serif";
    pen.strokeStyle = colour("rule");
    pen.fillStyle = colour("muted");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    let last = Infinity;
    for (const tick of TICKS) {
      const h = height(tick);
      const at = y.at(h);
      if (h < y.low || h > y.high || last - at < 22) continue;
      last = at;
      line(pen, MARGIN.left, at, width - MARGIN.right, at);
      pen.fillText(`${tick}`, MARGIN.left - 8, at);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const bottom = tall - MARGIN.bottom;
    for (const tick of roundNumbers(x.low, x.high, Math.max(5, Math.min(9, width / 90)))) {
      line(pen, x.at(tick), bottom, x.at(tick), bottom + 4);
      pen.fillText(shortNumber(tick), x.at(tick), bottom + 7);
    }
    if (strip) {
      pen.fillText("−∞", MARGIN.left + STRIP / 2 - 3, bottom + 7);
      line(pen, MARGIN.left + STRIP - 5, MARGIN.top, MARGIN.left + STRIP - 5, bottom);
    }
    pen.fillStyle = colour("ink");
    pen.textBaseline = "bottom";
    pen.fillText(`${proxy.name} score`, (MARGIN.left + width) / 2, tall - 4);
    pen.save();
    pen.translate(14, (MARGIN.top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(`${set.outcome} (%)`, 0, 0);
    pen.restore();
    const many = known.length > 3000;
    const radius = many ? 1.6 : 2.8;
    pen.globalAlpha = many ? 0.38 : 0.6;
    pen.fillStyle = colour("accent");
    for (const i of known) {
      pen.beginPath();
      pen.arc(px[i], py[i], radius, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    drawMark();
  }

  function line(pen, x0, y0, x1, y1) {
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }

  function drawMark() {
    const pen = mark.getContext("2d");
    pen.clearRect(0, 0, view.width, view.tall);
    if (current < 0) return;
    const [at, up] = [view.px[current], view.py[current]];
    pen.strokeStyle = colour("rule-strong");
    pen.lineWidth = 1;
    line(pen, MARGIN.left, up, at, up);
    line(pen, at, up, at, view.tall - MARGIN.bottom);
    pen.beginPath();
    pen.arc(at, up, held ? 7 : 5.5, 0, 7);
    pen.fillStyle = colour("mark");
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = colour("surface");
    pen.stroke();
  }

  function roundNumbers(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step);
    return found;
  }

  function shortNumber(value) {
    const options = Math.abs(value) >= 1e5 ? { notation: "compact" } : {};
    return value.toLocaleString("en", { maximumSignificantDigits: 4, ...options }).replace("-", "−");
  }

  function nearest(at, up) {
    let [found, best] = [-1, REACH * REACH];
    for (let dx = -BUCKET; dx <= BUCKET; dx += BUCKET) {
      for (let dy = -BUCKET; dy <= BUCKET; dy += BUCKET) {
        for (const i of view.buckets.get(bucket(at + dx, up + dy)) ?? []) {
          const distance = (view.px[i] - at) ** 2 + (view.py[i] - up) ** 2;
          if (distance < best) [found, best] = [i, distance];
        }
      }
    }
    return found;
  }

  function select(i) {
    current = i;
    drawMark();
    const [hint, list] = [detail.querySelector(".hint"), detail.querySelector("dl")];
    hint.hidden = i >= 0;
    list.hidden = i < 0;
    cell.toggleAttribute("hidden", i < 0);
    if (i < 0) return;
    const { arch, names, score, accuracy, byScore, byAccuracy } = view;
    const rank = (place, order) => `rank ${(order.length - place).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
    const digits = { maximumSignificantDigits: 7 };
    const value = score[i] === -Infinity ? "−∞" : score[i].toLocaleString("en", digits).replace("-", "−");
    const fields = {
      index: `${arch[i]}`,
      score: `${value}, ${rank(firstEqual(byScore, score, i, view.scorePlace), byScore)}`,
      accuracy: `${accuracy[i].toFixed(2)} %, ${rank(firstEqual(byAccuracy, accuracy, i, view.accuracyPlace), byAccuracy)}`,
      name: names[i],
    };
    for (const [name, text] of Object.entries(fields)) {
      detail.querySelector(`[data-field="${name}"]`).textContent = text;
    }
    drawCell(names[i]);
  }

  // Equal values share the best of their ranks.
  function firstEqual(order, values, i, places) {
    let place = places.get(i);
    while (place + 1 < order.length && values[order[place + 1]] === values[i]) place += 1;
    return place;
  }

  // Edges with operations, as |op~source|+|op~source|op~source|, or nodes with operations and
  // the nodes they read, as op~source~source+…
  function parse(name) {
    const parts = name.split("+");
    if (name.startsWith("|")) {
      const edges = parts.flatMap((part, node) =>
        part.split("|").filter(Boolean).map((entry) => {
          const [operation, source] = entry.split("~");
          return { source: Number(source), target: node + 1, operation };
        }));
      return { nodes: ["in", ...parts.slice(1).map((_, i) => `${i + 1}`), "out"], edges };
    }
    const nodes = ["in"];
    const edges = parts.flatMap((part, node) => {
      const [operation, ...sources] = part.split("~");
      nodes.push(operation);
      return sources.map((source) => ({ source: Number(source), target: node + 1, operation: "" }));
    });
    return { nodes, edges };
  }

  const readable = (operation) =>
    operation.replace(/^nor_/, "").replace(/-bn-relu$/, "").replaceAll("_", " ").replace(/(\d)x(\d)/, "$1×$2")
      .replace("skip connect", "skip").replace(/(conv|pool)(\d)/, "$1 $2");

  function add(tag, attributes, text = "") {
    const element = document.createElementNS(cell.namespaceURI, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    cell.append(element);
    return element;
  }

  function drawCell(name) {
    cell.replaceChildren();
    const { nodes, edges } = parse(name);
    const there = edges.filter((edge) => edge.operation !== "none" && edge.source >= 0 && edge.source < edge.target);
    const middle = 112;
    const step = (360 - 56) / Math.max(nodes.length - 1, 1);
    const at = (node) => 28 + node * step;
    const labels = [];
    for (const edge of there) {
      const span = edge.target - edge.source;
      const down = span === 2 && edge.source % 2 === 1;
      const rise = span === 1 ? 0 : (down ? 1 : -1) * (span - 1) * (nodes.length > 4 ? 26 : 62);
      const [from, to] = [at(edge.source), at(edge.target)];
      const path = `M${from},${middle} Q${(from + to) / 2},${middle + rise * 1.5} ${to},${middle}`;
      add("path", { d: path, class: `edge ${family(edge.operation)}` });
      if (edge.operation) {
        labels.push([(from + to) / 2, middle + rise * 0.75 - (rise ? -4 : 8), readable(edge.operation)]);
      }
    }
    nodes.forEach((node, i) => {
      const short = node.length > 3;
      add("circle", { cx: at(i), cy: middle, r: short ? 9 : 13, class: short ? `node ${family(node)}` : "node" });
      if (short) labels.push([at(i), middle + (i % 2 ? 40 : 26), readable(node)]);
      else add("text", { x: at(i), y: middle + 4, class: "number" }, node);
    });
    for (const [x, y, text] of labels) add("text", { x, y, class: "operation" }, text);
    const told = there.map((edge) => `${nodes[edge.source]} to ${nodes[edge.target]} ${readable(edge.operation)}`);
    cell.setAttribute("aria-label", `Cell: ${told.join(", ") || "all edges are none"}`);
  }

  function family(operation) {
    const kinds = [["skip", "skip"], ["3x3", "large"], ["1x1", "small"], ["pool", "pool"]];
    const pool = /pool/.test(operation);
    return pool ? "pool" : (kinds.find(([part]) => operation.includes(part)) ?? ["", "other"])[1];
  }

  function step(order, places, by) {
    const start = current < 0 ? (by > 0 ? -1 : order.length) : places.get(current);
    select(order[Math.max(0, Math.min(order.length - 1, start + by))]);
  }

  const keys = {
    ArrowRight: () => step(view.byScore, view.scorePlace, 1),
    ArrowLeft: () => step(view.byScore, view.scorePlace, -1),
    ArrowUp: () => step(view.byAccuracy, view.accuracyPlace, 1),
    ArrowDown: () => step(view.byAccuracy, view.accuracyPlace, -1),
    Home: () => select(view.byScore[0]),
    End: () => select(view.byScore.at(-1)),
    Escape: () => { held = false; select(-1); },
  };

  function pointed(event) {
    const box = plot.getBoundingClientRect();
    return nearest(event.clientX - box.left, event.clientY - box.top);
  }

  function offerProxies() {
    const kept = chooseProxy.selectedOptions[0]?.textContent;
    const set = data.sets[chooseSet.value];
    chooseProxy.replaceChildren(...set.proxies.map((proxy, i) => new Option(proxy.name, i, false, proxy.name === kept)));
  }

  chooseSet.addEventListener("change", () => { offerProxies(); show(); });
  chooseProxy.addEventListener("change", show);
  chooseIndex.addEventListener("input", () => {
    const wanted = view && chooseIndex.value !== "" ? view.known.find((i) => view.arch[i] === Number(chooseIndex.value)) : undefined;
    held = wanted !== undefined;
    select(wanted ?? -1);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!view || held) return;
    const found = pointed(event);
    if (found !== current) select(found);
  });
  plot.addEventListener("pointerleave", () => { if (view && !held) select(-1); });
  plot.addEventListener("click", (event) => {
    if (!view) return;
    const found = pointed(event);
    held = found >= 0 && !(held && found === current);
    select(found);
  });
  plot.addEventListener("keydown", (event) => {
    if (!view || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  new ResizeObserver(() => view && layOut()).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view && draw());

  if ("DecompressionStream" in window) {
    offerProxies();
    show();
  } else {
    detail.querySelector(".hint").textContent =
      "This browser cannot decompress the points (it does not support DecompressionStream); the figures below show the same data.";
  }
})();
