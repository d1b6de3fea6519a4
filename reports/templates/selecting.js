// Selecting one architecture, by pointer, key or name, and what can be chosen; part of scatter.js.
  function line(pen, x0, y0, x1, y1) {
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }

  function drawMark() {
    const pen = mark.getContext("2d");
    pen.clearRect(0, 0, view.width, view.tall);
    if (current < 0 || !view.px[current]) return;
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

  function select(i, hint = HINT) {
    current = i;
    drawMark();
    const [note, list] = [detail.querySelector(".hint"), detail.querySelector("dl")];
    note.textContent = hint;
    note.hidden = i >= 0;
    list.hidden = i < 0;
    cell.toggleAttribute("hidden", i < 0);
    if (i < 0) return;
    const { arch, names, score, accuracy, byScore, byAccuracy, params, flops } = view;
    const rank = (place, order) => `rank ${(order.length - place).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
    const exact = (value) => value.toLocaleString("en", { maximumSignificantDigits: 7 }).replace("-", "−");
    const value = score[i] === -Infinity ? "−∞" : exact(score[i]);
    const cost = [[params, "parameters"], [flops, "multiply-adds"]]
      .filter(([values]) => values && !Number.isNaN(values[i])).map(([values, title]) => `${values[i].toLocaleString("en")} ${title}`);
    const fields = {
      index: `${arch[i]}`,
      score: `${value}, ${rank(firstEqual(byScore, score, i, view.scorePlace), byScore)}`,
      accuracy: `${accuracy[i].toFixed(2)} %, ${rank(firstEqual(byAccuracy, accuracy, i, view.accuracyPlace), byAccuracy)}`,
      cost: cost.join(", ") || "not known",
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

  function lookUp() {
    if (!view) return;
    const text = choices.index.value.trim();
    const found = text ? placeOf(text, view) : -1;
    held = view.scorePlace.has(found);
    select(held ? found : -1, text ? "No architecture of this plot has that name." : HINT);
  }

  function pointed(event) {
    const box = plot.getBoundingClientRect();
    return nearest(event.clientX - box.left, event.clientY - box.top);
  }

  // Offers what the data set has; what was chosen stays, by its name.
  function offer() {
    const set = data.sets[choices.set.value];
    for (const [name, usual] of [["proxy", 0], ["other", 1]]) {
      const kept = choices[name].selectedOptions[0]?.textContent ?? chosen.get(name);
      const at = set.proxies.findIndex((proxy) => proxy.name === kept);
      const wanted = at < 0 ? Math.min(usual, set.proxies.length - 1) : at;
      choices[name].replaceChildren(...set.proxies.map((proxy, i) => new Option(proxy.name, i, false, i === wanted)));
    }
    for (const option of choices.cost.options) option.disabled = !set[option.value];
    for (const option of choices.colour.options) option.disabled = option.value in TITLES && !set[option.value];
    const costs = [...choices.cost.options].filter((option) => !option.disabled);
    choices.view.querySelector('[value="cost"]').disabled = !costs.length;
    if (!costs.length && choices.view.value === "cost") choices.view.value = "score";
    if (costs.length && choices.cost.selectedOptions[0]?.disabled) choices.cost.value = costs[0].value;
  }

  const told = (name) => (["proxy", "other"].includes(name) ? choices[name].selectedOptions[0].textContent : choices[name].value);

  function keep(...names) {
    remember(Object.fromEntries(names.map((name) => [name, told(name)])));
  }

  for (const name of ["view", "cost", "colour", "top", "set", "index"]) {
    const field = choices[name];
    const known = field.options ? [...field.options].some((option) => option.value === chosen.get(name)) : true;
    if (chosen.has(name) && known) field.value = chosen.get(name);
    if (name === "index") continue;
    field.addEventListener("change", () => {
      if (name === "set") offer();
      keep(name);
      show();
    });
  }
  for (const name of ["proxy", "other"]) {
    choices[name].addEventListener("change", () => { keep(name); show(); });
  }
  choices.index.addEventListener("input", () => { keep("index"); lookUp(); });
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
    choices.index.value = held ? view.arch[found] : "";
    keep("index");
  });
  plot.addEventListener("keydown", (event) => {
    if (!view || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  byId("csv").addEventListener("click", () => {
    const { arch, names, accuracy, score, second, proxy, other } = view;
    const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
    const columns = { index: arch, architecture: names.map(quoted), accuracy, [proxy.name]: score, [other.name]: second };
    for (const name of ["params", "flops"]) if (view[name]) columns[name] ??= view[name];
    const lines = view.known.map((i) => Object.values(columns).map((values) => values[i]).join());
    save([Object.keys(columns).map(quoted).join(), ...lines, ""].join("\n"), `${view.set.space}-${proxy.name}.csv`);
  });
  new ResizeObserver(() => view && layOut()).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view && draw());

  if ("DecompressionStream" in window) {
    offer();
    show();
    const ours = Object.keys(choices).some((name) => chosen.has(name));
    if (ours) document.getElementById("scatter").scrollIntoView();
  } else {
    detail.querySelector(".hint").textContent =
      "This browser cannot decompress the points (it does not support DecompressionStream); the figures below show the same data.";
  }
