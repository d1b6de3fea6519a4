"use strict";
(() => {
  const TICKS = [0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 88, 90, 92, 93, 94, 95, 96, 97, 98, 99];
  const MARGIN = { left: 58, right: 16, top: 16, bottom: 46 };
  const STRIP = 34; // pixels for scores of minus infinity
  const REACH = 18; // how far from the pointer a point is looked for
  const BUCKET = 18; // side of the squares of the spatial lookup
  const RAMP = [[53, 65, 138], [57, 122, 178], [79, 172, 158], [196, 178, 66], [222, 127, 24]];
  const TITLES = { params: "parameters", flops: "multiply-adds", accuracy: "accuracy" };
  const HINT = "Point at an architecture to see its details.";
  const data = JSON.parse(document.getElementById("points").textContent);
  const byId = (id) => document.getElementById(`scatter-${id}`);
  const [plot, detail, cell, legend] = ["plot", "detail", "cell", "legend"].map(byId);
  const choices = Object.fromEntries(
    ["set", "view", "cost", "proxy", "other", "colour", "top", "index"].map((name) => [name, byId(name)]),
  );
  const [ground, mark] = plot.querySelectorAll("canvas");
  const unpacked = new Map();
  let view = null; // the points that are shown, and where they lie
  let current = -1;
  let held = false;

{% include "cell.js" %}

  async function once(text) {
    if (!unpacked.has(text)) unpacked.set(text, await unpack(text));
    return unpacked.get(text);
  }

  async function column(packed) {
    const buffer = await once(packed.values);
    return packed.type === "f8" ? new Float64Array(buffer) : new Float32Array(buffer);
  }

  async function show() {
    const set = data.sets[choices.set.value];
    const proxy = set.proxies[choices.proxy.value];
    const other = set.proxies[choices.other.value];
    const columns = { arch: set.arch, accuracy: set.accuracy, score: proxy, second: other };
    for (const name of ["params", "flops", "official"]) if (set[name]) columns[name] = set[name];
    const read = await Promise.all(Object.values(columns).map(column));
    const points = Object.fromEntries(Object.keys(columns).map((name, i) => [name, read[i]]));
    points.names = JSON.parse(new TextDecoder().decode(await once(data.names[set.names])));
    const { score, accuracy } = points;
    const scored = [...score.keys()].filter((i) => !Number.isNaN(score[i]) && !Number.isNaN(accuracy[i]));
    const byScore = [...scored].sort((a, b) => score[a] - score[b] || accuracy[a] - accuracy[b]);
    const byAccuracy = [...scored].sort((a, b) => accuracy[a] - accuracy[b] || a - b);
    const places = (order) => new Map(order.map((i, place) => [i, place]));
    view = {
      ...points, set, proxy, other, scored, byScore, byAccuracy,
      scorePlace: places(byScore), accuracyPlace: places(byAccuracy), kind: choices.view.value,
    };
    const best = byScore.slice().reverse().slice(0, Math.max(0, Number(choices.top.value) || 0));
    view.top = new Set(best);
    Object.assign(view, { cost: axisOfCost, score: axisOfScore, pair: axesOfPair }[view.kind]());
    view.known = scored.filter((i) => !Number.isNaN(view.xs[i]) && !Number.isNaN(view.ys[i]));
    view.front = view.kind === "cost" ? frontOf(view) : [];
    caption(best);
    for (const [name, kinds] of [["cost", "cost"], ["other", "pair"]]) {
      choices[name].closest("label").hidden = view.kind !== kinds;
    }
    layOut();
    const named = choices.index.value.trim();
    if (named) lookUp();
    else {
      held = false;
      select(-1);
    }
  }

  function caption(best) {
    const { set, scored, known, score, accuracy, proxy, byAccuracy } = view;
    const count = (number) => number.toLocaleString("en");
    const infinite = scored.filter((i) => score[i] === -Infinity).length;
    const parts = [`${count(scored.length)} of ${set.count} architectures of ${set.space} have a score and an accuracy.`];
    if (infinite) {
      parts.push(`${count(infinite)} have a score of −∞${view.kind === "score" ? " (in the strip on the left)" : ""}.`);
    }
    if (best.length) {
      const found = best.map((i) => accuracy[i]);
      const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
      parts.push(`Ringed: the ${best.length} highest by ${proxy.name}, accuracy ${mean.toFixed(2)} % on average and ${Math.max(...found).toFixed(2)} % at most; the best of all has ${accuracy[byAccuracy.at(-1)].toFixed(2)} %.`);
    }
    if (view.front.length) parts.push(`Line: the ${view.front.length} that none beats at a lower cost.`);
    if (view.kind === "pair") parts.push(`Spearman’s ρ of the two is ${agreement(known).toFixed(3)}.`);
    byId("caption").textContent = parts.join(" ");
  }

  // Accuracy is drawn linear in the logarithm of the error, as in the figures.
  const height = (percent) => -Math.log10(Math.max(100 - percent, 0.01));

  function ofAccuracy() {
    const ticks = TICKS.map((tick) => [height(tick), `${tick}`]);
    return { ys: view.accuracy.map(height), yTitle: `${view.set.outcome} (%)`, yTicks: () => ticks };
  }

  function axisOfCost() {
    const name = choices.cost.value;
    const powers = (low, high) => {
      const found = [];
      for (let power = Math.floor(low); power <= high; power += 1) {
        for (const step of [1, 2, 5]) found.push([power + Math.log10(step), shortNumber(step * 10 ** power)]);
      }
      return found;
    };
    const xs = Float64Array.from(view[name], (value) => (value > 0 ? Math.log10(value) : NaN));
    return { ...ofAccuracy(), xs, xTitle: `${TITLES[name]}, logarithmic`, xTicks: powers };
  }

  function axisOfScore() {
    const ticks = (low, high, count) => roundNumbers(low, high, count).map((tick) => [tick, shortNumber(tick)]);
    return { ...ofAccuracy(), xs: view.score, xTitle: `${view.proxy.name} score`, xTicks: ticks };
  }

  function axesOfPair() {
    const shares = [0, 25, 50, 75, 100].map((share) => [share, `${share} %`]);
    const [xs, ys] = [view.score, view.second].map(shareBelow);
    return {
      xs, ys, xTitle: `share ranked lower by ${view.proxy.name}`, yTitle: `share ranked lower by ${view.other.name}`,
      xTicks: () => shares, yTicks: () => shares,
    };
  }

  // Equal values share their mean rank.
  function ranksOf(values, among) {
    const order = [...among].sort((a, b) => values[a] - values[b]);
    const ranks = new Map();
    for (let start = 0; start < order.length;) {
      let end = start;
      while (end < order.length && values[order[end]] === values[order[start]]) end += 1;
      for (let place = start; place < end; place += 1) ranks.set(order[place], (start + end - 1) / 2);
      start = end;
    }
    return ranks;
  }

  function shareBelow(values) {
    const ranks = ranksOf(values, [...values.keys()].filter((i) => !Number.isNaN(values[i])));
    return Float64Array.from(values, (_, i) => (ranks.has(i) ? (100 * ranks.get(i)) / Math.max(ranks.size - 1, 1) : NaN));
  }

  function agreement(known) {
    const [a, b] = [view.score, view.second].map((values) => ranksOf(values, known));
    const centre = (known.length - 1) / 2;
    let [products, first, second] = [0, 0, 0];
    for (const i of known) {
      const [x, y] = [a.get(i) - centre, b.get(i) - centre];
      products += x * y;
      first += x * x;
      second += y * y;
    }
    return products / Math.sqrt(first * second);
  }

  function frontOf({ xs, ys, known }) {
    const found = [];
    for (const i of [...known].sort((a, b) => xs[a] - xs[b] || ys[b] - ys[a])) {
      if (!found.length || ys[i] > ys[found.at(-1)]) found.push(i);
    }
    return found;
  }

  function layOut() {
    const { width, height: tall } = plot.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [ground, mark]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    const { known, xs, ys } = view;
    const finite = known.filter((i) => Number.isFinite(xs[i]));
    const strip = finite.length < known.length ? STRIP : 0;
    const x = scale(finite.map((i) => xs[i]), MARGIN.left + strip, width - MARGIN.right);
    const y = scale(known.map((i) => ys[i]), tall - MARGIN.bottom, MARGIN.top);
    const px = new Float32Array(xs.length);
    const py = new Float32Array(xs.length);
    const buckets = new Map();
    known.forEach((i, order) => {
      const spread = ((order * 0.618034) % 1) * (STRIP - 16) + 4;
      px[i] = Number.isFinite(xs[i]) ? x.at(xs[i]) : MARGIN.left + spread;
      py[i] = y.at(ys[i]);
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
    const { width, tall, px, py, known, top, front } = view;
    const pen = ground.getContext("2d");
    pen.clearRect(0, 0, width, tall);
    drawAxes(pen);
    const many = known.length > 3000;
    const radius = many ? 1.7 : 3;
    const shade = shades();
    pen.globalAlpha = many ? (shade ? 0.6 : 0.38) : 0.75;
    pen.fillStyle = colour("accent");
    for (const i of known) {
      if (shade) pen.fillStyle = shade(i);
      pen.beginPath();
      pen.arc(px[i], py[i], radius, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 1.2;
    pen.beginPath();
    front.forEach((i, at) => (at ? (pen.lineTo(px[i], py[front[at - 1]]), pen.lineTo(px[i], py[i])) : pen.moveTo(px[i], py[i])));
    pen.stroke();
    pen.strokeStyle = colour("mark");
    pen.lineWidth = 1.8;
    for (const i of top) {
      if (!Number.isFinite(py[i]) || !px[i]) continue;
      pen.beginPath();
      pen.arc(px[i], py[i], 5, 0, 7);
      pen.stroke();
    }
    drawMark();
  }

  function drawAxes(pen) {
    const { width, tall, strip, x, y } = view;
    pen.font = "12px system-ui, sans-serif";
    pen.strokeStyle = colour("rule");
    pen.fillStyle = colour("muted");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    let last = Infinity;
    for (const [value, text] of view.yTicks(y.low, y.high)) {
      const at = y.at(value);
      if (value < y.low || value > y.high || last - at < 22) continue;
      last = at;
      line(pen, MARGIN.left, at, width - MARGIN.right, at);
      pen.fillText(text, MARGIN.left - 8, at);
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const bottom = tall - MARGIN.bottom;
    last = -Infinity;
    for (const [value, text] of view.xTicks(x.low, x.high, Math.max(5, Math.min(9, width / 90)))) {
      const at = x.at(value);
      if (value < x.low || value > x.high || at - last < 44) continue;
      last = at;
      line(pen, at, bottom, at, bottom + 4);
      pen.fillText(text, at, bottom + 7);
    }
    if (strip) {
      pen.fillText("−∞", MARGIN.left + STRIP / 2 - 3, bottom + 7);
      line(pen, MARGIN.left + STRIP - 5, MARGIN.top, MARGIN.left + STRIP - 5, bottom);
    }
    pen.fillStyle = colour("ink");
    pen.textBaseline = "bottom";
    pen.fillText(view.xTitle, (MARGIN.left + width) / 2, tall - 4);
    pen.save();
    pen.translate(14, (MARGIN.top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(view.yTitle, 0, 0);
    pen.restore();
  }

  // The colour of each point, from blue to orange by rank; null where all have one colour.
  function shades() {
    const name = choices.colour.value;
    const values = view[name];
    legend.hidden = !values;
    if (!values) return null;
    const there = view.known.filter((i) => !Number.isNaN(values[i]));
    const ranks = ranksOf(values, there);
    const [low, high] = [Math.min, Math.max].map((end) => there.reduce((found, i) => end(found, values[i]), values[there[0]]));
    legend.querySelector(".low").textContent = `${TITLES[name]} ${shortNumber(low)}`;
    legend.querySelector(".high").textContent = shortNumber(high);
    return (i) => {
      const at = ((ranks.get(i) ?? 0) / Math.max(ranks.size - 1, 1)) * (RAMP.length - 1);
      const [from, to] = [RAMP[Math.floor(at)], RAMP[Math.ceil(at)]];
      return `rgb(${from.map((part, k) => Math.round(part + (at % 1) * (to[k] - part))).join()})`;
    };
  }

{% include "selecting.js" %}
})();
