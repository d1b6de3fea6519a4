// The drawing of one architecture, and its name by other encodings; part of scatter.js.
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

  // NASLib's order of operations and of edges, the latter as places in the string.
  const NASLIB = { operations: ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"], edges: [0, 1, 3, 2, 4, 5] };

  // The operations of a cell in the order of its string.
  const operationsOf = (name) => parse(name).edges.map((edge) => edge.operation);

  // The index of a cell counts operation codes, so that its last digit tells the code of the last edge.
  function codesOf({ arch, names }) {
    const every = new Set(names.flatMap(operationsOf));
    const codes = [];
    names.forEach((name, i) => { codes[arch[i] % every.size] = operationsOf(name).at(-1); });
    return codes;
  }

  // The place of an architecture by any of its names, as trainfree show takes them; -1 without one.
  function placeOf(text, points) {
    const { arch, names, official } = points;
    const [kind, rest] = text.includes(":") ? text.split(":", 2) : ["", text];
    if (kind === "official") return official ? official.indexOf(Number(rest)) : -1;
    if (/^[0-9]+$/.test(text)) return arch.indexOf(Number(text));
    const exact = names.indexOf(text);
    if (exact >= 0 || !names[0]?.startsWith("|")) return exact;
    let wanted;
    if (text.startsWith("|")) {
      wanted = parse(text).edges.toSorted((a, b) => a.target - b.target || a.source - b.source).map((edge) => edge.operation);
    } else {
      const parts = rest.replace(/[()[\]'"\s]/g, "").split(",");
      const numbers = parts.every((part) => /^[0-9]+$/.test(part));
      if (kind === "naslib" && numbers) {
        wanted = [];
        NASLIB.edges.forEach((place, at) => { wanted[place] = NASLIB.operations[parts[at]]; });
      } else if (kind === "") {
        wanted = numbers ? parts.map((code) => codesOf(points)[code]) : parts;
      }
    }
    return wanted ? names.findIndex((name) => operationsOf(name).join() === wanted.join()) : -1;
  }
